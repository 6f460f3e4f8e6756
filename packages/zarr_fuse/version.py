"""The version of the merge engine, written into every group it makes."""

from __future__ import annotations

__version__ = "0.1.0"
