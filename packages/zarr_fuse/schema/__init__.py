"""The schema language: documents that say what the arrays of a store are."""

from __future__ import annotations

from zarr_fuse.errors import SchemaError, SchemaWarning
from zarr_fuse.schema.context import ContextCfg, SchemaCtx, default_logger
from zarr_fuse.schema.dataset import DatasetSchema, NodeSchema
from zarr_fuse.schema.forms import convert_value
from zarr_fuse.schema.parse import build_nodeschema
from zarr_fuse.schema.ranges import DiscreteRange, InfRange, IntervalRange
from zarr_fuse.schema.source import deserialize, serialize
from zarr_fuse.schema.steps import Interval
from zarr_fuse.schema.types import DType
from zarr_fuse.schema.variable import Coord, Variable

__all__ = [
    "ContextCfg",
    "Coord",
    "DType",
    "DatasetSchema",
    "DiscreteRange",
    "InfRange",
    "Interval",
    "IntervalRange",
    "NodeSchema",
    "SchemaCtx",
    "SchemaError",
    "SchemaWarning",
    "Variable",
    "build_nodeschema",
    "convert_value",
    "default_logger",
    "deserialize",
    "serialize",
]
