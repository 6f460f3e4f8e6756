from __future__ import annotations

import base64
import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from packages.common.errors import IngressError, UnsupportedTypeError
from services.ingress_service.errors import (
    ContentTypeMissingError,
    DigestMismatchError,
    EncodingUnsupportedError,
    HeaderMalformedError,
)
from services.ingress_service.web.uploads.content import Declared, declared_by
from services.ingress_service.web.uploads.decoding import verified


def declared(*pairs: tuple[str, str]) -> Declared:
    return declared_by(
        Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in pairs])
    )


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ("text/csv", "text/csv"),
        ("Text/CSV; charset=UTF-8; header=present", "text/csv"),
        ('application/json;charset="utf-8"', "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/geo+json", "application/json"),
    ],
)
def test_type_is_taken_without_its_parameters(raw: str, meant: str) -> None:
    assert declared(("Content-Type", raw)).content_type == meant


@pytest.mark.parametrize("raw", ["", "   "])
def test_no_content_type_is_said_in_the_words_clients_know(raw: str) -> None:
    with pytest.raises(ContentTypeMissingError, match=r"^No Content-Type provided$"):
        declared(("Content-Type", raw))


@pytest.mark.parametrize(
    "raw", ["text/plain", "application/octet-stream", ";;;", "text/csv/../x", "a" * 70_000, "\x85\xff\x7f"]
)
def test_unsupported_types_are_refused_with_the_supported_ones(raw: str) -> None:
    with pytest.raises(UnsupportedTypeError, match="Supported are text/csv, application/json") as caught:
        declared(("Content-Type", raw))
    assert len(str(caught.value)) < 300
    assert str(caught.value).isascii()


def test_a_usual_charset_stays_with_the_type() -> None:
    found = declared(("Content-Type", "text/csv; charset=Windows-1250"))
    assert found.content_type == "text/csv; charset=windows-1250"


@pytest.mark.parametrize("charset", ["punycode", "zip", "unicode_escape", "utf-8\x00", "x" * 9999])
def test_an_unusual_charset_is_refused(charset: str) -> None:
    with pytest.raises(EncodingUnsupportedError, match=r"Unsupported charset: .*Use UTF-8"):
        declared(("Content-Type", f"text/csv; charset={charset}"))


def test_two_different_types_are_refused() -> None:
    with pytest.raises(HeaderMalformedError, match="more than once"):
        declared(("Content-Type", "text/csv"), ("Content-Type", "application/json"))


@pytest.mark.parametrize(
    "raw",
    ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 71}"],
)
def test_multipart_needs_a_boundary(raw: str) -> None:
    with pytest.raises(HeaderMalformedError, match="boundary"):
        declared(("Content-Type", raw))


@pytest.mark.parametrize(
    ("raw", "meant"), [("gzip", "gzip"), ("X-GZIP", "gzip"), ("zstd", "zstd"), ("identity", None), ("", None)]
)
def test_encodings(raw: str, meant: str | None) -> None:
    assert declared(("Content-Type", "text/csv"), ("Content-Encoding", raw)).encoding == meant


@pytest.mark.parametrize("raw", ["br", "gzip, zstd", "gzip, gzip", "deflate"])
def test_other_encodings_are_refused(raw: str) -> None:
    with pytest.raises(EncodingUnsupportedError, match="gzip, zstd"):
        declared(("Content-Type", "text/csv"), ("Content-Encoding", raw))


BODY = b"time,value\n1,2\n"
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
SHA = base64.b64encode(hashlib.sha256(BODY).digest()).decode()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Content-MD5", MD5),
        ("Repr-Digest", f"sha-256=:{SHA}:"),
        ("Repr-Digest", f"unixsum=:AAAA:, sha-256=:{SHA}:"),
    ],
)
def test_digests_are_verified(header: str, value: str) -> None:
    found = declared(("Content-Type", "text/csv"), (header, value))
    assert b"".join(verified(iter([BODY[:1], BODY[1:]]), found.digests)) == BODY
    with pytest.raises(DigestMismatchError):
        list(verified(iter([BODY, b" "]), found.digests))


@pytest.mark.parametrize(
    ("header", "value"), [("Content-MD5", "%%%"), ("Repr-Digest", "sha-256=abc"), ("Repr-Digest", "")]
)
def test_unreadable_digests_are_refused(header: str, value: str) -> None:
    with pytest.raises(HeaderMalformedError, match=header):
        declared(("Content-Type", "text/csv"), (header, value))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Content-Type", "Content-Encoding", "Content-MD5", "Repr-Digest"]),
            st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40),
        ),
        max_size=4,
    )
)
def test_any_headers_give_a_declaration_or_a_refusal(pairs: list[tuple[str, str]]) -> None:
    with suppress(IngressError):
        assert declared(*pairs).content_type
