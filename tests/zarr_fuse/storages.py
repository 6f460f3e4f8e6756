"""Storages for tests: in memory, counted, and made to fail or die at a chosen call."""

from __future__ import annotations

from functools import cached_property

from obstore.store import MemoryStore, S3Store

from tests.faults.switch import Switch, Switched
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import Layout


def in_memory() -> tuple[Objects, Layout]:
    """Access to an empty storage in memory, and the layout of a store in it."""
    return Objects(MemoryStore()), Layout("river.zarr")


class Failing(Switched):
    """A storage with a switch of its own."""

    __module__ = "obstore.tests"

    @cached_property
    def switch(self) -> Switch:
        return Switch()


class FailingStore(Failing, MemoryStore):
    """The same in memory."""

    __module__ = "obstore.tests"  # zarr asks for the name of the package


class FailingS3Store(Failing, S3Store):
    """The same in a bucket."""

    __module__ = "obstore.tests"
