"""What an answer is taken for: what it says of itself, unless that says nothing."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from packages.common.content_types import FILE_SUFFIXES, canonical_type

SAYS_NOTHING = frozenset(
    {
        *("application/octet-stream", "binary/octet-stream", "application/x-download", "text/plain"),
        *("application/x-bzip2", "application/bzip2", "application/x-bzip"),
    }
)
ASSUMED = "application/json"
"""What an answer without Content-Type is, as earlier products took it."""


def payload_type(configured: str | None, declared: str, url: str) -> str:
    """The content type of an answer: the configured one, the declared one, or what its file name says."""
    if configured is not None:
        return configured
    if declared and canonical_type(declared) not in SAYS_NOTHING:
        return declared
    return _of_file(url) or declared or ASSUMED


def _of_file(url: str) -> str | None:
    name = PurePosixPath(unquote(urlsplit(url).path)).name.lower().removesuffix(".bz2")
    return FILE_SUFFIXES.get(PurePosixPath(name).suffix)
