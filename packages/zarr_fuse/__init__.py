"""Tables merged into a tree of labelled Zarr arrays by a YAML schema."""

from zarr_fuse import errors, schema, units
from zarr_fuse.node import Node
from zarr_fuse.opening import open_store, remove_store
from zarr_fuse.report import UpdateReport
from zarr_fuse.version import __version__ as __version__

__all__ = ["Node", "UpdateReport", "errors", "open_store", "remove_store", "schema", "units"]
