"""One process of a run: builds a history, or measures one side of a case upon it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.cases import Case, Side, cases
from bench.engine import engine, one_frame
from bench.floor import gathered, one_after_the_other
from bench.history import build, write_frame
from bench.meter import Measurement, Meter
from bench.with_xarray import with_xarray

SIDES: dict[Side, Callable[[Case, Path, Meter], Measurement]] = {
    "engine": engine,
    "one frame": one_frame,
    "gathered": gathered,
    "zarr": one_after_the_other,
    "xarray": with_xarray,
}
PREPARATIONS = {"build": build, "frame": write_frame}


def main(act: str, name: str, folder: str, *, quick: bool) -> dict[str, Any] | None:
    """What a side measured; None after a preparation."""
    case = next(case for case in cases(quick=quick) if case.name == name)
    if act in PREPARATIONS:
        PREPARATIONS[act](case, Path(folder))
        return None
    measure = next(measure for side, measure in SIDES.items() if side == act)
    return asdict(measure(case, Path(folder), Meter()))
