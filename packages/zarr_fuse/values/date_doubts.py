"""Times in numbers whose day, month or year may be meant otherwise, as their column gives away.

What a text means depends on itself and the schema alone. But where another text of the column fits only
the order that the schema does not name, this one was hardly meant as it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.values.time_units import DateTimeUnit

Mask = NDArray[np.bool_]
_FORM = r"(?:^|[^0-9./-])([0-9]{1,2})([-/.])\s?([0-9]{1,2})([-/.])\s?([0-9]{4}|[0-9]{1,2})(?:[^0-9]|$)"
_LATER = "says what is meant"


@dataclass(frozen=True)
class Doubt:
    """One way in which times of a column, shape (rows,), may be meant otherwise.

    Attributes:
        either: cells that are a day in both orders, and not the same one.
        against: cells that are a day only in the order that the schema does not name.
        message: what to say of `either` where there is one `against`.
    """

    either: Mask
    against: Mask
    message: str

    def at(self, rows: NDArray[np.int64], index: NDArray[np.int64], height: int) -> Doubt:
        """Spread over a column of `height`: in `rows` stands what is here at `index`."""
        either, against = np.zeros(height, dtype=bool), np.zeros(height, dtype=bool)
        either[rows], against[rows] = self.either[index], self.against[index]
        return Doubt(either, against, self.message)


def doubts_of(texts: pl.Series, source: DateTimeUnit) -> tuple[Doubt, ...]:
    """The doubts about a column of texts without nulls that both have a witness and concern somebody."""
    parts = texts.str.extract_groups(_FORM).struct.rename_fields(["a", "s", "b", "t", "c"]).struct.unnest()
    same = (parts["s"] == parts["t"]).fill_null(value=False).to_numpy()
    if not same.any():
        return ()
    a, b, c = (parts[name].cast(pl.Int32).fill_null(0).to_numpy() for name in "abc")
    short = same & (parts["c"].str.len_chars().fill_null(0) <= 2).to_numpy() & source.yearfirst
    leads = short & (b >= 1) & (b <= 12) & (c >= 1) & (c <= 31)
    last = same & ~leads
    month, day = (b, a) if source.dayfirst else (a, b)
    found = (
        Doubt(last & (a <= 12) & (b <= 12) & (a != b), last & (month > 12) & (day <= 12), _order(source)),
        Doubt(leads & (a >= 1) & (a <= 31), short & ~leads, _years()),
    )
    return tuple(doubt for doubt in found if doubt.either.any() and doubt.against.any())


def _order(source: DateTimeUnit) -> str:
    read, other = ("day", "month") if source.dayfirst else ("month", "day")
    seen = f"read {read} first, while another time of this column can only be {other} first"
    return f"{seen}: 'dayfirst' in source_unit {_LATER}"


def _years() -> str:
    return (
        f"read year first, while another time of this column cannot be: 'yearfirst' in source_unit {_LATER}"
    )
