"""The DAG `ingress_housekeeping`: removes what the queue need not keep, once a day."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from packages.common.wording import counted
from services.extractor_service.dags.alerts import tell_failure
from services.extractor_service.dags.notes import NAMED_ITEMS, note_run

if TYPE_CHECKING:
    from services.extractor_service.housekeeping import Removal

HOUSEKEEPING_CRON = os.environ.get("HOUSEKEEPING_CRON") or "17 3 * * *"


log = structlog.get_logger(__name__)

PARAMS = {"dry_run": Param(False, type="boolean", description="Only list what would go.")}  # noqa: FBT003


@task
def remove() -> int:
    """Delete items past their retention and leavings of aborted uploads; the number of objects."""
    from packages.common.settings import load_settings
    from services.extractor_service.housekeeping import removals
    from services.extractor_service.housekeeping import remove as remove_objects

    settings, dry_run = load_settings(), bool(get_current_context()["params"]["dry_run"])
    done = "would be removed" if dry_run else "removed"
    found = told(done, removals(settings))
    count = sum(1 for _ in found) if dry_run else remove_objects(settings, found)
    note_run(f"{counted(count, 'object')} {done}")
    return count


def told(event: str, found: Iterable[Removal]) -> Iterator[Removal]:
    """Pass removals on, with a line in the log for each of the first thousand."""
    for number, one in enumerate(found):
        if number < NAMED_ITEMS:
            log.info(event, key=one.key, reason=one.reason)
        yield one


@dag(
    dag_id="ingress_housekeeping",
    schedule=CronTriggerTimetable(HOUSEKEEPING_CRON, timezone="UTC"),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"on_failure_callback": tell_failure},
    params=PARAMS,
    tags=["ingress"],
    doc_md=__doc__,
)
def ingress_housekeeping() -> None:
    """Remove what may go."""
    remove()


ingress_housekeeping()
