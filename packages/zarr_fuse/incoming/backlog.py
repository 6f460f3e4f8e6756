"""Small frames of one node, kept back so that many of them are converted and merged as one.

What a frame costs beside its rows is a few milliseconds. So in a transaction frames wait, in their order,
until a report of theirs is read or the transaction ends; then those of equal columns and types are joined.
Every frame keeps its own findings, row numbers and report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.incoming.intake import SMALL_BYTES
from zarr_fuse.incoming.rows import Rows
from zarr_fuse.merging.steps import Steps
from zarr_fuse.report import Findings, SharedFindings, UpdateReport
from zarr_fuse.schema import DatasetSchema

JOINED_BYTES = 16 * 2**20  # of frames converted as one

Kind: TypeAlias = tuple[tuple[str, ...], tuple[Any, ...]]
"""Names and types of the columns."""


@dataclass
class Waiting:
    """One frame that waits; `report` is there once it is merged."""

    frame: pl.DataFrame
    kind: int
    findings: Findings = field(default_factory=Findings)
    report: UpdateReport | None = None


@dataclass(frozen=True)
class Batch:
    """Frames of one kind, in order."""

    frames: Sequence[Waiting]

    def joined(self) -> pl.DataFrame:
        """All rows."""
        return pl.concat([one.frame for one in self.frames], rechunk=True)

    @property
    def starts(self) -> NDArray[np.int64]:
        """The first row of each frame among all rows, shape (frames,)."""
        return np.cumsum([0, *(one.frame.height for one in self.frames[:-1])])

    def findings(self) -> SharedFindings:
        """Findings of the joined rows that go to the frame of each."""
        return SharedFindings(self.starts, [one.findings for one in self.frames])

    def complete(self, rows: Rows, new_labels: Mapping[str, NDArray[np.int64]]) -> None:
        """Give every frame its report.

        Args:
            rows: those merged.
            new_labels: by coordinate how many labels each frame was the first to bring, shape (frames,).
        """
        origin = np.empty(0, dtype=np.int64) if rows.frames is None else rows.frames
        merged = np.bincount(origin, minlength=len(self.frames)).tolist()
        counts = {name: labels.tolist() for name, labels in new_labels.items()}
        for place, one in enumerate(self.frames):
            gained = {name: count[place] for name, count in counts.items()} if merged[place] else {}
            one.report = one.findings.report(one.frame.height, merged[place], gained)


class Backlog:
    """The frames of one node that wait, in order of arrival."""

    def __init__(self) -> None:
        self._kinds: dict[Kind, int] = {}
        self._waiting: list[Waiting] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def kind(self, frame: pl.DataFrame) -> int | None:
        """The number of a small frame's kind, None where it is not known to be convertible."""
        if not self._kinds or frame.estimated_size() > SMALL_BYTES:
            return None
        return self._kinds.get(_kind(frame))

    def learn(self, frame: object, schema: DatasetSchema) -> None:
        """Remember that frames of this kind can be converted, where they may wait at all."""
        if isinstance(frame, pl.DataFrame) and may_wait(schema):
            self._kinds.setdefault(_kind(frame), len(self._kinds))

    def put(self, frame: pl.DataFrame, kind: int) -> Waiting:
        """Let a frame wait; the caller may change its own afterwards."""
        self._waiting.append(Waiting(frame.clone(), kind))
        return self._waiting[-1]

    def batches(self) -> Iterator[Batch]:
        """All frames that wait, which end to do so."""
        waiting, self._waiting = self._waiting, []
        for _, run in groupby(waiting, key=lambda one: one.kind):
            yield from map(Batch, _cut(run))


def may_wait(schema: DatasetSchema) -> bool:
    """Whether it makes no difference to the frames of a node if they are merged together.

    It does where the first frame fixes a type, and where steps are counted from the last label of the frame
    before.
    """
    is_typed = all(variable.type is not None for variable in schema.incoming)
    return is_typed and not any(
        coord.step_limits.no_new or Steps.of(coord) for coord in schema.COORDS.values()
    )


def _kind(frame: pl.DataFrame) -> Kind:
    return tuple(frame.columns), tuple(frame.dtypes)


def _cut(run: Iterator[Waiting]) -> Iterator[list[Waiting]]:
    part, size = list[Waiting](), 0.0
    for one in run:
        part.append(one)
        size += one.frame.estimated_size()
        if size >= JOINED_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
