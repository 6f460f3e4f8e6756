from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from structlog.testing import capture_logs

from packages.common import errors as common_errors
from packages.common.errors import IngressError, StorageUnavailableError
from services.ingress_service import errors
from services.ingress_service.web import problems
from tests.ingress.live import CSV_TYPE, ROOT, Service
from tests.rigs.project import ROOT as PROJECT

MEMBERS = {"type", "title", "status", "detail", "instance", "error", "code", "errors"}
SECRETS = ("wonder", "builder", "toor", "Traceback", ".py", "site-packages")


def assert_is_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    problem: dict[str, Any] = answer.json()
    assert set(problem) >= MEMBERS
    assert problem["status"] == status
    assert problem["error"] == problem["detail"] != ""
    assert problem["type"] == f"urn:zarr-fuse-ingress:problem:{problem['code']}"
    assert problem["instance"].startswith("/")
    for row in problem["errors"]:
        assert set(row) == {"row", "column", "value", "message"}
    for secret in SECRETS:
        assert secret not in answer.text
    return problem


def operations(service: Service) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in service.app.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


OPEN = {"/docs", "/health", "/health/ready", "/metrics"}


def test_every_route_that_is_not_about_the_service_itself_asks_for_credentials(service: Service) -> None:
    asked = [pair for pair in operations(service) if pair[1] not in OPEN]
    assert len(asked) > 15
    for method, path in asked:
        url = path.replace(":path", "").replace("{item_id}", "a/b").replace("{node_path}", "%2e%2e")
        for auth in (("alice", "guess"), ("nobody", "wonder")):
            answer = service.client.request(method, url.replace("{name}", "x"), auth=auth)
            problem = assert_is_problem(answer, 401)
            assert problem["detail"] == "Invalid authentication credentials"
            assert answer.headers["www-authenticate"].startswith("Basic ")


def test_no_credentials_are_401_in_the_words_clients_know(service: Service) -> None:
    service.client.auth, auth = None, service.client.auth
    try:
        answer = service.post()
    finally:
        service.client.auth = auth
    assert assert_is_problem(answer, 401)["detail"] == "Not authenticated"
    assert "www-authenticate" in answer.headers


def test_every_path_answers_a_wrong_method_with_405(service: Service) -> None:
    for path in {path for _, path in operations(service)}:
        url = path.replace(":path", "").replace("{", "").replace("}", "")
        answer = service.client.request("PATCH", url, auth=ROOT)
        assert assert_is_problem(answer, 405)["code"] == "method_not_allowed"
        assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1/nowhere", "/api/v1/weatherx", "/favicon.ico", "/%00"])
def test_unknown_routes_are_404(service: Service, path: str) -> None:
    problem = assert_is_problem(service.client.get(path), 404)
    assert problem["code"] == "no_such_route"
    assert "/docs" in problem["detail"]
    assert assert_is_problem(service.post(path), 404)["code"] == "no_such_route"


def test_wrong_parameters_are_422_and_named(service: Service) -> None:
    problem = assert_is_problem(service.post("/api/v1/weather?validate=yes"), 422)
    assert problem["code"] == "parameter_invalid"
    assert "validate" in problem["detail"]


def test_an_unforeseen_exception_is_500_and_tells_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("password=wonder in /srv/secret.py")

    monkeypatch.setattr("services.ingress_service.web.uploads.routes._metadata", fail)
    answer = service.post(headers=CSV_TYPE | {"X-Request-ID": "look-here-1"})
    assert assert_is_problem(answer, 500)["code"] == "internal"
    assert answer.headers["x-request-id"] == "look-here-1"


def test_storage_trouble_is_503_with_retry_after_and_names_no_place(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise StorageUnavailableError("put s3://bucket/secret.py: wonder")

    monkeypatch.setattr(service.app.state.ingress.queue, "accept_async", fail)
    with capture_logs() as lines:
        answer = service.post()
    assert assert_is_problem(answer, 503)["code"] == "storage_unavailable"
    assert [line["reason"] for line in lines if line["event"] == "request"] == [
        "put s3://bucket/secret.py: wonder"
    ]
    assert int(answer.headers["retry-after"]) > 0


def test_a_storage_that_hangs_is_503_in_bounded_time(
    start: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = start(s3_timeout_s=0.05)

    async def hang(*_: Any) -> None:
        import asyncio

        await asyncio.sleep(60)

    monkeypatch.setattr(hanging.app.state.ingress.queue, "accept_async", hang)
    assert_is_problem(hanging.post(), 503)


def test_a_queue_that_cannot_be_written_is_503(start: Callable[..., Service], tmp_path: Path) -> None:
    service = start()
    service.queue.storage.put("first", b"")
    folder = tmp_path / "queue" / "accepted"
    folder.write_text("a file where a folder should be")
    problem = assert_is_problem(service.post(), 503)
    assert str(tmp_path) not in json.dumps(problem)


def test_every_error_of_the_door_has_an_answer() -> None:
    def family(kind: type[IngressError]) -> set[type[IngressError]]:
        return {kind}.union(*(family(child) for child in kind.__subclasses__()))

    known = {kind for kind in family(errors.RequestRefusedError) if kind is not errors.RequestRefusedError}
    for kind in known:
        assert problems.answer_for(kind("x")) is not problems.INTERNAL, kind
    kinds = [kind.kind for kind in known | set(problems.ANSWERS)]
    assert len(kinds) == len(set(kinds))


def test_row_and_column_of_a_payload_error_are_listed() -> None:
    error = common_errors.PayloadError("a list", row=7, name="level")
    (listed,) = problems.problem_of(error, "/").errors
    assert (listed.row, listed.column, listed.message) == (7, "level", "a list")
    assert problems.problem_of(common_errors.PayloadError("no JSON"), "/").errors == []


def test_the_closest_class_decides() -> None:
    assert problems.answer_for(common_errors.EmptyPayloadError("x")).title == "The body is empty"
    assert problems.answer_for(KeyError("x")) is problems.INTERNAL


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-123", True), ("a" * 129, False), ("two words", False), ("", False), ("é", False)],
)
def test_a_usable_request_id_comes_back(service: Service, given: str, kept: bool) -> None:
    answer = service.client.get("/health", headers={"X-Request-ID": given.encode()})
    assert (answer.headers["x-request-id"] == given) is kept
    assert len(answer.headers["x-request-id"]) in {7, 32}


def test_every_code_is_in_the_reference() -> None:
    reference = (PROJECT / "docs" / "reference" / "http-api.md").read_text()
    listed = {(int(line.split("|")[1]), line) for line in reference.splitlines() if re.match(r"\| \d", line)}
    known = {(answer.status, kind.kind) for kind, answer in problems.ANSWERS.items()}
    known |= {(status, code) for status, code, _ in problems.FRAMEWORK}
    for status, code in known:
        assert any(number == status and f"`{code}`" in line for number, line in listed), code
