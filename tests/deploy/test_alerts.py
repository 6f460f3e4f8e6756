from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import find
from tests.rigs.debian import RigUnavailableError, unpacked
from tests.rigs.docker_engine import FOLDER

pytestmark = pytest.mark.deploy
MINUTES = 90
SCOPE = 'namespace="science",service="lake-zarr-fuse-ingress-ingress"'


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The unit tester of Prometheus, from Debian's package."""
    try:
        root = unpacked(FOLDER / "prometheus", {"bookworm": ("prometheus",)})
    except RigUnavailableError as reason:
        pytest.skip(str(reason))
    return root / "usr" / "bin" / "promtool"


def series(metric: str, values: str, labels: str = "", pod: str = "a") -> dict[str, str]:
    """Samples of a metric, one a minute, in the notation of Prometheus."""
    more = f",{labels}" if labels else ""
    return {"series": f'{metric}{{{SCOPE},pod="{pod}"{more}}}', "values": values}


def waiting(values: str, pod: str = "a") -> dict[str, str]:
    return series("ingress_queue_items", values, 'endpoint="weather",state="accepted"', pod)


def oldest(values: str) -> dict[str, str]:
    return series("ingress_queue_oldest_seconds", values)


def ended(values: str) -> dict[str, str]:
    return series("ingress_last_sweep_timestamp_seconds", values)


SAW = " ".join(["600 660 720 780 840"] * 19)
UNKNOWN = " ".join(["NaN"] * 91)
STALLED = {
    "sweeps end every minute": (False, [ended("0+60x90"), waiting("0x90"), oldest("0x90")]),
    "none ends any more, nothing waits": (True, [ended("600x90"), waiting("0x90"), oldest("0x90")]),
    "none ends any more, items wait": (True, [ended("600x90"), waiting("0+5x90"), oldest("0+60x90")]),
    "none has ever ended": (True, [ended("0x90"), waiting("1x90"), oldest("0+60x90")]),
    "a long one gets on": (False, [ended("60x90"), waiting("900-20x90"), oldest("0+60x90")]),
    "a long one gets on, more comes than goes": (
        False,
        [ended("60x90"), waiting("0+20x90"), oldest(SAW)],
    ),
    "nothing is known yet": (False, [waiting(UNKNOWN), oldest(UNKNOWN)]),
    "one pod has not looked yet": (
        True,
        [ended("600x90"), waiting("1x90"), waiting("_x90", pod="b"), oldest("0+60x90")],
    ),
}
OTHERS: dict[str, tuple[str, bool, list[dict[str, str]]]] = {
    "oldest item": ("IngressOldestItemWaits", True, [oldest("0+60x90")]),
    "young item": ("IngressOldestItemWaits", False, [oldest("60x90")]),
    "more have failed": (
        "IngressItemsFail",
        True,
        [series("ingress_queue_items", "0x50 3x40", 'endpoint="weather",state="failed"')],
    ),
    "as many have failed as before": (
        "IngressItemsFail",
        False,
        [series("ingress_queue_items", "3x90", 'endpoint="weather",state="failed"')],
    ),
    "storage fails": (
        "IngressStorageFails",
        True,
        [
            series("ingress_storage_seconds_count", "0+10x90", 'operation="put",outcome="ok"'),
            series("ingress_storage_seconds_count", "0+2x90", 'operation="put",outcome="storage"'),
        ],
    ),
    "storage is well": (
        "IngressStorageFails",
        False,
        [series("ingress_storage_seconds_count", "0+10x90", 'operation="put",outcome="ok"')],
    ),
    "not counted": (
        "IngressQueueNotCounted",
        True,
        [series("ingress_queue_counted_timestamp_seconds", "60x90")],
    ),
    "last firing failed": (
        "IngressScraperFails",
        True,
        [series("ingress_scraper_last_requests", "1x90", 'scraper="x",state="failed"')],
    ),
    "missed": (
        "IngressScraperMissed",
        True,
        [series("ingress_scraper_missed_windows", "2x90", 'scraper="x"')],
    ),
}
CASES = OTHERS | {name: ("IngressSweepStalled", *case) for name, case in STALLED.items()}


def promise(alert: str, *, fires: bool) -> dict[str, Any]:
    """For promtool: whether this alert fires at the end, with whatever labels and texts it has."""
    return {
        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
        "eval_time": f"{MINUTES}m",
        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
    }


def run(promtool: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tester on the rules of the chart, as they lie in rules.yaml."""
    groups = find("scaled", "PrometheusRule", "ingress")["spec"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(groups))
    command = [str(promtool), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", CASES)
def test_alert_fires_when_it_should_and_only_then(promtool: Path, tmp_path: Path, name: str) -> None:
    alert, fires, samples = CASES[name]
    unit = {"interval": "1m", "input_series": samples, "promql_expr_test": [promise(alert, fires=fires)]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [unit]}))
    done = run(promtool, tmp_path, "test", "rules", "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_every_rule(promtool: Path, tmp_path: Path) -> None:
    done = run(promtool, tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    rules = find("scaled", "PrometheusRule", "ingress")["spec"]["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} == {alert for alert, fires, _ in CASES.values() if fires}
