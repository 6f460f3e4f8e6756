"""One sweep of the queue: what was accepted is planned, read, extracted, merged and settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from packages.common.queue import Queue
from packages.common.settings import Settings
from services.extractor_service.ending import end_sweep
from services.extractor_service.errors import is_deliberate
from services.extractor_service.extract import extract, means_of
from services.extractor_service.items import PlannedItem, SchemaPlan, StorePlan, Verdict, VerdictKind, failure
from services.extractor_service.merge import batches, merge
from services.extractor_service.outcomes import Circumstances
from services.extractor_service.places import open_queue, open_root
from services.extractor_service.plan import plan
from services.extractor_service.read import read
from services.extractor_service.report import SweepReport, total
from services.extractor_service.settle import settle
from zarr_fuse import Node

OnProgress = Callable[[int, int], None]
"""Told how many items are settled, and how many there are."""

log = structlog.get_logger(__name__)


def sweep(
    settings: Settings,
    *,
    endpoints: Sequence[str] | None = None,
    dag_run_id: str | None = None,
    on_progress: OnProgress | None = None,
) -> SweepReport:
    """Merge everything that was accepted, and move every item to its end; one bad store keeps no other."""
    plans = plan(settings, endpoints=endpoints)
    on_settled = _counting(sum(one.size for one in plans), on_progress)
    done = total(_kept_apart(settings, one, dag_run_id, on_settled) for one in plans)
    if endpoints is None:
        end_sweep(settings, done, dag_run_id)
    return done


def merge_store(
    settings: Settings,
    store_plan: StorePlan,
    *,
    dag_run_id: str | None = None,
    on_settled: Callable[[int], None] | None = None,
) -> SweepReport:
    """Merge what one sweep brings to one store, and settle each batch as soon as it is merged.

    Repeating an old plan does no harm: items that are no longer accepted are done.
    """
    queue, done = open_queue(settings), SweepReport()
    for schema_plan in store_plan.schemas:
        for verdicts in filter(None, _judged(settings, queue, schema_plan)):
            done += settle(queue, verdicts, _circumstances(settings, store_plan, dag_run_id))
            if on_settled is not None:
                on_settled(len(verdicts))
    return done


def _judged(settings: Settings, queue: Queue, schema_plan: SchemaPlan) -> Iterator[list[Verdict]]:
    """The verdicts on the items of one schema, a batch at a time."""
    storeless = [item for item in schema_plan.items if item.needs_no_store]
    yield [Verdict(item, VerdictKind.PERMANENT, error=item.error) for item in storeless]
    items = [item for item in schema_plan.items if not item.needs_no_store]
    if items:
        yield from _merged(settings, queue, Path(schema_plan.schema_file), items)


def _merged(
    settings: Settings, queue: Queue, schema_file: Path, items: Sequence[PlannedItem]
) -> Iterator[list[Verdict]]:
    try:
        root, known = _opened(settings, schema_file, items)
    except Exception as error:
        known_error = is_deliberate(error)
        log.warning(
            "store cannot be opened", schema=schema_file.name, reason=str(error), exc_info=not known_error
        )
        yield [failure(item, None, error) for item in items]
        return
    done = {item.item_id for item in items if item.ledger_id in known}
    moved = {item.item_id for item in items if item.item_id in done and item.on_bad_rows != "quarantine"}
    yield [Verdict(item, VerdictKind.DUPLICATE) for item in items if item.item_id in moved]
    contents = read(queue, (item for item in items if item.item_id not in moved), settings.sweep_max_bytes)
    with means_of(settings) as means:
        for batch in batches(extract(means, contents), settings.sweep_max_bytes):
            yield [_once_merged(verdict, done) for verdict in merge(root, batch)]


def _once_merged(verdict: Verdict, done: set[str]) -> Verdict:
    """What is in the store cannot fail any more, even if its payload is no table now."""
    if verdict.kind is VerdictKind.PERMANENT and verdict.item.item_id in done:
        return Verdict(verdict.item, VerdictKind.DUPLICATE, verdict.metadata)
    return verdict


def _opened(settings: Settings, schema_file: Path, items: Sequence[PlannedItem]) -> tuple[Node, set[str]]:
    """The root of the store, and those of the items' ledger ids that it holds already."""
    root = open_root(settings, schema_file)
    return root, root.ledger.contains([item.ledger_id for item in items])


def _kept_apart(
    settings: Settings, store_plan: StorePlan, dag_run_id: str | None, on_settled: Callable[[int], None]
) -> SweepReport:
    try:
        return merge_store(settings, store_plan, dag_run_id=dag_run_id, on_settled=on_settled)
    except Exception as error:
        log.exception("store left to the next sweep", store_url=store_plan.store_url)
        return SweepReport(trouble=[f"{store_plan.store_url or 'queue'}: {error}"])


def _circumstances(settings: Settings, store_plan: StorePlan, dag_run_id: str | None) -> Circumstances:
    return Circumstances(datetime.now(UTC), settings.max_attempts, store_plan.store_url or None, dag_run_id)


def _counting(size: int, on_progress: OnProgress | None) -> Callable[[int], None]:
    done = 0

    def on_settled(items: int) -> None:
        nonlocal done
        done += items
        if on_progress is not None:
            on_progress(done, size)

    return on_settled
