"""How a table leaves the process of its extractor: polars frames as Arrow, everything else pickled."""

from __future__ import annotations

import io
import pickle
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import polars as pl

from packages.common.extractors.errors import ExtractorResultError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Frame: TypeAlias = "pl.DataFrame | pd.DataFrame | xr.Dataset"
Form = Literal["arrow", "pickle"]

KNOWN_PACKAGES = frozenset(
    {"_codecs", "builtins", "cftime", "collections", "copyreg", "dateutil", "datetime", "decimal"}
    | {"fractions", "numpy", "pandas", "pathlib", "polars", "pyarrow", "pytz", "uuid", "xarray", "zoneinfo"}
)
"""Whose objects a result may hold; the modules of extractors exist in their own process only."""


def encode(name: str, result: object) -> tuple[Form, bytes]:
    """The form in which a result travels.

    Raises:
        ExtractorResultError: it is no frame and no dataset, or holds what cannot travel.
    """
    if isinstance(result, pl.DataFrame):
        return "arrow", _arrow(name, result)
    if not (_is_instance(result, "pandas", "DataFrame") or _is_instance(result, "xarray", "Dataset")):
        raise ExtractorResultError(
            f"{name} returned {type(result).__name__}, not a polars or pandas DataFrame or an xarray Dataset"
        )
    try:
        return "pickle", pickle.dumps(_in_memory(result), protocol=5)
    except MemoryError:
        raise
    except Exception as error:
        raise ExtractorResultError(f"{name} returned what cannot be read: {error}") from error


def _in_memory(result: Any) -> object:  # noqa: ANN401 - a frame or a dataset, of which one may be lazy
    return result.load() if _is_instance(result, "xarray", "Dataset") else result


def decode(name: str, form: Form, data: bytes | bytearray) -> Frame:
    """The result that travelled in a form, or `ExtractorResultError`."""
    if form == "arrow":
        return pl.read_ipc(io.BytesIO(data))
    try:
        return _Reader(io.BytesIO(data)).load()  # type: ignore[no-any-return]
    except pickle.UnpicklingError as error:
        raise ExtractorResultError(f"{name} returned what cannot be read: {error}") from None


def _arrow(name: str, frame: pl.DataFrame) -> bytes:
    of_objects = [column for column, dtype in frame.schema.items() if dtype == pl.Object]
    if of_objects:
        raise ExtractorResultError(
            f"{name} returned the column {of_objects[0]!r} of arbitrary Python objects"
        )
    written = io.BytesIO()
    frame.write_ipc(written)
    return written.getvalue()


def _is_instance(result: object, package: str, name: str) -> bool:
    """Whether a result is of a type whose package need not be imported to know that it is not."""
    module: Any = sys.modules.get(package)
    return module is not None and isinstance(result, getattr(module, name))


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if module.partition(".")[0] not in KNOWN_PACKAGES:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}, which no other process knows")
        return super().find_class(module, name)
