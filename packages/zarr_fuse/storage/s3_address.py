"""Refuses what obstore takes for granted: beyond these it ends in a panic, not in an error."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from zarr_fuse.errors import OptionError, UnsupportedUrlError

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def require_bucket(name: str) -> None:
    """Raise `UnsupportedUrlError` for what is no name of a bucket."""
    if not _BUCKET.fullmatch(name):
        raise UnsupportedUrlError("an s3:// address has the form s3://bucket/path")


def require_endpoint(endpoint: str) -> None:
    """Raise `OptionError` for what is no address of a server; it may hold a secret, and is not shown."""
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not (endpoint.isascii() and endpoint.isprintable()) or set(endpoint) & set(" ?#@"):
        raise OptionError("the S3 endpoint is an address such as https://s3.example.org or http://host:7480")


def require_plain(*keys: str | None) -> None:
    """Raise `OptionError` for keys with the line end of the file that they came from."""
    if not all(key.isprintable() for key in keys if key):
        raise OptionError("the S3 keys hold a line end or another control character")
