"""Reading JSON strictly: no NaN, no key twice, bounded depth, and the place of whatever is wrong."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, TypeAlias

import numpy as np

from packages.common.errors import EmptyPayloadError, PayloadError
from packages.common.payloads.csv_payload import BOM, place_of
from packages.common.payloads.likeness import likeness

Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None

LINES_HINT = "One value a line is application/x-ndjson"
MAX_DEPTH = 200
_TOO_DEEP = f"the JSON is nested deeper than {MAX_DEPTH} levels"
_NOT_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_CONSTANTS = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?(?:NaN|Infinity)|[-+.0-9]+[eE]\+?[0-9]{3,}', re.DOTALL)
_HUGE = re.compile(rb"[eE]\+?[0-9]{3}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(data: bytes) -> Json:
    """The value of a JSON text (UTF-8), or `PayloadError` with line and column where they are known."""
    data = data.removeprefix(BOM)
    if not data.strip():
        raise EmptyPayloadError("the JSON is empty")
    _refuse_depth(data)
    try:
        return _loads(data)
    except UnicodeDecodeError as error:
        raise PayloadError("the JSON is not UTF-8", *place_of(data, error.start), likeness(data)) from None
    except json.JSONDecodeError as error:
        hint = LINES_HINT if error.msg == "Extra data" else None
        raise PayloadError(f"the JSON is broken: {error.msg}", error.lineno, error.colno, hint) from None
    except RecursionError:
        raise PayloadError(_TOO_DEEP) from None
    except UnicodeEncodeError:
        raise PayloadError("the JSON holds half of a surrogate pair") from None
    except PayloadError:
        raise
    except ValueError as error:
        raise PayloadError(f"the JSON holds a number that cannot be read: {error}") from None


def read_ndjson(data: bytes) -> list[Json]:
    """The values of a JSON text with one value a line; blank lines are skipped."""
    values: list[Json] = []
    for number, line in enumerate(data.removeprefix(BOM).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            values.append(read_json(line))
        except PayloadError as error:
            raise PayloadError(error.message, number, error.column, error.hint) from None
    if not values:
        raise EmptyPayloadError("the JSON is empty")
    return values


def _loads(data: bytes) -> Json:
    def refuse_constant(name: str) -> None:
        raise PayloadError(f"the JSON holds {name}, which is no JSON number", *_constant_place(data))

    def finite(text: str) -> float:
        number = float(text)
        if math.isinf(number):
            raise PayloadError(
                f"the JSON holds the number {text}, which is too large", *_constant_place(data)
            )
        return number

    value: Json = json.loads(
        data.decode(),
        object_pairs_hook=_unique,
        parse_constant=refuse_constant,
        parse_float=finite if _HUGE.search(data) else None,
    )
    if _SURROGATE.search(data):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise PayloadError(f"an object of the JSON has the key {twice!r} twice")
    return found


def _constant_place(data: bytes) -> tuple[int, int] | tuple[None, None]:
    for match in _CONSTANTS.finditer(data):
        text = match.group()
        if not text.startswith(b'"') and not math.isfinite(float(text)):
            return place_of(data, match.start())
    return None, None


def _refuse_depth(data: bytes) -> None:
    """Raise `PayloadError` for deep nesting, before a parser meets it."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH or _depth(data) <= MAX_DEPTH:
        return
    depth = 0
    for match in _TOKENS.finditer(data):
        mark = match.group()
        depth += 1 if mark in {b"[", b"{"} else -1 if mark in {b"]", b"}"} else 0
        if depth > MAX_DEPTH:
            raise PayloadError(_TOO_DEEP, *place_of(data, match.start()))
    raise PayloadError(_TOO_DEEP)


def _depth(data: bytes) -> int:
    """How deep the brackets are nested; those behind an odd number of quotes are inside a string."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = np.frombuffer(data.translate(None, _NOT_MARKS), np.uint8)
    quotes = marks == ord('"')
    outside = np.cumsum(quotes, dtype=np.uint8) % 2 == 0
    brackets = marks[outside & ~quotes]
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), np.int8(1), np.int8(-1))
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))
