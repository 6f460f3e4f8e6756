from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
import pytest

from packages.common.models.metadata_model import ItemMetadata
from services.extractor_service.items import Extracted, PlannedItem, Verdict, VerdictKind
from services.extractor_service.merge import batches, merge
from zarr_fuse.errors import (
    AlreadyMergedError,
    CorruptStoreError,
    LeaseLostError,
    UpdateRefusedError,
    ZarrFuseError,
)
from zarr_fuse.report import RejectedRow, UpdateReport


@dataclass
class FakeTransaction:
    """Takes the frames of one block; `fails` says what an update of a frame raises."""

    fails: Callable[[int], Exception | None]
    values: list[int] = field(default_factory=list)
    reports: list[UpdateReport] = field(default_factory=list)

    def __getitem__(self, path: str) -> FakeTransaction:
        return self

    def update(self, frame: pl.DataFrame, *, on_bad_rows: str) -> None:
        value = frame["value"][0]
        error = self.fails(value)
        if error is not None:
            raise error
        self.values.append(value)
        self.reports.append(UpdateReport(1, 1))


@dataclass
class FakeRoot:
    """Records what is committed; `commit_fails` says what the end of a block raises for these values."""

    update_fails: Callable[[int], Exception | None] = lambda value: None
    commit_fails: Callable[[Sequence[int]], Exception | None] = lambda values: None
    commits: list[list[int]] = field(default_factory=list)
    ids: list[list[str]] = field(default_factory=list)
    blocks: int = 0

    @contextmanager
    def transaction(self, item_ids: Sequence[str]) -> Iterator[FakeTransaction]:
        self.blocks += 1
        known = {one for ids in self.ids for one in ids} & set(item_ids)
        if known:
            raise AlreadyMergedError(known)
        transaction = FakeTransaction(self.update_fails)
        yield transaction
        error = self.commit_fails(transaction.values)
        if error is not None:
            raise error
        self.commits.append(transaction.values)
        self.ids.append(list(item_ids))


def frame(value: int, rows: int = 1) -> Extracted:
    item = PlannedItem(item_id=f"e/{value:04d}", extension="csv", size_bytes=1)
    metadata = ItemMetadata(item_id=item.item_id, received_at=datetime.now(UTC))
    return Extracted(item, metadata, pl.DataFrame({"value": [value] * rows}))


def kinds(verdicts: Sequence[Verdict]) -> dict[int, str]:
    return {
        int(one.item.item_id[2:]): str(one.kind) for one in sorted(verdicts, key=lambda one: one.item.item_id)
    }


def refusal(value: int) -> UpdateRefusedError:
    finding = RejectedRow(4, "value", str(value), "not_convertible", "no number")
    missing = RejectedRow(None, "other", None, "column_missing", "")
    return UpdateRefusedError(["bad"], UpdateReport(9, 0, (missing, finding), {"not_convertible": 1}))


def test_whole_group_is_one_transaction_in_order() -> None:
    root = FakeRoot()
    assert set(kinds(merge(root, [frame(value) for value in range(5)])).values()) == {"merged"}
    assert root.commits == [[0, 1, 2, 3, 4]]


def test_refused_frames_are_left_out_and_their_ids_are_not_recorded() -> None:
    root = FakeRoot(update_fails=lambda value: refusal(value) if value in {1, 3} else None)
    verdicts = merge(root, [frame(value) for value in range(5)])
    assert kinds(verdicts) == {0: "merged", 1: "permanent", 2: "merged", 3: "permanent", 4: "merged"}
    assert root.commits == [[0, 2, 4]]
    assert root.ids == [["e/0000", "e/0002", "e/0004"]]
    assert root.blocks == 2


def test_refusal_names_the_first_harmful_place() -> None:
    root = FakeRoot(update_fails=refusal)
    (verdict,) = merge(root, [frame(7)])
    assert verdict.error is not None
    assert (verdict.error.kind, verdict.error.row) == ("update_refused", 4)
    assert (verdict.error.column, verdict.error.value) == ("value", "7")


def test_unforeseen_exception_of_one_frame_is_found_and_described() -> None:
    root = FakeRoot(update_fails=lambda value: KeyError("boom") if value == 2 else None)
    verdicts = merge(root, [frame(value) for value in range(4)])
    assert root.commits == [[0, 1, 3]]
    (culprit,) = [one for one in verdicts if one.kind is VerdictKind.PERMANENT]
    assert culprit.error is not None
    assert (culprit.error.kind, culprit.error.message) == ("unexpected", "KeyError: 'boom'")


@pytest.mark.parametrize("culprits", [{0}, {6}, {2, 5}, {0, 1, 2, 3, 4, 5, 6}])
def test_exception_at_the_commit_is_halved_down_to_the_culprits(culprits: set[int]) -> None:
    root = FakeRoot(commit_fails=lambda values: ValueError("odd") if culprits & set(values) else None)
    verdicts = merge(root, [frame(value) for value in range(7)])
    failed = {value for value, kind in kinds(verdicts).items() if kind == "permanent"}
    assert failed == culprits
    assert [value for commit in root.commits for value in commit] == sorted(set(range(7)) - culprits)


def test_transient_trouble_leaves_all_for_later_at_once() -> None:
    root = FakeRoot(commit_fails=lambda values: LeaseLostError("taken over"))
    verdicts = merge(root, [frame(value) for value in range(8)])
    assert set(kinds(verdicts).values()) == {"transient"}
    assert root.blocks == 1


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_trouble_of_the_machine_is_transient(error: Exception) -> None:
    root = FakeRoot(update_fails=lambda value: error)
    assert kinds(merge(root, [frame(1), frame(2)])) == {1: "transient", 2: "transient"}


def test_sick_store_is_not_searched_for_culprits() -> None:
    root = FakeRoot(commit_fails=lambda values: CorruptStoreError("arrays disagree"))
    verdicts = merge(root, [frame(value) for value in range(8)])
    assert set(kinds(verdicts).values()) == {"transient"}
    assert root.blocks == 1


def test_items_in_the_ledger_are_duplicates_and_the_others_are_merged() -> None:
    root = FakeRoot(ids=[["e/0001", "e/0002"]])
    verdicts = merge(root, [frame(value) for value in range(4)])
    assert kinds(verdicts) == {0: "merged", 1: "duplicate", 2: "duplicate", 3: "merged"}
    assert root.commits == [[0, 3]]


def test_verdicts_pass_through_and_an_empty_batch_opens_no_transaction() -> None:
    root = FakeRoot()
    gone = Verdict(PlannedItem(item_id="e/1", extension="csv", size_bytes=1), VerdictKind.GONE)
    assert merge(root, [gone]) == [gone]
    assert merge(root, []) == []
    assert root.blocks == 0


def test_deliberate_error_keeps_its_kind() -> None:
    class SpecialError(ZarrFuseError):
        kind = "special"

    root = FakeRoot(update_fails=lambda value: SpecialError("so it is"))
    (verdict,) = merge(root, [frame(1)])
    assert verdict.error is not None
    assert (verdict.error.kind, verdict.error.message) == ("special", "so it is")


def test_batches_keep_the_order_and_stay_within_the_bound() -> None:
    frames = [frame(value, rows=100) for value in range(10)]
    each = frames[0].size_bytes
    parts = list(batches(frames, 3 * each))
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert [one for part in parts for one in part] == frames


def test_frame_above_the_bound_is_a_batch_of_its_own() -> None:
    frames = [frame(0), frame(1, rows=10_000), frame(2)]
    assert [len(part) for part in batches(frames, 1000)] == [1, 1, 1]
