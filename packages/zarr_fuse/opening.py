"""Opening and removing stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zarr_fuse.errors import ReadOnlyError
from zarr_fuse.node import Node
from zarr_fuse.options import resolve_options
from zarr_fuse.schema import NodeSchema, deserialize
from zarr_fuse.store import Store
from zarr_fuse.stored.adoption import lost_groups
from zarr_fuse.transaction import Transaction

SCHEMA_SUFFIXES = (".yaml", ".yml", ".json")
LONGEST_PATH = 4096  # bytes Linux takes in a path


def open_store(schema: Any = None, **options: Any) -> Node:  # noqa: ANN401 - path, text, bytes, file, mapping, NodeSchema
    """Open a store, in mode `a` creating its missing groups, and return its root node.

    Args:
        schema: a `Path` or text naming a YAML file, YAML text, bytes, something readable, a mapping or a
            `NodeSchema`; None or `{}` for the schema kept in the store, which must then exist.
        options: STORE_URL, STORE_FORMAT, MODE, WORKDIR, S3_ENDPOINT_URL, S3_ACCESS_KEY, S3_SECRET_KEY,
            S3_OPTIONS, LOGGER, ON_BAD_ROWS, AS_OF, WRITERS, LEASE_TTL_S, LEASE_WAIT_S; the root's ATTRS
            override them, the environment's `ZF_<KEY>` overrides both.

    Raises:
        OptionError: an option is unknown, missing or wrong.
        SchemaError: the schema is wrong, with the place.
        SchemaConflictError: the schema contradicts the stored one.
        StoreNotFoundError: the store does not exist and may not be created.
        SnapshotNotFoundError: the history has no state such as `AS_OF` names.
    """
    return Node(_store(schema, options), "")


def remove_store(schema: Any = None, **options: Any) -> None:  # noqa: ANN401
    """Delete a store and then its sidecar; repeating it is harmless.

    Raises:
        ReadOnlyError: in mode `r`.
        StoreNotFoundError: neither a store nor a sidecar is there, but something else.
    """
    parsed = _schema(schema)
    store = Store(parsed, resolve_options(options, parsed.ds.ATTRS if parsed else {}))
    if store.options.mode == "r":
        raise ReadOnlyError(f"{store.location.url} is open in mode r")
    store.remove()


def _store(schema: Any, options: dict[str, Any]) -> Store:  # noqa: ANN401
    parsed = _schema(schema)
    store = Store(parsed, resolve_options(options, parsed.ds.ATTRS if parsed else {}))
    store.open()
    if store.options.mode == "a":
        _adopt(store)
        _evolve(store)
    return store


def _adopt(store: Store) -> None:
    """Take over what another program wrote into the store, as a transaction of its own."""
    if lost_groups(store):
        with Transaction(store, (), "adopted", None):
            for path in lost_groups(store):
                store.merge_of(path)


def _evolve(store: Store) -> None:
    """Record what the schema passed adds to an existing store, as a transaction of its own."""
    outdated = [path for path in store.schemas if store.is_outdated(path)]
    if outdated or not store.schemas.keys() <= store.catalog.keys():
        with Transaction(store, (), "schema", None) as transaction:
            for path in outdated:
                transaction.touch(path)


def _schema(schema: Any) -> NodeSchema | None:  # noqa: ANN401
    if schema is None or schema == {}:
        return None
    return deserialize(Path(schema) if isinstance(schema, str) and _names_file(schema) else schema)


def _names_file(text: str) -> bool:
    """Whether text is the name of a schema file rather than a document."""
    if "\n" in text or len(text) > LONGEST_PATH:
        return False
    return text.endswith(SCHEMA_SUFFIXES) or Path(text).is_file()
