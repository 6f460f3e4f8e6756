"""Tells people that a task failed, through the channels of the scrapers, and the same reason only once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from airflow.sdk import Variable

if TYPE_CHECKING:
    from packages.common.notify import Notification, Notifier
    from packages.common.settings import Settings

REASON_LENGTH = 2000
KEPT = 50
_CHANGING = re.compile(r"\d+")

log = structlog.get_logger(__name__)


def tell_failure(context: Mapping[str, Any]) -> None:
    """Send one message through each channel of the configuration; trouble with that is only logged."""
    from packages.common.errors import IngressError
    from packages.common.settings import load_settings

    try:
        settings = load_settings()
        message = notification_of(context, settings.airflow_url)
        for notifier in configured(settings):
            _tell(notifier, message, f"{context['ti'].task_id}: {context.get('exception')}")
    except IngressError as error:
        log.warning("nobody was told", reason=str(error))


def configured(settings: Settings) -> list[Notifier]:
    """The channels that the configuration names."""
    from packages.common.configuration import load_configuration
    from packages.common.notify import notifiers_of

    configuration = load_configuration(settings.config_path, schemas_dir=settings.schema_folder)
    password = settings.smtp_password.get_secret_value() if settings.smtp_password is not None else None
    return notifiers_of(configuration.configuration, password)


def notification_of(context: Mapping[str, Any], airflow_url: str | None) -> Notification:
    """What is sent about a failed task."""
    from packages.common.notify import Notification

    task = context["ti"]
    reason = str(context.get("exception") or "its log says why")[:REASON_LENGTH]
    link = f"{airflow_url.rstrip('/')}/dags/{task.dag_id}/runs/{task.run_id}" if airflow_url else ""
    lines = [f"{task.task_id} of run {task.run_id} failed:", reason, "", link]
    facts = {"dag": task.dag_id, "run": task.run_id, "task": task.task_id, "reason": reason}
    return Notification(f"{task.dag_id}: {task.task_id} failed", "\n".join(lines).rstrip(), facts)


def is_due(told_at: str | None, now: datetime, repeat_after: timedelta) -> bool:
    """Whether a failure that was last told at some time (ISO 8601) is to be told now."""
    return told_at is None or abs(now - datetime.fromisoformat(told_at)) >= repeat_after


def _tell(notifier: Notifier, message: Notification, reason: str) -> None:
    """Send unless the same was told lately; Airflow keeps that, because the storage may be what failed."""
    name = f"ingress_told_{message.data['dag']}"
    told: dict[str, str] = Variable.get(name, default={}, deserialize_json=True)
    key, now = f"{notifier.channel}: {_CHANGING.sub('#', reason)[:300]}", datetime.now(UTC)
    if not is_due(told.get(key), now, notifier.repeat_after):
        return
    notifier.send(message)
    latest = sorted({**told, key: now.isoformat()}.items(), key=lambda one: one[1])[-KEPT:]
    Variable.set(name, dict(latest), serialize_json=True)
