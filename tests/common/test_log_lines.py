from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import structlog

from packages.common import log_lines
from packages.common.log_lines import MOST_GATHERED, GatheredLines, LineLogger
from tests.rigs.project import ROOT
from tests.rigs.waiting import wait_until


class Writes(io.StringIO):
    """Counts the writes that reach a stream."""

    count = 0

    def write(self, text: str) -> int:
        self.count += bool(text)
        return super().write(text)


def test_lines_are_written_together_soon_and_in_order():
    stream = Writes()
    lines = GatheredLines(stream)
    for number in range(100):
        lines.write(f"{number}\n")
    wait_until(lambda: stream.getvalue().endswith("99\n"))
    assert stream.getvalue().split() == [str(number) for number in range(100)]
    assert stream.count < 50


def test_a_later_line_is_written_too(monkeypatch):
    monkeypatch.setattr(log_lines, "GATHERED_S", 0.0)
    stream = Writes()
    lines = GatheredLines(stream)
    for number in range(50):
        lines.write(f"{number}\n")
        wait_until(lambda number=number: stream.getvalue().endswith(f"{number}\n"))


def test_a_warning_is_written_at_once_with_all_before_it(monkeypatch):
    monkeypatch.setattr(log_lines, "GATHERED_S", 3600.0)
    stream = Writes()
    log = LineLogger(GatheredLines(stream), "a")
    log.info("one")
    log.warning("two")
    log.info("three")
    log.error("four")
    assert stream.getvalue() == "one\ntwo\nthree\nfour\n"


def test_no_more_than_so_many_lines_wait(monkeypatch):
    monkeypatch.setattr(log_lines, "GATHERED_S", 3600.0)
    stream = Writes()
    lines = GatheredLines(stream)
    for _ in range(MOST_GATHERED + 1):
        lines.write("x\n")
    assert stream.getvalue().count("x\n") == MOST_GATHERED + 1


def test_lines_of_many_threads_arrive_whole_and_once():
    stream = Writes()
    lines = GatheredLines(stream)

    def write(thread: int) -> None:
        for number in range(500):
            lines.write(f"{thread}-{number}\n")
            if number % 50 == 0:
                lines.flush()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    lines.flush()
    written = stream.getvalue().split()
    assert sorted(written) == sorted(f"{thread}-{number}" for thread in range(8) for number in range(500))
    of_one = [line for line in written if line.startswith("3-")]
    assert of_one == [f"3-{number}" for number in range(500)]


def test_a_stream_that_takes_nothing_stops_nobody():
    stream = Writes()
    stream.close()
    log = LineLogger(GatheredLines(stream), "a")
    log.info("one")
    log.warning("two")


def test_the_last_lines_are_written_when_the_process_ends():
    code = (
        "import sys, structlog;"
        "from packages.common.log_lines import GatheredLines;"
        "from packages.common.logging_setup import configure_logging;"
        "configure_logging('INFO', 'text', GatheredLines(sys.stderr));"
        "structlog.get_logger('a').info('the last')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "the last" in ended.stderr


def test_structlog_finds_a_method_for_every_level():
    stream = io.StringIO()
    log = structlog.make_filtering_bound_logger("DEBUG")(
        LineLogger(stream, "a"), [structlog.processors.KeyValueRenderer()], {}
    )
    for method in ("debug", "info", "warning", "error", "critical", "exception"):
        getattr(log, method)(method)
    assert [line.partition("'")[2].partition("'")[0] for line in stream.getvalue().splitlines()] == [
        "debug",
        "info",
        "warning",
        "error",
        "critical",
        "exception",
    ]
