"""Why a fetch failed.

IngressError (packages.common.errors)
├── PlanError                        what to ask for cannot be worked out
└── FetchError                       the server's answer is final
    ├── AddressRefusedError          not a public address
    ├── AnswerTooLargeError          more bytes than allowed
    ├── NotFoundError                404 or 410
    ├── PageRepeatedError            the page before, once more
    └── FetchUnavailableError        429, 5xx, timeout, connection        retryable
"""

from __future__ import annotations

from packages.common.errors import IngressError


class PlanError(IngressError, ValueError):
    """The requests of a firing cannot be made: a frame, a schema or an address is wrong."""

    kind = "scrape_plan"


class FetchError(IngressError):
    """A server answered with something that another try would not change."""

    kind = "fetch"


class AddressRefusedError(FetchError):
    """The host resolves to an address that is not public, and is not listed in `allow_private_hosts`."""

    kind = "fetch_address"


class AnswerTooLargeError(FetchError):
    """The answer holds more bytes than a scraper takes."""

    kind = "fetch_too_large"


class NotFoundError(FetchError):
    """The server has nothing at this address."""

    kind = "fetch_not_found"


class PageRepeatedError(FetchError):
    """A page that was counted up to is the page before it, once more."""

    kind = "fetch_page_repeated"


class FetchUnavailableError(FetchError):
    """The server could not answer now; `retry_after_s` is what it asked for, in seconds."""

    kind = "fetch_unavailable"
    retryable = True

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
