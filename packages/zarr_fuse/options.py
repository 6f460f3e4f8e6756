"""The options of a store: keywords, overridden by the schema's ATTRS, overridden by the environment."""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zarr_fuse.errors import MissingOptionError, OptionError

SECRET_KEYS = frozenset({"S3_ACCESS_KEY", "S3_SECRET_KEY"})
DEFAULTS: dict[str, Any] = {
    "STORE_URL": None,
    "STORE_FORMAT": None,
    "MODE": "a",
    "WORKDIR": None,
    "S3_ENDPOINT_URL": None,
    "S3_ACCESS_KEY": None,
    "S3_SECRET_KEY": None,
    "S3_OPTIONS": "{}",
    "LOGGER": "default",
    "ON_BAD_ROWS": "report",
    "AS_OF": None,
    "WRITERS": "many",
    "LEASE_TTL_S": 30.0,
    "LEASE_WAIT_S": 120.0,
}
SNAPSHOT_ID = re.compile("[0-9A-HJKMNP-TV-Z]{20}")
CHOICES: dict[str, tuple[str | None, ...]] = {
    "STORE_FORMAT": (None, "zarr", "icechunk"),
    "MODE": ("a", "r"),
    "ON_BAD_ROWS": ("report", "fail"),
    "WRITERS": ("many", "one"),
}


@dataclass(frozen=True)
class Options:
    """The options in force for one store handle; durations in seconds, secrets kept out of `repr`."""

    url: str
    store_format: str | None
    mode: str
    as_of: str | datetime | None
    workdir: Path
    endpoint: str | None
    access_key: str | None = field(repr=False)
    secret_key: str | None = field(repr=False)
    s3_options: Mapping[str, Any] = field(repr=False)
    local_logger: bool
    on_bad_rows: str
    writers: str
    lease_ttl_s: float
    lease_wait_s: float


def resolve_options(keywords: Mapping[str, Any], attrs: Mapping[str, Any]) -> Options:
    """Merge the three sources into one set of options.

    Raises:
        MissingOptionError: no source names the store.
        OptionError: an unknown keyword, or a value that is not allowed.
    """
    values = {**DEFAULTS, **_keywords(keywords), **_from_attrs(attrs), **_from_environment()}
    for key, allowed in CHOICES.items():
        if values[key] not in allowed:
            raise OptionError(
                f"{key}={values[key]!r}: allowed are {', '.join(map(repr, filter(None, allowed)))}"
            )
    if not values["STORE_URL"]:
        raise MissingOptionError(
            "STORE_URL is missing: give it as keyword, in ATTRS of the root node or as ZF_STORE_URL"
        )
    return _typed(values)


def reading_options(url: str) -> Options:
    """The options of a handle that only reads what its caller has opened."""
    return _typed({**DEFAULTS, "STORE_URL": url, "MODE": "r"})


def _typed(values: Mapping[str, Any]) -> Options:
    as_of = _as_of(values["AS_OF"])
    if as_of is not None and values["STORE_FORMAT"] == "zarr":
        raise OptionError("AS_OF needs STORE_FORMAT=icechunk: format zarr keeps no older states")
    is_zip = str(values["STORE_URL"]).startswith("zip://")
    return Options(
        url=str(values["STORE_URL"]),
        store_format=values["STORE_FORMAT"],
        mode="r" if as_of is not None or is_zip else values["MODE"],
        as_of=as_of,
        workdir=Path(values["WORKDIR"] or Path.cwd()),
        endpoint=values["S3_ENDPOINT_URL"] or None,
        access_key=values["S3_ACCESS_KEY"] or None,
        secret_key=values["S3_SECRET_KEY"] or None,
        s3_options=_json_mapping(values["S3_OPTIONS"]),
        local_logger=_logger_is_local(values["LOGGER"]),
        on_bad_rows=values["ON_BAD_ROWS"],
        writers=values["WRITERS"],
        lease_ttl_s=_seconds("LEASE_TTL_S", values["LEASE_TTL_S"]),
        lease_wait_s=_seconds("LEASE_WAIT_S", values["LEASE_WAIT_S"]),
    )


def _keywords(keywords: Mapping[str, Any]) -> dict[str, Any]:
    known = {}
    for key, value in keywords.items():
        name = key.upper()
        if name not in DEFAULTS:
            near = difflib.get_close_matches(name, DEFAULTS, 1, 0.0)[0]
            raise OptionError(f"unknown option {key!r}; the nearest known one is {near!r}")
        if name != key:
            warnings.warn(f"option {key!r} is written {name!r}", UserWarning, stacklevel=4)
        known[name] = value
    return known


def _from_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: attrs[key] for key in DEFAULTS if attrs.get(key) is not None}
    if found.keys() & SECRET_KEYS:
        warnings.warn(
            "S3 keys in ATTRS: give them by the environment or a profile instead", UserWarning, stacklevel=4
        )
    if "STORE_URL" not in found and attrs.get("store_path"):
        found["STORE_URL"] = f"s3://{attrs['store_path']}"
        if attrs.get("s3_url"):
            found.setdefault("S3_ENDPOINT_URL", attrs["s3_url"])
    return found


def _from_environment() -> dict[str, Any]:
    return {key: os.environ[f"ZF_{key}"] for key in DEFAULTS if os.environ.get(f"ZF_{key}")}


def _json_mapping(value: object) -> dict[str, Any]:
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise OptionError("S3_OPTIONS is not JSON text") from error
    if not isinstance(parsed, Mapping):
        raise OptionError("S3_OPTIONS must be a JSON object")
    return dict(parsed)


def _logger_is_local(value: object) -> bool:
    if value not in (None, "default", "local"):
        raise OptionError(f"LOGGER={value!r}: allowed are null, 'default', 'local'")
    return value == "local"


def _as_of(value: object) -> str | datetime | None:
    """A snapshot id as it is, a time in UTC."""
    if value is None or (isinstance(value, str) and SNAPSHOT_ID.fullmatch(value)):
        return value
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise OptionError(f"AS_OF={value!r} is neither a snapshot id nor an ISO 8601 time") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _seconds(key: str, value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise OptionError(f"{key}={value!r} is not a number of seconds") from error
    if not seconds > 0:
        raise OptionError(f"{key}={value!r} must be above zero")
    return seconds


def node_logger(group_path: str) -> logging.Logger:
    """The logger of a node, `zarr_fuse.<path>` with dots for slashes; no handler is added."""
    return logging.getLogger(f"zarr_fuse.{group_path.replace('/', '.')}".rstrip("."))
