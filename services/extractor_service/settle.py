"""Moves items to where their verdict sends them, and writes the outcome into their metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import structlog

from packages.common.content_types import EXTENSIONS
from packages.common.errors import IngressError, ItemNotFoundError, MetadataError, ObjectMissingError
from packages.common.in_order import in_order
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Queue
from services.extractor_service.errors import is_deliberate, item_error
from services.extractor_service.items import PlannedItem, Verdict, VerdictKind, received_at
from services.extractor_service.outcomes import Circumstances, End, Settlement, settlement
from services.extractor_service.report import Failure, SweepReport

log = structlog.get_logger(__name__)


def settle(queue: Queue, verdicts: Sequence[Verdict], circumstances: Circumstances) -> SweepReport:
    """Carry out the verdicts of one batch.

    An item that cannot be moved does not keep the others: it stays accepted, counts as `unsettled`, and the
    next sweep finishes its move.
    """
    bundle = queue.storage.bundle
    decided = list(in_order(partial(_decided, queue, circumstances), verdicts, bundle=bundle))
    moved = _moved(queue, [one for one in decided if one.move])
    staying = (one for one in decided if not one.move)
    return _report([*moved, *in_order(partial(_rewritten, queue), staying, bundle=bundle)])


def _decided(queue: Queue, circumstances: Circumstances, verdict: Verdict) -> Settlement:
    if verdict.kind is VerdictKind.GONE:
        return Settlement(verdict.item, End.GONE)

    def act() -> Settlement:
        if not _is_current(queue, verdict):
            return Settlement(verdict.item, End.GONE)
        return settlement(verdict, _metadata(queue, verdict, circumstances.now), circumstances)

    return _carried_out(verdict.item, act)


def _moved(queue: Queue, settlements: Sequence[Settlement]) -> list[Settlement]:
    """All moves at once; if the storage refuses one, each by itself, so that only that one stays behind."""
    try:
        lost = {item.item_id for item in queue.settle([one.move for one in settlements if one.move])}
    except IngressError as error:
        log.warning("moving a batch failed", items=len(settlements), reason=str(error))
        if error.retryable:
            return [_unsettled(one.item, error) for one in settlements]
        return [_carried_out(one.item, partial(_moved_alone, queue, one)) for one in settlements]
    return [Settlement(one.item, End.GONE) if one.item.item_id in lost else one for one in settlements]


def _moved_alone(queue: Queue, one: Settlement) -> Settlement:
    lost = queue.settle([one.move] if one.move else [])
    return Settlement(one.item, End.GONE) if lost else one


def _rewritten(queue: Queue, one: Settlement) -> Settlement:
    metadata = one.metadata
    if metadata is None:
        return one

    def act() -> Settlement:
        queue.rewrite(one.item.queued, metadata)
        return one

    return _carried_out(one.item, act)


def _carried_out(item: PlannedItem, act: Callable[[], Settlement]) -> Settlement:
    try:
        return act()
    except (ItemNotFoundError, ObjectMissingError):
        return Settlement(item, End.GONE)
    except Exception as error:
        if not is_deliberate(error):
            log.exception("item cannot be settled", item_id=item.item_id)
        return _unsettled(item, error)


def _unsettled(item: PlannedItem, error: Exception) -> Settlement:
    return Settlement(item, End.UNSETTLED, error=item_error(error))


def _is_current(queue: Queue, verdict: Verdict) -> bool:
    """Whether the item has not been brought back since; one whose payload was read was looked at then."""
    if verdict.metadata is not None:
        return True
    try:
        metadata = queue.metadata(verdict.item.queued)
    except MetadataError:
        return True
    return metadata is None or verdict.item.is_that_of(metadata)


def _metadata(queue: Queue, verdict: Verdict, now: datetime) -> ItemMetadata:
    item = verdict.item
    try:
        return _later_metadata(queue, verdict) or verdict.metadata or _accepted_metadata(queue, item, now)
    except MetadataError:
        return made_up_metadata(item, now)


def _later_metadata(queue: Queue, verdict: Verdict) -> ItemMetadata | None:
    """What an interrupted move has written already, so that its outcome is kept."""
    if verdict.item.left_as is None and verdict.kind is not VerdictKind.DUPLICATE:
        return None
    return queue.metadata(verdict.item.queued.in_state(verdict.item.left_as or ItemState.PROCESSED))


def _accepted_metadata(queue: Queue, item: PlannedItem, now: datetime) -> ItemMetadata:
    return queue.metadata(item.queued) or made_up_metadata(item, now)


def made_up_metadata(item: PlannedItem, now: datetime) -> ItemMetadata:
    """Metadata for a payload that has none, from its key."""
    endpoint, _, rest = item.item_id.partition("/")
    node_path = rest.rpartition("/")[0]
    types = (content_type for content_type, extension in EXTENSIONS.items() if extension == item.extension)
    return ItemMetadata(
        item_id=item.item_id,
        endpoint_name=endpoint if rest else "",
        node_path=node_path,
        received_at=received_at(item.item_id) or now,
        size_bytes=item.size_bytes,
        content_type=next(types, "application/octet-stream"),
    )


def _report(settlements: Sequence[Settlement]) -> SweepReport:
    counts = Counter(str(one.end) for one in settlements)
    failures = [
        Failure(
            item_id=one.item.item_id,
            kind=one.error.kind,
            message=one.error.message,
            transient=one.end is not End.FAILED,
        )
        for one in settlements
        if one.error is not None
    ]
    for one in failures:
        log.warning("item waits" if one.transient else "item failed", **one.model_dump())
    return SweepReport(failures=failures, **counts)
