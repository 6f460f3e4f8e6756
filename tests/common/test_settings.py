from __future__ import annotations

from pathlib import Path

import pytest

from packages.common.errors import ConfigurationError
from packages.common.models.user_model import parse_users
from packages.common.settings import (
    Settings,
    default_queue_url,
    describe_settings,
    load_settings,
    nearly_settings,
)


def test_defaults_need_no_server(tmp_path):
    settings = load_settings()
    assert settings.s3_store_url == (tmp_path / ".data" / "store.zarr").as_uri()
    assert settings.s3_queue_url == (tmp_path / ".data" / "queue").as_uri()
    assert settings.schema_folder == Path("inputs/schemas")
    assert (settings.host, settings.port, settings.max_attempts) == ("127.0.0.1", 8000, 8)
    assert settings.users() == {}


@pytest.mark.parametrize(
    ("store", "queue"),
    [
        ("s3://bucket/a/b.zarr", "s3://bucket/queue"),
        ("file:///a/b/store.zarr", "file:///a/b/queue"),
        ("file:///a/b/store.zarr/", "file:///a/b/queue"),
        ("/a/b/store.zarr", "file:///a/b/queue"),
        ("memory://name", "memory://name/queue"),
    ],
)
def test_queue_lies_beside_the_store(store, queue):
    assert default_queue_url(store) == queue


def test_relative_store_is_below_the_current_folder(tmp_path):
    assert default_queue_url("data/store.zarr") == (tmp_path / "data" / "queue").as_uri()


def test_environment_wins_over_dotenv(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text(
        "PORT=9000\nLOG_LEVEL=debug\nOTHER_TOOL=1\nS3_QUEUE_URL=s3://b/q\nRETENTION_FAILED_DAYS=\n"
    )
    monkeypatch.setenv("PORT", "9001")
    settings = load_settings()
    assert (settings.port, settings.log_level, settings.s3_queue_url) == (9001, "DEBUG", "s3://b/q")
    assert settings.retention_failed_days is None


def test_schemas_lie_beside_the_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("CONFIG_PATH", str(tmp_path / "conf" / "c.yaml"))
    assert load_settings().schema_folder == tmp_path / "conf" / "schemas"
    monkeypatch.setenv("SCHEMAS_DIR", str(tmp_path / "s"))
    assert load_settings().schema_folder == tmp_path / "s"


def test_every_wrong_setting_is_named_without_its_value(monkeypatch):
    monkeypatch.setenv("PORT", "eight thousand")
    monkeypatch.setenv("MAX_ATTEMPTS", "0")
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    named = {problem.partition(":")[0] for problem in caught.value.problems}
    assert named == {"PORT", "MAX_ATTEMPTS", "LOG_FORMAT"}
    assert "eight thousand" not in str(caught.value)


def test_secrets_are_not_shown(monkeypatch):
    for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY"):
        monkeypatch.setenv(name, "hidden-value")
    monkeypatch.setenv("BASIC_AUTH_USERS_JSON", '{"ann": "hidden-value"}')
    settings = load_settings()
    assert "hidden-value" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert "hidden-value" not in repr(settings.users())
    assert settings.users()["ann"].password.get_secret_value() == "hidden-value"


def test_every_setting_is_described():
    rows = describe_settings()
    assert {name for name, _, _ in rows} == {name.upper() for name in Settings.model_fields}
    assert all(description for _, _, description in rows)


def test_users_are_passwords_hashes_or_objects():
    users = parse_users(
        '{"a": "plain", "b": "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA",'
        ' "c": {"password": "p", "roles": ["admin"], "endpoints": ["weather"]}}'
    )
    assert (users["a"].has_hash, users["b"].has_hash) == (False, True)
    assert users["c"].roles == {"admin"}
    assert users["c"].may_write("weather")
    assert not users["c"].may_write("tree")
    assert users["a"].may_write("tree")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"ann": "s3cr3t"', "not valid JSON"),
        ("s3cr3t", "not valid JSON"),
        ('["s3cr3t"]', "must be a JSON object"),
        ('{"ann": {"pasword": "s3cr3t"}}', "pasword"),
        ('{"ann": {"password": "s3cr3t", "roles": "admin"}}', "roles"),
        ('{"ann": 7}', "'ann'"),
        ('{"ann": null}', "'ann'"),
        ('{"ann": ""}', "'ann'"),
        ('{"": "s3cr3t"}', "empty"),
        ('{"a:b": "s3cr3t"}', "colon"),
        ('{"ann": "s3cr3t", "ann": "s3cr3t"}', "twice"),
    ],
)
def test_malformed_users_are_refused_without_showing_secrets(text, said):
    with pytest.raises(ConfigurationError) as caught:
        parse_users(text)
    assert said in str(caught.value)
    assert "BASIC_AUTH_USERS_JSON" in str(caught.value)
    assert "s3cr3t" not in repr(caught.value) + str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_all_malformed_users_are_named():
    with pytest.raises(ConfigurationError) as caught:
        parse_users('{"a": 1, "b": {"x": 1}}')
    assert "'a'" in str(caught.value)
    assert "'b'" in str(caught.value)


def test_names_that_are_almost_settings_are_found(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("S3_ENDPOINT=http://127.0.0.1\nINGRESS_PORT=8001\nS3_REGION=eu\n")
    for name in (
        "MAX_ATEMPTS",
        "AWS_ENDPOINT_URL",
        "ZF_S3_ACCESS_KEY",
        "AIRFLOW_ADMIN_PASSWORD",
        "S3_ACCESS_KEY",
    ):
        monkeypatch.setenv(name, "1")
    found = nearly_settings()
    assert [pair for pair in found if pair[0] in {"S3_ENDPOINT", "MAX_ATEMPTS"}] == [
        ("MAX_ATEMPTS", "MAX_ATTEMPTS"),
        ("S3_ENDPOINT", "S3_ENDPOINT_URL"),
    ]
    assert not {"INGRESS_PORT", "AWS_ENDPOINT_URL", "ZF_S3_ACCESS_KEY", "S3_REGION", "S3_ACCESS_KEY"} & {
        name for name, _ in found
    }
