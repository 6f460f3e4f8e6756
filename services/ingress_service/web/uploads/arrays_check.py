"""Compares the arrays of a NetCDF, HDF5 or GRIB file with the schema of a node, by name and dimensions."""

from __future__ import annotations

from packages.common.errors import PayloadError
from packages.common.payloads.binary import Contents
from services.ingress_service.errors import ColumnsMissingError, SchemaMismatchError
from zarr_fuse.schema import DatasetSchema


def require_arrays(contents: Contents, schema: DatasetSchema) -> None:
    """Raise unless all coordinates and variables of the schema are there, over the right dimensions.

    Raises PayloadError where the file holds no dataset, ColumnsMissingError that names all that are missing,
    SchemaMismatchError that names all whose dimensions are others.
    """
    if contents.problem is not None or contents.dims is None:
        raise PayloadError(contents.problem or "the file holds no arrays")
    wanted = wanted_dims(schema)
    missing = [name for name in wanted if name not in contents.dims]
    if missing:
        shown = ", ".join(repr(name) for name in missing)
        raise ColumnsMissingError(
            f"Arrays that the schema requires are missing: {shown}.",
            errors=[{"column": name, "message": "the array is missing"} for name in missing],
        )
    problems = [
        {"column": name, "message": f"lies over {list(contents.dims[name])}, not over {list(dims)}"}
        for name, dims in wanted.items()
        if sorted(contents.dims[name]) != sorted(dims)
    ]
    if problems:
        text = "; ".join(f"{one['column']!r} {one['message']}" for one in problems)
        raise SchemaMismatchError(f"Arrays do not fit the schema: {text}.", errors=problems)


def wanted_dims(schema: DatasetSchema) -> dict[str, tuple[str, ...]]:
    """Every array that a dataset for this node needs, with its dimensions."""
    simple = {name: (name,) for name, coordinate in schema.COORDS.items() if not coordinate.is_composed}
    return simple | {name: tuple(variable.coords) for name, variable in schema.VARS.items()}
