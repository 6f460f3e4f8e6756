"""Opening object storage by its address, and finding out whether it can guard a lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from obstore import exceptions as ob
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import LocalStore, MemoryStore, S3Store

from zarr_fuse.errors import (
    MissingOptionError,
    OptionError,
    StoreNotFoundError,
    UnsupportedUrlError,
)
from zarr_fuse.storage.probe import probe_create_only
from zarr_fuse.storage.refusals import refusal
from zarr_fuse.storage.s3_address import require_bucket, require_endpoint, require_plain
from zarr_fuse.storage.s3_options import S3Settings, s3_config

if TYPE_CHECKING:
    from obstore.store import S3Credential

Store: TypeAlias = S3Store | LocalStore | MemoryStore

DEFAULT_REGION = "us-east-1"
CALL_TIMEOUT_S = 20.0
"""How long one call on a small object takes at most by default: a last attempt of half this time may begin
after half this time of retries."""
CLIENT_DEFAULTS = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=CALL_TIMEOUT_S / 2),
    "timeout": timedelta(minutes=5),
}
RETRY_DEFAULTS = {"max_retries": 5, "retry_timeout": timedelta(seconds=CALL_TIMEOUT_S / 2)}
BACKOFF_DEFAULTS = {
    "init_backoff": timedelta(milliseconds=100),
    "max_backoff": timedelta(seconds=3),
    "base": 2,
}

_memory_stores: dict[str, MemoryStore] = {}
_memory_lock = threading.Lock()


@dataclass(frozen=True)
class FixedCredentials:
    """A credential provider for keys given in the settings; it keeps `AWS_SESSION_TOKEN` out."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def __call__(self) -> S3Credential:
        """The keys, in obstore's form."""
        return {
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "token": self.token,
            "expires_at": None,
        }


def open_object_store(
    url: str,
    *,
    endpoint: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    region: str | None = None,
    s3_options: Mapping[str, Any] | str | None = None,
    create: bool = True,
) -> Store:
    """An obstore store rooted at `url`: `s3://bucket/prefix`, `file://…` or a plain path, `memory://name`.

    `region` defaults to the one of the AWS profile in use, else `us-east-1`. `create` makes a missing local
    folder. No request is made.

    Raises:
        UnsupportedUrlError: another scheme, or credentials in the address; nothing is created.
        MissingOptionError: `s3://` without keys and without any source of the AWS credential chain.
        OptionError: `s3_options` hold an unknown key or a wrong value.
        StoreNotFoundError: a local folder is missing and `create` is false.
    """
    settings = s3_config(s3_options)
    parts = _split(url)
    if parts is None or parts.scheme == "file":
        return _local_store(Path(url) if parts is None else _file_path(parts), create=create)
    if parts.scheme == "memory":
        return _memory_store(parts.netloc + parts.path.rstrip("/"))
    settings.config.update(_given(endpoint=endpoint, access_key_id=access_key, secret_access_key=secret_key))
    settings.config.update(_given(region=settings.config.get("region") or region))
    return _s3_store(parts, settings)


def _split(url: str) -> SplitResult | None:
    if "://" not in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UnsupportedUrlError("the address of the store is no valid URL") from None
    if parts.scheme not in {"s3", "file", "memory"}:
        raise UnsupportedUrlError(
            f"{parts.scheme}:// is no supported address; there are s3://, file://, memory:// and zip://"
        )
    if "@" in parts.netloc:
        raise UnsupportedUrlError(
            "the address of the store holds credentials; give them as S3_ACCESS_KEY, S3_SECRET_KEY"
        )
    if parts.scheme != "file" and (parts.query or parts.fragment):
        raise UnsupportedUrlError(f"{url!r} has a query or fragment")
    return parts


def _file_path(parts: SplitResult) -> Path:
    host = "" if parts.netloc == "localhost" else parts.netloc
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return Path(unquote(f"{host}{parts.path}{query}{fragment}"))


def _local_store(path: Path, *, create: bool) -> LocalStore:
    if not create and not path.is_dir():
        raise StoreNotFoundError(f"there is no folder {path}")
    try:
        return LocalStore(path.absolute(), mkdir=create)
    except (ob.BaseError, OSError) as error:
        raise OptionError(f"the folder {path} cannot be opened: {refusal(error)}") from error


def _memory_store(name: str) -> MemoryStore:
    with _memory_lock:
        return _memory_stores.setdefault(name, MemoryStore())


def _s3_store(parts: SplitResult, settings: S3Settings) -> S3Store:
    prefix = parts.path.strip("/")
    require_bucket(parts.netloc)
    if any(segment in {"", ".", ".."} for segment in prefix.split("/")) and prefix:
        raise UnsupportedUrlError("an s3:// address may not have empty, . or .. segments")
    provider = _credentials(settings.config)
    _complete(parts.netloc, settings, provider)
    try:
        return S3Store(
            parts.netloc,
            prefix=prefix or None,
            config=settings.config,  # type: ignore[arg-type]
            client_options={**CLIENT_DEFAULTS, **settings.client},  # type: ignore[arg-type]
            retry_config=_retry(settings.retry),  # type: ignore[arg-type]
            credential_provider=provider,
        )
    except (ob.BaseError, ValueError, TypeError) as error:
        raise OptionError(f"the S3 settings are not accepted: {refusal(error)}") from None


def _credentials(config: dict[str, Any]) -> FixedCredentials | Boto3CredentialProvider | None:
    access_key, secret_key = config.pop("access_key_id", None), config.pop("secret_access_key", None)
    token = config.pop("session_token", None)
    require_plain(access_key, secret_key, token)
    if access_key and secret_key:
        config["skip_signature"] = False
        return FixedCredentials(access_key, secret_key, token)
    if access_key or secret_key:
        missing = "S3_SECRET_KEY" if access_key else "S3_ACCESS_KEY"
        raise MissingOptionError(f"{missing} is missing: the two keys come together")
    if config.get("skip_signature") in {True, "true"} or "web_identity_token_file" in config:
        return None
    try:
        return Boto3CredentialProvider()
    except ValueError:
        raise MissingOptionError(
            "no S3 credentials: S3_ACCESS_KEY and S3_SECRET_KEY are not set, "
            "and the AWS credential chain (environment, profile, role) has none"
        ) from None


def _complete(bucket: str, settings: S3Settings, provider: object) -> None:
    config = settings.config
    if "region" not in config:
        profile = provider.config if isinstance(provider, Boto3CredentialProvider) else {}
        config["region"] = profile.get("region", DEFAULT_REGION)
    if not (endpoint := config.get("endpoint")):
        return
    require_endpoint(endpoint)
    if config.setdefault("virtual_hosted_style_request", False) in {True, "true"}:
        config["endpoint"] = endpoint = _with_bucket(endpoint, bucket)
    if "AWS_ENDPOINT_URL_S3" in os.environ:
        config["aws_endpoint_url_s3"] = endpoint
    if endpoint.startswith("http://"):
        settings.client.setdefault("allow_http", True)


def _with_bucket(endpoint: str, bucket: str) -> str:
    scheme, _, rest = endpoint.partition("://")
    return endpoint if rest.startswith(f"{bucket}.") else f"{scheme}://{bucket}.{rest}"


def _retry(retry: dict[str, Any]) -> dict[str, Any]:
    return {**RETRY_DEFAULTS, **retry, "backoff": {**BACKOFF_DEFAULTS, **retry.get("backoff", {})}}


def _given(**values: str | None) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


__all__ = [
    "CALL_TIMEOUT_S",
    "FixedCredentials",
    "Store",
    "open_object_store",
    "probe_create_only",
    "s3_config",
]
