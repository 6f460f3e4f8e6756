from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from services.ingress_service.errors import OverloadedError, TooManyUploadsError
from services.ingress_service.web.limits import Gate
from tests.ingress.hostile import connected, head
from tests.ingress.live import ALICE, BOB, CSV, Service
from tests.ingress.uploads.test_streaming import LARGE, in_pieces
from tests.rigs.s3 import bucket_behind
from tests.rigs.waiting import PATIENCE_S, wait_until


def test_a_user_gets_a_share_and_leaves_places_for_others() -> None:
    gate = Gate(max_uploads=4)
    with ExitStack() as open_uploads:
        for _ in range(3):
            open_uploads.enter_context(gate.upload("alice"))
        with pytest.raises(TooManyUploadsError), gate.upload("alice"):
            pass
        open_uploads.enter_context(gate.upload("bob"))
        with pytest.raises(OverloadedError), gate.upload("carol"):
            pass
    with gate.upload("alice"):
        assert gate.uploads == 1


def test_nobody_in_particular_has_no_share() -> None:
    gate = Gate(max_uploads=4)
    with ExitStack() as open_uploads:
        for _ in range(4):
            open_uploads.enter_context(gate.upload(None))


def test_one_user_with_too_many_uploads_is_told_so_while_others_get_in(
    start: Callable[..., Service],
) -> None:
    service = start(max_uploads_in_flight=4)
    slow = head("Content-Length: 100")
    with ExitStack() as connections:
        for _ in range(3):
            connections.enter_context(connected(service)).sendall(slow)
        wait_until(lambda: service.app.state.ingress.gate.uploads == 3, "three uploads")
        refused, taken = service.post(auth=ALICE), service.post(auth=BOB)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
    assert int(refused.headers["retry-after"]) > 0
    assert taken.status_code == 202


def test_large_bodies_side_by_side_fill_little_of_the_memory_set_aside(
    start: Callable[..., Service],
) -> None:
    service = start(max_bytes_in_flight=12 * len(CSV) + 8 * (3 << 20))
    gate, highest = service.app.state.ingress.gate, 0
    with ThreadPoolExecutor(8) as pool:
        posts = [pool.submit(service.post, content=in_pieces(LARGE)) for _ in range(8)]
        while not all(post.done() for post in posts):
            highest = max(highest, gate.bytes_held)
            time.sleep(0.002)
    assert [post.result().status_code for post in posts] == [202] * 8
    assert 0 < highest < 8 * len(LARGE) / 1.2
    assert gate.bytes_held == 0


def test_a_storage_that_hangs_is_answered_in_bounded_time(start: Callable[..., Service]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        away = bucket_behind(silent.getsockname()[1])
        service = start(
            s3_store_url=away.url("store.zarr"), s3_timeout_s=1, max_upload_bytes=64 << 20, **away.access
        )
        started = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            body = LARGE + LARGE[LARGE.index(b"\n") + 1 :] * 3
            answers = list(pool.map(lambda content: service.post(content=content), (CSV, body)))
        assert time.monotonic() - started < PATIENCE_S
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable"), answer.text
        assert int(answer.headers["retry-after"]) > 0
