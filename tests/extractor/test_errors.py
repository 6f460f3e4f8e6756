from __future__ import annotations

from packages.common.errors import PayloadError
from services.extractor_service.errors import item_error


def test_row_and_column_of_an_unfit_payload_are_in_the_reason() -> None:
    reason = item_error(PayloadError("row 1, column 'v' holds a list", row=1, name="v"))
    assert (reason.kind, reason.row, reason.column, reason.value) == ("payload", 1, "v", None)


def test_a_reason_holds_nothing_that_a_terminal_would_obey() -> None:
    message = item_error(ValueError("bad \x1b]0;mine\x07\x9b31m\u202e cell\n\tü")).message
    assert message == "ValueError: bad \\x1b]0;mine\\x07\\x9b31m\\u202e cell\n\tü"


def test_an_error_that_knows_no_place_names_none() -> None:
    reason = item_error(PayloadError("no JSON"))
    assert (reason.row, reason.column) == (None, None)
