"""Turns a payload into rows: by its extractor function, or by itself where it is a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd
import polars as pl
import structlog
import xarray as xr

from packages.common.errors import IngressError
from packages.common.logging_setup import bind_item
from packages.common.models.metadata_model import ItemMetadata
from packages.common.validation import decode_payload, frame_from_json
from services.extractor_service.errors import ExtractorResultError, NotTabularError
from services.extractor_service.extractors import ExtractorFunction, Extractors, parameters, wants_bytes
from services.extractor_service.items import Content, Extracted, Frame, Verdict, failure

FRAMES = (pl.DataFrame, pd.DataFrame, xr.Dataset)

log = structlog.get_logger(__name__)


def extract(extractors: Extractors, contents: Iterable[Content | Verdict]) -> Iterator[Extracted | Verdict]:
    """Turn each content into rows; verdicts pass through, and an item that yields no rows gets its own."""
    for content in contents:
        yield content if isinstance(content, Verdict) else extract_item(extractors, content)


def extract_item(extractors: Extractors, content: Content) -> Extracted | Verdict:
    """Extract one item."""
    with bind_item(content.item.item_id):
        try:
            frame = rows_of(extractors, content.metadata, content.payload)
        except IngressError as error:
            return failure(content.item, content.metadata, error)
        except Exception as error:
            log.exception("no rows extracted")
            return failure(content.item, content.metadata, error)
    return Extracted(content.item, content.metadata, frame)


def rows_of(extractors: Extractors, metadata: ItemMetadata, payload: bytes) -> Frame:
    """The rows of a payload.

    Raises:
        PayloadError: the payload is not what its content type says.
        ExtractorServiceError: its extractor is missing, raised, or returned no table.
    """
    if metadata.extract_fn:
        function = extractors.function(metadata.fn_module, metadata.extract_fn)
        return _run(extractors, function, metadata, payload)
    decoded = decode_payload(payload, metadata.content_type)
    if isinstance(decoded, bytes):
        raise NotTabularError(
            f"{metadata.content_type} is no table by itself: its endpoint needs an extract_fn"
        )
    return decoded if isinstance(decoded, pl.DataFrame) else frame_from_json(decoded)


def _run(
    extractors: Extractors, function: ExtractorFunction, metadata: ItemMetadata, payload: bytes
) -> Frame:
    name = f"{metadata.fn_module}.{metadata.extract_fn}"
    arguments = _arguments(function, metadata, payload)
    result = extractors.call(name, function, *arguments[: max(1, len(parameters(function)))])
    if not isinstance(result, FRAMES):
        raise ExtractorResultError(
            f"{name} returned {type(result).__name__}, not a polars or pandas DataFrame or an xarray Dataset"
        )
    return result


def _arguments(function: ExtractorFunction, metadata: ItemMetadata, payload: bytes) -> tuple[Any, Any]:
    if wants_bytes(function):
        return payload, metadata.model_dump(mode="json")
    return decode_payload(payload, metadata.content_type), metadata.dataframe_row
