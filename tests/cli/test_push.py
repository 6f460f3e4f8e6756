from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from packages.cli import push_client
from packages.cli.push_client import PushClient, Verdict
from packages.cli.push_files import PushFile, UnknownTypeError, find_files
from services.extractor_service.sweep import sweep
from tests.cli.runner import Cli
from tests.extractor.site import Site, csv
from tests.ingress.live import running


@pytest.fixture
def url(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    users = json.dumps({"alice": "wonder"})
    monkeypatch.setenv("INGRESS_PASSWORD", "wonder")
    settings = site.settings.model_copy(update={"port": 0})
    with running(type(settings)(**settings.model_dump() | {"basic_auth_users_json": users})) as service:
        yield f"http://127.0.0.1:{service.port}"


@pytest.fixture
def file(site: Site) -> Path:
    path = site.folder / "data" / "one.csv"
    path.parent.mkdir()
    path.write_text(csv(1))
    return path


def test_accepted_file_is_a_line_with_its_item(site: Site, cli: Cli, url: str, file: Path) -> None:
    (line,) = cli.lines("push", file, "--endpoint", "weather", "--url", url, "--user", "alice")
    assert line[:2] == ["accepted", str(file)]
    assert site.states() == {line[2]: ["accepted"]}
    assert site.metadata(line[2]).username == "alice"


def test_folder_is_walked_and_each_file_has_its_line(site: Site, cli: Cli, url: str, file: Path) -> None:
    (file.parent / "deep").mkdir()
    (file.parent / "deep" / "two.csv.gz").write_bytes(gzip.compress(csv(2).encode()))
    (file.parent / "notes.txt").write_text("no data")
    (file.parent / ".hidden.csv").write_text("no data")
    (file.parent / "bad.csv").write_text("time,place,temperature\n1,2\n")
    result = cli.run("push", file.parent, "--endpoint", "weather", "--url", url, "--user", "alice", code=1)
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [(line[0], Path(line[1]).name) for line in lines] == [
        ("refused", "bad.csv"),
        ("accepted", "two.csv.gz"),
        ("accepted", "one.csv"),
    ]
    assert "406" in lines[0][2]
    assert "line 2" in lines[0][2]


def test_check_only_stores_nothing(site: Site, cli: Cli, url: str, file: Path) -> None:
    options = ("--endpoint", "/api/v1/weather", "--url", url, "--user", "alice", "--check-only")
    assert cli.lines("push", file, *options) == [["valid", str(file), "3 rows"]]
    file.write_text(file.read_text().replace("1.1", "much"))
    found, detail = cli.lines("push", file, *options)
    assert found == ["valid", str(file), "3 rows, 1 not_convertible"]
    assert detail[1].startswith("row 1, column 'temperature', value 'much': ")
    assert site.states() == {}


def test_wait_tells_what_became_of_the_item(
    site: Site, cli: Cli, url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_client.time, "sleep", lambda _: sweep(site.settings))
    options = ("--endpoint", "weather", "--url", url, "--user", "alice", "--wait")
    (line,) = cli.lines("push", file, *options)
    assert (line[0], line[3]) == ("processed", "3 rows")
    crash = site.folder / "crash.json"
    crash.write_text('{"no readings": 0}')
    options = ("--endpoint", "logger", *options[2:])
    (line,) = cli.lines("push", crash, *options, code=1)
    assert line[0] == "failed"
    assert line[3].startswith("extractor_raised: extract.devices.from_bytes raised KeyError")


def test_wait_ends_after_its_time(site: Site, cli: Cli, url: str, file: Path) -> None:
    options = ("--endpoint", "weather", "--url", url, "--user", "alice", "--wait", "--timeout", 0.2)
    (line,) = cli.lines("push", file, *options, code=1)
    assert (line[0], line[3]) == ("unfinished", "not merged after 0.2 s")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("--endpoint", "weather"), "401"),
        (("--endpoint", "nowhere", "--user", "alice"), "404"),
        (("--endpoint", "weather", "--node", "x/y", "--user", "alice"), "404"),
    ],
)
def test_refusal_is_exit_one_and_says_why(
    cli: Cli, url: str, file: Path, options: tuple[str, ...], status: str
) -> None:
    (line,) = cli.lines("push", file, "--url", url, *options, code=1)
    assert line[0] == "refused"
    assert line[2].startswith(status)


def test_misuse_is_exit_two(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INGRESS_PASSWORD", raising=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "one.csv").write_text("x")
    endpoint = ("--endpoint", "weather")
    cli.run("push", tmp_path / "absent", *endpoint, code=2)
    assert "nothing to push" in cli.run("push", tmp_path / "empty", *endpoint, code=2).stderr
    assert "type is unknown" in cli.run("push", tmp_path / "notes.txt", *endpoint, code=2).stderr
    asked = cli.run("push", tmp_path / "one.csv", *endpoint, "--user", "alice", code=2)
    assert "set INGRESS_PASSWORD" in asked.stderr
    told = cli.run("push", tmp_path / "one.csv", *endpoint, "--user", "alice:secret", code=2)
    assert "the name alone" in told.stderr
    assert "secret" not in told.stderr


def test_ingress_that_is_away_is_a_refusal(
    cli: Cli, file: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setattr(push_client, "ATTEMPTS", 1)
    url = f"http://127.0.0.1:{unused_tcp_port}"
    (line,) = cli.lines("push", file, "--endpoint", "weather", "--url", url, code=1)
    assert line[0] == "refused"
    assert line[2].startswith("no answer from the ingress")


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def client_of(answer: Callable[[httpx.Request], httpx.Response], **options: bool) -> PushClient:
    http = httpx.Client(base_url="http://ingress", transport=httpx.MockTransport(answer))
    return PushClient(http, "weather", "a/b", **options)


ACCEPTED = {"status": "accepted", "item_id": "weather/1", "state_url": "/api/v1/items/weather/1"}


def test_overloaded_ingress_is_asked_again_after_the_time_it_names(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    answers = iter([httpx.Response(503, headers={"Retry-After": "7"}), httpx.ConnectError("gone"), None])
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found or httpx.Response(202, json=ACCEPTED)

    found = client_of(answer).push(PushFile(file, "text/csv", None))
    assert (found.verdict, found.item_id) == (Verdict.ACCEPTED, "weather/1")
    assert pauses == [7, 2]
    assert set(bodies) == {file.read_bytes()}


def test_overload_that_lasts_is_a_refusal_with_its_reason(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    problem = {"detail": "too much in flight", "errors": [{"row": 3, "message": "bad"}]}
    found = client_of(lambda _: httpx.Response(503, json=problem)).push(PushFile(file, "text/csv", None))
    assert (found.verdict, found.text) == (Verdict.REFUSED, "503 too much in flight")
    assert found.details == ["row 3: bad"]


def test_same_content_carries_the_same_key_unless_told_otherwise(file: Path) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        headers = {"Idempotent-Replayed": "true"} if len(seen) > 1 else {}
        return httpx.Response(202, json=ACCEPTED, headers=headers)

    client = client_of(answer)
    verdicts = [client.push(PushFile(file, "text/csv", None)).verdict for _ in range(2)]
    assert verdicts == [Verdict.ACCEPTED, Verdict.DUPLICATE]
    client_of(answer, again=True).push(PushFile(file, "text/csv", None))
    keys = [request.headers.get("Idempotency-Key") for request in seen]
    assert keys[0] == keys[1]
    assert keys[2] is None
    assert {request.url.path for request in seen} == {"/api/v1/weather/a/b"}


def test_answer_that_is_no_json_is_no_success(file: Path) -> None:
    found = client_of(lambda _: httpx.Response(200, text="<html>")).push(PushFile(file, "text/csv", None))
    assert found.verdict is Verdict.REFUSED


def test_names_tell_type_and_encoding(tmp_path: Path) -> None:
    for name in ("a.CSV", "b.json.gz", "c.parquet.zst", "d.geojson", "e.csv.meta.json", "f"):
        (tmp_path / name).write_text("x")
    found = {one.path.name: (one.content_type, one.encoding) for one in find_files([tmp_path])}
    assert found == {
        "a.CSV": ("text/csv", None),
        "b.json.gz": ("application/json", "gzip"),
        "c.parquet.zst": ("application/vnd.apache.parquet", "zstd"),
        "d.geojson": ("application/json", None),
    }
    with pytest.raises(UnknownTypeError, match="known endings"):
        find_files([tmp_path / "f"])
