"""The images of this tree in the engine that the cluster's node takes over."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.conftest import SHIPPED
from tests.rigs.base_images import make_base_images
from tests.rigs.docker_engine import FOLDER, running_engine
from tests.rigs.project import ROOT

NAMES = ("ingress", "extractor", "s3")
TAG, OTHER_TAG = "cluster", "cluster-again"
BUILT = FOLDER / "cluster-images"


def image(name: str) -> dict[str, str]:
    """The values of the chart that name an image."""
    return {"repository": f"zarr-fuse-{name}", "tag": TAG}


def made_of() -> str:
    """A name for everything that goes into the images."""
    digest = hashlib.sha256()
    for path in _shipped():
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def have_images(revision: str) -> None:
    """Build them unless this very tree was built last.

    Raises:
        RigUnavailableError: what the Docker rig lacks.
    """
    if BUILT.exists() and BUILT.read_text(encoding="utf-8") == revision:
        return
    with running_engine() as engine, tempfile.TemporaryDirectory(prefix="shipped-") as folder:
        make_base_images(engine)
        for path in _shipped():
            target = Path(folder) / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        for name in NAMES:
            file = f"{folder}/oci/{name}.Containerfile"
            engine.docker("build", "--quiet", "--file", file, "--tag", f"zarr-fuse-{name}:{TAG}", folder)
            engine.docker("tag", f"zarr-fuse-{name}:{TAG}", f"zarr-fuse-{name}:{OTHER_TAG}")
    BUILT.write_text(revision, encoding="utf-8")


def _shipped() -> Iterator[Path]:
    for name in SHIPPED:
        top = ROOT / name
        found = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (path for path in found if path.is_file() and not _leavings(path))


def _leavings(path: Path) -> bool:
    return any(part == "__pycache__" or part.endswith((".egg-info", "_cache")) for part in path.parts)
