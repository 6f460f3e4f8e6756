"""A node as a lazy dataset of plain xarray."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import xarray as xr
from zarr.abc.store import Store as ZarrStore

from zarr_fuse.stored.layout import HIDDEN_PREFIX

# Nanoseconds, as xarray has them by default, reach from 1677 to 2262 only.
TIME_CODERS = tuple(xr.coders.CFDatetimeCoder(time_unit=unit) for unit in ("ns", "us"))


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
    failures = list[ValueError]()
    for coder, whole in itertools.product(TIME_CODERS, dict.fromkeys((consolidated, False))):
        try:
            return _as_xarray(store, group, coder, consolidated=whole)
        except ValueError as error:
            failures.append(error)
    raise failures[0]


def _as_xarray(
    store: ZarrStore, group: str | None, coder: xr.coders.CFDatetimeCoder, *, consolidated: bool
) -> xr.Dataset:
    dataset: xr.Dataset = xr.open_zarr(
        store, group=group, consolidated=consolidated, chunks=None, decode_times=coder
    )
    return dataset
