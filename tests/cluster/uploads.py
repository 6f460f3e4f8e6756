"""Uploads that go on while something is done to the cluster."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.cluster.release import Release
from tests.rigs.project import ROOT
from tests.rigs.waiting import wait_until

SAMPLE = ROOT / "inputs" / "samples" / "weather" / "01_days_from_01.csv"
CLIENTS, PAUSE_S, AHEAD = 3, 0.05, 10
_numbers = itertools.count()


class Uploads:
    """Clients that upload one row after the other, each with a value of its own."""

    def __init__(self, release: Release) -> None:
        self.accepted: set[str] = set()
        self.refused: list[str] = []
        self._url, self._password = release.address("ingress"), release.secret("users")["admin-password"]
        self._ended = threading.Event()

    def client(self) -> httpx.Client:
        auth = ("admin", self._password)
        return httpx.Client(base_url=self._url, auth=auth, timeout=60, trust_env=False)

    def send(self, client: httpx.Client) -> None:
        """Upload one row; what is not answered with 202 is remembered."""
        try:
            answer = client.post("/api/v1/weather", content=row(), headers={"Content-Type": "text/csv"})
        except httpx.HTTPError as error:
            self.refused.append(repr(error))
            return
        if answer.status_code == httpx.codes.ACCEPTED:
            self.accepted.add(answer.json()["item_id"])
        else:
            self.refused.append(f"{answer.status_code} {answer.text}")

    def keep_sending(self) -> None:
        """Upload over a connection that stays, as a station would."""
        with self.client() as client:
            while not self._ended.wait(PAUSE_S):
                self.send(client)

    def send_singly(self) -> None:
        """Upload over a new connection each time."""
        while not self._ended.wait(PAUSE_S):
            with self.client() as client:
                self.send(client)

    def end(self) -> None:
        self._ended.set()


def row() -> str:
    """A table of one row that no other upload has."""
    head, first = SAMPLE.read_text(encoding="utf-8").splitlines()[:2]
    cells = first.split(",")
    return f"{head}\n{','.join([*cells[:-1], str(next(_numbers) / 1000)])}\n"


@contextmanager
def uploads(release: Release) -> Iterator[Uploads]:
    """Uploads for the length of the block; some are accepted before it begins and some at its end."""
    going = Uploads(release)
    ways = itertools.islice(itertools.cycle((going.keep_sending, going.send_singly)), CLIENTS)
    threads = [threading.Thread(target=way) for way in ways]
    for thread in threads:
        thread.start()
    try:
        _await_more(going)
        yield going
        _await_more(going)
    finally:
        going.end()
        for thread in threads:
            thread.join()


def _await_more(going: Uploads) -> None:
    enough = len(going.accepted) + AHEAD
    wait_until(lambda: len(going.accepted) >= enough, "uploads")
