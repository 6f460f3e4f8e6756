"""What clients in the field send, with curl, and the answers they know: raw bodies, and the oldest form."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ingress.live import CSV, Service

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

JSON_ROWS = b'[{"time": "2026-10-01T00:00:00Z", "name": "east", "temperature": 5.5}]'


def curl(service: Service, *options: str, path: str = "/api/v1/weather", user: str = "alice:wonder") -> tuple:
    """Status, headers in lower case, and the document of the answer."""
    credentials = ("--user", user) if user else ()
    address = f"http://127.0.0.1:{service.port}{path}"
    command = ["curl", "--silent", "--include", "--max-time", "30", *credentials, *options, address]
    done = subprocess.run(command, capture_output=True, check=True)
    head, _, body = done.stdout.decode().replace("HTTP/1.1 100 Continue\r\n\r\n", "").partition("\r\n\r\n")
    return int(head.split()[1]), head.lower(), json.loads(body)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_bytes(CSV)
    (tmp_path / "rows.json").write_bytes(JSON_ROWS)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "header"),
    [("rows.csv", "Content-Type: text/csv"), ("rows.json", "Content-Type: application/json")],
)
def test_a_raw_body_is_accepted(service: Service, files: Path, name: str, header: str) -> None:
    status, _, answer = curl(service, "--header", header, "--data-binary", f"@{files / name}")
    assert (status, answer["status"]) == (202, "accepted")
    item = service.queue.find(answer["item_id"])
    assert item is not None
    assert service.queue.payload(item) == (files / name).read_bytes()


@pytest.mark.parametrize("name", ["rows.csv", "rows.json"])
def test_a_form_whose_part_is_named_file_is_accepted_by_its_file_name(
    service: Service, files: Path, name: str
) -> None:
    for part in (f"file=@{files / name}", f"file=@{files / name};type=application/octet-stream"):
        status, _, answer = curl(service, "--form", part)
        assert (status, answer["status"]) == (202, "accepted")
        item = service.queue.find(answer["item_id"])
        assert item is not None
        assert item.extension == name.partition(".")[2]
        metadata = service.queue.metadata(item)
        assert metadata is not None
        assert metadata.filename == name


def test_health_is_what_probes_expect(service: Service) -> None:
    status, _, answer = curl(service, path="/health", user="")
    assert (status, answer) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("user", "detail"),
    [("", "Not authenticated"), ("alice:guess", "Invalid authentication credentials")],
)
def test_refused_credentials_keep_their_words(service: Service, user: str, detail: str) -> None:
    status, head, answer = curl(
        service, "--header", "Content-Type: text/csv", "--data-binary", "x", user=user
    )
    assert (status, answer["detail"]) == (401, detail)
    assert "www-authenticate: basic" in head


@pytest.mark.parametrize(
    ("options", "status", "error"),
    [
        (("--header", "Content-Type: text/csv", "--request", "POST"), 406, "No data provided"),
        (("--header", "Content-Type:", "--data-binary", "x"), 400, "No Content-Type provided"),
        (
            ("--header", "Content-Type: text/plain", "--data-binary", "x"),
            415,
            "Unsupported Content-Type: text/plain",
        ),
    ],
)
def test_refused_bodies_keep_their_words(
    service: Service, options: tuple[str, ...], status: int, error: str
) -> None:
    found, _, answer = curl(service, *options)
    assert found == status
    assert answer["error"].startswith(error)


def test_a_nested_node_is_part_of_the_path(service: Service, files: Path) -> None:
    rows = files / "level.csv"
    rows.write_bytes(b"when,level\n2026-10-01T00:00:00Z,2.5\n")
    options = ("--header", "Content-Type: text/csv", "--data-binary", f"@{rows}")
    status, _, answer = curl(service, *options, path="/api/v1/weather/deep/lower")
    assert status == 202
    assert answer["item_id"].startswith("weather/deep/lower/")


def test_line_ends_stripped_by_curl_are_explained(service: Service, files: Path) -> None:
    status, _, answer = curl(service, "--header", "Content-Type: text/csv", "-d", f"@{files / 'rows.csv'}")
    assert status == 406
    assert "--data-binary" in answer["detail"]
