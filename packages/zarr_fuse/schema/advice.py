"""What a correct schema may still bring about, told when it is checked and not whenever it is used."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Set

from zarr_fuse.schema.context import SchemaCtx
from zarr_fuse.schema.dataset import NodeSchema
from zarr_fuse.schema.sizes import cut

HIDES = (
    "a node above has a coordinate of this name, too; where their labels differ, xarray.open_groups reads "
    "the tree and xarray.open_datatree refuses it"
)


KEYS = ("ATTRS", "COORDS", "VARS")
WRITTEN_OUT = {"ATTRIBUTES": "ATTRS", "COORDINATES": "COORDS", "VARIABLES": "VARS"}
OPEN = (
    "neither unit nor type: the first table decides what it is for good, and in CSV every column is text; "
    "numbers without unit say unit: ''"
)


def advise(schema: NodeSchema, ctx: SchemaCtx) -> None:
    """Warn of nodes called much like `VARS`, and of types that the first table decides.

    Also of chunks smaller than asked for, and once of coordinates that hide one of a node above.
    """
    _advise_of_names(schema, ctx)
    _advise_of_types(schema, ctx)
    _advise_of_sizes(schema, ctx)
    hiding = list(_hiding(schema, ctx, frozenset()))
    if hiding:
        ctx.warning(f"{', '.join(hiding)}: {HIDES}")


def _advise_of_names(schema: NodeSchema, ctx: SchemaCtx) -> None:
    for name, child in schema.groups.items():
        word = name.upper().strip()
        close = difflib.get_close_matches(word, KEYS, n=1, cutoff=0.8)
        if meant := WRITTEN_OUT.get(word) or next(iter(close), None):
            ctx.dive(name).warning(f"this is read as a child node; is {meant} meant?")
        _advise_of_names(child, ctx.dive(name))


def _advise_of_types(schema: NodeSchema, ctx: SchemaCtx) -> None:
    for variable in schema.ds.incoming:
        if variable.type is None:
            kind = "COORDS" if variable.name in schema.ds.COORDS else "VARS"
            ctx.dive(kind, variable.name).warning(OPEN)
    for name, child in schema.groups.items():
        _advise_of_types(child, ctx.dive(name))


def _advise_of_sizes(schema: NodeSchema, ctx: SchemaCtx) -> None:
    ds = schema.ds
    for variable in (*ds.COORDS.values(), *ds.VARS.values()):
        kind = "COORDS" if variable.name in ds.COORDS else "VARS"
        if variable.type is not None and all(name in ds.COORDS for name in variable.coords):
            for sentence in cut(variable, variable.coords, ds):
                ctx.dive(kind, variable.name).warning(sentence)
    for name, child in schema.groups.items():
        _advise_of_sizes(child, ctx.dive(name))


def _hiding(schema: NodeSchema, ctx: SchemaCtx, above: Set[str]) -> Iterator[str]:
    yield from (ctx.dive(name).path for name in schema.ds.COORDS if name in above)
    for name, child in schema.groups.items():
        yield from _hiding(child, ctx.dive(name), above | schema.ds.COORDS.keys())
