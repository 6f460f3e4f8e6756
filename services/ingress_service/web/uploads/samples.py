"""The first rows of a table that comes in parts, to be converted on trial."""

from __future__ import annotations

import io
import sys

import polars as pl

SAMPLE_ROWS = 1000
TRIAL_BYTES = 32 << 20
"""Rows up to this size, as held in memory, are converted when nothing but a report is wanted."""


class Sample:
    """The first rows of a table that comes in parts; at least one part is kept, if only for its columns."""

    def __init__(self, *, trial: bool) -> None:
        self._max_rows = sys.maxsize if trial else SAMPLE_ROWS
        self.frames: list[pl.DataFrame] = []
        self.held_bytes = 0
        self._rows = 0
        self._full = False

    def add(self, frame: pl.DataFrame) -> None:
        """Keep what is needed of the next part."""
        if not self._full:
            kept = frame if frame.height <= self._max_rows - self._rows else self._begin_of(frame)
            self.frames.append(kept)
            self._rows += kept.height
            self.held_bytes += int(kept.estimated_size())
            self._full = self._rows >= self._max_rows or self.held_bytes >= TRIAL_BYTES
        elif missing := [name for name in frame.columns if name not in self.frames[0].columns]:
            self.frames.append(frame.select(missing).clear())

    def _begin_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that are still needed, without the memory of the others."""
        begin = io.BytesIO()
        frame.head(self._max_rows - self._rows).write_ipc_stream(begin)
        begin.seek(0)
        return pl.read_ipc_stream(begin)

    def frame(self) -> pl.DataFrame:
        """The rows, with the columns of all parts."""
        return self.frames[0] if len(self.frames) == 1 else pl.concat(self.frames, how="diagonal_relaxed")
