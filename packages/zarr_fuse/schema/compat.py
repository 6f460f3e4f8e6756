"""Values that older callers call and newer ones read: `coord.is_composed()` and `coord.is_composed` agree."""

from __future__ import annotations

from typing import Any, cast


class Truth(int):
    """True or false, also when called."""

    @classmethod
    def of(cls, value: object) -> bool:
        """The truth of a value; typed as what it is good for."""
        return cast("bool", cls(bool(value)))

    def __call__(self) -> bool:
        """The same, for callers."""
        return bool(self)

    def __repr__(self) -> str:
        return repr(bool(self))


class Attributes(dict[str, Any]):
    """Attributes of an array or group, also when called."""

    def __call__(self) -> Attributes:
        """The same, for callers."""
        return self
