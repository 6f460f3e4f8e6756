"""Reads requests from a connection, and refuses what is no HTTP in its turn and with a problem document."""

from __future__ import annotations

import json
import re
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.ingress_service.web.problems import MEDIA_TYPE, build, headers_of

MAX_FRAMING_BYTES = 64 * 1024
"""Of a head, an extension of a chunk, or trailers, that are not complete."""
MAX_WAITING = 64
"""Requests that a client may send before the one under way is answered."""
MALFORMED = ("request_malformed", "The request is malformed")
OVERLOADED = ("overloaded", "Too much is in flight")
_TARGET = re.compile(rb"(?:https?:/)?/[^#]*", re.IGNORECASE)


class UnwantedError(Exception):
    """Stops the parser at a request that is well-formed; its arguments are those of `refuse`."""


class Reader(HttpToolsProtocol):
    """uvicorn's protocol on a parser in C, with the bounds that the parser lacks.

    The parser runs ahead of the answers: what is refused behind a request under way is refused after its
    answer, and nothing that follows is read.
    """

    in_head = False
    """Whether the beginning of a request has come, but not all of its head."""
    _framing_bytes = 0
    _refusal: bytes | None = None

    def data_received(self, data: bytes) -> None:
        """Parse what has come; callbacks that begin something new start the count of framing bytes anew."""
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        self._framing_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as found:
            self._decline_upgrade(data[found.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse_request(error)
        else:
            if self._framing_bytes > MAX_FRAMING_BYTES:
                text = f"A head, or what is around the chunks of a body, has over {MAX_FRAMING_BYTES} bytes."
                status = 431 if self.in_head else 400
                self.refuse(status, *MALFORMED, text)

    def on_message_begin(self) -> None:
        """Begin a request."""
        if len(self.pipeline) >= MAX_WAITING:
            raise UnwantedError(503, *OVERLOADED, "Too many requests wait for the answer to an earlier one.")
        self.in_head, self._framing_bytes = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are none."""
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start to handle a request."""
        if not _TARGET.fullmatch(self.url) or self.parser.get_method() == b"CONNECT":
            raise UnwantedError(400, *MALFORMED, "The target must be a path or an http address.")
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self.in_head, self._framing_bytes = False, 0

    def on_body(self, body: bytes) -> None:
        """Take some of a body."""
        self._framing_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, unless it is to be read again."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or with the refusal of what stands in its place."""
        is_last = not self.pipeline
        super().on_response_complete()
        if is_last and self._refusal is not None:
            self._end_with(self._refusal)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read a request again without its wish for another protocol, which would be all of its body."""
        kept = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        version = b"HTTP/" + self.parser.get_http_version().encode()
        line = b" ".join([self.parser.get_method(), self.url, version])
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([line, *kept, b"", rest]))

    def _refuse_request(self, error: httptools.HttpParserError) -> None:
        """Answer what is no HTTP, or none that is spoken here."""
        if isinstance(error.__context__, UnwantedError):
            self.refuse(*error.__context__.args)
        elif str(error) == "Invalid HTTP version":
            self.refuse(505, *MALFORMED, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        else:
            text = "Invalid HTTP request received."
            self.refuse(400, "request_malformed", "The request is not valid HTTP", text)

    def refuse(self, status: int, code: str, title: str, detail: str) -> None:
        """Answer in place of the request that is being read, once those before it are answered."""
        document = build(status, code, title, detail, "/").model_dump()
        self._refusal = self._answer(status, json.dumps(document).encode())
        unfinished = not self.in_head and self.cycle is not None and self.cycle.more_body
        if unfinished and self.pipeline:
            self.pipeline.popleft()
        elif unfinished and self.cycle.response_started:
            self._end_with(b"")
        elif unfinished or self.cycle is None or self.cycle.response_complete:
            self._end_with(self._refusal)

    def _end_with(self, last: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(last)
            self.transport.close()

    def _answer(self, status: int, body: bytes) -> bytes:
        fixed = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in (fixed | headers_of(status)).items()]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body
