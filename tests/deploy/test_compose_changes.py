"""What a user changes in a system that runs: the inputs, the settings, a password."""

from __future__ import annotations

import pytest

from tests.deploy.compose import System, environment
from tests.deploy.conftest import REQUIRED

pytestmark = pytest.mark.deploy
PAGE, ROTATION = "install-compose.md", "rotate-credentials.md"
ENDPOINT = """
  - name: own
    endpoint: /api/v1/own
    schema_name: weather.yaml
    target_node: weather
    fn_module: extractors.own
    extract_fn: extract
"""
EXTRACTOR = f"""
import io
import polars
import {REQUIRED}

def extract(payload: bytes, metadata: dict) -> polars.DataFrame:
    return polars.read_csv(io.BytesIO(payload), infer_schema=False)
"""


def test_own_inputs_and_the_packages_they_require_take_the_place_of_those_in_the_image(
    bundled: System,
) -> None:
    with (bundled.folder / "inputs/configuration.yaml").open("a") as configuration:
        configuration.write(ENDPOINT)
    (bundled.folder / "inputs/extractors/own.py").write_text(EXTRACTOR)
    bundled.paste(PAGE, "reload")
    bundled.await_well()
    assert "ok     extractor extractors.own.extract of own" in bundled.paste(PAGE, "check")
    bundled.await_processed(bundled.upload("own"))


@pytest.fixture(scope="module")
def before(bundled: System) -> dict[str, str]:
    """What `.env` said before everything below was changed at once: one start of Airflow serves all."""
    said = environment(bundled.folder / ".env")
    with (bundled.folder / "services.env").open("a") as variables:
        variables.write("STATIONS_TOKEN='a$b c'\nEXTRACTOR_TIMEOUT_S=61\n")
    with (bundled.folder / ".env").open("a") as file:
        file.write("SPOOL_DIR=/spool\n")
    bundled.paste(ROTATION, "password")
    return said


def test_password_of_the_database_is_exchanged(bundled: System, before: dict[str, str]) -> None:
    assert environment(bundled.folder / ".env")["POSTGRES_PASSWORD"] != before["POSTGRES_PASSWORD"]
    assert bundled.query("SELECT 1") == "1"
    bundled.await_processed(bundled.upload())


@pytest.mark.usefixtures("before")
def test_both_services_get_the_variables_that_the_configuration_names(bundled: System) -> None:
    for service in ("ingress", "airflow-scheduler"):
        show = "import os; print(os.environ['STATIONS_TOKEN'], os.environ['EXTRACTOR_TIMEOUT_S'])"
        said = bundled.compose("exec", "--no-TTY", service, "python", "-c", show).stdout
        assert said == "a$b c 61\n"


@pytest.mark.usefixtures("before")
def test_uploads_are_taken_into_the_spool_while_the_storage_is_away(bundled: System) -> None:
    bundled.compose("stop", "s3")
    item_id = bundled.upload()
    bundled.compose("start", "s3")
    bundled.await_processed(item_id)
    bundled.await_well()
