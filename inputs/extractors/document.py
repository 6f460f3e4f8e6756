"""JSON documents whose every complaint names the place it is about."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Element:
    """A value of a JSON document and the place where it stands, such as ``data[0].label``."""

    value: object
    place: str

    def __getitem__(self, key: str) -> Element:
        """Member of an object; ValueError when this is no object or has no such member."""
        found = self.get(key)
        if found is None:
            raise self.refused(f"has no {key!r}")
        return found

    def get(self, key: str) -> Element | None:
        """Member of an object, None when it is absent; ValueError when this is no object."""
        if not isinstance(self.value, dict):
            raise self.refused(f"expected an object, found {self._shown()}")
        return Element(self.value[key], f"{self.place}.{key}".lstrip(".")) if key in self.value else None

    def __iter__(self) -> Iterator[Element]:
        """Elements of a list; ValueError when this is no list."""
        if not isinstance(self.value, list):
            raise self.refused(f"expected a list, found {self._shown()}")
        return (Element(value, f"{self.place}[{index}]") for index, value in enumerate(self.value))

    def text(self) -> str:
        """Text that is not blank; ValueError for anything else."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.refused(f"expected text, found {self._shown()}")
        return self.value.strip()

    def number(self) -> float:
        """Finite number; ValueError for anything else, numbers in quotes included."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.refused(f"expected a number, found {self._shown()}")
        if not math.isfinite(self.value):
            raise self.refused(f"expected a finite number, found {self._shown()}")
        return float(self.value)

    def integer(self) -> int:
        """Whole number; ValueError for anything else."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.refused(f"expected a whole number, found {self._shown()}")
        return self.value

    def refused(self, message: str) -> ValueError:
        """Exception that says what is wrong at this place."""
        return ValueError(f"{self.place or 'document'}: {message}")

    def _shown(self) -> str:
        shown = json.dumps(self.value, ensure_ascii=False)
        return shown if len(shown) <= 60 else f"{shown[:60]}…"


def parse(payload: bytes) -> Element:
    """Root of a UTF-8 JSON document; ValueError with line and column when it is none."""
    try:
        return Element(json.loads(payload), "")
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start}: not UTF-8") from error
