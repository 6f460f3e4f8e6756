"""Which commit protocol a store has: an existing store decides, then `STORE_FORMAT`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from zarr_fuse.commit.protocol import Commits
from zarr_fuse.commit.readings import zip_archive
from zarr_fuse.commit.write_ahead import WriteAhead
from zarr_fuse.errors import OptionError
from zarr_fuse.options import Options
from zarr_fuse.storage.location import Location
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import Layout

ZARR, ICECHUNK = "zarr", "icechunk"


def commits_for(location: Location, options: Options, raw: Any, objects: Objects, layout: Layout) -> Commits:  # noqa: ANN401 - obstore's union of stores
    """The commit protocol for the store at a place, existing or not.

    Raises:
        OptionError: the store has another format than `STORE_FORMAT` says, or none that `AS_OF` works with.
    """
    stored = ZARR if location.is_archive else stored_format(location, objects, layout)
    wanted = options.store_format
    if stored and wanted and stored != wanted:
        raise OptionError(f"STORE_FORMAT={wanted!r}, but {location.url} is a store of format {stored!r}")
    if (stored or wanted) == ICECHUNK:
        return _snapshots(location, options, raw, objects, layout)
    if stored and options.as_of:
        raise OptionError("AS_OF needs STORE_FORMAT=icechunk: format zarr keeps no older states")
    if location.is_archive:
        return zip_archive(location.archive)
    return WriteAhead(raw, objects, layout, options, location)


def stored_format(location: Location, objects: Objects, layout: Layout) -> str | None:
    """The format of the store at a place, None where there is no store."""
    if objects.size(layout.document("")) is not None:
        return ZARR
    if location.url.startswith("memory://"):
        from zarr_fuse.commit.icechunk_storage import known_in_memory

        return ICECHUNK if known_in_memory(location) else None
    pointers = ("refs/branch.main/ref.json", "repo")
    found = any(objects.size(layout.data(pointer)) is not None for pointer in pointers)
    return ICECHUNK if found else None


def _snapshots(location: Location, options: Options, raw: Any, objects: Objects, layout: Layout) -> Commits:  # noqa: ANN401
    """Icechunk is imported only where it is used: format zarr need not wait for it."""
    from zarr_fuse.commit.creation import POINTERS, Creation
    from zarr_fuse.commit.icechunk_storage import icechunk_storage, repository_config
    from zarr_fuse.commit.local_disk import LocalFolder, LocalLock
    from zarr_fuse.commit.repository import Repository
    from zarr_fuse.commit.snapshots import Snapshots

    folder = None
    if "://" not in location.url:
        lock = LocalLock(Path(location.folder) / layout.side("commit.lock"), options.lease_wait_s)
        folder = LocalFolder(Path(location.url), lock, POINTERS)
    repository = Repository(
        partial(icechunk_storage, location, options),
        repository_config(options),
        lambda: stored_format(location, objects, layout) == ICECHUNK,
    )
    creation = Creation(location, options, raw, objects, layout)
    return Snapshots(repository, creation, folder, options.as_of)
