"""Ranges: which values of a variable are accepted, and how discrete ones are coded."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zarr_fuse.schema.steps import Interval
from zarr_fuse.schema.unit_forms import unit_form
from zarr_fuse.units import DateTimeUnit


@dataclass(frozen=True)
class InfRange:
    """Every value is accepted."""

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values as they are."""
        return values

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values as they are."""
        return values

    def form(self) -> None:
        """The form in a document."""


@dataclass(frozen=True)
class IntervalRange(Interval):
    """Values from `start` to `end`; `low` and `high` are the same bounds as stored values compare."""

    low: Any = field(default=-math.inf, compare=False)
    high: Any = field(default=math.inf, compare=False)

    def inside(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values (times: `datetime64` in the tick of the unit, or counts) are accepted; NaN is not."""
        plain_values = values.view(np.int64) if values.dtype.kind == "M" else values
        return np.asarray((plain_values >= self.low) & (plain_values <= self.high))

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values as they are; ValueError if one is outside."""
        inside = self.inside(values)
        if not inside.all():
            raise ValueError(f"outside {self}: {values[~inside][:10]}")
        return values

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values as they are."""
        return values

    def __str__(self) -> str:
        unit = self.unit.tz if isinstance(self.unit, DateTimeUnit) else str(self.unit)
        return f"[{self.start}, {self.end}]" + (f" {unit}" if unit not in {"dimensionless", ""} else "")

    def form(self) -> dict[str, Any]:
        """The form in a document; open ends are null."""
        ends = [None if bound in {-math.inf, math.inf} else bound for bound in (self.start, self.end)]
        return {"interval": [*ends, unit_form(self.unit)] if ends != [None, None] else []}


@dataclass(frozen=True, eq=False)
class DiscreteRange:
    """A list of labels; arrays hold a label's place in it counted from 1, and 0 for none.

    `codes_to_labels[0]` is the missing value of the variable, so it decodes what 0 stands for.
    """

    codes_to_labels: NDArray[Any]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DiscreteRange) and self.labels == other.labels

    def __hash__(self) -> int:
        return len(self.codes_to_labels)

    @property
    def labels(self) -> list[Any]:
        """The labels as plain values; times as ISO text."""
        labels = self.codes_to_labels[1:]
        plain_labels = np.datetime_as_string(labels) if labels.dtype.kind == "M" else labels
        return list(plain_labels.tolist())

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.intp], NDArray[Any]]:
        order = np.argsort(self.codes_to_labels[1:], kind="stable")
        return order, self.codes_to_labels[1:][order]

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Codes of labels, of any shape; 0 for what is not in the list."""
        array = np.asarray(values)
        order, labels = self._sorted
        place = np.minimum(np.searchsorted(labels, array), len(labels) - 1)
        return np.where(labels[place] == array, order[place] + 1, 0).astype(np.int64)

    def decode(self, codes: ArrayLike) -> NDArray[Any]:
        """Labels of codes, of any shape; the missing value for 0. IndexError for a code beyond the list."""
        return self.codes_to_labels[np.asarray(codes, dtype=np.int64)]

    def form(self) -> dict[str, Any]:
        """The form in a document, a CSV list written out."""
        return {"discrete": self.labels}


AnyRange = InfRange | IntervalRange | DiscreteRange


def plain(value: object) -> object:
    """A date or time that YAML made of a bound or label, as the text it was."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return value.isoformat() if isinstance(value, dt.date) else value


def flags(labels: list[Any]) -> dict[str, Any]:
    """The CF flags of text labels; none for other labels."""
    if not all(isinstance(label, str) for label in labels):
        return {}
    meanings = " ".join("_".join(label.split()) or "_" for label in labels)
    return {"flag_values": list(range(1, len(labels) + 1)), "flag_meanings": meanings}
