from __future__ import annotations

import os
import sys

import pytest

from tests.rigs.commands import run_command

FAILS = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"]


def test_a_failure_shows_what_was_printed():
    with pytest.raises(RuntimeError, match="ended with 3: out\nerr"):
        run_command(FAILS, os.environ)


def test_a_failure_that_is_expected_is_an_answer():
    assert run_command(FAILS, os.environ, check=False).returncode == 3


def test_a_command_reads_what_it_is_given():
    echo = [sys.executable, "-c", "import sys; print(sys.stdin.read()[::-1])"]
    assert run_command(echo, os.environ, stdin="abc").stdout == "cba\n"
