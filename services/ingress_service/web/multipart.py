"""Takes the one part named `file` out of a multipart body."""

from __future__ import annotations

import io
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from packages.common.errors import UnsupportedTypeError
from services.ingress_service.errors import MultipartMalformedError
from services.ingress_service.web.content import supported_type, type_of_file

PART = "file"
SLICE_BYTES = 1 << 20
UNTYPED = frozenset({"", "application/octet-stream"})
PLAIN_TRANSFER = frozenset({"", "binary", "7bit", "8bit"})


@dataclass(frozen=True)
class FilePart:
    """The uploaded file: content, type, and its name without folders and control characters."""

    data: bytes
    content_type: str
    filename: str | None


def file_part(body: bytes, boundary: bytes) -> FilePart:
    """Parse a whole multipart body; raises MultipartMalformedError or UnsupportedTypeError."""
    collector = _Collector(boundary)
    view = memoryview(body)
    try:
        for start in range(0, len(body), SLICE_BYTES):
            collector.parser.write(bytes(view[start : start + SLICE_BYTES]))
        collector.parser.finalize()
    except FormParserError:
        raise MultipartMalformedError("The multipart body cannot be parsed.") from None
    return collector.result()


class _Collector:
    """Callbacks of the parser: remembers the headers of the part and keeps its data."""

    def __init__(self, boundary: bytes) -> None:
        self._buffer = io.BytesIO()
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[str, str] = {}
        self._found: dict[str, str] | None = None
        self._ended = False
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
        )

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        name = _disposition(self._headers).get(b"name", b"").decode("latin-1")
        if name != PART:
            raise MultipartMalformedError(
                f"The multipart body must hold exactly one part, named {PART!r}; it also holds {name[:40]!r}."
            )
        if self._found is not None:
            raise MultipartMalformedError(f"The multipart body holds more than one part named {PART!r}.")
        if self._headers.get("content-transfer-encoding", "").strip().lower() not in PLAIN_TRANSFER:
            raise MultipartMalformedError("A Content-Transfer-Encoding of the part is not supported.")
        self._found = self._headers

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._buffer.write(memoryview(data)[start:end])

    def _on_end(self) -> None:
        self._ended = True

    def result(self) -> FilePart:
        if self._found is None:
            raise MultipartMalformedError(f"The multipart body holds no part named {PART!r}.")
        if not self._ended:
            raise MultipartMalformedError("The multipart body ends before its closing boundary.")
        filename = clean_filename(_disposition(self._found).get(b"filename", b"").decode("latin-1"))
        return FilePart(self._buffer.getvalue(), _part_type(self._found, filename), filename)


def clean_filename(raw: str) -> str | None:
    """The last segment of a client's file name, printable, at most 255 characters; None if empty."""
    text = raw.encode("latin-1", "replace").decode("utf-8", "replace").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in text if char.isprintable()).strip()[:255] or None


def _disposition(headers: dict[str, str]) -> dict[bytes, bytes]:
    raw = headers.get("content-disposition", "").encode("utf-8").decode("latin-1")
    return parse_options_header(raw)[1]


def _part_type(headers: dict[str, str], filename: str | None) -> str:
    declared = headers.get("content-type", "")
    if declared.split(";")[0].strip().lower() not in UNTYPED:
        return supported_type(declared)
    if guessed := type_of_file(filename or ""):
        return supported_type(guessed)
    raise UnsupportedTypeError(
        f"The part {PART!r} has no Content-Type and its file name no known suffix: "
        "send a type with the part, or a name that ends in .csv, .json or .ndjson."
    )
