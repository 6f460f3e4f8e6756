"""What became of the rows of one frame: findings while it is converted and merged, and the final report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

LISTED_ROWS = 1000
TEXT_LIMIT = 200


@dataclass(frozen=True)
class RejectedRow:
    """One finding: `row` counts from 0 in the frame as passed, None where it concerns the whole column."""

    row: int | None
    column: str | None
    value: str | None
    kind: str
    message: str


@dataclass(frozen=True)
class UpdateReport:
    """What one update did; `rejected` holds the first 1000 findings, `rejected_counts` counts all."""

    rows_in: int
    rows_merged: int = 0
    rejected: tuple[RejectedRow, ...] = ()
    rejected_counts: Mapping[str, int] = field(default_factory=dict)
    new_labels: Mapping[str, int] = field(default_factory=dict)
    chunks_written: int = 0
    requests: int = 0
    snapshot: str | None = None

    def completed(self, **facts: Any) -> UpdateReport:
        """A copy with what the commit found out, such as `chunks_written`, `requests`, `snapshot`."""
        return replace(self, **facts)


class DeferredReport(UpdateReport):
    """The report of a frame that waits to be merged with others: reading anything of it merges them.

    Args:
        merged: merges what waits, and gives the report.
    """

    _merged: Callable[[], UpdateReport]

    def __init__(self, merged: Callable[[], UpdateReport]) -> None:
        object.__setattr__(self, "_merged", merged)

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - of any field
        if name in _FIELDS:
            return getattr(object.__getattribute__(self, "_merged")(), name)
        return object.__getattribute__(self, name)

    def completed(self, **facts: Any) -> UpdateReport:
        """A copy that waits for nothing."""
        return replace(self._merged(), **facts)


_FIELDS = frozenset(one.name for one in fields(UpdateReport))


@dataclass(frozen=True)
class _Batch:
    """Findings of one kind in one column: how many, and the first of them."""

    kind: str
    column: str | None
    message: str
    count: int
    rows: NDArray[np.int64] | None
    values: tuple[str | None, ...]

    def shifted(self, offset: int) -> _Batch:
        return self if self.rows is None else replace(self, rows=self.rows + offset)

    def listed(self) -> Iterator[RejectedRow]:
        rows: Sequence[int | None] = [None] if self.rows is None else self.rows.tolist()
        for row, value in zip(rows, self.values, strict=True):
            yield RejectedRow(row, self.column, value, self.kind, self.message)

    def sentence(self) -> str:
        """Such as `stage: 3 × out_of_range (…), first in row 7: '41.2'`."""
        place = f"{self.column}: " if self.column is not None else ""
        if self.rows is None:
            return f"{place}{self.kind} ({self.message})"
        first = f"first in row {self.rows[0]}: {self.values[0]!r}"
        return f"{place}{self.count} × {self.kind} ({self.message}), {first}"


class Findings:
    """Collects findings by whole columns; counts all, keeps the first 1000 of each addition."""

    def __init__(self) -> None:
        self._batches: list[_Batch] = []

    def add(
        self,
        kind: str,
        column: str | None,
        rows: ArrayLike | None = None,
        values: object = None,
        message: str = "",
    ) -> None:
        """Add one finding for each of `rows` (any order), or a single one of the whole column for None.

        `values` holds one value a row (array, series or list), or one value for all of them.
        """
        if rows is None:
            self._batches.append(_Batch(kind, column, message, 1, None, (_text(values),)))
            return
        numbers = np.asarray(rows, dtype=np.int64).ravel()
        if not len(numbers):
            return
        order = np.argsort(numbers, kind="stable")[:LISTED_ROWS]
        shown = tuple(_text(value) for value in _taken(values, order))
        self._batches.append(_Batch(kind, column, message, len(numbers), numbers[order], shown))

    def frames_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which of several joined frames each of `rows` comes from; 0 for a single one."""
        return np.zeros_like(rows)

    def extend(self, other: Findings, offset: int = 0) -> None:
        """Take over the findings of another frame whose rows start at row `offset` of this one."""
        self._batches += [batch.shifted(offset) for batch in other._batches]

    def shifted(self, offset: int) -> Findings:
        """A copy with all row numbers raised by `offset`."""
        moved = Findings()
        moved.extend(self, offset)
        return moved

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings of each kind."""
        counts: dict[str, int] = {}
        for batch in self._batches:
            counts[batch.kind] = counts.get(batch.kind, 0) + batch.count
        return counts

    def rejected(self, limit: int = LISTED_ROWS) -> tuple[RejectedRow, ...]:
        """The first findings in row order; those without a row come first."""
        listed = [finding for batch in self._batches for finding in batch.listed()]
        listed.sort(key=lambda finding: -1 if finding.row is None else finding.row)
        return tuple(listed[:limit])

    def problems(self, *, harmless: Sequence[str] = ("column_missing",)) -> list[str]:
        """One sentence for each kind and column, as `UpdateRefusedError.problems` wants them."""
        return [batch.sentence() for batch in self._batches if batch.kind not in harmless]

    def report(
        self, rows_in: int, rows_merged: int = 0, new_labels: Mapping[str, int] | None = None
    ) -> UpdateReport:
        """The report of a frame of `rows_in` rows with these findings."""
        return UpdateReport(rows_in, rows_merged, self.rejected(), self.counts, new_labels or {})

    def __len__(self) -> int:
        return sum(batch.count for batch in self._batches)


class SharedFindings(Findings):
    """Findings of frames that were joined: each goes to its own frame, with the row it has there.

    Args:
        starts: the first row of each frame among all rows, ascending, shape (frames,).
        owners: what collects the findings of each frame.
    """

    def __init__(self, starts: NDArray[np.int64], owners: Sequence[Findings]) -> None:
        super().__init__()
        self._starts = starts
        self._owners = owners

    def frames_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which frame each of `rows` comes from."""
        return np.searchsorted(self._starts, rows, side="right") - 1

    def add(
        self,
        kind: str,
        column: str | None,
        rows: ArrayLike | None = None,
        values: object = None,
        message: str = "",
    ) -> None:
        """Add findings to the frames they belong to; one of a whole column to all."""
        if rows is None:
            for owner in self._owners:
                owner.add(kind, column, None, values, message)
            return
        numbers = np.asarray(rows, dtype=np.int64).ravel()
        frames = self.frames_of(numbers)
        for frame in np.unique(frames).tolist():
            own = np.flatnonzero(frames == frame)
            self._owners[frame].add(
                kind, column, numbers[own] - self._starts[frame], _taken(values, own), message
            )


def _taken(values: object, order: NDArray[np.intp]) -> list[Any]:
    if isinstance(values, (np.ndarray, pl.Series)):
        return list(values[order])
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        return [values[index] for index in order.tolist()]
    return [values] * len(order)


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
