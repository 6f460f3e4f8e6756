from __future__ import annotations

from datetime import UTC, datetime, timedelta

from packages.common.models.metadata_model import HISTORY_KEPT, ItemMetadata, PastEvent

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def test_the_history_keeps_its_last_events_through_storage() -> None:
    metadata = ItemMetadata(received_at=NOON)
    for number in range(HISTORY_KEPT + 5):
        metadata = metadata.with_event(
            PastEvent(at=NOON + timedelta(hours=number), event="retried", attempt=number)
        )
    again = ItemMetadata.model_validate_json(metadata.to_json())
    assert [event.attempt for event in again.history] == list(range(5, HISTORY_KEPT + 5))
    assert again.history[-1].at == NOON + timedelta(hours=HISTORY_KEPT + 4)
