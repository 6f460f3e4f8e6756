"""Types of variables: how they are named, stored, and how a missing value looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from zarr_fuse.schema.context import SchemaCtx, nearest

DEFAULT_TEXT_LENGTH = 32
LONGEST_TEXT = 1_000_000
_ALIASES = {"float": "float64", "complex": "complex128", "int": "int64", "uint": "uint64", "bool": "int8"}
_NAMED = (
    *("float32", "float64", "complex64", "complex128"),
    *("int8", "int32", "int64", "uint8", "uint32", "uint64"),
)
_TEXT = re.compile(r"str(?:\[(\d+)\])?", re.ASCII)
_TIME = re.compile(r"datetime64\[(\w+)\]", re.ASCII)
TYPE_PATTERN = "|".join([*_ALIASES, *_NAMED, _TEXT.pattern, _TIME.pattern])
"""What a document may name as type, as a regular expression for the whole text."""


@dataclass(frozen=True)
class DType:
    """A type by its canonical name: `float64`, `int8`, `str[10]`, `datetime64[s]`, …"""

    name: str

    def __str__(self) -> str:
        return self.name

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of values in memory: `<Un` for text, `datetime64` for times."""
        match = _TEXT.fullmatch(self.name)
        return np.dtype(f"<U{match.group(1)}") if match else np.dtype(self.name)

    @property
    def kind(self) -> str:
        """The numpy kind: `f`, `c`, `i`, `u`, `U` or `M`."""
        return self.dtype.kind

    @property
    def storage(self) -> np.dtype[Any]:
        """The numpy type in the array: times are int64 counts."""
        return np.dtype("int64") if self.kind == "M" else self.dtype

    @property
    def text_length(self) -> int:
        """Characters of a text type."""
        return self.dtype.itemsize // 4

    @property
    def default_na(self) -> np.generic:
        """What stands for a missing value unless the schema says otherwise."""
        if self.kind == "i":
            return self._scalar(np.iinfo(self.dtype).min)
        if self.kind == "u":
            return self._scalar(np.iinfo(self.dtype).max)
        if self.kind == "U":
            return np.str_("\uffff" * self.text_length)
        if self.kind == "M":
            return self._scalar("NaT")
        return self._scalar(complex(np.nan, np.nan) if self.kind == "c" else np.nan)

    def na_value(self, given: object, ctx: SchemaCtx) -> np.generic:
        """The missing value that the document names."""
        if given is None:
            return self.default_na
        if self.kind in "iu":
            return self._integer_na(given, ctx)
        if self.kind in "fc":
            return self._float_na(given, ctx)
        if self.kind == "U" and isinstance(given, str) and len(given) <= self.text_length:
            return np.str_(given)
        raise ctx.error(f"{given!r} is no missing value of type {self.name}")

    def _integer_na(self, given: object, ctx: SchemaCtx) -> np.generic:
        limits = np.iinfo(self.dtype)
        number = {"min_int": int(limits.min), "max_int": int(limits.max)}.get(str(given), given)
        if isinstance(number, int) and not isinstance(number, bool) and limits.min <= number <= limits.max:
            return self._scalar(number)
        raise ctx.error(f"{given!r} is no missing value of type {self.name}: min_int, max_int or an integer")

    def _float_na(self, given: object, ctx: SchemaCtx) -> np.generic:
        if isinstance(given, str) and given.lower() == "nan":
            return self.default_na
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return self.default_na if np.isnan(given) else self._scalar(given)
        raise ctx.error(f"{given!r} is no missing value of type {self.name}: nan or a number")

    def _scalar(self, value: object) -> np.generic:
        return cast("np.generic", np.array(value, dtype=self.dtype)[()])


def parse_dtype(text: str, ctx: SchemaCtx) -> DType:
    """The type that a document names; `str` and `str[0]` mean 32 characters, with a warning."""
    text = text.strip()
    if match := _TEXT.fullmatch(text):
        return _text_type(text, int(match.group(1) or 0), ctx)
    name = _ALIASES.get(text, text)
    if name in _NAMED or _TIME.fullmatch(name):
        return DType(name)
    raise ctx.error(f"unknown type {text!r}{nearest(text, [*_ALIASES, *_NAMED, 'str[n]'])}")


def dtype_of_column(kind: str) -> DType | None:
    """The type that a first column of numpy kind `f i u b U` fixes; None where it says nothing."""
    names = {"f": "float64", "i": "int64", "u": "int64", "b": "int8", "U": f"str[{DEFAULT_TEXT_LENGTH}]"}
    return DType(names[kind]) if kind in names else None


def _text_type(text: str, length: int, ctx: SchemaCtx) -> DType:
    if length > LONGEST_TEXT:
        raise ctx.error(f"type {text!r} is longer than {LONGEST_TEXT} characters")
    if not length:
        ctx.warning(f"type {text!r} says no length; taken as 'str[{DEFAULT_TEXT_LENGTH}]'")
    return DType(f"str[{length or DEFAULT_TEXT_LENGTH}]")
