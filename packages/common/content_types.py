"""The content types the product takes, and the extension each gets in the queue."""

from __future__ import annotations

from email.message import Message
from functools import lru_cache
from pathlib import PurePosixPath
from types import MappingProxyType

EXTENSIONS = MappingProxyType(
    {
        "text/csv": "csv",
        "application/json": "json",
        "application/x-ndjson": "json",
        "application/vnd.apache.parquet": "parquet",
        "application/x-netcdf": "nc",
        "application/x-hdf5": "h5",
        "application/x-grib": "grib",
        "application/x-tar": "tar",
    }
)
"""Canonical content type to extension; all but the tar may be uploaded."""

UPLOAD_TYPES = tuple(name for name in EXTENSIONS if name != "application/x-tar")

ALIASES = MappingProxyType(
    {
        "application/csv": "text/csv",
        "text/json": "application/json",
        "application/geo+json": "application/json",
        "application/ndjson": "application/x-ndjson",
        "application/jsonl": "application/x-ndjson",
        "application/x-parquet": "application/vnd.apache.parquet",
        "application/netcdf": "application/x-netcdf",
        "application/x-hdf": "application/x-hdf5",
        "application/hdf5": "application/x-hdf5",
        "application/grib": "application/x-grib",
        "application/wmo-grib": "application/x-grib",
        "application/tar": "application/x-tar",
    }
)

FILE_SUFFIXES = MappingProxyType(
    {
        ".csv": "text/csv",
        ".json": "application/json",
        ".geojson": "application/json",
        ".ndjson": "application/x-ndjson",
        ".jsonl": "application/x-ndjson",
        ".parquet": "application/vnd.apache.parquet",
        ".nc": "application/x-netcdf",
        ".nc4": "application/x-netcdf",
        ".cdf": "application/x-netcdf",
        ".h5": "application/x-hdf5",
        ".hdf5": "application/x-hdf5",
        ".grib": "application/x-grib",
        ".grib2": "application/x-grib",
        ".grb": "application/x-grib",
        ".grb2": "application/x-grib",
        ".tar": "application/x-tar",
    }
)
"""File name ending to content type, for uploads whose part names no type."""

PACKED = "; content-encoding=bzip2"
"""Stands behind the type of a payload that stays packed in the queue, where its place is chosen."""


@lru_cache(maxsize=64)
def canonical_type(content_type: str) -> str:
    """The content type without parameters, in lower case, under its canonical name."""
    name = content_type.partition(";")[0].strip().lower()
    return ALIASES.get(name, name)


def type_of_file(filename: str) -> str:
    """The content type that the end of a file name stands for, packed GRIB included; "" if none."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(filename).suffixes]
    if suffixes[-1:] == [".bz2"]:
        packed = FILE_SUFFIXES.get(suffixes[-2], "") if len(suffixes) > 1 else ""
        return packed if packed == "application/x-grib" else ""
    return FILE_SUFFIXES.get(suffixes[-1], "") if suffixes else ""


def charset_of(content_type: str) -> str | None:
    """The `charset` parameter of a content type, in lower case."""
    if ";" not in content_type:
        return None
    header = Message()
    header["Content-Type"] = content_type
    charset = header.get_param("charset")
    return charset.strip().lower() if isinstance(charset, str) else None


def extension_of(content_type: str, content_encoding: str | None = None) -> str:
    """The extension of a payload in the queue; `bin` for a type the table does not hold."""
    extension = EXTENSIONS.get(canonical_type(content_type), "bin")
    is_packed = content_encoding == "bzip2" or content_type.endswith(PACKED)
    return "grib.bz2" if extension == "grib" and is_packed else extension
