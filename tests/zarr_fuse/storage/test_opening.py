from __future__ import annotations

import http.server
import pickle
import threading
from collections.abc import Iterator
from datetime import timedelta

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore

from zarr_fuse.errors import (
    AccessDeniedError,
    MissingOptionError,
    OptionError,
    StorageError,
    StoreNotFoundError,
    UnsupportedUrlError,
)
from zarr_fuse.storage.opening import open_object_store, probe_create_only, s3_config
from zarr_fuse.storage.s3_options import CLIENT_KEYS, CONFIG_KEYS

SECOND = timedelta(seconds=1)
KEYS = {"access_key": "key", "secret_key": "topsecret"}


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch, tmp_path):
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Recorder(http.server.ThreadingHTTPServer):
    """Answers every request with `status` and keeps what was asked."""

    def __init__(self, status: int) -> None:
        self.status, self.requests = status, []
        super().__init__(("127.0.0.1", 0), Answering)


class Answering(http.server.BaseHTTPRequestHandler):
    server: Recorder

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        self.send_response(self.server.status)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_DELETE = do_POST = answer  # noqa: N815

    def log_message(self, *_args) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[callable]:
    servers = []

    def start(status: int) -> Recorder:
        server = Recorder(status)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def address(server: Recorder) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def written(store) -> bytes:
    obstore.put(store, "a/b", b"1")
    return bytes(obstore.get(store, "a/b").bytes())


@pytest.mark.parametrize("form", ["file://{}", "{}", "file://localhost{}"])
def test_local_folders_are_created(tmp_path, form):
    folder = tmp_path / "new" / "store"
    store = open_object_store(form.format(folder))
    assert isinstance(store, LocalStore)
    assert written(store) == b"1"
    assert (folder / "a" / "b").read_bytes() == b"1"


def test_local_names_may_be_percent_encoded(tmp_path):
    folder = tmp_path / "50% a#b?c"
    assert written(open_object_store(folder.as_uri())) == b"1"
    assert (folder / "a" / "b").is_file()


def test_relative_local_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("x/one", "file://x/two"):
        written(open_object_store(url))
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["one", "two"]


def test_local_folder_is_not_created_unasked(tmp_path):
    with pytest.raises(StoreNotFoundError):
        open_object_store(str(tmp_path / "none"), create=False)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError):
        open_object_store(str(tmp_path / "file"))


def test_memory_stores_have_names():
    first, again = open_object_store("memory://a/b"), open_object_store("memory://a/b/")
    assert isinstance(first, MemoryStore)
    assert first is again
    assert open_object_store("memory://a") is not first


@pytest.mark.parametrize(
    "url",
    ["gs://bucket/x", "http://host/x", "https://key:topsecret@host/x", "s3://key:topsecret@bucket/x", "s3:///x",
     "s3://host:9000/x", "s3://bucket/a//b", "s3://bucket/../x", "s3://bucket/a?x=1", "s3://bucket/a#b", "zip:///x",
     "s3a://bucket/x", "s3://[bucket/x"],
)  # fmt: skip
def test_other_addresses_are_refused_and_nothing_is_created(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedUrlError) as caught:
        open_object_store(url, **KEYS)
    assert "topsecret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_s3_store_is_rooted_at_its_prefix(moto_bucket):
    endpoint = moto_bucket.endpoint
    store = open_object_store(moto_bucket.url("deep/er"), endpoint=endpoint, **KEYS)
    assert written(store) == b"1"
    whole = open_object_store(moto_bucket.url(""), endpoint=endpoint, **KEYS)
    assert "deep/er/a/b" in [meta["path"] for meta in whole.list("deep").collect()]
    assert "topsecret" not in repr(store) + repr(store.credential_provider)


def test_s3_store_can_be_pickled(moto_bucket):
    opened = open_object_store(moto_bucket.url("p"), endpoint=moto_bucket.endpoint, **KEYS)
    store = pickle.loads(pickle.dumps(opened))
    assert written(store) == b"1"


def test_no_credentials_at_all_is_an_error_before_any_request(recorder):
    server = recorder(200)
    with pytest.raises(MissingOptionError, match="S3_ACCESS_KEY"):
        open_object_store("s3://bucket/x", endpoint=address(server))
    assert server.requests == []


@pytest.mark.parametrize(
    "endpoint",
    ["127.0.0.1:7480", "localhost", "http://", "http:///x", "http://a b", "https://host:99999", "http://[::1",
     "ftp://host", "http://user:topsecret@host", "http://host?x=topsecret", "http://host\n", "http://hôst"],
)  # fmt: skip
def test_an_endpoint_that_is_no_address_is_refused_and_not_shown(endpoint):
    with pytest.raises(OptionError, match="such as https://") as caught:
        open_object_store("s3://bucket/x", endpoint=endpoint, **KEYS)
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("bucket", ["a b", "é", "a:b", "", "-a"])
def test_what_is_no_bucket_is_refused(bucket):
    with pytest.raises(UnsupportedUrlError, match="s3://bucket/path"):
        open_object_store(f"s3://{bucket}/x", endpoint="http://127.0.0.1:9", **KEYS)


@pytest.mark.parametrize("keys", [KEYS | {"access_key": "key\n"}, KEYS | {"secret_key": "topsecret\r\n"}])
def test_keys_with_the_line_end_of_their_file_are_refused_and_not_shown(keys):
    with pytest.raises(OptionError, match="line end") as caught:
        open_object_store("s3://bucket/x", endpoint="http://127.0.0.1:9", **keys)
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("given", ["access_key", "secret_key"])
def test_half_a_key_pair_is_an_error(given):
    with pytest.raises(MissingOptionError, match="two keys"):
        open_object_store("s3://bucket/x", **{given: "topsecret"})


def test_credential_chain_is_used_without_keys(monkeypatch, recorder):
    server = recorder(404)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    store = open_object_store("s3://bucket/x", endpoint=address(server), region="eu-west-9")
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "k")
    headers = {name.lower(): value for name, value in server.requests[0][2].items()}
    assert "from-environment" in headers["authorization"]
    assert "/eu-west-9/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "token"


def test_region_of_the_profile_is_used_unless_one_is_given(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nregion = eu-north-1\n")
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    assert open_object_store("s3://bucket/x").config["region"] == "eu-north-1"
    assert open_object_store("s3://bucket/x", region="eu-west-1").config["region"] == "eu-west-1"
    assert open_object_store("s3://bucket/x", **KEYS).config["region"] == "us-east-1"
    options = {"client_kwargs": {"region_name": "sa-east-1"}}
    assert open_object_store("s3://bucket/x", region="x", s3_options=options).config["region"] == "sa-east-1"


def test_given_keys_and_endpoint_win_over_the_environment(monkeypatch, recorder):
    server = recorder(404)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_SECRET_ACCESS_KEY": "other",
        "AWS_SESSION_TOKEN": "other",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    }.items():
        monkeypatch.setenv(name, value)
    store = open_object_store("s3://bucket/x", endpoint=address(server), **KEYS)
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "k")
    ((_, path, headers),) = server.requests
    headers = {name.lower(): value for name, value in headers.items()}
    assert path == "/bucket/x/k"
    assert "Credential=key/" in headers["authorization"]
    assert "x-amz-security-token" not in headers


def test_public_buckets_need_no_keys(recorder):
    server = recorder(404)
    store = open_object_store("s3://bucket/x", endpoint=address(server), s3_options={"skip_signature": True})
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "k")
    assert "authorization" not in {name.lower() for name in server.requests[0][2]}


def test_virtual_addressing_puts_the_bucket_into_the_host():
    options = {"config_kwargs": {"s3": {"addressing_style": "virtual"}}}
    store = open_object_store(
        "s3://bucket/x", endpoint="https://objects.example.net", s3_options=options, **KEYS
    )
    assert store.config["endpoint"] == "https://bucket.objects.example.net"
    again = open_object_store("s3://bucket/x", endpoint=store.config["endpoint"], s3_options=options, **KEYS)
    assert again.config["endpoint"] == store.config["endpoint"]


def s3(**keys):
    return {"config_kwargs": {"s3": keys}}


@pytest.mark.parametrize(
    ("options", "config", "client", "retry"),
    [
        (None, {}, {}, {}),
        ("", {}, {}, {}),
        ('{"region": "r", "allow_http": true}', {"region": "r"}, {"allow_http": True}, {}),
        ({"key": "k", "secret": "s", "token": "t"},
         {"access_key_id": "k", "secret_access_key": "s", "session_token": "t"}, {}, {}),
        ({"endpoint_url": "https://e"}, {"endpoint": "https://e"}, {}, {}),
        ({"client_kwargs": {"region_name": "r", "verify": False, "endpoint_url": "https://e"}},
         {"region": "r", "endpoint": "https://e"}, {"allow_invalid_certificates": True}, {}),
        (s3(addressing_style="path"), {"virtual_hosted_style_request": False}, {}, {}),
        (s3(addressing_style="virtual"), {"virtual_hosted_style_request": True}, {}, {}),
        (s3(addressing_style="auto"), {}, {}, {}),
        (s3(payload_signing_enabled=False), {"unsigned_payload": True}, {}, {}),
        ({"config_kwargs": {"connect_timeout": 3, "read_timeout": "500ms"}}, {},
         {"connect_timeout": timedelta(seconds=3), "read_timeout": timedelta(milliseconds=500)}, {}),
        ({"config_kwargs": {"retries": {"max_attempts": 4, "mode": "standard"}}}, {}, {}, {"max_retries": 4}),
        ({"retry_timeout": "2m", "backoff": {"init_backoff": 1, "base": 3}}, {}, {},
         {"retry_timeout": timedelta(minutes=2), "backoff": {"init_backoff": SECOND, "base": 3}}),
        ({"listings_expiry_time": 1, "max_paths": 2, "asynchronous": True}, {}, {}, {}),
        ({"config_kwargs": {"request_checksum_calculation": "when_required"}}, {}, {}, {}),
        ({"sts_endpoint": "https://e"}, {"aws_endpoint_url_sts": "https://e"}, {}, {}),
    ],
)  # fmt: skip
def test_s3_options_become_settings(options, config, client, retry):
    settings = s3_config(options)
    assert (settings.config, settings.client, settings.retry) == (config, client, retry)


def test_max_concurrency_is_kept():
    assert s3_config({"max_concurrency": 7}).max_concurrency == 7
    assert s3_config({}).max_concurrency is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"regoin": "r"}, "'regoin'.*'region'"),
        ({"config_kwargs": {"s3": {"adressing_style": "path"}}}, "config_kwargs.s3.adressing_style"),
        ({"config_kwargs": {"signature_version": "s3"}}, "config_kwargs.signature_version"),
        ({"config_kwargs": {"s3": {"addressing_style": "round"}}}, "addressing_style"),
        ({"config_kwargs": 5}, "config_kwargs"),
        ({"client_kwargs": {"verify": "no"}}, "client_kwargs.verify"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"backoff": {"initial": 1}}, "backoff"),
        ({"max_concurrency": "many"}, "max_concurrency"),
        ("{", "JSON"),
        ("[]", "JSON object"),
    ],
)
def test_wrong_s3_options_are_named(options, named):
    with pytest.raises(OptionError, match=named):
        s3_config(options)


def test_wrong_values_are_refused_without_secrets():
    with pytest.raises(OptionError) as caught:
        open_object_store("s3://b/x", s3_options={"unsigned_payload": "perhaps"}, **KEYS)
    assert "topsecret" not in str(caught.value)
    assert "topsecret" not in repr(s3_config({"secret": "topsecret"}))


@pytest.mark.parametrize("key", sorted(CONFIG_KEYS))
def test_obstore_knows_every_key(key):
    assert "not valid for store" not in complaint(config={key: "5s"})


@pytest.mark.parametrize("key", sorted(CLIENT_KEYS))
def test_obstore_knows_every_client_key(key):
    assert complaint(client_options={key: "5s"}) != complaint(client_options={"no_such_key": "5s"})


def complaint(**arguments) -> str:
    try:
        obstore.store.S3Store("b", **arguments)
    except (obstore.exceptions.BaseError, TypeError, ValueError) as error:
        return f"{error}"
    return "none"


def test_probe_trusts_storages_with_one_winner(tmp_path, moto_bucket):
    for store in (
        open_object_store(str(tmp_path / "local")),
        open_object_store("memory://probe"),
        open_object_store(moto_bucket.url("probe"), endpoint=moto_bucket.endpoint, **KEYS),
    ):
        assert probe_create_only(store, "side/car") is True
        assert store.list().collect() == []


def test_probe_distrusts_a_storage_that_ignores_the_condition(monkeypatch):
    store = MemoryStore()
    put = obstore.put
    monkeypatch.setattr(obstore, "put", lambda store, key, body, **_: put(store, key, body))
    assert probe_create_only(store, "probe") is False
    assert store.list().collect() == []


def test_probe_distrusts_a_storage_without_conditional_writes(monkeypatch):
    store = MemoryStore()
    put = obstore.put

    def refusing(store, key, body, mode=None, **_):
        if mode == "create":
            raise obstore.exceptions.GenericError("501 Not Implemented")
        return put(store, key, body)

    monkeypatch.setattr(obstore, "put", refusing)
    assert probe_create_only(store, "probe") is False
    assert store.list().collect() == []


def test_probe_accepts_a_lost_answer(monkeypatch):
    store = MemoryStore()
    put = obstore.put

    def forgetting(store, key, body, **kwargs):
        put(store, key, body, **kwargs)
        raise obstore.exceptions.GenericError("the answer was lost")

    monkeypatch.setattr(obstore, "put", forgetting)
    assert probe_create_only(store, "probe") is True


@pytest.mark.parametrize(("status", "error"), [(403, AccessDeniedError), (500, StorageError)])
def test_probe_says_when_it_can_say_nothing(recorder, status, error):
    store = open_object_store(
        "s3://b/x", endpoint=address(recorder(status)), s3_options={"max_retries": 0}, **KEYS
    )
    with pytest.raises(error):
        probe_create_only(store, "probe")
