"""How an item is named in the queue, and which names from outside may become part of an object key.

    {state}/{endpoint}[/{node_path}]/{YYYYmmddTHHMMSS}_{12 hex}.{ext}[.meta.json|.rejected.csv]

The part between the state and the extension is the item id; it stays the same through every move.
"""

from __future__ import annotations

import os
import random
import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from packages.common.content_types import extension_of
from packages.common.errors import NodePathError

MAX_PATH_BYTES = 512
MAX_ID_BYTES = 900
METADATA_SUFFIX = ".meta.json"
REJECTED_SUFFIX = ".rejected.csv"
_random = random.Random()
"""Seeded by the system, once: asking it for every id lets other threads take Python's lock each time."""
os.register_at_fork(after_in_child=_random.seed)
_UNIQUE = re.compile(r"[0-9a-f]{12}")


class ItemState(StrEnum):
    """The three places of an item, in the order it passes them; a later place is the true one."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    PROCESSED = "processed"


_STATES = {str(state): state for state in ItemState}


class KeyParts(NamedTuple):
    """What an object key says; an object whose name has no extension has `extension` `""`."""

    state: ItemState
    item_id: str
    extension: str
    is_metadata: bool


def normalise_node_path(raw: str) -> str:
    """The relative node path meant by a decoded URL path; `""` means none.

    One leading and one trailing slash are dropped. Raises `NodePathError` for anything that could leave
    the prefix of the queue or not be stored everywhere: empty segments, segments of dots, backslashes,
    control characters, a segment that begins or ends with a blank, more than 512 bytes.
    """
    path = raw.removeprefix("/").removesuffix("/")
    if not path:
        if raw not in {"", "/"}:
            raise NodePathError("the node path has an empty segment")
        return ""
    _refuse_bad_text(path, MAX_PATH_BYTES)
    for segment in path.split("/"):
        _refuse_bad_segment(segment)
    return path


def _refuse_bad_text(path: str, max_bytes: int) -> None:
    try:
        size_bytes = len(path.encode())
    except UnicodeEncodeError:
        raise NodePathError("the node path is not valid Unicode") from None
    if size_bytes > max_bytes:
        raise NodePathError(f"the node path has {size_bytes} bytes, at most {max_bytes} are taken")
    if "\\" in path:
        raise NodePathError("the node path has a backslash; segments are separated by /")
    if path.isascii() and path.isprintable():
        return
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in path):
        raise NodePathError("the node path has a control character")


def _refuse_bad_segment(segment: str) -> None:
    if not segment:
        raise NodePathError("the node path has an empty segment")
    if not segment.strip("."):
        raise NodePathError(f"the node path has the segment {segment!r}")
    if segment != segment.strip():
        raise NodePathError(f"the segment {segment!r} of the node path begins or ends with a blank")


def checked_name(name: str) -> str:
    """A name of an endpoint or scraper that may be the first segment of an item id, or `NodePathError`."""
    if not name or "/" in name or normalise_node_path(name) != name:
        raise NodePathError(f"{name!r} cannot be part of an object key")
    return name


def checked_item_id(item_id: str) -> str:
    """An item id from outside that names no place but its own, or `NodePathError`."""
    _refuse_bad_text(item_id, MAX_ID_BYTES)
    for segment in item_id.split("/"):
        _refuse_bad_segment(segment)
    return item_id


def new_item_id(endpoint: str, node_path: str, received_at: datetime, unique: str | None = None) -> str:
    """A fresh item id; ids sort as their times do, those of one second by its microseconds.

    `unique` (12 hex digits) takes the place of the microseconds and the random part behind them.
    """
    if unique is not None and not _UNIQUE.fullmatch(unique):
        raise ValueError("unique must be 12 lower-case hex digits")
    unique = unique or f"{received_at.microsecond:05x}{_random.getrandbits(28):07x}"
    name = f"{received_at.astimezone(UTC):%Y%m%dT%H%M%S}_{unique}"
    return "/".join(part for part in (checked_name(endpoint), normalise_node_path(node_path), name) if part)


def payload_key(state: ItemState, item_id: str, extension: str) -> str:
    """The key of an item's payload."""
    return f"{state}/{item_id}.{extension}" if extension else f"{state}/{item_id}"


def metadata_key(state: ItemState, item_id: str, extension: str) -> str:
    """The key of an item's metadata."""
    return payload_key(state, item_id, extension) + METADATA_SUFFIX


def rejected_key(state: ItemState, item_id: str, extension: str) -> str:
    """The key of the rows of an item that were quarantined."""
    return payload_key(state, item_id, extension) + REJECTED_SUFFIX


def payload_key_of(key: str) -> str:
    """The key of the payload that an object lies beside, or the key itself."""
    return key.removesuffix(METADATA_SUFFIX).removesuffix(REJECTED_SUFFIX)


def parse_key(key: str) -> KeyParts | None:
    """The parts of a key; None for one that is no payload and no metadata of the queue."""
    name_of_state, _, rest = key.partition("/")
    state = _STATES.get(name_of_state)
    if state is None or rest.endswith(REJECTED_SUFFIX):
        return None
    is_metadata = rest.endswith(METADATA_SUFFIX)
    folder, slash, name = rest.removesuffix(METADATA_SUFFIX).rpartition("/")
    stem, _, extension = name.partition(".")
    if not stem or name.endswith(".") or (slash and not folder):
        return None
    return KeyParts(state, folder + slash + stem, extension, is_metadata)


__all__ = [
    "METADATA_SUFFIX",
    "REJECTED_SUFFIX",
    "ItemState",
    "KeyParts",
    "checked_item_id",
    "checked_name",
    "extension_of",
    "metadata_key",
    "new_item_id",
    "normalise_node_path",
    "parse_key",
    "payload_key",
    "payload_key_of",
    "rejected_key",
]
