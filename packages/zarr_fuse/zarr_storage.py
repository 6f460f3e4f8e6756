"""Older name of what opens and removes stores."""

from __future__ import annotations

from zarr_fuse.errors import ZFOptionError
from zarr_fuse.node import Node
from zarr_fuse.opening import open_store, remove_store

__all__ = ["Node", "ZFOptionError", "open_store", "remove_store"]
