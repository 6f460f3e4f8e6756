from __future__ import annotations

from pathlib import Path

import pytest

from packages.common.extractors.functions import Extractors

INPUTS = Path(__file__).parents[2] / "inputs"


@pytest.fixture(scope="session")
def extractors() -> Extractors:
    return Extractors(INPUTS)
