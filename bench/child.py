"""One process of a run: `python -m bench.child build|SIDE CASE FOLDER quick|full`, prints JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bench.cases import Case, Side, cases
from bench.engine import engine, one_frame
from bench.floor import gathered, one_after_the_other
from bench.history import build
from bench.meter import Measurement, Meter
from bench.with_xarray import with_xarray

SIDES: dict[Side, Callable[[Case, Path, Meter], Measurement]] = {
    "engine": engine,
    "one frame": one_frame,
    "gathered": gathered,
    "zarr": one_after_the_other,
    "xarray": with_xarray,
}


def main(act: str, name: str, folder: str, size: str) -> None:
    """Build a history, or measure one side of a case upon it."""
    case = next(case for case in cases(quick=size == "quick") if case.name == name)
    if act == "build":
        build(case, Path(folder))
        return
    found = next(measure for side, measure in SIDES.items() if side == act)(case, Path(folder), Meter())
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
