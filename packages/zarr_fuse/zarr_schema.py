"""Older name of `zarr_fuse.schema`."""

from __future__ import annotations

from zarr_fuse.schema import *  # noqa: F403
from zarr_fuse.schema import __all__ as __all__
