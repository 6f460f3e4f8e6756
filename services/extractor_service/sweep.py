"""One sweep of the queue: what was accepted is taken up in rounds, read, extracted, merged and settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import structlog

from packages.common.errors import StorageError
from packages.common.settings import Settings
from services.extractor_service.ending import end_sweep
from services.extractor_service.group import Work, begun, settled
from services.extractor_service.items import Group, PlannedItem, StorePlan
from services.extractor_service.plan import accepted, waiting
from services.extractor_service.report import SweepReport, total
from services.extractor_service.rounds import Round, rounds

OnProgress = Callable[[int, int], None]
"""Told how many items are settled, and how many there are."""
OnTaken = Callable[[Sequence[PlannedItem]], None]
"""Told which items are worked on next."""

log = structlog.get_logger(__name__)


def sweep(
    settings: Settings,
    *,
    endpoints: Sequence[str] | None = None,
    dag_run_id: str | None = None,
    on_progress: OnProgress | None = None,
) -> SweepReport:
    """Merge everything that was accepted, and move every item to its end; one bad store keeps no other.

    Raises:
        ConfigurationError: the configuration cannot be read.
        StorageError: the queue cannot be listed; once it could, trouble with it is in the report.
    """
    with begun(settings, dag_run_id) as work:
        sizes = waiting(work.queue, endpoints)
        taken = rounds(work.queue, work.targets, accepted(work.queue, sizes))
        groups = _told(taken, sum(sizes.values()), on_progress or (lambda *_: None))
        done = total(_as_far_as_listed(_kept_apart(work, groups)))
    if endpoints is None:
        end_sweep(settings, done, dag_run_id)
    return done


def merge_store(
    settings: Settings,
    store_plan: StorePlan,
    *,
    dag_run_id: str | None = None,
    on_taken: OnTaken = lambda _: None,
) -> SweepReport:
    """Merge what one sweep brings to one store, and settle each batch as soon as it is merged.

    Repeating an old plan does no harm: the queue is listed again.
    """
    done = SweepReport()
    with begun(settings, dag_run_id) as work:
        items = accepted(work.queue, store_plan.endpoints)
        for one in rounds(work.queue, work.targets, items, store_plan.store_url):
            for group in one.groups:
                on_taken(group.items)
                done += total(settled(work, group))
    return done


def _as_far_as_listed(reports: Iterator[SweepReport]) -> Iterator[SweepReport]:
    """The reports of what was done; a queue that goes away leaves the rest to the next sweep."""
    try:
        yield from reports
    except StorageError as error:
        log.exception("the rest is left to the next sweep")
        yield SweepReport(trouble=[f"queue: {error}"])


def _kept_apart(work: Work, groups: Iterator[Group]) -> Iterator[SweepReport]:
    """The reports of groups; a store that fails is left to the next sweep."""
    left = set[str]()
    for group in groups:
        if group.store_url in left:
            continue
        try:
            yield from settled(work, group)
        except Exception as error:
            log.exception("store left to the next sweep", store_url=group.store_url)
            left.add(group.store_url)
            yield SweepReport(trouble=[f"{group.store_url or 'queue'}: {error}"])


def _told(taken: Iterator[Round], size: int, on_progress: OnProgress) -> Iterator[Group]:
    """The groups of all rounds, one after another, each told of once it is done."""
    done = 0
    for one in taken:
        done += one.passed_over
        on_progress(done, size)
        for group in one.groups:
            yield group
            done += len(group.items)
            on_progress(done, size)
