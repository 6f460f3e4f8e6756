from __future__ import annotations

import base64
import gzip
import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.deployment import USER, Deployment

pytestmark = pytest.mark.xdist_group("e2e_test_door")

GOOD_CSV = b"time,station,temperature\n2026-10-01T00:00:00Z,north,9.5\n"
MIB = 2**20


@pytest.fixture(autouse=True)
def _nothing_is_written(deployment: Deployment) -> Iterator[None]:
    yield
    assert deployment.queued_files() == []


def assert_refused(answer, status: int, *mentioned: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["error"] == problem["detail"]
    for text in mentioned:
        assert text in problem["detail"]


@pytest.mark.parametrize("credentials", [("station", "wrong"), ("nobody", "secret"), ("", "")])
def test_wrong_credentials_are_401(deployment: Deployment, credentials: tuple[str, str]) -> None:
    answer = deployment.client.post(
        "/api/v1/weather", content=GOOD_CSV, headers={"Content-Type": "text/csv"}, auth=credentials
    )
    assert_refused(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/nowhere", 404),
        ("/api/v2/weather", 404),
        ("/api/v1/weather/cellar", 404),
        ("/api/v1/tree/a/x", 404),
        ("/api/v1/tree/a/%2e%2e/b", 400),
        ("/api/v1/tree//a", 400),
    ],
)
def test_a_wrong_path_is_refused(deployment: Deployment, path: str, status: int) -> None:
    assert_refused(deployment.post(path, GOOD_CSV, "text/csv"), status)


@pytest.mark.parametrize(
    ("content", "content_type", "mentioned"),
    [
        (b"\x00\xff\xfe\x01" * 200, "text/csv", ""),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "application/json", "line 1"),
        (b'{"data": [', "application/json", "line 1"),
        (b'[{"a": NaN}]', "application/json", "line 1"),
        (b"[" * 100_000, "application/json", ""),
        (b"time,station,temperature\n2026-10-01T00:00:00Z,north\n", "text/csv", "line 2"),
        (b"time,station,temperature\n", "text/csv", "--data-binary"),
        (GOOD_CSV.replace(b"\n", b""), "text/csv", "--data-binary"),
        (b"", "text/csv", "No data provided"),
        (b"", "application/json", "No data provided"),
    ],
)
def test_garbage_is_406_and_says_where(
    deployment: Deployment, content: bytes, content_type: str, mentioned: str
) -> None:
    assert_refused(deployment.post("/api/v1/weather", content, content_type), 406, mentioned)


@pytest.mark.parametrize("content_type", ["text/csv", "application/json"])
def test_a_hundred_mebibytes_of_zeros_are_406(deployment: Deployment, content_type: str) -> None:
    assert_refused(deployment.post("/api/v1/weather", bytes(100 * MIB), content_type), 406)


def test_compressed_zeros_are_406(deployment: Deployment) -> None:
    answer = deployment.client.post(
        "/api/v1/weather",
        content=gzip.compress(bytes(100 * MIB), 1),
        headers={"Content-Type": "text/csv", "Content-Encoding": "gzip"},
    )
    assert_refused(answer, 406)


def test_a_missing_coordinate_column_is_400_and_named(deployment: Deployment) -> None:
    answer = deployment.post("/api/v1/weather", b"temperature\n9.5\n", "text/csv")
    assert_refused(answer, 400, "'time'", "'station'")


def test_no_content_type_is_400(deployment: Deployment) -> None:
    address = urlsplit(str(deployment.client.base_url))
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=100)
    credentials = base64.b64encode(":".join(USER).encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    connection.request("POST", "/api/v1/weather", GOOD_CSV, headers)
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"No Content-Type provided" in answer.read()
    connection.close()


@pytest.mark.parametrize("content_type", ["text/plain", "image/png"])
def test_an_unknown_type_is_415(deployment: Deployment, content_type: str) -> None:
    assert_refused(deployment.post("/api/v1/weather", GOOD_CSV, content_type), 415, content_type)


def test_a_trial_stores_nothing(deployment: Deployment) -> None:
    answer = deployment.post("/api/v1/weather?validate=only", GOOD_CSV, "text/csv")
    assert answer.status_code == 200
    assert answer.json()["rows"] == 1
