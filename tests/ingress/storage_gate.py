"""Stands between a service and its storage, and can hold or cut everything that passes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class StorageGate:
    """A TCP proxy on loopback, in a thread of its own."""

    def __init__(self, endpoint: str) -> None:
        self._target = urlsplit(endpoint)
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._pass, "127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def hold(self) -> None:
        """Let nothing through, and answer nothing: what SIGSTOP does to a storage."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def cut(self) -> None:
        """End every connection, now and until `restore`: what a stopped storage does."""
        self._loop.call_soon_threadsafe(self._cut)

    def restore(self) -> None:
        """Let everything through again."""
        self._loop.call_soon_threadsafe(self._restore)

    def _cut(self) -> None:
        self._refusing = True
        for writer in self._writers:
            writer.transport.abort()

    def _restore(self) -> None:
        self._refusing = False
        self._open.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._writers |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        self._writers -= {writer, back}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.close()

    def close(self) -> None:
        """End the thread."""

        async def end() -> None:
            self._cut()
            self._open.set()
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def gate_before(endpoint: str) -> Iterator[StorageGate]:
    """A gate for the length of the block."""
    gate = StorageGate(endpoint)
    try:
        yield gate
    finally:
        gate.close()
