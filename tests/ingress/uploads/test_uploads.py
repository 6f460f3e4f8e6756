from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pyarrow as pa
import pytest

from packages.common.keys import ItemState
from tests.ingress.live import ALICE, BOB, CAROL, CSV, CSV_TYPE, ROOT, Service

ROWS = [{"time": "2026-10-01T00:00:00Z", "name": "east", "temperature": 5.5}]
JSON_TYPE = {"Content-Type": "application/json"}


def stored(service: Service, answer: httpx.Response) -> tuple[bytes, dict[str, Any]]:
    assert answer.status_code == 202, answer.text
    item = service.queue.find(answer.json()["item_id"])
    assert item is not None
    assert item.state is ItemState.ACCEPTED
    metadata = service.queue.storage.get(item.metadata_key)
    return service.queue.payload(item), json.loads(metadata)


def test_an_accepted_upload_is_stored_with_everything_known_about_it(service: Service) -> None:
    answer = service.post(headers=CSV_TYPE | {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    body = answer.json()
    assert body["status"] == "accepted"
    assert body["state_url"] == answer.headers["location"] == f"/api/v1/items/{body['item_id']}"
    payload, metadata = stored(service, answer)
    assert payload == CSV
    assert metadata["item_id"] == body["item_id"]
    assert metadata["content_type"] == "text/csv"
    assert metadata["endpoint_name"] == "weather"
    assert metadata["target_node"] == "station"
    assert metadata["schema_name"] == "tree.yaml"
    assert metadata["node_path"] is None
    assert metadata["username"] == "alice"
    assert metadata["size_bytes"] == len(CSV)
    assert metadata["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert metadata["received_at"].endswith("Z")
    assert metadata["traceparent"].startswith("00-aaaa")
    assert service.stored_keys() >= {
        f"accepted/{body['item_id']}.csv",
        f"accepted/{body['item_id']}.csv.meta.json",
    }


@pytest.mark.parametrize(
    ("content", "content_type", "extension"),
    [
        (json.dumps(ROWS), "application/json", "json"),
        (json.dumps({name: [value] for name, value in ROWS[0].items()}), "application/json", "json"),
        (json.dumps(ROWS[0]) + "\n", "application/x-ndjson", "json"),
        (CSV.replace(b"\n", b"\r\n"), "text/csv; charset=utf-8", "csv"),
        (b"\xef\xbb\xbf" + CSV, "text/csv", "csv"),
        (CSV.replace(b"east", b"\xe9st"), "text/csv; charset=iso-8859-1", "csv"),
    ],
)
def test_every_supported_body(service: Service, content: Any, content_type: str, extension: str) -> None:
    answer = service.post(content=content, headers={"Content-Type": content_type})
    payload, _ = stored(service, answer)
    assert payload == (content.encode() if isinstance(content, str) else content)
    assert f"accepted/{answer.json()['item_id']}.{extension}" in service.stored_keys()


@pytest.mark.parametrize(
    "part", [("a.csv", CSV), ("dir/a.csv", CSV, "text/csv"), ("x", CSV, "text/csv"), (None, CSV, "text/csv")]
)
def test_multipart_stores_the_file_alone(service: Service, part: Any) -> None:
    payload, metadata = stored(service, service.client.post("/api/v1/weather", files={"file": part}))
    assert payload == CSV
    assert metadata["content_type"] == "text/csv"
    assert metadata["filename"] == (part[0].rpartition("/")[2] if part[0] else None)


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("identity", bytes)])
def test_an_encoded_body_is_stored_decoded(
    service: Service, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    answer = service.post(content=encode(CSV), headers=CSV_TYPE | {"Content-Encoding": encoding})
    payload, metadata = stored(service, answer)
    assert payload == CSV
    assert metadata["content_encoding"] is None
    assert metadata["sha256"] == hashlib.sha256(CSV).hexdigest()


def test_digests_belong_to_the_body_as_sent(service: Service) -> None:
    sent = gzip.compress(CSV)
    digest = base64.b64encode(hashlib.sha256(sent).digest()).decode()
    headers = CSV_TYPE | {"Content-Encoding": "gzip", "Repr-Digest": f"sha-256=:{digest}:"}
    assert service.post(content=sent, headers=headers).status_code == 202
    wrong = service.post(content=gzip.compress(CSV + b"\n"), headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "digest_mismatch")


@pytest.mark.parametrize(
    ("path", "content", "node"),
    [
        ("/api/v1/weather/deep/lower", b"when,level\n2026-10-01,1\n", "deep/lower"),
        ("/api/v1/weather/", CSV, None),
        ("/api/v1/weather/deep/lower/", b"when\n2026-10-01\n", "deep/lower"),
        ("/api/v1/weather/nested", b"when,level\n2026-10-01,1\n", None),
        ("/api/v1/grid", b"E,N,value\n1,2,3\n", None),
    ],
)
def test_node_paths(service: Service, path: str, content: bytes, node: str | None) -> None:
    _, metadata = stored(service, service.post(path, content))
    assert metadata["node_path"] == node


def test_an_endpoint_with_an_extractor_takes_any_json(service: Service) -> None:
    payload, metadata = stored(service, service.post("/api/v1/doc", b'{"a": [{"b": 1}]}', headers=JSON_TYPE))
    assert payload == b'{"a": [{"b": 1}]}'
    assert (metadata["extract_fn"], metadata["fn_module"]) == ("normalise", "extract.doc")


def test_bad_cells_are_no_reason_to_refuse_unless_the_endpoint_says_so(service: Service) -> None:
    content = CSV.replace(b"5.5", b"warm")
    assert service.post(content=content).status_code == 202
    refused = service.post("/api/v1/strict", content)
    assert refused.status_code == 400
    problem = refused.json()
    assert problem["code"] == "schema_mismatch"
    assert problem["errors"][0] | {"message": ""} == {
        "row": 0,
        "column": "temperature",
        "value": "warm",
        "message": "",
    }


def test_a_trial_reports_and_stores_nothing(service: Service) -> None:
    before = service.stored_keys()
    answer = service.post("/api/v1/weather?validate=only", CSV.replace(b"5.5", b"warm"))
    assert answer.status_code == 200
    report = answer.json()
    assert report["rows"] == report["sample_rows"] == 2
    assert report["columns"] == ["time", "name", "temperature", "humidity"]
    assert report["finding_counts"] == {"not_convertible": 1}
    assert report["findings"][0]["row"] == 0
    assert service.post("/api/v1/strict?validate=only", CSV.replace(b"5.5", b"warm")).status_code == 400
    assert service.stored_keys() == before


@pytest.mark.parametrize(
    ("path", "auth", "status"),
    [
        ("/api/v1/private", ALICE, 403),
        ("/api/v1/private", BOB, 202),
        ("/api/v1/private", ROOT, 403),
        ("/api/v1/weather", CAROL, 403),
        ("/api/v1/weather", BOB, 202),
        ("/api/v1/weather", ("alice", "guess"), 401),
        ("/api/v1/private", ("alice", "guess"), 401),
    ],
)
def test_rights(service: Service, path: str, auth: tuple[str, str], status: int) -> None:
    assert service.post(path, auth=auth).status_code == status


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_stopped_at_the_limit_after_decoding(service: Service, encoding: str) -> None:
    zeros = bytes(64 << 20)
    bomb = gzip.compress(zeros, 1) if encoding == "gzip" else zstd(zeros)
    answer = service.post(content=bomb, headers=CSV_TYPE | {"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "16777216 bytes after decoding" in answer.json()["detail"]


def test_zstd_is_decoded(service: Service) -> None:
    answer = service.post(content=zstd(CSV), headers=CSV_TYPE | {"Content-Encoding": "zstd"})
    assert stored(service, answer)[0] == CSV


def test_the_hook_hears_of_each_item_and_cannot_spoil_the_answer(service: Service) -> None:
    heard = []

    async def hook(item_id: str) -> None:
        heard.append(item_id)
        raise ValueError("the hook fails")

    service.app.state.on_accepted = hook
    try:
        answer = service.post()
        service.client.get("/health")
    finally:
        service.app.state.on_accepted = None
    assert answer.status_code == 202
    assert heard == [answer.json()["item_id"]]


def test_two_uploads_of_the_same_file_are_two_items(service: Service) -> None:
    assert service.post().json()["item_id"] != service.post().json()["item_id"]
