from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packages.common.errors import IngressError, UnsupportedTypeError
from services.ingress_service.errors import MultipartMalformedError
from services.ingress_service.web.uploads.multipart import clean_filename, file_part

BOUNDARY = b"xyz"
CSV = b"a,b\n1,2\n"


def part(
    disposition: str = 'form-data; name="file"; filename="a.csv"', headers: str = "", data: bytes = CSV
) -> bytes:
    head = f"--xyz\r\nContent-Disposition: {disposition}\r\n{headers}\r\n"
    return head.encode() + data + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


def read(whole: bytes, block_bytes: int = 1 << 20) -> tuple[bytes, str, str | None]:
    blocks = (whole[start : start + block_bytes] for start in range(0, len(whole), block_bytes))
    found = file_part(blocks, BOUNDARY)
    return b"".join(found.pieces), found.content_type, found.filename


def test_type_comes_from_the_part() -> None:
    whole = body(part(headers="Content-Type: application/json\r\n"))
    assert read(whole) == (CSV, "application/json", "a.csv")


@pytest.mark.parametrize("headers", ["", "Content-Type: application/octet-stream\r\n", "Content-Type:\r\n"])
def test_type_comes_from_the_file_name_where_the_part_says_nothing(headers: str) -> None:
    assert read(body(part(headers=headers)))[1] == "text/csv"


@pytest.mark.parametrize("filename", ["", '; filename="a.bin"'])
def test_a_file_without_any_type_is_refused(filename: str) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"\.csv"):
        read(body(part(f'form-data; name="file"{filename}')))


@pytest.mark.parametrize(
    ("whole", "mentioned"),
    [
        (body(), "no part named 'file'"),
        (body(part(), part()), "more than one"),
        (body(part(), part('form-data; name="note"')), "'note'"),
        (body(part("form-data")), "exactly one part"),
        (part(), "closing boundary"),
        (part()[:30], "no part named"),
        (b"rubbish", "cannot be parsed"),
        (b"", "no part named"),
        (body(part(headers="Content-Transfer-Encoding: base64\r\n")), "Transfer-Encoding"),
        (body(part(headers="X-Long: " + "x" * 20_000 + "\r\n")), "cannot be parsed"),
    ],
)
def test_anything_but_one_file_part_is_refused(whole: bytes, mentioned: str) -> None:
    with pytest.raises(MultipartMalformedError, match=mentioned):
        read(whole)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\data\\a.csv", "a.csv"),
        ("a\x00\x1b[31m\r\nb.csv", "a[31mb.csv"),
        ("x" * 300 + ".csv", "x" * 255),
        ("/", None),
        ("", None),
        ("žluť.csv".encode().decode("latin-1"), "žluť.csv"),
    ],
)
def test_file_names_keep_no_folder_and_no_control_character(raw: str, clean: str | None) -> None:
    assert clean_filename(raw) == clean


@given(st.binary(max_size=300), st.integers(1, 40))
def test_data_comes_through_unchanged_however_it_is_cut(data: bytes, block_bytes: int) -> None:
    data = data.replace(b"--xyz", b"")
    assert read(body(part(data=data)), block_bytes)[0] == data


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(1, 100))
def test_a_damaged_body_is_refused_or_read_but_never_crashes(
    noise: bytes, place: int, block_bytes: int
) -> None:
    whole = body(part())
    with suppress(IngressError):
        assert read(whole[:place] + noise + whole[place:], block_bytes)[1] == "text/csv"
