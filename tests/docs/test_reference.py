from __future__ import annotations

import pytest

from packages.common.models.configuration_model import Endpoint, Scrapper
from packages.common.models.metadata_model import ItemMetadata, Outcome
from packages.common.settings import Settings
from services.ingress_service.web.app import create_app
from services.ingress_service.web.problems import ANSWERS
from tests.rigs.project import ROOT

REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("model", [Endpoint, Scrapper], ids=lambda model: model.__name__)
def test_every_key_of_the_configuration_is_described(model: type[Endpoint | Scrapper]) -> None:
    text = page("configuration.md")
    assert [key for key in model.model_fields if f"`{key}`" not in text] == []


@pytest.mark.parametrize("model", [ItemMetadata, Outcome], ids=lambda model: model.__name__)
def test_every_key_beside_a_payload_is_described(model: type[ItemMetadata | Outcome]) -> None:
    text = page("queue.md")
    assert [key for key in model.model_fields if f"`{key}`" not in text] == []


def test_every_route_is_described(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.chdir(ROOT)
    paths = create_app(Settings(s3_store_url=(tmp_path / "store.zarr").as_uri())).openapi()["paths"]
    text = page("http-api.md")
    own = [
        path
        for path in paths
        if path.startswith(("/api/v1/items", "/api/v1/scrappers", "/health", "/metrics"))
    ]
    assert [path for path in own if path.replace("{item_id:path}", "{item_id}") not in text] == []
    endpoints = {path.split("/")[3] for path in paths if path not in own}
    assert endpoints <= {"weather", "tree", "sensor", "bukov", "forecast"}


def test_every_status_of_an_error_is_described() -> None:
    text = page("http-api.md")
    assert [answer.status for answer in ANSWERS.values() if str(answer.status) not in text] == []
