from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import yaml
from fastapi import FastAPI

from packages.common.settings import Settings
from services.ingress_service.web.app import create_app
from tests.deploy.chart import CHART, find
from tests.rigs.project import ROOT
from tools.chart_readme import readme, resolve

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((CHART / "dashboards" / "overview.json").read_text(encoding="utf-8"))


def undescribed(about: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    """Values without a place in the schema, or without a description there."""
    found = resolve(SCHEMA, about)
    if "description" not in found and path:
        yield path
    if isinstance(value, dict) and "properties" in found and not path.endswith("resources"):
        if found.get("additionalProperties") is not False:
            yield f"{path} is open"
        for name, child in value.items():
            known = found["properties"].get(name)
            yield from undescribed(known, child, f"{path}.{name}") if known else [f"{path}.{name}"]


def test_every_value_has_an_entry_in_the_schema() -> None:
    assert list(undescribed(SCHEMA, VALUES, "")) == []


def test_every_entry_of_the_schema_has_a_default() -> None:
    def missing(about: dict[str, Any], value: Any, path: str) -> Iterator[str]:
        below = resolve(SCHEMA, about).get("properties", {})
        for name, child in below.items():
            if not child.get("deprecated") and not path.endswith("resources"):
                known = isinstance(value, dict) and name in value
                yield from missing(child, value[name], f"{path}.{name}") if known else [f"{path}.{name}"]

    assert list(missing(SCHEMA, VALUES, "")) == []


def test_readme_of_the_chart_is_what_its_values_say() -> None:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    assert text == readme(), "python tools/chart_readme.py writes it anew"
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (CHART / target).exists(), target


async def ask(app: FastAPI, path: str) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingress") as client:
        return (await client.get(path)).raise_for_status().text


def metrics(tmp_path) -> set[str]:
    """Names of all metrics that the ingress offers, without the endings of their samples."""
    settings = Settings(
        s3_store_url=(tmp_path / "store.zarr").as_uri(),
        config_path=ROOT / "inputs" / "configuration.yaml",
        auth_enabled=False,
    )
    text = anyio.run(ask, create_app(settings), "/metrics")
    return set(re.findall(r"^# TYPE (\S+) ", text, flags=re.MULTILINE))


def test_alerts_and_dashboard_use_metrics_that_exist(tmp_path) -> None:
    known = metrics(tmp_path)
    rules = find("scaled", "PrometheusRule", "ingress")["spec"]["groups"][0]["rules"]
    expressions = [rule["expr"] for rule in rules]
    expressions += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    used = {name for text in expressions for name in re.findall(r"\b(?:ingress|process)_[a-z_]+\b", text)}
    assert len(used) > 8
    plain = {re.sub(r"_(?:bucket|count|sum)$", "", name) for name in used}
    assert plain - known == set()


def test_alerts_name_what_to_do() -> None:
    rules = find("scaled", "PrometheusRule", "ingress")["spec"]["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} >= {
        "IngressOldestItemWaits",
        "IngressItemsFail",
        "IngressScraperMissed",
        "IngressSweepStalled",
    }
    assert all(rule["annotations"].keys() == {"summary", "description"} for rule in rules)
    assert all(
        'namespace="science",service="lake-zarr-fuse-ingress-ingress"' in rule["expr"] for rule in rules
    )
