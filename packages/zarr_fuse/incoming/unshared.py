"""Copies of what a caller may change, for a merge that may have to read it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import polars as pl
import xarray as xr

T = TypeVar("T")


def unshared(data: T) -> T:
    """A copy of pandas, numpy and xarray data, and of a polars frame, which shares its columns with it."""
    kept: Any = data
    if isinstance(data, pl.DataFrame):
        kept = data.clone()
    elif isinstance(data, pd.DataFrame | xr.Dataset):
        kept = data.copy(deep=True)
    elif isinstance(data, Mapping):
        kept = {name: np.array(array) for name, array in data.items()}
    own: T = kept
    return own
