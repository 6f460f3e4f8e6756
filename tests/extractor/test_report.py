from __future__ import annotations

import pytest

from services.extractor_service.errors import SweepTroubleError
from services.extractor_service.report import LISTED_FAILURES, Failure, SweepReport, total


def test_reports_add_up_and_survive_json() -> None:
    one = SweepReport(processed=3, failed=1, failures=[Failure(item_id="a", kind="payload", message="bad")])
    two = SweepReport(processed=2, unsettled=1, trouble=["file:///x: away"])
    both = total([one, two])
    assert (both.processed, both.failed, both.unsettled) == (5, 1, 1)
    assert both.trouble == ["file:///x: away"]
    assert SweepReport.model_validate_json(both.model_dump_json()) == both


def test_listed_failures_are_bounded() -> None:
    many = SweepReport(failures=[Failure(item_id="a", kind="k", message="m")] * LISTED_FAILURES)
    assert len((many + many).failures) == LISTED_FAILURES


def test_failed_items_are_no_trouble() -> None:
    SweepReport(processed=1, failed=5, duplicates=2, gone=1, resumed=1).raise_for_trouble()


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (SweepReport(retried=2), "2 items stay accepted"),
        (SweepReport(unsettled=1), "1 item stays accepted"),
        (SweepReport(trouble=["s3://b/x: away"]), "0 items stay accepted; s3://b/x: away"),
        (
            SweepReport(retried=1, failures=[Failure(item_id="a", kind="k", message="held", transient=True)]),
            "1 item stays accepted; held",
        ),
    ],
)
def test_trouble_is_raised_with_its_reason(report: SweepReport, message: str) -> None:
    with pytest.raises(SweepTroubleError) as caught:
        report.raise_for_trouble()
    assert str(caught.value) == message
