"""The measured side: updates by the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from bench.cases import Case
from bench.history import FRAME, measured, opened
from bench.meter import Measurement, Meter
from bench.survey import NODE
from zarr_fuse import UpdateReport


def engine(case: Case, folder: Path, meter: Meter) -> Measurement:
    """Every frame a transaction of its own, or all of them one."""
    node = opened(case, folder)[NODE]
    if case.kind == "together":
        frames = [measured(case, number).frame() for number in range(case.updates)]
        with meter.update(), node.root.transaction() as transaction:
            for frame in frames:
                transaction[NODE].update(frame)
        _note(meter, transaction.reports[-1])
        return meter.finish()
    for frame in _frames(case, folder):
        meter.found.frame_bytes = int(frame.estimated_size())
        with meter.update():
            report = node.update(frame)
        _note(meter, report)
    return meter.finish()


def one_frame(case: Case, folder: Path, meter: Meter) -> Measurement:
    """The rows of all frames at once."""
    node = opened(case, folder)[NODE]
    frame = pl.concat([measured(case, number).frame() for number in range(case.updates)])
    with meter.update():
        report = node.update(frame)
    _note(meter, report)
    return meter.finish()


def _frames(case: Case, folder: Path) -> Iterator[pl.DataFrame]:
    if case.updates == 1:
        yield pl.read_ipc(folder / FRAME)
        return
    for number in range(case.updates):
        yield measured(case, number).frame()


def _note(meter: Meter, report: UpdateReport) -> None:
    if report.rejected_counts:
        raise ValueError(f"the engine rejected rows: {report.rejected_counts}")
    meter.found.requests.append(report.requests)
    meter.found.chunks.append(report.chunks_written)
