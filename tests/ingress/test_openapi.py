from __future__ import annotations

from typing import Any

import pytest

from services.ingress_service.web.problems import ANSWERS
from tests.ingress.live import Service


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.client.get("/openapi.json", auth=None).json()
    return found


def test_every_endpoint_has_an_operation_with_and_without_node(document: dict[str, Any]) -> None:
    ids = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    for name in ("weather", "nested", "grid", "strict", "doc", "private"):
        assert {f"upload_{name}", f"upload_{name}_node"} <= ids


def test_an_upload_describes_its_bodies_headers_and_columns(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/v1/grid"]["post"]
    assert set(operation["requestBody"]["content"]) == {
        "text/csv",
        "application/json",
        "application/x-ndjson",
        "application/vnd.apache.parquet",
        "application/x-netcdf",
        "application/x-hdf5",
        "application/x-grib",
        "multipart/form-data",
    }
    assert operation["requestBody"]["content"]["text/csv"]["example"].startswith("E,N,value\n")
    assert "Required columns: `E`, `N`" in operation["description"]
    headers = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}
    assert headers == {
        "Content-Encoding",
        "Content-MD5",
        "Idempotency-Key",
        "Repr-Digest",
        "X-Request-ID",
    }
    assert operation["security"] == [{"basic": []}]
    assert "Location" in operation["responses"]["202"]["headers"]


def test_the_upload_documents_every_answer_of_the_table(document: dict[str, Any]) -> None:
    responses = document["paths"]["/api/v1/weather/{node_path}"]["post"]["responses"]
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


def test_the_documentation_page_is_there(service: Service) -> None:
    assert "swagger" in service.client.get("/docs").text
