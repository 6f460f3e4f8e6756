from __future__ import annotations

import inspect
import pickle

import pytest

from zarr_fuse import errors

TABLE = {
    "OptionError": ("option", False, ValueError),
    "MissingOptionError": ("option_missing", False, KeyError),
    "UnsupportedUrlError": ("url_scheme", False, ValueError),
    "SchemaError": ("schema", False, ValueError),
    "MissingKeyError": ("schema_key_missing", False, KeyError),
    "UnknownKeyError": ("schema_key_unknown", False, ValueError),
    "UndefinedUnitError": ("unit_unknown", False, AttributeError),
    "SchemaConflictError": ("schema_conflict", False, ValueError),
    "UpdateRefusedError": ("update_refused", False, ValueError),
    "AlreadyMergedError": ("duplicate", False, ValueError),
    "NodeNotFoundError": ("node_missing", False, KeyError),
    "StoreNotFoundError": ("store_missing", False, FileNotFoundError),
    "SnapshotNotFoundError": ("snapshot_missing", False, LookupError),
    "ReadOnlyError": ("read_only", False, PermissionError),
    "AccessDeniedError": ("access_denied", False, PermissionError),
    "TransactionError": ("transaction_state", False, RuntimeError),
    "UnsafeStoreError": ("unsafe_store", False, RuntimeError),
    "CorruptStoreError": ("corrupt_store", False, RuntimeError),
    "StorageError": ("storage", True, OSError),
    "LeaseHeldError": ("lease_held", True, TimeoutError),
    "LeaseLostError": ("lease_lost", True, RuntimeError),
    "CommitConflictError": ("commit_conflict", True, RuntimeError),
}


def _tree() -> dict[str, type[errors.ZarrFuseError]]:
    members = inspect.getmembers(errors, inspect.isclass)
    return {
        name: cls
        for name, cls in members
        if issubclass(cls, errors.ZarrFuseError) and cls is not errors.ZarrFuseError and cls.__name__ == name
    }


def test_the_table_lists_every_error_and_no_other():
    assert set(_tree()) == set(TABLE)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_error_has_the_promised_kind_retryability_and_builtin_base(name):
    kind, retryable, builtin = TABLE[name]
    cls = _tree()[name]
    assert (cls.kind, cls.retryable) == (kind, retryable)
    assert issubclass(cls, builtin)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_error_survives_pickling_and_shows_its_plain_message(name):
    cls = _tree()[name]
    takes_list = name in {"SchemaConflictError", "UpdateRefusedError", "AlreadyMergedError"}
    error = cls(["one", "two"]) if takes_list else cls("one")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert "one" in str(error)
    assert not str(error).startswith("'")


def test_kinds_are_unique():
    kinds = [cls.kind for cls in _tree().values()]
    assert len(kinds) == len(set(kinds))


def test_old_name_of_the_option_error_remains():
    assert errors.ZFOptionError is errors.OptionError


def test_lists_are_kept_whole():
    assert errors.UpdateRefusedError(["a", "b"]).problems == ("a", "b")
    assert errors.SchemaConflictError(["a", "b"]).differences == ("a", "b")
    assert errors.AlreadyMergedError({"b", "a"}).item_ids == ("a", "b")
