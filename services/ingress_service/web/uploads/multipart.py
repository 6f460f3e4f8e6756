"""Takes the one part named `file` out of a multipart body."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from packages.common.content_types import type_of_file
from packages.common.errors import UnsupportedTypeError
from services.ingress_service.errors import MultipartMalformedError
from services.ingress_service.web.uploads.content import supported_type

PART = "file"
SLICE_BYTES = 1 << 20
UNTYPED = frozenset({"", "application/octet-stream"})
PLAIN_TRANSFER = frozenset({"", "binary", "7bit", "8bit"})


@dataclass(frozen=True)
class FilePart:
    """The uploaded file: content as it comes, type, and name without folders and control characters."""

    pieces: Iterator[bytes]
    content_type: str
    filename: str | None


def file_part(blocks: Iterator[bytes], boundary: bytes) -> FilePart:
    """The part named `file` of a multipart body, as soon as its headers have come.

    Raises, also while its pieces are read, MultipartMalformedError; UnsupportedTypeError.
    """
    collector = _Collector(boundary)
    slices = _slices(blocks)
    for data in slices:
        collector.parse(data)
        if collector.found is not None:
            break
    if collector.found is None:
        raise MultipartMalformedError(f"The multipart body holds no part named {PART!r}.")
    filename = clean_filename(_disposition(collector.found).get(b"filename", b"").decode("latin-1"))
    return FilePart(_pieces(collector, slices), _part_type(collector.found, filename), filename)


def _pieces(collector: _Collector, slices: Iterator[bytes]) -> Iterator[bytes]:
    yield from collector.taken()
    for data in slices:
        collector.parse(data)
        yield from collector.taken()
    collector.finish()


def _slices(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), SLICE_BYTES):
            yield block[start : start + SLICE_BYTES]


class _Collector:
    """Callbacks of the parser: remembers the headers of the part and hands its data on."""

    def __init__(self, boundary: bytes) -> None:
        self._data: list[bytes] = []
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[str, str] = {}
        self.found: dict[str, str] | None = None
        self._ended = False
        self._parser = MultipartParser(
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

    def parse(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise MultipartMalformedError("The multipart body cannot be parsed.") from None

    def taken(self) -> Iterator[bytes]:
        """The data of the file that has come since the last call, as one piece if there is any."""
        pieces, self._data = self._data, []
        if pieces:
            yield pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """Raise MultipartMalformedError unless the body has been complete."""
        if not self._ended:
            raise MultipartMalformedError("The multipart body ends before its closing boundary.")

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
        if self.found is not None:
            raise MultipartMalformedError(f"The multipart body holds more than one part named {PART!r}.")
        if self._headers.get("content-transfer-encoding", "").strip().lower() not in PLAIN_TRANSFER:
            raise MultipartMalformedError("A Content-Transfer-Encoding of the part is not supported.")
        self.found = self._headers

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _on_end(self) -> None:
        self._ended = True


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
        "send a type with the part, or a name that ends in .csv, .json, .ndjson, .parquet, .nc, .h5 or .grib."
    )
