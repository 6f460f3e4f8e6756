"""What one fetch may cost, and how it is tried again."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from packages.common.errors import IngressError
from services.ingress_service.scrapper.errors import FetchUnavailableError

MAX_PAUSE_S = 300.0
"""What a server asks for by `Retry-After` is waited for up to this; beyond it the request fails at once."""


@dataclass(frozen=True)
class Limits:
    """What one fetch may cost: seconds, bytes after and before decompression, tries, first back-off."""

    timeout_s: float
    max_bytes: int
    attempts: int = 4
    backoff_s: float = 1.0
    max_received_bytes: int | None = None


def retrying(limits: Limits, stopping: threading.Event) -> Retrying:
    """How to retry: retryable errors only, growing pauses, `Retry-After` honoured, until `stopping`."""
    growing = wait_exponential(limits.backoff_s, max=60 * limits.backoff_s) + wait_random(0, limits.backoff_s)

    def pause_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return max(growing(state), _asked_s(error))

    return Retrying(
        retry=retry_if_exception(_passes_soon),
        wait=pause_s,
        stop=stop_after_attempt(limits.attempts) | stop_when_event_set(stopping),
        sleep=sleep_using_event(stopping),
        reraise=True,
    )


def _asked_s(error: BaseException | None) -> float:
    return (error.retry_after_s or 0.0) if isinstance(error, FetchUnavailableError) else 0.0


def _passes_soon(error: BaseException) -> bool:
    return isinstance(error, IngressError) and error.retryable and _asked_s(error) <= MAX_PAUSE_S
