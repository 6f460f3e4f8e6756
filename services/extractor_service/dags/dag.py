"""The DAG `ingress_processor`: what was accepted goes into its stores, by the clock and on call.

An event of the asset only wakes it up: each run lists the queue itself.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import structlog
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, get_current_context, task

from services.extractor_service.dags.alerts import tell_failure
from services.extractor_service.dags.assets import QUEUE
from services.extractor_service.dags.notes import ItemLog, note_run, sweep_note

SWEEP_CRON = os.environ.get("SWEEP_CRON") or "* * * * *"

log = structlog.get_logger(__name__)


@task
def plan() -> list[dict[str, Any]]:
    """List what was accepted: one part for each store."""
    from packages.common.settings import load_settings
    from services.extractor_service.ending import end_sweep
    from services.extractor_service.plan import plan as plan_sweep
    from services.extractor_service.report import SweepReport

    settings = load_settings()
    plans = plan_sweep(settings)
    if not plans:  # then Airflow skips the other tasks
        end_sweep(settings, SweepReport(), get_current_context()["run_id"])
    for part in plans:
        log.info("planned", store_url=part.store_url or None, items=part.size)
    return [part.model_dump(mode="json") for part in plans]


@task(map_index_template="{{ store_url }}")
def merge(store_plan: dict[str, Any]) -> dict[str, Any]:
    """Merge and settle the items of one store; a cleared task finds nothing left to do."""
    from packages.common.settings import load_settings
    from services.extractor_service.items import StorePlan
    from services.extractor_service.sweep import merge_store

    context = get_current_context()
    context["store_url"] = store_plan["store_url"] or "no store"
    part, taken_up = StorePlan.model_validate(store_plan), ItemLog("taken up")
    done = merge_store(load_settings(), part, dag_run_id=context["run_id"], on_taken=taken_up.tell)
    log.info("settled", **done.counts())
    return done.model_dump(mode="json")


@task
def report(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum up the run; items that failed do not fail it, trouble with the storage does."""
    from packages.common.settings import load_settings
    from services.extractor_service.ending import end_sweep
    from services.extractor_service.report import SweepReport, total

    done = total(SweepReport.model_validate(result) for result in results)
    end_sweep(load_settings(), done, get_current_context()["run_id"])
    note_run(sweep_note(done))
    done.raise_for_trouble()
    return done.model_dump(mode="json")


@dag(
    dag_id="ingress_processor",
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable(SWEEP_CRON, timezone="UTC"), assets=[QUEUE]),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"on_failure_callback": tell_failure},
    tags=["ingress"],
    doc_md=__doc__,
)
def ingress_processor() -> None:
    """Plan, then merge store by store, then report."""
    report(merge.expand(store_plan=plan()))


ingress_processor()
