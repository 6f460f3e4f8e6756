"""Turns a payload into rows: by its extractor function, by paths into its JSON, or by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import polars as pl
import structlog

from packages.common.errors import IngressError
from packages.common.extractors.frames import Frame
from packages.common.extractors.runner import ExtractorRunner
from packages.common.logging_setup import bind_item
from packages.common.models.metadata_model import ItemMetadata
from packages.common.payloads.binary import is_binary, read_dataset
from packages.common.quarantine import is_corrected, without_reasons
from packages.common.settings import Settings
from packages.common.validation import decode_payload, frame_from_json
from services.extractor_service.errors import NotTabularError, TreatmentError
from services.extractor_service.items import Content, Extracted, Verdict, failure
from services.extractor_service.treatments import Treatments

log = structlog.get_logger(__name__)


class Means(NamedTuple):
    """What payloads are turned into rows with."""

    runner: ExtractorRunner
    treatments: Treatments


@contextmanager
def means_of(settings: Settings) -> Iterator[Means]:
    """The means of one sweep; its extractors' processes end with it."""
    with ExtractorRunner(settings.config_path.parent) as runner:
        yield Means(runner, Treatments(settings))


def extract_item(means: Means, content: Content | Verdict) -> Extracted | Verdict:
    """Extract one item."""
    if isinstance(content, Verdict):
        return content
    with bind_item(content.item.item_id):
        try:
            frame = rows_of(means, content.metadata, content.payload)
        except IngressError as error:
            return failure(content.item, content.metadata, error)
        except Exception as error:
            log.exception("no rows extracted")
            return failure(content.item, content.metadata, error)
    return Extracted(content.item, content.metadata, frame)


def rows_of(means: Means, metadata: ItemMetadata, payload: bytes) -> Frame:
    """The rows of a payload; those that were quarantined and corrected are a table already.

    Raises:
        PayloadError: the payload is not what its content type says.
        ExtractorError: its extractor is missing, raised, exceeded a limit, or returned no table.
        NotTabularError: it needs an extractor and has none.
        TreatmentError: the configuration of its endpoint is wrong.
    """
    if is_corrected(payload, metadata.content_type):
        return table(metadata, payload)
    treatment = means.treatments.treatment(metadata.endpoint_name)
    if metadata.extract_fn:
        return means.runner.run(
            metadata.fn_module,
            metadata.extract_fn,
            payload,
            metadata.model_dump(mode="json"),
            means.treatments.limits(metadata.endpoint_name),
        )
    if treatment.extract is not None:
        return treatment.extract.frame(payload, metadata.content_type, metadata.dataframe_row)
    return table(metadata, payload)


def is_table(means: Means, metadata: ItemMetadata) -> bool:
    """Whether nothing has to be done to make a table of an item's payload but to read it."""
    try:
        return not metadata.extract_fn and means.treatments.treatment(metadata.endpoint_name).extract is None
    except TreatmentError:
        return False


def table(metadata: ItemMetadata, payload: bytes) -> Frame:
    """The rows of a payload that is a table or a dataset by itself, without the reasons of a quarantine."""
    decoded = decode_payload(payload, metadata.content_type)
    if isinstance(decoded, bytes) and is_binary(metadata.content_type):
        return read_dataset(payload, metadata.content_type)
    if isinstance(decoded, bytes):
        raise NotTabularError(
            f"{metadata.content_type} is no table by itself: its endpoint needs an extract_fn"
        )
    return without_reasons(decoded if isinstance(decoded, pl.DataFrame) else frame_from_json(decoded))
