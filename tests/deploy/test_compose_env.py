from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from packages.common.models.user_model import parse_users
from tests.rigs.project import ROOT

COMPOSE = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")


def generate(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "compose_env.py"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def variables(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if line)


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_every_variable_that_compose_wants_is_generated(env: Path) -> None:
    assert generate(env).returncode == 0
    assert set(re.findall(r"\$\{(\w+):\?", COMPOSE)) <= variables(env).keys()
    assert env.stat().st_mode & 0o777 == 0o600


def test_generated_values_are_what_their_readers_want(env: Path) -> None:
    generate(env)
    found = variables(env)
    assert parse_users(found["BASIC_AUTH_USERS_JSON"].strip("'")).keys() == {"admin"}
    Fernet(found["AIRFLOW__CORE__FERNET_KEY"])
    assert len(found["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
    assert len({*found.values()}) == len(found)


def test_what_is_there_stays(env: Path) -> None:
    generate(env)
    before = env.read_text(encoding="utf-8")
    assert generate(env).returncode == 0
    assert env.read_text(encoding="utf-8") == before


def test_what_is_missing_is_added_to_what_is_there(env: Path) -> None:
    env.write_text("# mine\nINGRESS_PORT=9000\nPOSTGRES_PASSWORD=\nS3_SECRET_KEY=kept\n", encoding="utf-8")
    generate(env)
    assert env.read_text(encoding="utf-8").startswith("# mine\nINGRESS_PORT=9000\nS3_SECRET_KEY=kept\n")
    assert variables_of(env)["POSTGRES_PASSWORD"]


def variables_of(env: Path) -> dict[str, str]:
    lines = [line for line in env.read_text(encoding="utf-8").splitlines() if "=" in line]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("value", ["change-me", "ChangeMe", "AKIAIOSFODNN7EXAMPLE", "…"])
def test_example_values_are_refused(env: Path, value: str) -> None:
    env.write_text(f"S3_ACCESS_KEY={value}\n", encoding="utf-8")
    refused = generate(env)
    assert refused.returncode == 1
    assert "S3_ACCESS_KEY still has an example value" in refused.stderr
    assert env.read_text(encoding="utf-8") == f"S3_ACCESS_KEY={value}\n"


def test_an_s3_of_ones_own_switches_the_bundled_one_off(env: Path) -> None:
    own = "S3_ENDPOINT_URL=https://objects.example.net\n"
    env.write_text(own, encoding="utf-8")
    assert "S3_ACCESS_KEY and S3_SECRET_KEY must be given" in generate(env).stderr
    env.write_text(f"{own}S3_ACCESS_KEY=a\nS3_SECRET_KEY=b\n", encoding="utf-8")
    assert generate(env).returncode == 0
    assert variables(env)["COMPOSE_PROFILES"] == "outside-s3"
