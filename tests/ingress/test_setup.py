from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from services.ingress_service.web.setup import build_inlets, read_configuration
from tests.ingress.live import SCHEMA, settings_for


def coulombs(caplog: pytest.LogCaptureFixture) -> int:
    return sum("coulomb" in record.getMessage() for record in caplog.records)


def test_a_schema_that_many_endpoints_name_is_warned_of_once_and_again_when_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(tmp_path)
    schema = tmp_path / "inputs" / "schemas" / "tree.yaml"
    endpoints = read_configuration(settings).endpoints
    schema.write_text(SCHEMA.replace("temperature: {unit: degC", "temperature: {unit: C"))
    with caplog.at_level(logging.WARNING):
        assert len(build_inlets(endpoints)) == len(endpoints) > 1
        assert coulombs(caplog) == 1
        os.utime(schema, (1, 1))
        build_inlets(endpoints)
        assert coulombs(caplog) == 2
