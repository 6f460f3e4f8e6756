"""The DAG `ingress_reprocess`: brings failed items back to `accepted`, after what made them fail is mended.

Its Trigger form asks which. Items whose rows are in a store already stay there once: the ledger knows them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from packages.common.wording import counted
from services.extractor_service.dags.alerts import tell_failure
from services.extractor_service.dags.assets import QUEUE
from services.extractor_service.dags.notes import log_items, note_run

PARAMS = {
    "state": Param("failed", enum=["failed", "processed"], description="Where the items are now."),
    "endpoint": Param(None, type=["null", "string"], description="Only items of this endpoint."),
    "since": Param(None, type=["null", "string"], format="date-time", description="Received at or after."),
    "until": Param(None, type=["null", "string"], format="date-time", description="Received before."),
    "item_ids": Param([], type="array", items={"type": "string"}, description="Only these items."),
    "limit": Param(1000, type="integer", minimum=1, description="At most so many."),
    "dry_run": Param(False, type="boolean", description="Only list them."),  # noqa: FBT003 - Param's own form
}


@task(outlets=[QUEUE])
def requeue() -> list[str]:
    """Move the chosen items; their ids. The event of the queue starts a sweep."""
    from packages.common.settings import load_settings
    from services.extractor_service.reprocess import Choice
    from services.extractor_service.reprocess import requeue as requeue_items

    params: dict[str, Any] = dict(get_current_context()["params"])
    dry_run = params.pop("dry_run")
    done = "would be accepted again" if dry_run else "accepted again"
    ids = requeue_items(load_settings(), Choice.model_validate(params), dry_run=dry_run)
    log_items(done, ids)
    note_run(f"{counted(len(ids), 'item')} {done}")
    return ids


@dag(
    dag_id="ingress_reprocess",
    schedule=None,
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"on_failure_callback": tell_failure},
    params=PARAMS,
    tags=["ingress"],
    doc_md=__doc__,
)
def ingress_reprocess() -> None:
    """Bring items back."""
    requeue()


ingress_reprocess()
