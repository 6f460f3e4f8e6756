from __future__ import annotations

import pytest

from packages.common.extractors.functions import Extractors
from tests.rigs.project import ROOT

INPUTS = ROOT / "inputs"


@pytest.fixture(scope="session")
def extractors() -> Extractors:
    return Extractors(INPUTS)
