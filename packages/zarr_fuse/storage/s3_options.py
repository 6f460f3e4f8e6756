"""`S3_OPTIONS`: what obstore calls its settings, and what s3fs calls them, as one set of obstore settings."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from zarr_fuse.errors import OptionError

CONFIG_KEYS = frozenset(
    {
        "access_key_id",
        "aws_endpoint_url_s3",
        "aws_endpoint_url_sts",
        "bucket",
        "checksum_algorithm",
        "conditional_put",
        "container_credentials_relative_uri",
        "container_credentials_full_uri",
        "container_authorization_token_file",
        "copy_if_not_exists",
        "default_region",
        "disable_tagging",
        "disable_bulk_delete",
        "endpoint",
        "imdsv1_fallback",
        "metadata_endpoint",
        "region",
        "request_payer",
        "role_arn",
        "role_session_name",
        "s3_express",
        "secret_access_key",
        "server_side_encryption",
        "session_token",
        "skip_signature",
        "sse_bucket_key_enabled",
        "sse_customer_key_base64",
        "sse_kms_key_id",
        "unsigned_payload",
        "virtual_hosted_style_request",
        "web_identity_token_file",
    }
)
CLIENT_KEYS = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "default_content_type",
        "default_headers",
        "http1_only",
        "http2_keep_alive_interval",
        "http2_keep_alive_timeout",
        "http2_keep_alive_while_idle",
        "http2_only",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_url",
        "proxy_ca_certificate",
        "proxy_excludes",
        "root_certificate",
        "randomize_addresses",
        "read_timeout",
        "timeout",
        "user_agent",
    }
)
RETRY_KEYS = frozenset({"backoff", "max_retries", "retry_timeout"})
DURATIONS = frozenset(
    {
        "connect_timeout",
        "http2_keep_alive_timeout",
        "pool_idle_timeout",
        "read_timeout",
        "timeout",
        "retry_timeout",
        "init_backoff",
        "max_backoff",
    }
)
RENAMED = {
    "sts_endpoint": "aws_endpoint_url_sts",
    "endpoint_url": "endpoint",
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "client_kwargs.region_name": "region",
    "client_kwargs.endpoint_url": "endpoint",
    "config_kwargs.connect_timeout": "connect_timeout",
    "config_kwargs.read_timeout": "read_timeout",
    "config_kwargs.retries.max_attempts": "max_retries",
}
WITHOUT_EFFECT = frozenset(
    {"listings_expiry_time", "max_paths", "asynchronous", "config_kwargs.retries.mode"}
)
OPEN_MAPPINGS = frozenset({"config_kwargs", "config_kwargs.s3", "config_kwargs.retries", "client_kwargs"})
ADDRESSING_STYLES: Mapping[str, bool | None] = {"path": False, "virtual": True, "auto": None}
_DURATION = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]+)?)\s*(ms|s|m|h)?\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


@dataclass
class S3Settings:
    """The settings of an obstore `S3Store`; `config` may hold secrets and is kept out of `repr`."""

    config: dict[str, Any] = field(default_factory=dict, repr=False)
    client: dict[str, Any] = field(default_factory=dict, repr=False)
    retry: dict[str, Any] = field(default_factory=dict)
    max_concurrency: int | None = None


def s3_config(options: Mapping[str, Any] | str | None) -> S3Settings:
    """The obstore settings that `S3_OPTIONS` (a mapping, or its JSON text) ask for.

    Durations are numbers of seconds or text such as `500ms`. Raises `OptionError` naming an unknown key or
    a wrong value; values of secret keys are never part of a message.
    """
    settings = S3Settings()
    for path, value in _leaves(_mapping(options), ""):
        _apply(settings, path, value)
    return settings


def _mapping(options: Mapping[str, Any] | str | None) -> Mapping[str, Any]:
    if isinstance(options, str):
        try:
            options = json.loads(options or "{}")
        except ValueError:
            raise OptionError("S3_OPTIONS is not JSON text") from None
    if options is not None and not isinstance(options, Mapping):
        raise OptionError("S3_OPTIONS is not a JSON object")
    return options or {}


def _leaves(options: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in options.items():
        path = f"{above}{key}"
        if path in OPEN_MAPPINGS:
            if not isinstance(value, Mapping):
                raise OptionError(f"S3_OPTIONS: {path} must be a mapping")
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _apply(settings: S3Settings, path: str, value: Any) -> None:  # noqa: ANN401 - JSON
    name = RENAMED.get(path, path)
    if name in CONFIG_KEYS:
        settings.config[name] = value
    elif name in CLIENT_KEYS:
        settings.client[name] = _duration(path, value) if name in DURATIONS else value
    elif name in RETRY_KEYS:
        settings.retry[name] = _retry_value(path, name, value)
    elif path in SPECIAL:
        SPECIAL[path](settings, value)
    elif path not in WITHOUT_EFFECT and not (path.startswith("config_kwargs.") and "checksum" in path):
        raise _unknown(path)


def _retry_value(path: str, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    if name == "max_retries":
        return _count(path, value)
    if name == "retry_timeout":
        return _duration(path, value)
    if not isinstance(value, Mapping) or not value.keys() <= {"init_backoff", "max_backoff", "base"}:
        raise OptionError(f"S3_OPTIONS: {path} must be a mapping of init_backoff, max_backoff, base")
    return {
        key: _duration(f"{path}.{key}", part) if key in DURATIONS else part for key, part in value.items()
    }


def _duration(path: str, value: Any) -> timedelta:  # noqa: ANN401 - JSON
    match = _DURATION.fullmatch(str(value))
    if match is None or isinstance(value, bool):
        raise OptionError(f"S3_OPTIONS: {path} is no duration such as 5 or 500ms")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def _count(path: str, value: Any) -> int:  # noqa: ANN401 - JSON
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise OptionError(f"S3_OPTIONS: {path} must be a whole number")
    return value


def _set_addressing(settings: S3Settings, style: Any) -> None:  # noqa: ANN401 - JSON
    if style not in ADDRESSING_STYLES:
        raise OptionError("S3_OPTIONS: addressing_style must be path, virtual or auto")
    if (virtual := ADDRESSING_STYLES[style]) is not None:
        settings.config["virtual_hosted_style_request"] = virtual


def _set_signing(settings: S3Settings, signed: Any) -> None:  # noqa: ANN401 - JSON
    settings.config["unsigned_payload"] = not _truth("payload_signing_enabled", signed)


def _set_verify(settings: S3Settings, verified: Any) -> None:  # noqa: ANN401 - JSON
    settings.client["allow_invalid_certificates"] = not _truth("client_kwargs.verify", verified)


def _set_concurrency(settings: S3Settings, bound: Any) -> None:  # noqa: ANN401 - JSON
    settings.max_concurrency = max(1, _count("max_concurrency", bound))


def _truth(path: str, value: Any) -> bool:  # noqa: ANN401 - JSON
    if not isinstance(value, bool):
        raise OptionError(f"S3_OPTIONS: {path} must be true or false")
    return value


SPECIAL: Mapping[str, Callable[[S3Settings, Any], None]] = {
    "config_kwargs.s3.addressing_style": _set_addressing,
    "config_kwargs.s3.payload_signing_enabled": _set_signing,
    "client_kwargs.verify": _set_verify,
    "max_concurrency": _set_concurrency,
}


def _unknown(path: str) -> OptionError:
    known = [*CONFIG_KEYS, *CLIENT_KEYS, *RETRY_KEYS, *RENAMED, *SPECIAL, *WITHOUT_EFFECT]
    near = difflib.get_close_matches(path, sorted(known), 1, 0.0)[0]
    return OptionError(f"S3_OPTIONS: unknown key {path!r}; the nearest known one is {near!r}")
