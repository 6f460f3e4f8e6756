from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.images import have_images, made_of
from tests.cluster.release import Release, namespace, put_chart
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


@pytest.fixture(scope="module")
def lake(
    cluster: Cluster, s3: Storage, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Release]:
    """A release of its own for a module, with the module's VALUES, installed as the how-to says."""
    name = request.module.__name__.rpartition("_")[2]
    folder = tmp_path_factory.mktemp(name)
    put_chart(folder)
    with namespace(cluster, name):
        release = Release(cluster, folder, name, s3.bucket(name), s3)
        release.install(getattr(request.module, "VALUES", {}))
        yield release
