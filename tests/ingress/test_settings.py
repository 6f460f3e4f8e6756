"""How settings change what the service does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from tests.ingress.live import CSV, CSV_TYPE, Service
from tests.rigs.s3 import Bucket, bucket_behind


def test_without_authentication_everybody_is_anonymous_but_nobody_is_admin(
    start: Callable[..., Service],
) -> None:
    service = start(auth_enabled=False, basic_auth_users_json=None)
    accepted = service.client.post("/api/v1/private", content=CSV, headers=CSV_TYPE, auth=("any", "body"))
    item = service.client.get(accepted.json()["state_url"], auth=None).json()
    assert item["user"] == "anonymous"
    assert service.client.delete(accepted.json()["state_url"]).status_code == 403


def test_a_service_without_users_refuses_everybody(start: Callable[..., Service]) -> None:
    assert start(basic_auth_users_json=None).post().status_code == 401


def test_an_upload_to_s3_is_there_when_it_is_acknowledged(
    start: Callable[..., Service], moto_bucket: Bucket
) -> None:
    service = start(s3_store_url=moto_bucket.url("store.zarr"), s3_timeout_s=30.0, **moto_bucket.access)
    assert service.client.get("/health/ready").status_code == 200
    answer = service.post()
    assert answer.status_code == 202, answer.text
    item = service.client.get(answer.json()["state_url"]).json()
    assert item["state"] == "accepted"
    assert service.client.get(item["links"]["content"]).content == CSV
    assert len(service.stored_keys()) == 2


@pytest.mark.parametrize("silent", [True, False])
def test_s3_out_of_reach_is_503_within_bounded_time(start: Callable[..., Service], silent: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not silent:
            listener.close()
        away = bucket_behind(port)
        service = start(s3_store_url=away.url("store.zarr"), s3_timeout_s=1.0, **away.access)
        started = time.monotonic()
        answer = service.post()
        assert time.monotonic() - started < 30
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert "127.0.0.1" not in answer.text
        assert service.client.get("/health").status_code == 200
        assert service.client.get("/health/ready").status_code == 503
