"""The floor: the same chunks and array metadata written with bare zarr calls, on the same storage.

The cells are dense and their positions known before the clock starts. Nothing is flushed to the disk, no
group is consolidated, no lease, ledger or crash safety: what is left is what any writer has to do.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from obstore.store import LocalStore
from zarr.api.asynchronous import open_group
from zarr.storage import ObjectStore

from bench.cases import Case
from bench.history import STORE, everything, measured, opened
from bench.meter import Measurement, Meter
from bench.survey import NODE, VARIABLES, Grid

Arrays = dict[str, Any]  # name -> zarr array


def one_after_the_other(case: Case, folder: Path, meter: Meter) -> Measurement:
    """zarr's synchronous calls."""
    if case.kind == "new":
        _create(case, folder, meter)
        return meter.finish()
    node = zarr.open_group(_storage(folder), path=NODE, mode="r+", use_consolidated=False)
    arrays: Arrays = {name: node[name] for name in ("time", *VARIABLES)}
    if case.kind == "append":
        for number in range(case.updates):
            cells = _cells(measured(case, number))
            with meter.update():
                _append(arrays, cells)
        return meter.finish()
    cells = _cells(everything(case))
    with meter.update():
        _write(case, arrays, cells)
    return meter.finish()


def gathered(case: Case, folder: Path, meter: Meter) -> Measurement:
    """zarr's asynchronous calls, all arrays at once; appends only."""
    with asyncio.Runner() as runner:
        arrays = runner.run(_opened(folder))
        for number in range(case.updates):
            cells = _cells(measured(case, number))
            with meter.update():
                runner.run(_append_gathered(arrays, cells))
    return meter.finish()


def _storage(folder: Path) -> ObjectStore[LocalStore]:
    return ObjectStore(LocalStore(folder / STORE, mkdir=True))


def _cells(grid: Grid) -> dict[str, NDArray[Any]]:
    return {"time": grid.times, **dict(zip(VARIABLES, grid.values, strict=True))}


def _write(case: Case, arrays: Arrays, cells: dict[str, NDArray[Any]]) -> None:
    if case.kind == "together":
        _append(arrays, cells)
    elif case.kind == "insert":
        _insert(arrays, cells, case.stored // 2)
    elif case.kind == "overlap":
        for name in VARIABLES:
            arrays[name][...] = cells[name]
    else:
        for name in VARIABLES:
            if not np.array_equal(arrays[name][...], cells[name]):
                raise ValueError(f"{name} does not hold what was stored")


def _append(arrays: Arrays, cells: dict[str, NDArray[Any]]) -> None:
    for name, new in cells.items():
        array = arrays[name]
        length = array.shape[0]
        array.resize((length + len(new), *array.shape[1:]))
        array[length:] = new


async def _append_gathered(arrays: Arrays, cells: dict[str, NDArray[Any]]) -> None:
    async def one(array: Any, new: NDArray[Any]) -> None:  # noqa: ANN401 - zarr's AsyncArray
        length = array.shape[0]
        await array.resize((length + len(new), *array.shape[1:]))
        await array.setitem((slice(length, length + len(new)), ...), new)

    await asyncio.gather(*(one(arrays[name], new) for name, new in cells.items()))


async def _opened(folder: Path) -> Arrays:
    node = await open_group(_storage(folder), path=NODE, mode="r+", use_consolidated=False)
    return {name: await node.getitem(name) for name in ("time", *VARIABLES)}


def _insert(arrays: Arrays, cells: dict[str, NDArray[Any]], place: int) -> None:
    for name, new in cells.items():
        array = arrays[name]
        moved = array[place:]
        array.resize((array.shape[0] + len(new), *array.shape[1:]))
        array[place:] = np.concatenate([new, moved])


def _create(case: Case, folder: Path, meter: Meter) -> None:
    """Create and fill all 19 arrays as the engine makes them for this schema."""
    grid = everything(case)
    like = folder / "like"
    opened(case, like)[NODE].update(Grid(grid.times[:1], grid.places, grid.values[:, :1]).frame())
    made = zarr.open_group(_storage(like), path=NODE, mode="r", use_consolidated=False)
    cells: dict[str, Any] = {name: array[...] for name, array in made.arrays()}
    cells |= _cells(grid)
    node = zarr.create_group(_storage(folder), path=NODE)
    with meter.update():
        for name, array in made.arrays():
            _created(node, name, array, cells[name].shape)[...] = cells[name]


def _created(node: zarr.Group, name: str, like: Any, shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - zarr.Array
    return node.create_array(
        name,
        shape=shape,
        chunks=like.chunks,
        dtype=like.dtype,
        fill_value=like.fill_value,
        compressors=like.compressors,
        attributes=dict(like.attrs),
        dimension_names=like.metadata.dimension_names,
    )
