from __future__ import annotations

import json

import argon2
import pytest
from typer.testing import CliRunner

from packages.cli.main import app
from packages.common.models.user_model import parse_users


def test_a_piped_password_comes_out_as_a_hash_that_the_users_setting_takes():
    result = CliRunner().invoke(app, ["hash-password"], input="sésame: ouvre\n")
    assert result.exit_code == 0
    stored = result.stdout.strip()
    assert parse_users(json.dumps({"hana": stored}))["hana"].has_hash
    argon2.PasswordHasher().verify(stored, "sésame: ouvre")
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(stored, "sésame: ouvre\n")


def test_no_password_is_a_mistake():
    result = CliRunner().invoke(app, ["hash-password"], input="\n")
    assert result.exit_code == 2
    assert "no password" in result.stderr
