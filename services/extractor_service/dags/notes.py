"""What runs tell about themselves: names of items in the task's log, a summary as the run's note."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import structlog
from airflow.sdk import get_current_context

from packages.common.wording import counted

if TYPE_CHECKING:
    from services.extractor_service.items import PlannedItem
    from services.extractor_service.report import SweepReport

NAMED_ITEMS = 1000  # lines of a task's log
NOTED_FAILURES = 5
REASON_LENGTH = 160

log = structlog.get_logger(__name__)


def log_items(event: str, item_ids: Iterable[str]) -> None:
    """Log one line for each item, at most a thousand."""
    for item_id in islice(item_ids, NAMED_ITEMS):
        log.info(event, item_id=item_id)


class ItemLog:
    """Logs one line for each item, of all it is told of at most a thousand."""

    def __init__(self, event: str) -> None:
        self._event, self._left = event, NAMED_ITEMS

    def tell(self, items: Sequence[PlannedItem]) -> None:
        """Log the next items."""
        named = items[: self._left]
        self._left -= len(named)
        log_items(self._event, (item.item_id for item in named))


def note_run(note: str) -> None:
    """Log what a run did, and attach it to the run where the settings name an Airflow that may be called.

    The run is none the worse if that fails.
    """
    from packages.common.airflow_api import AirflowApiError, airflow_api
    from packages.common.settings import load_settings

    log.info("summary", note=note)
    api = airflow_api(load_settings())
    if api is None:
        return
    context = get_current_context()
    try:
        api.note_run(context["dag"].dag_id, context["run_id"], note)
    except AirflowApiError as error:
        log.warning("the run has no note", reason=str(error))
    finally:
        api.close()


def sweep_note(done: SweepReport) -> str:
    """A sweep in a few lines: how many items came to which end, then the first failures with reasons."""
    counts = [f"{count} {name}" for name, count in done.counts().items() if count]
    failures = [
        f"{one.item_id}: {one.kind}: {_shortened(one.message)}" for one in done.failures[:NOTED_FAILURES]
    ]
    more = len(done.failures) - len(failures)
    rest = [f"… and {counted(more, 'more failure')}"] if more else []
    return "\n\n".join([", ".join(counts) or "nothing to do", *done.trouble, *failures, *rest])


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= REASON_LENGTH else f"{line[:REASON_LENGTH]}…"
