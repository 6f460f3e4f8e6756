"""Reads and writes schema documents."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import yaml

from zarr_fuse.schema.advice import advise
from zarr_fuse.schema.context import ContextCfg, Problem, SchemaCtx
from zarr_fuse.schema.dataset import DatasetSchema, NodeSchema
from zarr_fuse.schema.forms import dump_yaml
from zarr_fuse.schema.parse import build_nodeschema
from zarr_fuse.version import __version__

Source = Path | str | bytes | IO[str] | IO[bytes] | Mapping[str, Any] | NodeSchema | None


def deserialize(
    source: Source, source_description: str | None = None, log: logging.Logger | None = None
) -> NodeSchema:
    """The schema in a file (`Path`), a YAML text, bytes, a readable, or a mapping; a `NodeSchema` as it is.

    Also reads the text that a store keeps as `__structure__`, of this and of the older generation.

    Args:
        source: text is always YAML, never a file name; a mapping is not modified.
        source_description: stands for the file name in messages.
        log: takes warnings; without it they are issued as `SchemaWarning` through `warnings.warn`.

    Raises:
        SchemaError: with the place, such as `river.yaml:upper/VARS/stage/unit`.
        TypeError: the source is of no such kind.
    """
    if isinstance(source, NodeSchema):
        return source
    name = str(source) if isinstance(source, Path) and source_description is None else source_description
    return _built(source, SchemaCtx(file=name, logger=log))


def check(source: Path | str | bytes, source_description: str | None = None) -> list[Problem]:
    """Everything wrong or doubtful in a document, in the order in which it is read.

    An entry is read as far as its errors allow, so that correcting one may reveal another; there is advice on
    the whole once nothing is wrong.

    Args:
        source: a file (`Path`), or the text of a document.
        source_description: stands for the file name in messages.
    """
    name = str(source) if isinstance(source, Path) and source_description is None else source_description
    problems: list[Problem] = []
    ctx = SchemaCtx(file=name, problems=problems)
    with ctx.attempt():
        schema = _built(source, ctx)
        if all(problem.severity != "error" for problem in problems):
            advise(schema, ctx)
    return problems


def serialize(schema: NodeSchema | DatasetSchema, path: str | Path | None = None) -> str:
    """The YAML text of a schema, without credentials; also written to `path`.

    Reading and writing it again gives the same text.
    """
    form = schema.form()
    text = dump_yaml({"ATTRS": form.pop("ATTRS") | {"VERSION": __version__}} | form)
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _built(source: object, ctx: SchemaCtx) -> NodeSchema:
    raw = source if isinstance(source, Mapping) else _loaded(_text(source, ctx), ctx)
    return build_nodeschema(ContextCfg(raw, ctx))


def _text(source: object, ctx: SchemaCtx) -> str:
    if source is None:
        return ""
    if isinstance(source, Path):
        source = source.read_bytes()
    elif not isinstance(source, str | bytes) and hasattr(source, "read"):
        source = source.read()
    if isinstance(source, bytes):
        try:
            return source.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ctx.error(f"the document is not UTF-8: {error}") from None
    if not isinstance(source, str):
        raise TypeError(
            f"a schema is a Path, text, bytes, a readable or a mapping, not {type(source).__name__}"
        )
    return source


class _Loader(yaml.CSafeLoader):
    """Safe YAML that does not let a repeated key pass in silence."""

    ctx = SchemaCtx()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; of a key written twice the later value counts."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag != "tag:yaml.org,2002:merge":
                key = (key_node.tag, key_node.value)
                if key in seen:
                    line = key_node.start_mark.line + 1
                    self.ctx.warning(
                        f"line {line}: the key {key_node.value!r} is repeated; the later one counts"
                    )
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _loaded(text: str, ctx: SchemaCtx) -> Any:  # noqa: ANN401
    loader = _Loader(text)
    loader.ctx = ctx
    try:
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise ctx.error(f"this is not YAML: {error}") from None
    finally:
        loader.dispose()
