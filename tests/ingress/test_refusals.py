"""Every refusal of an upload, in the order of the checks."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.ingress.live import ALICE, CSV, CSV_TYPE, Service

JSON_TYPE = {"Content-Type": "application/json"}

REFUSALS = [
    # auth before everything
    ("/api/v1/private/%2e%2e/x", {}, b"", ("alice", "no"), 401, "not_authenticated", "Invalid"),
    # rights before the node path
    ("/api/v1/private/a%2fb", {}, b"", ALICE, 403, "forbidden", "'private'"),
    # the node path before the content type
    ("/api/v1/weather/%2e%2e/x", {}, b"", ALICE, 400, "node_path", "'..'"),
    ("/api/v1/weather/deep%2Flower", {}, b"", ALICE, 400, "node_path", "encoded slash"),
    ("/api/v1/weather/%252e%252e", {}, b"", ALICE, 404, "node_unknown", "%2e%2e"),
    ("/api/v1/weather//deep", {}, b"", ALICE, 400, "node_path", "empty segment"),
    ("/api/v1/weather/a%00b", {}, b"", ALICE, 400, "node_path", "control"),
    ("/api/v1/weather/a%5Cb", {}, b"", ALICE, 400, "node_path", "backslash"),
    ("/api/v1/weather/" + "n" * 600, {}, b"", ALICE, 400, "node_path", "512"),
    ("/api/v1/weather/nowhere", {}, b"", ALICE, 404, "node_unknown", "'station/deep/lower'"),
    ("/api/v1/weather/deep", {}, b"", ALICE, 404, "node_unknown", "'station/deep'"),
    # the content type before the body
    ("/api/v1/weather", {}, b"", ALICE, 400, "content_type_missing", "No Content-Type provided"),
    ("/api/v1/weather", {"Content-Type": "text/plain"}, b"", ALICE, 415, "unsupported_type", "text/csv"),
    ("/api/v1/weather", {"Content-Type": "application/x-tar"}, b"", ALICE, 415, "unsupported_type", "json"),
    ("/api/v1/weather", CSV_TYPE | {"Content-Encoding": "br"}, b"", ALICE, 415, "encoding_unsupported", "br"),
    # the body before its content
    ("/api/v1/weather", CSV_TYPE, b"", ALICE, 406, "payload_empty", "No data provided"),
    ("/api/v1/weather", CSV_TYPE, b"x" * (9 << 20), ALICE, 413, "body_too_large", "8388608"),
    # parsing before the schema
    ("/api/v1/weather", CSV_TYPE, b"a,b\n1,2,3\n", ALICE, 406, "payload", "line 2"),
    ("/api/v1/weather", CSV_TYPE, b"time,name\n", ALICE, 406, "payload_empty", "--data-binary"),
    ("/api/v1/weather", CSV_TYPE, CSV.replace(b"\n", b""), ALICE, 406, "payload_empty", "--data-binary"),
    ("/api/v1/weather", JSON_TYPE, b'[{"a": 1},\n {"a": }]', ALICE, 406, "payload", "line 2, column 8"),
    ("/api/v1/weather", JSON_TYPE, b"[]", ALICE, 406, "payload_empty", "no rows"),
    ("/api/v1/weather", JSON_TYPE, b'{"a": {"b": 1}}', ALICE, 406, "payload", "extractor"),
    ("/api/v1/doc", JSON_TYPE, b'{"a": ', ALICE, 406, "payload", "line 1"),
    # the schema
    ("/api/v1/weather", CSV_TYPE, b"temperature\n1\n", ALICE, 400, "columns_missing", "'time', 'name'"),
    ("/api/v1/grid", CSV_TYPE, b"value\n1\n", ALICE, 400, "columns_missing", "'E', 'N'"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "headers", "content", "auth", "status", "code", "mentioned"), REFUSALS)
def test_refusals_come_in_the_documented_order_and_leave_nothing(
    service: Service,
    path: str,
    headers: dict[str, str],
    content: bytes,
    auth: tuple[str, str],
    status: int,
    code: str,
    mentioned: str,
) -> None:
    before = service.stored_keys()
    url = httpx.URL(f"http://127.0.0.1:{service.port}").copy_with(raw_path=path.encode())
    request = httpx.Request("POST", url, headers=headers, content=content)
    answer = service.client.send(request, auth=httpx.BasicAuth(*auth))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert mentioned in problem["error"]
    assert service.stored_keys() == before


def test_every_missing_column_has_an_entry(service: Service) -> None:
    problem = service.post(content=b"temperature\n1\n").json()
    assert [entry["column"] for entry in problem["errors"]] == ["time", "name"]


def test_beside_missing_columns_those_are_named_that_came(service: Service) -> None:
    problem = service.post(content=b"Time, name,temperature\n1,2,3\n").json()
    assert "missing: 'time', 'name'. The table has 'Time', ' name', 'temperature'." in problem["detail"]


def test_a_trial_names_the_columns_that_nobody_reads(service: Service) -> None:
    row = b"time,name,temperature [degC],humidity\n2026-10-01T00:00Z,east,1,2\n"
    report = service.post("/api/v1/weather?validate=only", content=row).json()
    assert report["notes"] == ["the schema has no use for 'temperature [degC]'"]
    good = service.post("/api/v1/weather?validate=only").json()
    assert good["notes"] == []


def test_a_body_of_unknown_length_is_stopped_at_the_limit(service: Service) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 1 << 30:
            sent += 1 << 16
            yield b"0" * (1 << 16)

    answer = service.post(content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert sent < 1 << 28
