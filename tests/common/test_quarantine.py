from __future__ import annotations

import pytest

from packages.common.quarantine import is_corrected

HEADER = b"time,temperature,rejected_row,rejected_because"
ROW = b"2026-11-20,4,1,beyond"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("separator", [b",", b";", b"\t"])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n"])
def test_a_corrected_file_is_known_however_a_spreadsheet_saved_it(before, separator, line_end):
    text = before + line_end.join([HEADER, ROW, ROW]).replace(b",", separator) + line_end
    assert is_corrected(text, "text/csv")


@pytest.mark.parametrize(
    "payload", [b"", b"\n \n", b"a,b\r1,2\r3,4\r", b'"a\rb",c\n1,2\n', b'"a,b\n1', b"\xe9;\x9e\n1;2\n"]
)
def test_other_texts_are_none_whatever_they_hold(payload):
    assert not is_corrected(payload, "text/csv")


def test_a_body_of_another_type_is_none():
    assert not is_corrected(HEADER + b"\n" + ROW, "application/json")
