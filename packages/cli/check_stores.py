"""Whether every store that a schema leads to can be written."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.extractor_service.places import store_options
from zarr_fuse.errors import ZarrFuseError
from zarr_fuse.options import Options, resolve_options
from zarr_fuse.schema import deserialize
from zarr_fuse.storage.abilities import probe_abilities
from zarr_fuse.storage.location import locate
from zarr_fuse.storage.opening import open_object_store
from zarr_fuse.storage.probe import plain_put, remove

if TYPE_CHECKING:
    from packages.common.models.configuration_model import Target
    from packages.common.settings import Settings


def store_problems(settings: Settings, targets: Sequence[Target]) -> Iterator[tuple[str, str]]:
    """Address and trouble (empty: none) of each store; a schema that cannot be read names none."""
    tried = set[tuple[str, str | None]]()
    for target in targets:
        try:
            with warnings.catch_warnings(action="ignore"):  # the check of the schemas has shown them
                options = resolve_options(store_options(settings), deserialize(target.schema_file).ds.ATTRS)
        except (ZarrFuseError, OSError):
            continue
        if (options.url, options.endpoint) not in tried:
            tried.add((options.url, options.endpoint))
            yield options.url, _problem(settings, options)


def _problem(settings: Settings, options: Options) -> str:
    try:
        location = locate(options)
        if location.is_archive or options.mode == "r":
            return "the store can only be read"
        if _is_beside_queue(settings, options):
            return ""
        if location.url.startswith("s3://"):
            storage = location.open(options, whole=True)
            return "; ".join(probe_abilities(storage, f"{location.name}.zf").lacking)
        _write_below(Path(location.folder))
    except ZarrFuseError as error:
        return str(error)
    return ""


def _write_below(folder: Path) -> None:
    """Write and remove a file in a folder, or in the first above it that there is: none is made."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    storage = open_object_store(str(place), create=False)
    key = f".probe-{secrets.token_hex(8)}"
    try:
        plain_put(storage, key, key.encode())
    finally:
        remove(storage, [key])


def _is_beside_queue(settings: Settings, options: Options) -> bool:
    """Whether the store lies in the bucket of the queue, which is tried by itself."""
    store, queue = urlsplit(options.url), urlsplit(settings.s3_queue_url)
    same = (store[:2], options.endpoint) == (queue[:2], settings.s3_endpoint_url)
    return same and store.scheme == "s3"
