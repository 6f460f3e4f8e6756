"""A node as a lazy dataset of plain xarray."""

from __future__ import annotations

import warnings
from typing import Any

import xarray as xr
from zarr.abc.store import Store as ZarrStore

from zarr_fuse.layout import HIDDEN_PREFIX


def lazy_dataset(store: ZarrStore, path: str, *, consolidated: bool) -> xr.Dataset:
    """The dataset of a group, `""` for the root.

    Another program may have taken its consolidated metadata away: then that of the arrays counts.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification.*")
        dataset = _opened(store, path or None, consolidated=consolidated)
    dataset.attrs = visible(dataset.attrs)
    return dataset


def visible(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a group without the helpers of this package."""
    return {key: value for key, value in attributes.items() if not key.startswith(HIDDEN_PREFIX)}


def _opened(store: ZarrStore, group: str | None, *, consolidated: bool) -> xr.Dataset:
    try:
        dataset: xr.Dataset = xr.open_zarr(store, group=group, consolidated=consolidated, chunks=None)
    except ValueError:
        if not consolidated:
            raise
        return _opened(store, group, consolidated=False)
    return dataset
