"""Merges the frames of one batch in one transaction, and finds out which of them stand in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import structlog
import xarray as xr

from packages.common.wording import counted
from services.extractor_service.errors import is_deliberate, is_transient
from services.extractor_service.items import Extracted, Verdict, VerdictKind, failure
from services.extractor_service.places import logged_warnings
from services.extractor_service.quarantine import quarantined
from zarr_fuse import Node
from zarr_fuse.errors import AlreadyMergedError, UpdateRefusedError, ZarrFuseError
from zarr_fuse.report import UpdateReport
from zarr_fuse.transaction import NodeWriter

BATCH_ITEMS = 2000  # what a crash makes the next sweep recognise again, at most

log = structlog.get_logger(__name__)


class CulpritsFoundError(Exception):
    """Frames of a transaction raised by themselves; carries their verdicts, nothing was written."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        super().__init__(counted(len(verdicts), "frame was refused", "frames were refused"))
        self.verdicts = list(verdicts)


def batches(frames: Iterable[Extracted | Verdict], max_bytes: int) -> Iterator[list[Extracted | Verdict]]:
    """Cut a stream of frames, in its order, into parts whose frames take about `max_bytes` of memory."""
    batch: list[Extracted | Verdict] = []
    size_bytes = 0
    for frame in frames:
        frame_bytes = frame.size_bytes if isinstance(frame, Extracted) else 0
        if batch and (size_bytes + frame_bytes > max_bytes or len(batch) == BATCH_ITEMS):
            yield batch
            batch, size_bytes = [], 0
        batch.append(frame)
        size_bytes += frame_bytes
    if batch:
        yield batch


def merge(root: Node, batch: Sequence[Extracted | Verdict]) -> list[Verdict]:
    """Merge the frames of a batch in one transaction that records their ids; the verdicts, in no order.

    Frames that are refused, or merged already, are left out and the others merged without them. An exception
    that names no frame is halved down to the frames it comes from. Verdicts pass through.
    """
    passed = [one for one in batch if isinstance(one, Verdict)]
    return [*passed, *_merge(root, [one for one in batch if isinstance(one, Extracted)])]


def _merge(root: Node, frames: Sequence[Extracted]) -> list[Verdict]:
    if not frames:
        return []
    try:
        reports = _transact(root, frames)
    except CulpritsFoundError as found:
        return [*found.verdicts, *_merge(root, _without(frames, found.verdicts))]
    except AlreadyMergedError as error:
        merged = [_duplicate(root, frame) for frame in frames if frame.item.ledger_id in set(error.item_ids)]
        return [*merged, *_merge(root, _without(frames, merged))] if merged else _all_fail(frames, error)
    except Exception as error:
        alone = len(frames) == 1
        log.warning(
            "merge failed", items=len(frames), reason=str(error), exc_info=alone and not is_deliberate(error)
        )
        return _after(root, frames, error)
    return [
        _verdict(root, frame, VerdictKind.MERGED, report)
        for frame, report in zip(frames, reports, strict=True)
    ]


def _transact(root: Node, frames: Sequence[Extracted]) -> Sequence[UpdateReport]:
    ids = [frame.item.ledger_id for frame in frames]
    with logged_warnings(), root.transaction(item_ids=ids) as transaction:
        refused = []
        for frame in frames:
            try:
                _update(transaction[frame.item.node], frame)
            except Exception as error:
                if is_transient(error):
                    raise
                refused.append(failure(frame.item, frame.metadata, error))
                if not is_deliberate(error):
                    log.exception("frame crashed the merge", item_id=frame.item.item_id)
                    break  # the transaction cannot be trusted any further
        if refused:
            raise CulpritsFoundError(refused)
    return transaction.reports


def _update(node: NodeWriter, frame: Extracted) -> None:
    on_bad_rows: Literal["report", "fail"] = "fail" if frame.item.on_bad_rows == "fail" else "report"
    if isinstance(frame.frame, xr.Dataset):
        node.update_from_ds(frame.frame, on_bad_rows=on_bad_rows)
    else:
        node.update(frame.frame, on_bad_rows=on_bad_rows)


def _after(root: Node, frames: Sequence[Extracted], error: Exception) -> list[Verdict]:
    """What follows from an exception that names no frame."""
    of_the_store = isinstance(error, ZarrFuseError) and not isinstance(error, UpdateRefusedError)
    if is_transient(error) or of_the_store or len(frames) == 1:
        return _all_fail(frames, error)
    half = len(frames) // 2
    return [*_merge(root, frames[:half]), *_merge(root, frames[half:])]


def _all_fail(frames: Iterable[Extracted], error: Exception) -> list[Verdict]:
    return [failure(frame.item, frame.metadata, error) for frame in frames]


def _duplicate(root: Node, frame: Extracted) -> Verdict:
    """A sweep that merged the frame may have ended before it wrote its rejected rows down."""
    return _verdict(root, frame, VerdictKind.DUPLICATE, None)


def _verdict(root: Node, frame: Extracted, kind: VerdictKind, report: UpdateReport | None) -> Verdict:
    kept = None
    if frame.item.on_bad_rows == "quarantine" and (report is None or report.rejected):
        with logged_warnings():
            kept = quarantined(frame.frame, root[frame.item.node].schema, report)
    return Verdict(frame.item, kind, frame.metadata, report, quarantine=kept)


def _without(frames: Sequence[Extracted], verdicts: Iterable[Verdict]) -> list[Extracted]:
    settled = {verdict.item.item_id for verdict in verdicts}
    return [frame for frame in frames if frame.item.item_id not in settled]
