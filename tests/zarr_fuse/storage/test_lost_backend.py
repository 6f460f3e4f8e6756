"""A gateway whose S3 is away for a moment says 404 to everything: that is no word about any object."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tests.rigs.gateway import gateway_to
from zarr_fuse import open_store
from zarr_fuse.errors import StorageError
from zarr_fuse.storage.missing import is_missing

SCHEMA = {
    "n": {
        "VARS": {"x": {"unit": "m", "coords": "t"}},
        "COORDS": {"t": {"unit": {"tick": "s"}, "chunk_size": 4}},
    }
}


def contents(root):
    return root["n"].dataset.load().x.values.tolist()


def row(second):
    return pl.DataFrame({"t": [second], "x": [float(second)]})


@pytest.mark.parametrize("lost", ["/n/x/c/", "zarr.json", "/lock/"])
def test_what_a_gateway_has_lost_for_a_moment_is_not_overwritten(moto_bucket, lost):
    with gateway_to(moto_bucket.endpoint) as gateway:
        there = replace(moto_bucket, endpoint=gateway.endpoint)
        open_store(SCHEMA, **moto_bucket.options())["n"].update(row(1))
        gateway.forgets = lambda method, path: method in {"GET", "HEAD"} and lost in path
        with pytest.raises(StorageError, match="404"):
            open_store(SCHEMA, **there.options(S3_OPTIONS={"max_retries": 0}))["n"].update(row(2))
        gateway.forgets = lambda _method, _path: False
        root = open_store(SCHEMA, **there.options())
        root["n"].update(row(3))
        assert contents(root) == [1.0, 3.0]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("Object at location a not found: No such file or directory (os error 2)", True),
        ("… non-2xx status code: 404 Not Found: <Error><Code>NoSuchKey</Code></Error>", True),
        ("… non-2xx status code: 404 Not Found: 404 page not found", False),
        ("… non-2xx status code: 404 Not Found: ", False),
        ("… non-2xx status code: 404 Not Found: <Error><Code>NoSuchBucket</Code></Error>", False),
    ],
)
def test_only_the_storage_itself_can_say_that_there_is_no_object(text, missing):
    assert is_missing(FileNotFoundError(text)) is missing
