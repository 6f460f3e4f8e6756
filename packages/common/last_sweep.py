"""What the last sweep of the whole queue says about itself, so that others see whether sweeps end.

It lies in `sweeps/last.json` below the queue, and is written once a sweep.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from packages.common.errors import ObjectMissingError, StorageError
from packages.common.models.metadata_model import UtcTime
from packages.common.s3io import ObjectStorage

KEY = "sweeps/last.json"

log = structlog.get_logger("sweep")


class LastSweep(BaseModel):
    """When a sweep ended, and how many items came to which end."""

    model_config = ConfigDict(frozen=True)

    ended_at: UtcTime
    items: Mapping[str, int] = {}
    dag_run_id: str | None = None


def note_sweep(storage: ObjectStorage, sweep: LastSweep) -> None:
    """Write down that a sweep has ended; the sweep is none the worse if that fails."""
    try:
        storage.put(KEY, sweep.model_dump_json().encode())
    except StorageError as error:
        log.warning("the end of the sweep is not noted", kind=error.kind, reason=str(error))


def last_sweep(storage: ObjectStorage) -> LastSweep | None:
    """The sweep that ended last; None where none ever has. Raises a `StorageError`."""
    try:
        return LastSweep.model_validate_json(storage.get(KEY))
    except (ObjectMissingError, ValidationError):
        return None
