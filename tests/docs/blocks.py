"""The marked code blocks of the documentation: `<!-- marker -->` on the line before the fence."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.rigs.project import ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
Shell = Callable[[str], str]
MARKED = re.compile(
    r"<!-- (?P<marker>[a-z]+)(?:: (?P<name>[\w.]+))? -->\n```\w+\n(?P<text>.*?)^```", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """One marked block; `name` follows the colon of the marker."""

    marker: str
    name: str | None
    text: str


def blocks_of(page: Path, marker: str) -> list[Block]:
    found = (Block(**match.groupdict()) for match in MARKED.finditer(page.read_text(encoding="utf-8")))
    return [block for block in found if block.marker == marker]


def commands(page: Path) -> list[Block]:
    return [block for block in blocks_of(page, "run") if block.name is None]


def environment(port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PORT": str(port),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")]),
    }
