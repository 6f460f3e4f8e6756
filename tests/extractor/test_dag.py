from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.extractor.site import ROOT, Site, csv, environment

DAGS = ROOT / "services" / "extractor_service" / "dags"

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(180)]

IMPORT = """
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder={folder!r}, include_examples=False, safe_mode=False)
assert bag.import_errors == {{}}, bag.import_errors
dag = bag.dags["ingress_processor"]
assert (dag.catchup, dag.max_active_runs) == (False, 1)
assert sorted(dag.task_ids) == ["merge", "plan", "report"], dag.task_ids
print(sorted(bag.dags))
"""
