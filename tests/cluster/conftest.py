from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.images import have_images, made_of
from tests.cluster.release import Release, namespace, old_chart
from tests.cluster.storage import Storage, storage
from tests.rigs.debian import RigUnavailableError
from tests.rigs.kubernetes import Cluster, running_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster whose node holds the images of this tree; what it lacks is the reason of the skip."""
    try:
        have_images(made_of())
        with running_cluster() as cluster:
            yield cluster
    except RigUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def s3(cluster: Cluster) -> Storage:
    """An S3 in the cluster, for all releases."""
    return storage(cluster)


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The chart as this cluster can take it."""
    return str(old_chart(tmp_path_factory.mktemp("chart")))


@pytest.fixture(scope="module")
def lake(cluster: Cluster, s3: Storage, chart: str, request: pytest.FixtureRequest) -> Iterator[Release]:
    """A release of its own for a module, installed as the how-to says, with the module's VALUES on top."""
    name = request.module.__name__.rpartition("_")[2]
    with namespace(cluster, name):
        release = Release(cluster, chart, name, s3.bucket(name), s3)
        release.install(getattr(request.module, "VALUES", {}))
        yield release
