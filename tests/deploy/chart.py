"""The chart, rendered with the values of a case."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

from tests.rigs.project import ROOT

CHART = ROOT / "charts" / "zarr-fuse-ingress"
CASES = sorted(path.stem for path in (Path(__file__).parent / "values").glob("*.yaml"))
Manifest = dict[str, Any]
STORE = {"global": {"s3": {"storeUrl": "s3://measurements/site/store.zarr"}}}


def values_of(case: str) -> dict[str, Any]:
    path = Path(__file__).parent / "values" / f"{case}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def render(values: dict[str, Any]) -> dict[str, str]:
    """The text of every template that is not empty."""
    with Chart.load(CHART) as chart:
        texts = chart.render(values, name="lake", namespace="science")
    return {name: text for name, text in texts.items() if text.strip()}


@cache
def rendered(case: str) -> tuple[Manifest, ...]:
    """The manifests of a case; do not change them."""
    texts = render(values_of(case))
    return tuple(manifests(text for name, text in texts.items() if not name.endswith("NOTES.txt")))


def manifests(texts: Any) -> Iterator[Manifest]:
    for text in texts:
        yield from (manifest for manifest in yaml.safe_load_all(text) if manifest)


def find(case: str, kind: str, name: str) -> Manifest:
    """The one manifest of this kind whose name ends so."""
    found = [
        manifest
        for manifest in rendered(case)
        if manifest["kind"] == kind and manifest["metadata"]["name"].endswith(name)
    ]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def pods(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """The pod specs inside a manifest, those of pod templates in ConfigMaps too."""
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "Pod":
        yield spec
    elif manifest["kind"] == "CronJob":
        yield spec["jobTemplate"]["spec"]["template"]["spec"]
    elif "template" in spec:
        yield spec["template"]["spec"]
    elif "worker.yaml" in manifest.get("data", {}):
        yield from pods(yaml.safe_load(manifest["data"]["worker.yaml"]))


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def merged(base: dict, more: dict) -> dict:
    result = dict(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def at(path: str, value: object) -> dict:
    """Values with one value set, such as a.b.c."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value  # type: ignore[return-value]
