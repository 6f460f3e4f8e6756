"""The sample data of a demo on its way in: uploaded as any client would, then followed to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from packages.cli.demo_place import INGRESS_USER, PROJECT_FOLDER, DemoPlace

SAMPLES_FOLDER = PROJECT_FOLDER / "inputs" / "samples"
CONTENT_TYPES = {".csv": "text/csv", ".json": "application/json"}
FINAL_STATES = {"processed", "failed"}


@dataclass
class Upload:
    """One sample file: what the door answered and, for an accepted one, the item as last seen."""

    name: str
    status_code: int
    problem: dict[str, Any] = field(default_factory=dict)
    state_url: str | None = None
    item: dict[str, Any] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state_url is None or self.item.get("state") in FINAL_STATES

    @property
    def outcome(self) -> dict[str, Any]:
        """Outcome of a settled item, empty before."""
        return self.item.get("outcome") or {}


class IngressApi:
    """The calls of the ingress that a demo needs."""

    def __init__(self, place: DemoPlace) -> None:
        self._client = httpx.Client(
            base_url=place.ingress_url,
            auth=(INGRESS_USER, place.secrets.ingress_password),
            timeout=30,
            trust_env=False,
        )

    def is_ready(self) -> bool:
        """Whether uploads will be taken."""
        try:
            return self._client.get("/health/ready").is_success
        except httpx.TransportError:
            return False

    def upload_samples(self) -> Iterator[Upload]:
        """Upload every sample file in the order of the names."""
        for path in sorted(SAMPLES_FOLDER.rglob("*.*")):
            yield self._upload(path)

    def follow(self, upload: Upload) -> None:
        """Bring the item of an upload up to date."""
        if upload.state_url is not None and not upload.is_settled:
            upload.item = self._client.get(upload.state_url).raise_for_status().json()

    def _upload(self, path: Path) -> Upload:
        name = path.relative_to(SAMPLES_FOLDER)
        answer = self._client.post(
            f"/api/v1/{name.parent.as_posix()}",
            content=path.read_bytes(),
            headers={"Content-Type": CONTENT_TYPES[path.suffix]},
        )
        if answer.is_server_error:
            answer.raise_for_status()
        if answer.is_success:
            return Upload(name.as_posix(), answer.status_code, state_url=answer.json()["state_url"])
        return Upload(name.as_posix(), answer.status_code, problem=answer.json())
