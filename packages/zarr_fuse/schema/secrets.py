"""Keeps credentials that stand in ATTRS out of everything that is shown or stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SECRET_ATTRS = frozenset({"S3_ACCESS_KEY", "S3_SECRET_KEY"})
_SECRET_OPTIONS = frozenset(
    {
        *("key", "secret", "token", "access_key", "secret_key", "session_token"),
        *("access_key_id", "secret_access_key", "aws_access_key_id", "aws_secret_access_key"),
        *("aws_session_token", "aws_token"),
    }
)


def without_secrets(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a node without keys that hold credentials, also inside `S3_OPTIONS`."""
    kept = {key: value for key, value in attrs.items() if str(key).upper() not in SECRET_ATTRS}
    for key in kept:
        if str(key).upper() == "S3_OPTIONS":
            kept[key] = _options(kept[key])
    return kept


def _options(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, str):
        return _pruned(value)
    try:
        return json.dumps(_pruned(json.loads(value)))
    except ValueError:
        return "{}"


def _pruned(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, Mapping):
        return value
    return {k: _pruned(v) for k, v in value.items() if str(k).lower() not in _SECRET_OPTIONS}
