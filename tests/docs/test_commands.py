from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import README, Shell, blocks_of, commands, environment
from tests.rigs.project import ROOT
from tests.rigs.s3 import new_bucket

HOW_TO = ROOT / "docs" / "how-to"
FIRST_DATASET = HOW_TO / "first-dataset.md"
QUEUE = HOW_TO / "operate-the-queue.md"
S3 = HOW_TO / "store-on-s3.md"
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the blocks call curl")


@pytest.mark.usefixtures("service")
def test_the_commands_of_the_readme_work_as_pasted(shell: Shell) -> None:
    printed = [shell(block.text) for block in commands(README)]
    assert '"status":"accepted"' in printed[0].replace(" ", "")
    assert '"item_id":"tree/a/b/' in printed[1].replace(" ", "")
    assert '"status":"valid"' in printed[2].replace(" ", "")
    assert printed[3].replace(" ", "").count('"state":"processed"') >= 2
    assert "xarray.Dataset" in printed[3]


@pytest.fixture
def lake(clone: Path) -> None:
    (table,), (schema,), (added,) = (
        blocks_of(FIRST_DATASET, marker) for marker in ("file", "schema", "configuration")
    )
    (clone / str(table.name)).write_text(table.text, encoding="utf-8")
    (clone / "inputs" / "schemas" / str(schema.name)).write_text(schema.text, encoding="utf-8")
    with (clone / "inputs" / "configuration.yaml").open("a", encoding="utf-8") as configuration:
        configuration.write(added.text.removeprefix("endpoints:\n"))


@pytest.mark.usefixtures("lake", "service")
def test_the_first_dataset_can_be_made_as_described(shell: Shell) -> None:
    printed = [shell(block.text) for block in commands(FIRST_DATASET)]
    assert "water_temperature" in printed[-1]
    assert "buoy: 2" in printed[-1]


@pytest.mark.usefixtures("service")
def test_a_failed_item_can_be_looked_at_and_tried_again(clone: Path, port: int, shell: Shell) -> None:
    broken = (clone / "inputs/samples/sensor/04_broken_far_cell.csv").read_bytes()
    accepted = httpx.post(
        f"http://127.0.0.1:{port}/api/v1/sensor",
        content=broken,
        headers={"Content-Type": "text/csv"},
        auth=("demo", "secret"),
        trust_env=False,
    )
    shell(".venv/bin/ingress sweep --once || test $? = 3")
    configuration = clone / "inputs" / "configuration.yaml"
    configuration.write_text(configuration.read_text(encoding="utf-8").replace("on_bad_rows: fail", ""))
    item_id = accepted.json()["item_id"]
    look, again, clean = (
        shell(block.text.replace("sensor/20261120T081500_3b200e72354d", item_id)) for block in commands(QUEUE)
    )
    assert "wet" in look
    assert "1 processed" in again
    assert "0 objects would be deleted" in clean


@pytest.mark.usefixtures("service")
def test_the_example_client_follows_its_upload(clone: Path, port: int) -> None:
    command = [sys.executable, "-u", ROOT / "tools" / "request_example.py"]
    command += [clone / "inputs/samples/weather/01_days_from_01.csv", "--endpoint", "weather"]
    command += ["--user", "demo:secret", "--url", f"http://127.0.0.1:{port}"]
    with subprocess.Popen(
        command,
        env=environment(port),
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline().startswith("accepted as weather/")
        subprocess.run(
            [clone / ".venv/bin/ingress", "sweep", "--once"], cwd=clone, env=environment(port), check=True
        )
        assert client.communicate()[0] == "processed\n"
    assert client.returncode == 0


def test_the_settings_for_s3_pass_the_check(clone: Path, shell: Shell, moto_endpoint: str) -> None:
    new_bucket(moto_endpoint, name="measurements")
    (settings,), (check, *_) = blocks_of(S3, "settings"), commands(S3)
    text = settings.text.replace("https://objects.example.net", moto_endpoint).replace("…", "key")
    (clone / ".env").write_text(text, encoding="utf-8")
    assert "wrong" not in shell(check.text)
    assert "s3://measurements" in shell(check.text)
