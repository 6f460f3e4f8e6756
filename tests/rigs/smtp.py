"""A mail server on loopback that keeps what it is sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.rigs.waiting import PATIENCE_S


@dataclass
class Inbox:
    """What came: each mail with its sender and its recipients, and the logins that were tried."""

    port: int = 0
    mails: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def subjects(self) -> list[str]:
        return [content["Subject"] for _, _, content in self.mails]

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        content = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, content))
        return "250 OK"

    def login(self, _server: object, _session: object, _envelope: object, _how: str, data: Any) -> AuthResult:
        """Let in who knows that the password is `right`."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


class _Server(Controller):
    """Listens on a socket that is open before its thread is."""

    def __init__(self, inbox: Inbox, listener: socket.socket, **options: Any) -> None:
        port = listener.getsockname()[1]
        super().__init__(inbox, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_S, **options)
        self._listener = listener

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._listener, ssl=self.ssl_context)


@contextmanager
def mail_server(inbox: Inbox, **options: Any) -> Iterator[Inbox]:
    """Take mails into the inbox for the length of the block; the options are those of aiosmtpd."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(inbox, listener, **options)
        server.start()
        inbox.port = listener.getsockname()[1]
        try:
            yield inbox
        finally:
            server.stop()
