"""Texts with `{name}` in them: plain substitution, without attributes, indices, formats or escapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Template:
    """Literal texts and names in turn, beginning and ending with a literal text."""

    parts: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The variables it needs, in order, each as often as it occurs."""
        return self.parts[1::2]

    def render(self, variables: Mapping[str, str], quote: Callable[[str, str], str] | None = None) -> str:
        """The text with every name replaced; `quote` gets the text before a value, and the value."""
        text = ""
        for number, part in enumerate(self.parts):
            value = variables[part] if number % 2 else part
            text += quote(text, value) if quote is not None and number % 2 else value
        return text


def literal(text: str) -> Template:
    """A text that is sent as it is, whatever braces it holds."""
    return Template((text,))


def variable(name: str) -> Template:
    """The value of one variable, whose name may be any text."""
    return Template(("", name, ""))


def parse_template(text: str) -> Template:
    """The template in a text; `ValueError` for braces around anything but a name."""
    parts = tuple(_PLACE.split(text))
    if any("{" in part or "}" in part for part in parts[::2]):
        raise ValueError(f"{text!r} has braces that hold no plain name: only {{name}} is known")
    return Template(parts)


def lenient_template(text: str, known: Collection[str]) -> Template:
    """The template in a text full of braces, such as JSON: only known names are replaced."""
    parts = [""]
    for number, part in enumerate(_PLACE.split(text)):
        if number % 2 and part in known:
            parts += [part, ""]
        else:
            parts[-1] += f"{{{part}}}" if number % 2 else part
    return Template(tuple(parts))
