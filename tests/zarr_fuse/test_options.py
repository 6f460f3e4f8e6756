from __future__ import annotations

import pytest

from zarr_fuse.errors import MissingOptionError, OptionError, UnsupportedUrlError
from zarr_fuse.options import resolve_options
from zarr_fuse.storage.location import locate


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for key in ("STORE_URL", "MODE", "S3_ENDPOINT_URL"):
        monkeypatch.delenv(f"ZF_{key}", raising=False)


def test_attrs_override_keywords_and_the_environment_overrides_both(monkeypatch):
    keywords, attrs = {"STORE_URL": "memory://a", "MODE": "r"}, {"STORE_URL": "memory://b"}
    assert resolve_options(keywords, {}).url == "memory://a"
    assert resolve_options(keywords, attrs).url == "memory://b"
    monkeypatch.setenv("ZF_STORE_URL", "memory://c")
    options = resolve_options(keywords, attrs)
    assert (options.url, options.mode) == ("memory://c", "r")


def test_unknown_option_names_the_nearest_known_one():
    with pytest.raises(OptionError, match=r"'STORE_URI'.*'STORE_URL'"):
        resolve_options({"STORE_URI": "memory://a"}, {})


def test_lower_case_option_works_with_a_warning():
    with pytest.warns(UserWarning, match="store_url"):
        assert resolve_options({"store_url": "memory://a"}, {}).url == "memory://a"


def test_missing_address_is_a_key_error_too():
    with pytest.raises(MissingOptionError, match="STORE_URL"):
        resolve_options({}, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MODE", "w"),
        ("STORE_FORMAT", "parquet"),
        ("ON_BAD_ROWS", "skip"),
        ("LOGGER", "x"),
        ("LEASE_TTL_S", "soon"),
        ("LEASE_WAIT_S", 0),
        ("S3_OPTIONS", "[1]"),
        ("S3_OPTIONS", "{"),
        ("AS_OF", "yesterday"),
    ],
)
def test_wrong_value_is_named(key, value):
    with pytest.raises(OptionError, match=key):
        resolve_options({"STORE_URL": "memory://a", key: value}, {})


def test_legacy_attrs_name_the_store():
    options = resolve_options({}, {"s3_url": "https://objects.example.net", "store_path": "hydro/river.zarr"})
    assert (options.url, options.endpoint) == ("s3://hydro/river.zarr", "https://objects.example.net")


def test_secrets_are_not_shown():
    options = resolve_options(
        {"STORE_URL": "memory://a", "S3_ACCESS_KEY": "AKIA1", "S3_SECRET_KEY": "hush"}, {}
    )
    assert "AKIA1" not in repr(options)
    assert "hush" not in repr(options)


def test_secrets_in_attrs_work_with_a_warning():
    with pytest.warns(UserWarning, match="S3 keys in ATTRS"):
        options = resolve_options({"STORE_URL": "memory://a"}, {"S3_SECRET_KEY": "hush"})
    assert options.secret_key == "hush"


@pytest.mark.parametrize(
    ("url", "folder", "name"),
    [
        ("s3://hydro/river.zarr", "s3://hydro", "river.zarr"),
        ("s3://hydro/a/river.zarr/", "s3://hydro/a", "river.zarr"),
        ("file:///data/my%20river.zarr", "/data", "my river.zarr"),
        ("/data/river.zarr", "/data", "river.zarr"),
        ("river.zarr", "/srv/dir", "river.zarr"),
        ("sub/river.zarr", "/srv/dir/sub", "river.zarr"),
        ("memory://river", "memory://river", ""),
    ],
)
def test_store_and_sidecar_are_neighbours_in_one_folder(url, folder, name):
    location = locate(resolve_options({"STORE_URL": url, "WORKDIR": "/srv/dir"}, {}))
    assert (location.folder, location.name) == (folder, name)


def test_bare_bucket_is_refused():
    with pytest.raises(UnsupportedUrlError, match="whole bucket"):
        locate(resolve_options({"STORE_URL": "s3://hydro"}, {}))
