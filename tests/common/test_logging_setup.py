from __future__ import annotations

import io
import json
import logging
import re

import pytest
import structlog

from packages.common.logging_setup import OWN_HANDLERS, bind_item, configure_logging


@pytest.fixture(autouse=True)
def _restore_logging():
    root, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    logging.getLogger().handlers, logging.getLogger().level = root, level
    structlog.reset_defaults()


def lines(fmt, act, level="INFO") -> list[str]:
    stream = io.StringIO()
    configure_logging(level, fmt, stream)
    act()
    return stream.getvalue().splitlines()


def talk():
    structlog.get_logger("ingress").info("stored", rows=3)
    logging.getLogger("uvicorn.error").info(
        "listening on %s", "127.0.0.1", extra={"color_message": "\x1b[1m"}
    )
    logging.getLogger("apscheduler.scheduler").warning("late")
    logging.getLogger("ingress").debug("unheard")


def test_json_lines_look_the_same_whoever_writes_them():
    written = [json.loads(line) for line in lines("json", talk)]
    assert [line["event"] for line in written] == ["stored", "listening on 127.0.0.1", "late"]
    assert [line["level"] for line in written] == ["info", "info", "warning"]
    assert [line["logger"] for line in written] == ["ingress", "uvicorn.error", "apscheduler.scheduler"]
    assert not any("color_message" in line for line in written)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"]) for line in written)
    assert written[0]["rows"] == 3


def test_text_lines_look_the_same_whoever_writes_them():
    pattern = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z \[(info|warning)\] .+ \[[a-z.]+\].*")
    written = lines("text", talk)
    assert len(written) == 3
    assert all(pattern.fullmatch(line) for line in written)


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_item_id_is_in_every_line_inside(fmt):
    def act():
        with bind_item("weather/x"):
            structlog.get_logger("a").info("one")
            logging.getLogger("b").info("two")
        structlog.get_logger("a").info("three")

    one, two, three = lines(fmt, act)
    assert "weather/x" in one
    assert "weather/x" in two
    assert "weather/x" not in three


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_tracebacks_do_not_show_variables(fmt):
    def act():
        secret = "hid" + "den"  # noqa: F841
        try:
            raise RuntimeError("broken")
        except RuntimeError:
            structlog.get_logger("a").exception("failed")
            logging.getLogger("b").exception("failed")

    text = "\n".join(lines(fmt, act))
    assert text.count("RuntimeError: broken") == 2
    assert "hidden" not in text


def test_configuring_again_writes_each_line_once():
    first = io.StringIO()
    configure_logging("INFO", "text", first)
    assert len(lines("json", talk)) == 3
    assert first.getvalue() == ""


def test_libraries_keep_no_handlers_of_their_own():
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    configure_logging()
    assert all(not logging.getLogger(name).handlers for name in OWN_HANDLERS)
