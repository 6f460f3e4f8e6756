"""Columns of fixed-length text, kept as distinct words and a code a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
WORTH_HASHING = 2000  # rows from which a hash table is quicker than a sort


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str]):
    """A column of texts, shape (rows,): row i holds `words[codes[i]]`.

    A word may stand there twice, or unused. `np.asarray` writes all rows out.
    """

    words: NDArray[np.str_]
    codes: NDArray[np.integer[Any]]

    @property
    def dtype(self) -> np.dtype[np.str_]:
        """`<Un`."""
        return self.words.dtype

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice | NDArray[Any]) -> Texts: ...
    def __getitem__(self, place: int | slice | NDArray[Any]) -> str | Texts:
        if isinstance(place, int):
            return str(self.words[self.codes[place]])
        return Texts(self.words, self.codes[place])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401
        rows: NDArray[Any] = self.words[self.codes]
        return rows.astype(dtype or self.dtype, copy=False)

    def tolist(self) -> list[str]:
        """The texts of all rows."""
        return list(np.asarray(self).tolist())

    def of_words(self, values: NDArray[Any]) -> NDArray[Any]:
        """For every row what `values` says of its word."""
        rows: NDArray[Any] = values[self.codes]
        return rows


Values: TypeAlias = NDArray[Any] | Texts
"""A column in storage type, shape (rows,)."""


def distinct(column: Values) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The different values, ascending, and the place of every row's value among them."""
    if not isinstance(column, Texts):
        return _distinct(column)
    words, rank = np.unique(column.words, return_inverse=True)
    used = np.zeros(len(words), dtype=bool)
    used[rank[np.bincount(column.codes, minlength=len(rank)) > 0]] = True
    return words[used], (np.cumsum(used) - 1)[rank][column.codes]


def _distinct(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    if column.dtype.kind == "U" or len(column) < WORTH_HASHING:
        return np.unique(column, return_inverse=True)
    codes, labels = pd.factorize(column, sort=True, use_na_sentinel=False)
    return labels, codes


def comparable(column: Values) -> NDArray[Any]:
    """Something that is equal in two rows exactly where the column is."""
    return distinct(column)[1] if isinstance(column, Texts) else column


def joined(parts: Sequence[Values]) -> Values:
    """Columns of one type, one below the other; texts stay in words and codes if one of them is."""
    first, *others = parts
    alike = len(others) == 1 and type(first) is type(others[0]) and first.dtype == others[0].dtype
    if alike and not len(first):
        return others[0]
    if not any(isinstance(part, Texts) for part in parts):
        return np.concatenate(parts)
    texts = [
        part if isinstance(part, Texts) else Texts(np.asarray(part), np.arange(len(part))) for part in parts
    ]
    starts = np.cumsum([0, *(len(part.words) for part in texts[:-1])])
    codes = [part.codes + start for part, start in zip(texts, starts.tolist(), strict=True)]
    return Texts(np.concatenate([part.words for part in texts]), np.concatenate(codes))


def filled(column: Values, good: Mask, na: Any) -> Values:  # noqa: ANN401 - a scalar of the column's type
    """The column with `na` in all cells that are not good."""
    if not isinstance(column, Texts):
        return np.where(good, column, na).astype(column.dtype, copy=False)
    words = np.append(column.words, na).astype(column.dtype)
    return Texts(words, np.where(good, column.codes, len(column.words)))


class FixedTexts(NamedTuple):
    """Texts of one length, shape (rows,), and what is to be said of some."""

    values: Texts
    missing: Mask
    empty: Mask
    too_long: Mask
    ends_in_nul: Mask


def fixed_texts(column: pl.Series | NDArray[Any], length: int, na: str | None = None) -> FixedTexts:
    """The first `length` characters of every cell; null and the text `na` are missing.

    Numbers and dates are written out; an empty text is a text.
    """
    if not isinstance(column, pl.Series):
        raise TypeError(f"a column of type {column.dtype} cannot be converted to text")
    texts = column if column.dtype == pl.String else column.cast(pl.String)
    encoded = pa.chunked_array([texts.to_arrow(compat_level=pl.CompatLevel.oldest())]).combine_chunks()
    coded = encoded.dictionary_encode()
    codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
    words = pl.Series("", coded.dictionary, dtype=pl.String)
    kept = words.str.slice(0, length)
    stored = Texts(np.append(kept.to_numpy(), "").astype(f"<U{length}"), codes)
    word, cut = pl.lit(words), pl.lit(kept)
    marks = pl.select(
        absent=word.eq_missing(pl.lit(na)),
        empty=word == "",
        long=word.str.len_chars() > length,
        nul=cut.str.ends_with("\0"),
    )
    absent, *rest = (
        np.append(mark.fill_null(value=False).to_numpy(), False)[codes] for mark in marks.get_columns()
    )
    return FixedTexts(stored, absent | (codes == len(words)), *rest)
