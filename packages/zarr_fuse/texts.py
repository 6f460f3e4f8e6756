"""Columns → fixed-length text."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Losses(NamedTuple):
    """Texts that fixed-length storage cannot hold as they are."""

    too_long: Mask
    ends_in_nul: Mask


def fixed_texts(column: pl.Series | NDArray[Any], length: int) -> tuple[NDArray[np.str_], Mask, Losses]:
    """The first `length` characters of every cell, which cells are missing, and what was lost.

    Numbers and dates are written out; an empty text is a text.
    """
    if not isinstance(column, pl.Series):
        raise TypeError(f"a column of type {column.dtype} cannot be converted to text")
    texts = column if column.dtype == pl.String else column.cast(pl.String)
    encoded = pa.chunked_array([texts.to_arrow(compat_level=pl.CompatLevel.oldest())]).combine_chunks()
    coded = encoded.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    missing = codes < 0
    words = pl.Series("", coded.dictionary, dtype=pl.String)
    distinct = np.append(words.to_numpy(), "").astype(f"<U{length}")
    lost = (words.str.len_chars() > length, words.str.slice(0, length).str.ends_with("\0"))
    return distinct[codes], missing, Losses(*(np.append(mask.to_numpy(), False)[codes] for mask in lost))
