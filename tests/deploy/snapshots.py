"""What matters of rendered manifests, compared with what it was; `UPDATE_SNAPSHOTS=1` takes it anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.chart import Manifest, containers, pods

FOLDER = Path(__file__).parent / "snapshots"


def summary(manifests: Iterable[Manifest]) -> dict[str, Any]:
    """Kind and name of every manifest, with what one would look at in a review."""
    return {f"{each['kind']}/{_name(each)}": _gist(each) for each in manifests}


def assert_snapshot(case: str, found: dict[str, Any]) -> None:
    path = FOLDER / f"{case}.yaml"
    text = yaml.safe_dump(found, sort_keys=True, width=110)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def _name(manifest: Manifest) -> str:
    """The name, without the part that changes with every value."""
    return re.sub(r"(-migrate)-[0-9a-f]{10}$", r"\1", manifest["metadata"]["name"])


def _gist(manifest: Manifest) -> Any:
    if manifest["kind"] == "Secret":
        return sorted({**(manifest.get("data") or {}), **(manifest.get("stringData") or {})})
    found = {
        container["name"]: _container(container) for pod in pods(manifest) for container in containers(pod)
    }
    if found:
        spec = manifest.get("spec") or {}
        return {key: spec[key] for key in ("replicas", "schedule") if key in spec} | found
    return manifest.get("data") or manifest.get("spec") or manifest.get("rules") or {}


def _container(container: dict[str, Any]) -> dict[str, Any]:
    return {
        "image": container["image"],
        "run": container.get("args", container.get("command", [])),
        "ports": [port["containerPort"] for port in container.get("ports", [])],
        "environment": sorted(variable["name"] for variable in container.get("env", [])),
        "mounts": {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        if "volumeMounts" in container
        else {},
    }
