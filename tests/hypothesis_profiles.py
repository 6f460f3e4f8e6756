"""How hard property tests try.

The usual run takes the same examples each time, so that a commit passes or fails whenever it is tried.
`HYPOTHESIS_PROFILE=thorough` looks for new ones, ten times as many.
"""

from __future__ import annotations

import os

from hypothesis import settings

USUAL = 100  # examples of a test that says nothing

settings.register_profile("default", max_examples=USUAL, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=10 * USUAL, deadline=None, print_blob=True)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
settings.load_profile(PROFILE)
if PROFILE == "thorough":
    os.environ.setdefault("PYTEST_TIMEOUT", "3600")  # seconds a test may take


def examples(count: int) -> int:
    """As many examples as the profile makes of `count` usual ones."""
    return count * settings().max_examples // USUAL
