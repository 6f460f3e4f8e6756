from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.common.content_types import UPLOAD_TYPES
from packages.common.errors import NodePathError
from packages.common.keys import checked_item_id, checked_name, normalise_node_path
from services.ingress_service.web.description.docs_page import render
from services.ingress_service.web.description.openapi import REQUEST_HEADERS
from services.ingress_service.web.items.patterns import NAME_PATTERN, NODE_PATTERN, OPTIONAL_ID_PATTERN
from services.ingress_service.web.problems import ANSWERS
from tests.hypothesis_profiles import examples
from tests.ingress.live import BOB, Service


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.client.get("/openapi.json", auth=None).json()
    return found


def test_every_endpoint_and_every_node_below_it_has_an_operation(document: dict[str, Any]) -> None:
    ids = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert {f"upload_{name}" for name in ("weather", "nested", "grid", "strict", "doc", "private")} <= ids
    assert "upload_weather/deep/lower" in ids
    assert (
        "Required columns: `when`" in document["paths"]["/api/v1/weather/deep/lower"]["post"]["description"]
    )
    assert not [path for path in document["paths"] if "node_path" in path]


def test_an_upload_describes_its_bodies_headers_and_columns(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/v1/grid"]["post"]
    content = operation["requestBody"]["content"]
    assert set(content) == {*UPLOAD_TYPES, "multipart/form-data"}
    assert content["text/csv"]["example"] == "E,N,value\n1,1,1\n"
    assert "Required columns: `E`, `N`" in operation["description"]
    assert "64 MiB" in content["application/json"]["schema"]["description"]
    assert "MAX_UPLOAD_BYTES" in operation["requestBody"]["description"]
    headers = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}
    assert headers == set(REQUEST_HEADERS)
    assert operation["security"] == [{"basic": []}]
    assert {"Location", "X-Request-ID"} <= set(operation["responses"]["202"]["headers"])
    assert "Retry-After" in operation["responses"]["503"]["headers"]


def test_each_example_would_be_accepted(service: Service, document: dict[str, Any]) -> None:
    checked = 0
    for path, item in document["paths"].items():
        example = (
            item.get("post", {}).get("requestBody", {}).get("content", {}).get("text/csv", {}).get("example")
        )
        if example is not None:
            answer = service.post(f"{path}?validate=only", content=example, auth=BOB)
            assert (answer.status_code, answer.json().get("findings")) == (200, []), path
            checked += 1
    assert checked > 5


def test_the_upload_documents_every_answer_of_the_table(document: dict[str, Any]) -> None:
    responses = document["paths"]["/api/v1/weather/deep/lower"]["post"]["responses"]
    others = {"item_missing", "item_state", "object_missing", "unknown_target", "scraper_unknown"}
    for kind, answer in ANSWERS.items():
        if kind.kind not in others:
            assert kind.kind in responses[str(answer.status)]["description"], kind
    for status, response in responses.items():
        if int(status) >= 400:
            assert list(response["content"]) == ["application/problem+json"]
            for example in response["content"]["application/problem+json"]["examples"].values():
                assert example["value"]["status"] == int(status)


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(part) for part in value.values()))
        return set().union(*(references(part) for part in value)) if isinstance(value, list) else set()

    names = set(document["components"]["schemas"])
    assert {reference.rpartition("/")[2] for reference in references(document)} <= names
    assert "HTTPValidationError" not in names


def test_the_documentation_page_needs_no_script_and_no_other_server(service: Service) -> None:
    answer = service.client.get("/docs", auth=None)
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in policy
    assert "<script" not in answer.text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', answer.text)) == {"/openapi.json"}
    for text in ("/api/v1/weather/deep/lower", "/api/v1/items/{item_id}/content", "Idempotency-Key"):
        assert text in answer.text


def test_the_page_shows_names_as_text(document: dict[str, Any]) -> None:
    hostile = "<script>alert(1)</script>"
    page = render({**document, "info": {"title": hostile, "version": hostile, "description": hostile}})
    assert hostile not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/items", "GET"),
        ("/api/v1/items/weather/x", "DELETE, GET"),
        ("/api/v1/items/weather/x/requeue", "POST"),
        ("/api/v1/weather", "POST"),
    ],
)
def test_a_wrong_method_names_the_right_ones(service: Service, path: str, allowed: str) -> None:
    answer = service.client.put(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(
    "a./ \\\x00\u00ad\u2028é", max_size=8
)


@settings(max_examples=examples(300))
@given(texts)
def test_the_patterns_say_what_is_checked(text: str) -> None:
    assert accepted(checked_name, text) == bool(re.fullmatch(NAME_PATTERN, text))
    assert (not text or accepted(checked_item_id, text)) == bool(re.fullmatch(OPTIONAL_ID_PATTERN, text))
    assert accepted(normalise_node_path, text) == (text == "/" or bool(re.fullmatch(NODE_PATTERN, text)))


def accepted(check: Callable[[str], str], text: str) -> bool:
    try:
        check(text)
    except NodePathError:
        return False
    return True
