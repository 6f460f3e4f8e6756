"""What stands in docker-compose.yaml."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from packages.common.settings import Settings
from services.ingress_service.main import DRAIN_S
from tests.rigs.project import ROOT

COMPOSE = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
COMES_TO_AN_END = {"prepare", "airflow-migration", "smoke"}


def test_compose_names_settings_that_exist_and_keeps_ports_on_this_machine() -> None:
    named = set(SERVICES["ingress"]["environment"]) - {"INGRESS_URL"}
    assert named <= {name.upper() for name in Settings.model_fields}
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_holds_no_secret() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY|USERS", name):
                assert re.fullmatch(r"\$\{\w+:(\?run make compose-env|-)\}", value), name
    assert json.dumps(COMPOSE).count("change-me") == 0


def test_variables_of_the_configuration_come_from_a_file_that_both_services_read() -> None:
    for name, service in SERVICES.items():
        reads = name in {"ingress", "prepare", "smoke"} or name.startswith("airflow-")
        file = {"path": "${VARIABLES_FILE:-./services.env}", "required": False}
        assert service.get("env_file") == ([file] if reads else None), name


def test_what_lasts_is_started_again_and_what_ends_is_not() -> None:
    ends = {name for name, service in SERVICES.items() if service["restart"] == "no"}
    assert ends == COMES_TO_AN_END
    assert {SERVICES[name]["restart"] for name in SERVICES.keys() - ends} == {"unless-stopped"}


def test_requests_in_flight_may_finish_before_the_ingress_is_killed() -> None:
    assert seconds(SERVICES["ingress"]["stop_grace_period"]) > DRAIN_S


def test_everything_that_holds_data_may_write_it_down_before_it_is_killed() -> None:
    for name in ("s3", "postgres", "airflow-scheduler"):
        assert seconds(SERVICES[name]["stop_grace_period"]) >= 60, name


def test_database_does_not_wait_for_its_clients_to_leave() -> None:
    assert SERVICES["postgres"]["stop_signal"] == "SIGINT"


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))
