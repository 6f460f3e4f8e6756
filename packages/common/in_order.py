"""Requests several at once, their answers in the order of what was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 16  # S3 answers a request for a small object in about 20 ms
AHEAD_ITEMS = 256


def in_order(
    act: Callable[[T], R],
    items: Iterable[T],
    *,
    bundle: int = 1,
    size_of: Callable[[T], int] = lambda _: 0,
    max_bytes: int = 1,
) -> Iterator[R]:
    """Apply `act` to items in threads, up to 256 ahead; what it raises ends the iteration.

    Args:
        bundle: how many items a thread takes at a time: many where that costs more than what it does.
        size_of: how many bytes an answer will take; about `max_bytes`, and one more answer, wait in memory.
    """
    ahead: deque[tuple[int, Future[deque[R]]]] = deque()
    waiting_bytes = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="in-order") as pool:
        for size_bytes, part in _bundles(items, bundle, size_of, max_bytes // AT_ONCE):
            while ahead and (waiting_bytes + size_bytes > max_bytes or len(ahead) * bundle >= AHEAD_ITEMS):
                waiting_bytes -= ahead[0][0]
                yield from _emptied(ahead.popleft()[1])
            ahead.append((size_bytes, pool.submit(_each, act, part)))
            waiting_bytes += size_bytes
        while ahead:
            yield from _emptied(ahead.popleft()[1])


def _bundles(
    items: Iterable[T], most: int, size_of: Callable[[T], int], enough_bytes: int
) -> Iterator[tuple[int, list[T]]]:
    part, size_bytes = list[T](), 0
    for item in items:
        part.append(item)
        size_bytes += size_of(item)
        if len(part) == most or size_bytes > enough_bytes:
            yield size_bytes, part
            part, size_bytes = [], 0
    if part:
        yield size_bytes, part


def _each(act: Callable[[T], R], part: list[T]) -> deque[R]:
    return deque(act(item) for item in part)


def _emptied(done: Future[deque[R]]) -> Iterator[R]:
    """The answers, none of which is kept."""
    answers = done.result()
    while answers:
        yield answers.popleft()
