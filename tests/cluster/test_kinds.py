"""What the chart renders for other values, as a real API server judges it."""

from __future__ import annotations

import pytest
import yaml

from tests.cluster.release import OLD_NAMES
from tests.deploy.chart import CASES, rendered
from tests.deploy.test_chart import CUSTOM_KINDS
from tests.rigs.kubernetes import Cluster

pytestmark = pytest.mark.cluster
OLD = {new.split()[-1]: old.split()[-1] for changes in OLD_NAMES.values() for new, old in changes}
OLDER_KINDS = {"CronJob", "HorizontalPodAutoscaler", "PodDisruptionBudget"}


@pytest.mark.parametrize("case", CASES)
def test_every_manifest_is_taken(cluster: Cluster, case: str) -> None:
    found = [one for one in rendered(case) if one["kind"] not in CUSTOM_KINDS]
    older = [
        {**one, "apiVersion": OLD[one["apiVersion"]]} if one["kind"] in OLDER_KINDS else one for one in found
    ]
    cluster.run("kubectl", "create", "namespace", "science", check=False)
    said = cluster.kubectl(
        *("apply", "--dry-run=server", "--validate=true", "--filename", "-"),
        stdin=yaml.safe_dump_all(older),
    )
    assert len(said.splitlines()) == len(found)


def test_a_misspelt_field_is_not_taken(cluster: Cluster) -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"prots": []}}
    with pytest.raises(RuntimeError, match='unknown field "prots"'):
        cluster.kubectl("apply", "--dry-run=server", "--filename", "-", stdin=yaml.safe_dump(wrong))
