"""Making and removing an icechunk repository."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from zarr_fuse.commit.icechunk_storage import forget_memory, is_in_memory
from zarr_fuse.commit.lease import Lease
from zarr_fuse.commit.repository import Repository
from zarr_fuse.commit.safety import require_create_only
from zarr_fuse.errors import OptionError
from zarr_fuse.options import Options
from zarr_fuse.storage.location import Location
from zarr_fuse.storage.objects import Objects
from zarr_fuse.storage.opening import CALL_TIMEOUT_S
from zarr_fuse.stored.layout import Layout

POINTERS = ("refs/branch.main/ref.json", "repo")  # what makes a repository one, by the version of its format
OWN = ("snapshots", "transactions", "manifests", "chunks", "refs", "overwritten", "config.yaml", "repo")


class Creation:
    """Makes the repository of a store once, however many processes open it, and removes it.

    Args:
        raw: the obstore store behind `objects`.
        objects: access to the folder that holds the repository and its sidecar.
    """

    def __init__(
        self,
        location: Location,
        options: Options,
        raw: Any,  # noqa: ANN401 - obstore's union of stores
        objects: Objects,
        layout: Layout,
    ) -> None:
        self.objects = objects
        self.layout = layout
        self._location = location
        self._options = options
        self._raw = raw

    def create(self, repository: Repository) -> None:
        """Make the repository unless there is one.

        Raises:
            OptionError: something else lies at its place.
            UnsafeStoreError: the storage cannot guard the creation.
        """
        with self._guarded():
            if not repository.exists():
                self._clear()
                repository.create()

    def remove(self) -> None:
        """Delete what makes it a repository, then the rest, then the sidecar."""
        if is_in_memory(self._location):
            forget_memory(self._location)
        else:
            self.objects.delete([self.layout.data(pointer) for pointer in POINTERS])
            self.objects.remove_tree(self.layout.data_root)
        self.objects.remove_tree(self.layout.side())

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._options.writers == "one":
            yield
            return
        require_create_only(self._raw, self.layout.side())
        timeout_s = CALL_TIMEOUT_S if self.objects.is_remote else 0.0
        ttl_s, wait_s = self._options.lease_ttl_s, self._options.lease_wait_s
        lease = Lease(self.objects, self.layout, ttl_s, wait_s, timeout_s)
        lease.acquire()
        try:
            yield
        finally:
            lease.release()

    def _clear(self) -> None:
        """Remove what a creator that died has left."""
        if is_in_memory(self._location):
            return
        keys = self.objects.keys(self.layout.data_root)
        strange = [key for key in keys if key.removeprefix(self.layout.data("")).partition("/")[0] not in OWN]
        if strange:
            raise OptionError(f"STORE_URL: {self._location.url} holds something else, such as {strange[0]!r}")
        self.objects.delete(keys)
