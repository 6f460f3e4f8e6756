"""An S3 that answers at once, as far as uploads and probes need one; it throws large objects away.

`python -m bench.storage_stub` prints its port and serves until it is killed. Small objects are kept, up to a
thousand of them, so that what probes a storage finds in order what it wrote.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEPT_BYTES = 1024
KEPT_KEYS = 1000
LISTED = "<Contents><Key>{}</Key><Size>{}</Size><ETag>e</ETag><LastModified>{}</LastModified></Contents>"
ETAG = b'ETag: "5d41402abc4b2a76b9719d911017c592"\r\nLast-Modified: Thu, 01 Oct 2026 00:00:00 GMT\r\n'
REASONS = {200: b"OK", 204: b"No Content", 404: b"Not Found", 412: b"Precondition Failed"}
STARTED = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
COMPLETED = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"


class Storage:
    """What the stub remembers: small objects by their path, the bucket included."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def answer(self, method: str, target: str, head: bytes, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to one request."""
        address = urlsplit(target)
        key, query = unquote(address.path), parse_qs(address.query, keep_blank_values=True)
        if "list-type" in query:
            return 200, self._list(key, query.get("prefix", [""])[0])
        if method == "POST":
            return (
                200,
                STARTED if "uploads" in query else COMPLETED if "uploadId" in query else b"<DeleteResult/>",
            )
        if method == "PUT":
            return self._put(key, head, body)
        if method == "DELETE":
            self.objects.pop(key, None)
            return 204, b""
        found = self.objects.get(key)
        return (404, b"<Error><Code>NoSuchKey</Code></Error>") if found is None else (200, found)

    def _put(self, key: str, head: bytes, body: bytes) -> tuple[int, bytes]:
        if key in self.objects and b"if-none-match" in head:
            return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
        if len(body) <= KEPT_BYTES and len(self.objects) < KEPT_KEYS:
            self.objects[key] = body
        return 200, b""

    def _list(self, bucket: str, prefix: str) -> bytes:
        start = f"{bucket.rstrip('/')}/"
        found = sorted(item for item in self.objects.items() if item[0].startswith(start + prefix))
        time = "2026-10-01T00:00:00.000Z"
        rows = [LISTED.format(escape(key.removeprefix(start)), len(body), time) for key, body in found]
        head = "<ListBucketResult><IsTruncated>false</IsTruncated>"
        return f"{head}{''.join(rows)}</ListBucketResult>".encode()


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection; of a large body only the first bytes are held."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._waiting = b""
        self._head: bytes | None = None
        self._body = b""
        self._missing = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer each request as soon as its last byte has come."""
        data = self._waiting + data
        self._waiting = b""
        while data or (self._head is not None and not self._missing):
            if self._head is None:
                head, end, rest = data.partition(b"\r\n\r\n")
                if not end:
                    self._waiting = data
                    return
                self._head, data = head, rest
                self._missing = _length(head.lower())
            taken = data[: self._missing]
            data = data[len(taken) :]
            self._missing -= len(taken)
            self._body += taken[: max(0, KEPT_BYTES + 1 - len(self._body))]
            if self._missing:
                return
            self._answer()

    def _answer(self) -> None:
        head = self._head or b""
        method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
        status, body = self._storage.answer(method, target, head.lower(), self._body)
        self._head, self._body = None, b""
        line = b"HTTP/1.1 %d %s\r\n" % (status, REASONS[status])
        if self._transport is not None:
            sent = b"" if method == "HEAD" else body
            self._transport.write(line + ETAG + b"Content-Length: %d\r\n\r\n" % len(body) + sent)


def _length(head: bytes) -> int:
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def serve() -> None:
    """Print the port, then answer until the end."""
    storage = Storage()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(storage), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
