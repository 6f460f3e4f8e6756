"""What a sweep did, in numbers, and why items failed."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from packages.common.wording import counted
from services.extractor_service.errors import SweepTroubleError

LISTED_FAILURES = 1000


class Failure(BaseModel):
    """Why one item did not reach its store; `transient` ones are tried again."""

    item_id: str
    kind: str
    message: str
    transient: bool = False


class SweepReport(BaseModel):
    """How many items came to which end.

    `resumed` counts moves of an interrupted sweep that were finished, `gone` items that somebody else settled
    meanwhile, `unsettled` items whose move failed (the next sweep repeats it). `failures` holds the first
    1000, `trouble` a sentence for each store that could not be worked on.
    """

    processed: int = 0
    failed: int = 0
    duplicates: int = 0
    retried: int = 0
    resumed: int = 0
    gone: int = 0
    unsettled: int = 0
    failures: list[Failure] = Field(default_factory=list)
    trouble: list[str] = Field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many items came to each end."""
        return {name: value for name, value in self if isinstance(value, int)}

    @property
    def has_trouble(self) -> bool:
        """Whether something is left to do that a later sweep may get done."""
        return bool(self.retried or self.unsettled or self.trouble)

    def raise_for_trouble(self) -> None:
        """Raise `SweepTroubleError` if something is left to do."""
        if not self.has_trouble:
            return
        left = counted(self.retried + self.unsettled, "item stays accepted", "items stay accepted")
        reasons = dict.fromkeys(one.message for one in self.failures if one.transient)
        raise SweepTroubleError("; ".join([left, *self.trouble, *list(reasons)[:5]]))

    def __add__(self, other: SweepReport) -> SweepReport:
        counts = {name: count + other.counts()[name] for name, count in self.counts().items()}
        failures = (self.failures + other.failures)[:LISTED_FAILURES]
        return SweepReport(failures=failures, trouble=self.trouble + other.trouble, **counts)


def total(reports: Iterable[SweepReport]) -> SweepReport:
    """The sum of several reports."""
    return sum(reports, start=SweepReport())
