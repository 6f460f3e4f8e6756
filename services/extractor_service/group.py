"""What becomes of a group of items: read, extracted, merged and settled, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from packages.common.queue import Queue
from packages.common.settings import Settings
from services.extractor_service.errors import is_deliberate
from services.extractor_service.extract import Means, means_of
from services.extractor_service.extraction import extract
from services.extractor_service.items import Group, PlannedItem, Verdict, VerdictKind, failure
from services.extractor_service.merge import batches, merge
from services.extractor_service.outcomes import Circumstances
from services.extractor_service.places import Roots, open_queue
from services.extractor_service.read import read
from services.extractor_service.report import SweepReport
from services.extractor_service.settle import settle
from services.extractor_service.targets import Targets
from zarr_fuse import Node

log = structlog.get_logger(__name__)


class Work(NamedTuple):
    """What all groups of one sweep share."""

    settings: Settings
    queue: Queue
    targets: Targets
    means: Means
    roots: Roots
    dag_run_id: str | None


@contextmanager
def begun(settings: Settings, dag_run_id: str | None = None) -> Iterator[Work]:
    """What a sweep needs; the processes of its extractors end with it.

    Raises:
        ConfigurationError: the configuration cannot be read.
    """
    with means_of(settings) as means:
        yield Work(settings, open_queue(settings), Targets(settings), means, Roots(settings), dag_run_id)


def settled(work: Work, group: Group) -> Iterator[SweepReport]:
    """Merge a group of items and move each to its end; a report for each batch, as soon as it is done.

    Repeating it does no harm: items that are no longer accepted are done.
    """
    for verdicts in filter(None, _judged(work, group)):
        yield settle(work.queue, verdicts, _circumstances(work, group))


def _judged(work: Work, group: Group) -> Iterator[list[Verdict]]:
    """The verdicts on the items of a group, a batch at a time."""
    yield [
        Verdict(item, VerdictKind.PERMANENT, error=item.error) for item in group.items if item.needs_no_store
    ]
    items = [item for item in group.items if not item.needs_no_store]
    if not items:
        return
    try:
        root = work.roots.root(Path(group.schema_file))
        known = root.ledger.contains([item.ledger_id for item in items])
    except Exception as error:
        reason, unknown = str(error), not is_deliberate(error)
        log.warning("store cannot be opened", schema=group.schema_file, reason=reason, exc_info=unknown)
        yield [failure(item, None, error) for item in items]
        return
    yield from _merged(work, root, items, {item.item_id for item in items if item.ledger_id in known})


def _merged(work: Work, root: Node, items: list[PlannedItem], done: set[str]) -> Iterator[list[Verdict]]:
    """The verdicts on items of which some are in the store already: those need no more than to be moved.

    But rows that were quarantined may not have been written down.
    """
    moved = {item.item_id for item in items if item.item_id in done and item.on_bad_rows != "quarantine"}
    yield [Verdict(item, VerdictKind.DUPLICATE) for item in items if item.item_id in moved]
    max_bytes = work.settings.sweep_max_bytes
    contents = read(work.queue, (item for item in items if item.item_id not in moved), max_bytes)
    for batch in batches(extract(work.means, contents), max_bytes):
        yield [_once_merged(verdict, done) for verdict in merge(root, batch)]


def _once_merged(verdict: Verdict, done: set[str]) -> Verdict:
    """What is in the store cannot fail any more, even if its payload is no table now."""
    if verdict.kind is VerdictKind.PERMANENT and verdict.item.item_id in done:
        return Verdict(verdict.item, VerdictKind.DUPLICATE, verdict.metadata)
    return verdict


def _circumstances(work: Work, group: Group) -> Circumstances:
    return Circumstances(
        datetime.now(UTC), work.settings.max_attempts, group.store_url or None, work.dag_run_id
    )
