"""The DAG `ingress_housekeeping`: removes what the queue need not keep, once a day."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import CronTriggerTimetable, dag, task

HOUSEKEEPING_CRON = os.environ.get("HOUSEKEEPING_CRON") or "17 3 * * *"


@task
def remove() -> int:
    """Delete items past their retention and leavings of aborted uploads; the number of objects."""
    from packages.common.settings import load_settings
    from services.extractor_service.housekeeping import removals
    from services.extractor_service.housekeeping import remove as remove_objects

    settings = load_settings()
    return remove_objects(settings, removals(settings))


@dag(
    dag_id="ingress_housekeeping",
    schedule=CronTriggerTimetable(HOUSEKEEPING_CRON, timezone="UTC"),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["ingress"],
    doc_md=__doc__,
)
def ingress_housekeeping() -> None:
    """Remove what may go."""
    remove()


ingress_housekeeping()
