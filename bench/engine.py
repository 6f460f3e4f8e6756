"""The measured side: updates by the engine."""

from __future__ import annotations

from pathlib import Path

from bench.cases import Case
from bench.history import everything, frames, opened
from bench.meter import Measurement, Meter
from bench.survey import NODE
from zarr_fuse import UpdateReport


def engine(case: Case, folder: Path, meter: Meter) -> Measurement:
    """Every frame a transaction of its own, or all of them one."""
    node = opened(case, folder)[NODE]
    meter.opened()
    if case.kind == "together":
        parts = list(frames(case, folder))
        with meter.update(), node.root.transaction() as transaction:
            for frame in parts:
                transaction[NODE].update(frame)
        _note(meter, transaction.reports[-1])
        return meter.finish()
    for frame in frames(case, folder):
        meter.found.frame_bytes = int(frame.estimated_size())
        with meter.update():
            report = node.update(frame)
        _note(meter, report)
    return meter.finish()


def one_frame(case: Case, folder: Path, meter: Meter) -> Measurement:
    """The rows of all frames at once."""
    node = opened(case, folder)[NODE]
    frame = everything(case).frame()
    with meter.update():
        report = node.update(frame)
    _note(meter, report)
    return meter.finish()


def _note(meter: Meter, report: UpdateReport) -> None:
    if report.rejected_counts:
        raise ValueError(f"the engine rejected rows: {report.rejected_counts}")
    meter.found.requests.append(report.requests)
    meter.found.chunks.append(report.chunks_written)
