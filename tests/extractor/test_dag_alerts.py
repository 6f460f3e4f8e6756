from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.extractor_service.dags.alerts import is_due

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told_at", "due"),
    [(None, True), ("2026-11-20T08:00:01+00:00", False), ("2026-11-20T08:00:00+00:00", True)],
)
def test_a_failure_is_told_again_only_after_a_while(told_at, due):
    assert is_due(told_at, NOW, timedelta(hours=4)) is due
