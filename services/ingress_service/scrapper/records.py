"""Keeps the records of scrapers beside the queue: best effort, so that no scrape waits or fails for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import structlog
from pydantic import ValidationError

from packages.common.errors import IngressError, ObjectMissingError
from packages.common.s3io import ObjectStorage
from services.ingress_service.scrapper.history import ScraperRecord

FOLDER = "scrappers"
Change: TypeAlias = Callable[[ScraperRecord], ScraperRecord]

log = structlog.get_logger("scraper")


class Records:
    """One object a scraper, `scrappers/{name}.json`; what could not be written is kept in memory."""

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._known: dict[str, ScraperRecord] = {}
        self._unwritten: dict[str, list[Change]] = {}

    def read(self, name: str) -> ScraperRecord:
        """The record as it is now; the last one known where the storage does not answer."""
        try:
            data = self._storage.get(_key(name))
            record = ScraperRecord.model_validate_json(data)
        except ObjectMissingError:
            record = ScraperRecord()
        except ValidationError:
            log.warning("the record of a scraper cannot be read; a new one begins", scraper=name)
            record = ScraperRecord()
        except IngressError as error:
            log.warning("the record of a scraper is out of reach", scraper=name, reason=str(error))
            return self.known(name)
        with self._lock:
            for change in self._unwritten.get(name, ()):
                record = change(record)
            self._known[name] = record
        return record

    def known(self, name: str) -> ScraperRecord:
        """The record as it was last seen, without asking the storage."""
        with self._lock:
            return self._known.get(name, ScraperRecord())

    def update(self, name: str, *changes: Change) -> ScraperRecord:
        """Change the record; where it cannot be written the changes wait for the next time."""
        record = self.read(name)
        for change in changes:
            record = change(record)
        with self._lock:
            self._known[name] = record
        try:
            self._storage.put(_key(name), record.model_dump_json().encode())
        except IngressError as error:
            log.warning("the record of a scraper is not written", scraper=name, reason=str(error))
            with self._lock:
                self._unwritten.setdefault(name, []).extend(changes)
        else:
            with self._lock:
                self._unwritten.pop(name, None)
        return record

    def claim(self, name: str, what: str) -> bool:
        """Whether this replica is the first to do something; yes where the storage does not answer."""
        folder = f"{FOLDER}/{name}/claims/"
        try:
            older = [info.key for info in self._storage.list(folder)]
            won = self._storage.create(f"{folder}{what}", b"")
            if won:
                self._storage.delete(sorted(older)[:-CLAIMS_KEPT])
        except IngressError as error:
            log.warning("a claim cannot be made", scraper=name, reason=str(error))
            return True
        return won


CLAIMS_KEPT = 10


def _key(name: str) -> str:
    return f"{FOLDER}/{name}.json"
