"""Telling people and programs that something failed: by mail, and by a webhook."""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Protocol

import httpx

from packages.common.errors import ConfigurationError, NotificationError
from packages.common.models.configuration_model import ServiceSection, Smtp, Webhook

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Notification:
    """One message: a subject and a text for people, `data` (JSON) for programs."""

    subject: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Notifier(Protocol):
    """One way to tell; the same failure is not told again before `repeat_after` has passed."""

    channel: str
    repeat_after: timedelta

    def send(self, notification: Notification) -> None:
        """Deliver a message, or raise `NotificationError`."""


def notifiers_of(
    section: ServiceSection | None,
    smtp_password: str | None,
    environment: Mapping[str, str] = os.environ,
) -> list[Notifier]:
    """The channels that the configuration names; `ConfigurationError` where a named variable is not there."""
    found: list[Notifier] = []
    if section is not None and section.smtp is not None and section.smtp.enabled:
        found.append(Mail(section.smtp, smtp_password))
    if section is not None and section.webhook is not None and section.webhook.enabled:
        found.append(Hook(section.webhook, environment))
    return found


class Mail:
    """Mail by SMTP; the connection is made anew for each message."""

    channel = "mail"

    def __init__(self, smtp: Smtp, password: str | None) -> None:
        self._smtp = smtp
        self._password = password
        self.repeat_after = timedelta(hours=smtp.repeat_after_h)

    def send(self, notification: Notification) -> None:
        """Deliver a message to all recipients, or raise `NotificationError`."""
        try:
            with self._connection() as connection:
                if self._smtp.username and self._password:
                    connection.login(self._smtp.username, self._password)
                connection.send_message(self._message(notification))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            where = f"{self._smtp.host}:{self._smtp.port}"
            raise NotificationError(f"{where} took no mail: {type(error).__name__}: {error}") from None

    def _connection(self) -> smtplib.SMTP:
        smtp, security = self._smtp, self._smtp.effective_security
        if security == "tls":
            return smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=TIMEOUT_S, context=self._tls())
        connection = smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT_S)
        if security == "starttls":
            try:
                connection.starttls(context=self._tls())
            except (smtplib.SMTPException, OSError):
                connection.close()
                raise
        return connection

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._smtp.ca_file)

    def _message(self, notification: Notification) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = " ".join(notification.subject.split())
        message["From"] = self._smtp.from_email
        message["To"] = ", ".join(self._smtp.recipients)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._smtp.from_email.rpartition("@")[2] or None)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notification.text)
        return message


class Hook:
    """A JSON document `{subject, text, …}` by POST; redirects are not followed."""

    channel = "webhook"

    def __init__(self, webhook: Webhook, environment: Mapping[str, str]) -> None:
        self.repeat_after = timedelta(hours=webhook.repeat_after_h)
        url = webhook.url if webhook.url_env is None else environment.get(webhook.url_env)
        if not url:
            raise ConfigurationError(f"configuration.webhook: the environment has no {webhook.url_env}")
        self._url = url

    def send(self, notification: Notification) -> None:
        """Deliver a message, or raise `NotificationError`; the address, which may be secret, is not shown."""
        document = {"subject": notification.subject, "text": notification.text, **notification.data}
        try:
            answer = httpx.post(self._url, json=document, timeout=TIMEOUT_S, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotificationError(f"the webhook took nothing: {type(error).__name__}") from None
        if not answer.is_success:
            raise NotificationError(f"the webhook answered {answer.status_code}")
