"""What is said of a storage that cannot be reached; what it says itself is tried in tests/common."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest

from tests.rigs.ports import refusing_port
from zarr_fuse.storage.opening import open_object_store
from zarr_fuse.storage.refusals import refusal

KEYS = {"access_key": "key", "secret_key": "secret"}
QUICK = {"max_retries": 0, "read_timeout": 1, "timeout": 1}


def said_of(endpoint: str) -> str:
    store = open_object_store("s3://bucket/x", endpoint=endpoint, s3_options=QUICK, **KEYS)
    with pytest.raises(obstore.exceptions.BaseError) as caught:
        obstore.get(store, "key")
    return refusal(caught.value)


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[str]:
    """A server whose certificate nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def greet(listener: socket.socket) -> None:
        try:
            with listener.accept()[0] as there, context.wrap_socket(there, server_side=True):
                pass
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet, args=(listener,))
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        listener.close()
        thread.join()


def test_nobody_listening_is_said_with_the_address() -> None:
    with refusing_port() as port:
        assert said_of(f"http://127.0.0.1:{port}") == f"http://127.0.0.1:{port}: nobody listens there"


def test_a_name_without_address_is_said() -> None:
    said = said_of("http://no-such-host.invalid")
    assert said == "http://no-such-host.invalid: its name cannot be resolved"


def test_a_server_that_says_nothing_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert said_of(endpoint) == f"{endpoint}: it did not answer in time"


def test_a_certificate_that_nobody_signed_is_said(self_signed: str) -> None:
    assert said_of(self_signed) == f"{self_signed}: its certificate is not trusted"
