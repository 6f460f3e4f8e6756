"""The icechunk storage for a store's address, with the settings that obstore gets for the same address."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import icechunk
from obstore.store import S3Store

from zarr_fuse.errors import OptionError, UnsupportedUrlError
from zarr_fuse.options import Options
from zarr_fuse.storage.location import Location
from zarr_fuse.storage.opening import BACKOFF_DEFAULTS, RETRY_DEFAULTS, FixedCredentials
from zarr_fuse.storage.s3_options import S3Settings, s3_config

WITHOUT_COUNTERPART = frozenset(
    {
        "allow_invalid_certificates",
        "default_headers",
        "proxy_ca_certificate",
        "proxy_excludes",
        "proxy_url",
        "role_arn",
        "root_certificate",
        "server_side_encryption",
        "sse_customer_key_base64",
        "sse_kms_key_id",
        "web_identity_token_file",
    }
)
"""Settings that change what is sent or trusted; others that icechunk lacks only tune the client."""

_memory: dict[str, icechunk.Storage] = {}
_memory_lock = threading.Lock()


def is_in_memory(location: Location) -> bool:
    """Whether the store lives inside this process."""
    return location.url.startswith("memory://")


def known_in_memory(location: Location) -> bool:
    """Whether this process has a repository of that name in memory."""
    with _memory_lock:
        return location.url in _memory


def forget_memory(location: Location) -> None:
    """Remove a repository in memory; handles that are open keep their bytes."""
    with _memory_lock:
        _memory.pop(location.url, None)


def icechunk_storage(location: Location, options: Options) -> icechunk.Storage:
    """The storage of a repository at the store's address.

    Raises:
        OptionError: `S3_OPTIONS` hold a setting that icechunk does not have.
    """
    if is_in_memory(location):
        with _memory_lock:
            return _memory.setdefault(location.url, icechunk.in_memory_storage())
    if location.url.startswith("s3://"):
        return _s3_storage(location, options)
    if "://" in location.url:
        raise UnsupportedUrlError(f"{location.url!r} cannot hold a store of format icechunk")
    return icechunk.local_filesystem_storage(str(Path(location.url)))


def repository_config(options: Options) -> icechunk.RepositoryConfig:
    """Retries as the other storage calls of this package make them."""
    retry = {**RETRY_DEFAULTS, **s3_config(options.s3_options).retry}
    backoff = {**BACKOFF_DEFAULTS, **retry.get("backoff", {})}
    retries = icechunk.StorageRetriesSettings(
        max_tries=max(1, int(retry["max_retries"]) + 1),
        initial_backoff_ms=int(backoff["init_backoff"].total_seconds() * 1000),
        max_backoff_ms=int(backoff["max_backoff"].total_seconds() * 1000),
    )
    return icechunk.RepositoryConfig(storage=icechunk.StorageSettings(retries=retries))


def _s3_storage(location: Location, options: Options) -> icechunk.Storage:
    settings = s3_config(options.s3_options)
    _refuse_without_counterpart(settings)
    store = location.open(options, whole=False)
    config = store.config
    is_virtual = str(config.get("virtual_hosted_style_request")).lower() == "true"
    endpoint = config.get("endpoint")
    return icechunk.s3_storage(
        bucket=config["bucket"],
        prefix=str(store.prefix),
        region=config.get("region"),
        endpoint_url=_without_bucket(endpoint, config["bucket"]) if endpoint else None,
        allow_http=str(store.client_options.get("allow_http")).lower() == "true",
        force_path_style=bool(endpoint) and not is_virtual,
        network_stream_timeout_seconds=_timeout_s(settings),
        requester_pays=str(config.get("request_payer")).lower() == "true",
        **_credentials(store),
    )


def _refuse_without_counterpart(settings: S3Settings) -> None:
    given = {
        key for key, value in {**settings.config, **settings.client}.items() if value not in (None, False)
    }
    lost = sorted(given & WITHOUT_COUNTERPART)
    if lost:
        raise OptionError(f"S3_OPTIONS: format icechunk has no counterpart of {', '.join(lost)}")


def _credentials(store: S3Store) -> dict[str, Any]:
    """Fixed keys, none, or the AWS chain, which icechunk walks by itself."""
    provider = store.credential_provider
    if isinstance(provider, FixedCredentials):
        return {
            "access_key_id": provider.access_key,
            "secret_access_key": provider.secret_key,
            "session_token": provider.token,
        }
    is_anonymous = str(store.config.get("skip_signature")).lower() == "true"
    return {"anonymous": True} if is_anonymous else {"from_env": True}


def _without_bucket(endpoint: str, bucket: str) -> str:
    """The endpoint as it was given; icechunk puts the bucket in front by itself."""
    return endpoint.replace(f"://{bucket}.", "://", 1)


def _timeout_s(settings: S3Settings) -> int:
    timeout = settings.client.get("read_timeout")
    return 60 if timeout is None else max(1, round(timeout.total_seconds()))
