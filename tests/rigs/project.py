"""Where the project lies, and the recordings that may lie beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT.parent / "shared" / "data"
