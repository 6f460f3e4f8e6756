"""Runs the extractor of an endpoint on a payload that is only being tried, and converts what it makes."""

from __future__ import annotations

from functools import partial

import anyio

from packages.common.errors import IngressError, PayloadTooLargeError
from packages.common.extractors.errors import ExtractorError
from packages.common.extractors.frames import Frame
from packages.common.extractors.runner import run_extractor
from packages.common.models.configuration_model import Endpoint
from packages.common.models.metadata_model import ItemMetadata
from packages.common.object_writer import ObjectWriter
from packages.common.payloads.csv_payload import read_csv
from packages.common.quarantine import is_corrected, without_reasons
from packages.common.settings import Settings
from services.ingress_service.errors import ExtractionFailedError, OverloadedError
from services.ingress_service.web.uploads.checks import CheckReport, converted
from zarr_fuse.schema import DatasetSchema

MAX_PAYLOAD_BYTES = 32 << 20
MAX_TRIALS = 2


class Trials:
    """The extractor functions of a configuration, as the merge would run them, a few at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limiter = anyio.CapacityLimiter(MAX_TRIALS)

    async def run(
        self, endpoint: Endpoint, schema: DatasetSchema, metadata: ItemMetadata, payload: bytes
    ) -> CheckReport:
        """What the merge would find in the table that an extractor makes of a payload.

        Raises ExtractionFailedError with its reason, PayloadError, SchemaMismatchError; OverloadedError where
        as many extractors are at work as may be.
        """
        if self._limiter.available_tokens < 1:
            raise OverloadedError("As many extractors as may be are at work; try again later")
        act = partial(self._run, endpoint, schema, metadata, payload)
        return await anyio.to_thread.run_sync(act, limiter=self._limiter)

    def _run(
        self, endpoint: Endpoint, schema: DatasetSchema, metadata: ItemMetadata, payload: bytes
    ) -> CheckReport:
        try:
            frame = self._extracted(endpoint, metadata, payload)
        except ExtractorError as error:
            raise _refusal(error) from None
        return converted(frame, schema, endpoint.bad_rows_at_merge)

    def _extracted(self, endpoint: Endpoint, metadata: ItemMetadata, payload: bytes) -> Frame:
        if is_corrected(payload, metadata.content_type):
            return without_reasons(read_csv(payload))
        if endpoint.extract_fn is None and endpoint.extract is not None:
            return endpoint.extract.frame(payload, metadata.content_type)
        return run_extractor(
            self._settings.config_path.parent,
            endpoint.fn_module,
            endpoint.extract_fn or "",
            payload,
            metadata.model_dump(mode="json"),
            timeout_s=endpoint.extractor_timeout_s or self._settings.extractor_timeout_s,
            memory_bytes=endpoint.extractor_memory_bytes or self._settings.extractor_memory_bytes,
        )


def refuse_more(_content_type: str) -> ObjectWriter:
    """Takes the place of a writer: a payload that does not fit memory is not tried."""
    raise PayloadTooLargeError(
        f"A trial of an extractor takes {MAX_PAYLOAD_BYTES} bytes at most; send a part of the file"
    )


def _refusal(error: ExtractorError) -> IngressError:
    return OverloadedError(str(error)) if error.retryable else ExtractionFailedError(str(error))
