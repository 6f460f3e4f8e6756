"""Columns → fixed-length text."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class FixedTexts(NamedTuple):
    """Texts of one length, shape (rows,), and what is to be said of some."""

    values: NDArray[np.str_]
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
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    words = pl.Series("", coded.dictionary, dtype=pl.String)
    distinct = np.append(words.to_numpy(), "").astype(f"<U{length}")
    kept = words.str.slice(0, length)
    marks = (words.eq_missing(na), words == "", words.str.len_chars() > length, kept.str.ends_with("\0"))
    absent, *rest = (np.append(mark.fill_null(value=False).to_numpy(), False)[codes] for mark in marks)
    return FixedTexts(distinct[codes], absent | (codes < 0), *rest)
