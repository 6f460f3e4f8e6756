"""What a correct schema may still bring about, told when it is checked and not whenever it is used."""

from __future__ import annotations

from collections.abc import Iterator, Set

from zarr_fuse.schema.context import SchemaCtx
from zarr_fuse.schema.dataset import NodeSchema
from zarr_fuse.schema.sizes import cut

HIDES = (
    "a node above has a coordinate of this name, too; where their labels differ, xarray.open_groups reads "
    "the tree and xarray.open_datatree refuses it"
)


def advise(schema: NodeSchema, ctx: SchemaCtx) -> None:
    """Warn of chunks smaller than asked for, and once of coordinates that hide one of a node above."""
    _advise_of_sizes(schema, ctx)
    hiding = list(_hiding(schema, ctx, frozenset()))
    if hiding:
        ctx.warning(f"{', '.join(hiding)}: {HIDES}")


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
