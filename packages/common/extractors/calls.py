"""One call of an extractor function, with the arguments that its parameters ask for."""

from __future__ import annotations

from typing import Any

from packages.common.extractors.functions import ExtractorFunction, Extractors, parameters, wants_bytes
from packages.common.extractors.messages import Call
from packages.common.validation import decode_payload


def called(extractors: Extractors, call: Call) -> object:
    """What the function returns.

    Raises:
        PayloadError: it takes a parsed payload, and the payload is not what its content type says.
        ExtractorError: it is missing, or raised.
    """
    function = extractors.function(call.module, call.function)
    arguments = _arguments(function, call)
    return extractors.call(call.name, function, *arguments[: max(1, len(parameters(function)))])


def _arguments(function: ExtractorFunction, call: Call) -> tuple[Any, Any]:
    if wants_bytes(function):
        return call.payload, call.metadata
    content_type = call.metadata.get("content_type") or "application/octet-stream"
    return decode_payload(call.payload, content_type), call.metadata.get("dataframe_row")
