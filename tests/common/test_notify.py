from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from packages.common.errors import ConfigurationError, NotificationError
from packages.common.models.configuration_model import ServiceSection, Smtp
from packages.common.notify import Hook, Mail, Notification, notifiers_of
from tests.ingress.scrapper_site import running_site
from tests.rigs.ports import refusing_port
from tests.rigs.smtp import Inbox, mail_server

MESSAGE = Notification("Scraper sun: 1 of 2\nrequests failed", "Déčín failed", {"scraper": "sun"})


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def serve(inbox: Inbox) -> Iterator[Callable[..., int]]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(mail_server(inbox, **options)).port


def context_of(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def smtp(port: int, **more) -> Smtp:
    fields = {"notify_to": ["a@example.org", "b@example.org"], "host": "127.0.0.1", "security": "none"}
    return Smtp.model_validate({**fields, "port": port, "from_email": "ingress@example.org", **more})


def test_a_mail_reaches_everybody_named(serve, inbox) -> None:
    Mail(smtp(serve()), None).send(MESSAGE)
    ((sender, recipients, content),) = inbox.mails
    assert (sender, recipients) == ("ingress@example.org", ["a@example.org", "b@example.org"])
    assert content["Subject"] == "Scraper sun: 1 of 2 requests failed"
    assert content["Auto-Submitted"] == "auto-generated"
    assert content["Message-ID"].endswith("@example.org>")
    assert content.get_content().strip() == "Déčín failed"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_protected_connection_carries_the_login(serve, inbox, certificate, security) -> None:
    context = context_of(certificate)
    login = {"authenticator": inbox.login}
    if security == "tls":
        port = serve(ssl_context=context, auth_require_tls=False, **login)
    else:
        port = serve(tls_context=context, require_starttls=True, auth_required=True, **login)
    settings = smtp(port, security=security, username="me", ca_file=str(certificate / "cert.pem"))
    Mail(settings, "right").send(MESSAGE)
    assert inbox.logins == [(b"me", b"right")]
    assert len(inbox.mails) == 1
    with pytest.raises(NotificationError, match="SMTPAuthenticationError"):
        Mail(settings, "wrong").send(MESSAGE)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_gets_no_mail(serve, inbox, certificate, security) -> None:
    context = context_of(certificate)
    port = serve(ssl_context=context) if security == "tls" else serve(tls_context=context)
    with pytest.raises(NotificationError, match="CERTIFICATE_VERIFY_FAILED"):
        Mail(smtp(port, security=security), None).send(MESSAGE)
    assert inbox.mails == []


def test_a_server_without_starttls_gets_no_mail(serve, inbox) -> None:
    with pytest.raises(NotificationError, match="STARTTLS"):
        Mail(smtp(serve(), security="starttls"), None).send(MESSAGE)
    assert inbox.mails == []


def test_nobody_listening_is_a_notification_error() -> None:
    with refusing_port() as port, pytest.raises(NotificationError, match="took no mail"):
        Mail(smtp(port), None).send(MESSAGE)


@pytest.mark.parametrize(
    ("fields", "security"),
    [({}, "starttls"), ({"port": 465}, "tls"), ({"port": 25}, "none"), ({"port": 2525}, "starttls"),
     ({"port": 25, "username": "u"}, "starttls"), ({"port": 465, "security": "none"}, "none")],
)  # fmt: skip
def test_the_port_says_how_a_connection_is_protected(fields, security) -> None:
    common = {"notify_to": "a@x, b@x", "host": "h", "from_email": "c@x"}
    found = Smtp.model_validate({**common, **fields})
    assert (found.effective_security, found.recipients) == (security, ["a@x", "b@x"])


def test_a_webhook_gets_a_document() -> None:
    with running_site() as site:
        site.replies["/hook"] = (204, {}, b"")
        section = ServiceSection.model_validate({"webhook": {"url_env": "HOOK", "repeat_after_h": 1}})
        (hook,) = notifiers_of(section, None, {"HOOK": f"{site.url}/hook"})
        hook.send(MESSAGE)
        assert b'"scraper":"sun"' in site.bodies[0].replace(b" ", b"")
        assert (hook.channel, hook.repeat_after) == ("webhook", timedelta(hours=1))
        site.replies["/hook"] = (302, {"Location": "/other"}, b"")
        with pytest.raises(NotificationError, match="302"):
            hook.send(MESSAGE)


def test_a_webhook_without_its_variable_is_a_mistake_of_the_configuration() -> None:
    section = ServiceSection.model_validate({"webhook": {"url_env": "HOOK"}})
    with pytest.raises(ConfigurationError, match="HOOK"):
        notifiers_of(section, None, {})


def test_a_webhook_out_of_reach_does_not_show_its_address() -> None:
    section = ServiceSection.model_validate({"webhook": {"url": "http://127.0.0.1:1/secret"}})
    hook = Hook(section.webhook, {})
    with pytest.raises(NotificationError) as caught:
        hook.send(MESSAGE)
    assert "secret" not in str(caught.value)


def test_channels_may_be_switched_off() -> None:
    fields = {"notify_to": "a@x", "host": "h", "from_email": "c@x", "enabled": False}
    section = ServiceSection.model_validate(
        {"smtp": fields, "webhook": {"url": "http://x", "enabled": False}}
    )
    assert notifiers_of(section, None) == []
    assert notifiers_of(None, None) == []
