"""What the headers say about a body: its type, its encoding, its digests."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers

from packages.common.content_types import UPLOAD_TYPES, canonical_type, charset_of
from packages.common.errors import UnsupportedTypeError
from packages.common.payloads.binary import is_binary, require_support
from services.ingress_service.errors import (
    ContentTypeMissingError,
    EncodingUnsupportedError,
    HeaderMalformedError,
)

MULTIPART = "multipart/form-data"
SUPPORTED = UPLOAD_TYPES
ENCODINGS = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
DIGESTS = {"sha-256": "sha256", "sha-512": "sha512"}
_CHARSET = re.compile(r"utf-16(le|be)?|iso-8859-\d{1,2}|latin-?\d|(windows-|cp)125\d")
_MEMBER = re.compile(r"\s*([a-z0-9*_.-]+)=:([A-Za-z0-9+/=]*):\s*")


@dataclass(frozen=True)
class Declared:
    """What the headers of a request declare; `boundary` only where the body is multipart."""

    content_type: str
    boundary: bytes | None = None
    encoding: str | None = None
    digests: tuple[tuple[str, bytes], ...] = ()


def declared_by(headers: Headers) -> Declared:
    """Read and check the headers of a body before its first byte is read."""
    content_type, boundary = _type_and_boundary(headers)
    return Declared(content_type, boundary, _encoding(headers), _digests(headers))


def supported_type(raw: str) -> str:
    """The canonical content type, with its charset where that is not UTF-8; raises UnsupportedTypeError."""
    content_type = canonical_type(raw)
    if content_type not in SUPPORTED:
        raise UnsupportedTypeError(
            f"Unsupported Content-Type: {printable(content_type)}. Supported are {', '.join(SUPPORTED)}."
        )
    require_support(content_type)
    if is_binary(content_type):
        return content_type
    charset = charset_of(raw) or ""
    if charset in UTF8:
        return content_type
    if not _CHARSET.fullmatch(charset):
        raise EncodingUnsupportedError(f"Unsupported charset: {printable(charset)}. Use UTF-8.")
    return f"{content_type}; charset={charset}"


def printable(text: str) -> str:
    """The first 100 characters of a text from outside, in printable ASCII."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:100])


def _type_and_boundary(headers: Headers) -> tuple[str, bytes | None]:
    values = {value.strip() for value in headers.getlist("content-type")} - {""}
    if not values:
        raise ContentTypeMissingError("No Content-Type provided")
    if len(values) > 1:
        raise HeaderMalformedError("Content-Type is given more than once, with different values.")
    raw = values.pop()
    name, options = parse_options_header(raw)
    if name.decode("latin-1").strip() != MULTIPART:
        return supported_type(raw), None
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise HeaderMalformedError("The multipart Content-Type must name a boundary of 1 to 70 characters.")
    return MULTIPART, boundary


def _encoding(headers: Headers) -> str | None:
    raw = ",".join(headers.getlist("content-encoding")).lower()
    names = [name for part in raw.split(",") if (name := part.strip()) not in {"", "identity"}]
    if not names:
        return None
    if len(names) > 1 or names[0] not in ENCODINGS:
        raise EncodingUnsupportedError(
            f"Unsupported Content-Encoding: {printable(raw)}. Supported are gzip, zstd."
        )
    return ENCODINGS[names[0]]


def _digests(headers: Headers) -> tuple[tuple[str, bytes], ...]:
    found = []
    if (md5 := headers.get("content-md5")) is not None:
        found.append(("md5", _base64("Content-MD5", md5)))
    if (fields := headers.get("repr-digest")) is not None:
        found += _repr_digests(fields)
    return tuple(found)


def _repr_digests(fields: str) -> list[tuple[str, bytes]]:
    """Known members of a Repr-Digest header (RFC 9530); unknown algorithms are ignored, as it asks."""
    members = [_MEMBER.fullmatch(part) for part in fields.split(",")]
    if not all(members):
        raise HeaderMalformedError("Repr-Digest must look like sha-256=:<base64>:")
    pairs = [(found[1], found[2]) for found in members if found is not None]
    return [(DIGESTS[name], _base64("Repr-Digest", text)) for name, text in pairs if name in DIGESTS]


def _base64(header: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise HeaderMalformedError(f"{header} is not valid base64.") from None
