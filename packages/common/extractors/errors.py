"""What can go wrong with an extractor function.

IngressError (packages.common.errors)
└── ExtractorError
    ├── ExtractorMissingError      the extractor that is named is not there
    ├── ExtractorUnloadableError   the module of the extractor fails on import
    ├── ExtractorRaisedError       the extractor raised
    ├── ExtractorResultError       the extractor returned something that is not a table
    ├── ExtractorTimeoutError      the extractor took longer than it may
    ├── ExtractorMemoryError       the extractor wanted more memory than it may have
    ├── ExtractorExitError         the extractor ended its process
    └── ExtractorStartError        its process did not come up                           retryable
"""

from __future__ import annotations

from typing import ClassVar

from packages.common.errors import IngressError


class ExtractorError(IngressError):
    """Base of the failures of an extractor function."""

    kind: ClassVar[str] = "extractor"
    retryable: ClassVar[bool] = False


class ExtractorMissingError(ExtractorError):
    """The configuration's folder has no such module, or the module no such function."""

    kind = "extractor_missing"


class ExtractorUnloadableError(ExtractorError):
    """The module of an extractor raised while it was imported."""

    kind = "extractor_unloadable"


class ExtractorRaisedError(ExtractorError):
    """An extractor raised; the message names function, exception and place."""

    kind = "extractor_raised"


class ExtractorResultError(ExtractorError):
    """An extractor returned neither a polars frame, a pandas frame nor an xarray dataset."""

    kind = "extractor_result"


class ExtractorTimeoutError(ExtractorError):
    """An extractor was stopped at its time limit; the message holds the last lines it printed."""

    kind = "extractor_timeout"


class ExtractorMemoryError(ExtractorError):
    """An extractor wanted more memory than its limit."""

    kind = "extractor_memory"


class ExtractorExitError(ExtractorError):
    """The process of an extractor ended; the message holds how, and the last lines it printed."""

    kind = "extractor_exit"


class ExtractorStartError(ExtractorError):
    """The process of an extractor did not come up; nothing is known about the payload."""

    kind = "extractor_start"
    retryable = True
