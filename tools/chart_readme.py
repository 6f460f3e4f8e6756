"""Writes the README of the chart from its values and their schema: ``python tools/chart_readme.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "charts" / "zarr-fuse-ingress"
HEAD = """# zarr-fuse-ingress

{description}. [How to install it](../../docs/how-to/install-kubernetes.md),
[how to scale it](../../docs/how-to/scale-out.md), [how it works](../../docs/architecture.md).

```sh
helm install lake charts/zarr-fuse-ingress --set global.s3.storeUrl=s3://measurements/site/store.zarr
```

Only `global.s3.storeUrl` is required. Values that do not go together are refused with a sentence that says
what to do, unknown ones by `values.schema.json`. `tools/chart_readme.py` makes this page from both.
"""
Schema = dict[str, Any]


def main() -> None:
    """Write the page."""
    (CHART / "README.md").write_text(readme(), encoding="utf-8")


def readme() -> str:
    """The text of the page: one table for each top-level value."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    parts = [HEAD.format(description=chart["description"]), *tables(schema, values)]
    return "\n".join(parts)


def tables(schema: Schema, values: dict[str, Any]) -> Iterator[str]:
    """The sections of the page; values that hold no others share the first one."""
    plain = [name for name in values if "properties" not in schema["properties"][name]]
    yield section("General", rows_of(schema, values, plain))
    for name in values:
        if name not in plain:
            meaning = schema["properties"][name]["description"]
            yield section(f"`{name}`: {meaning}", rows_of(schema, values, [name]))


def section(title: str, lines: Iterator[tuple[str, str, str]]) -> str:
    """A heading and its table."""
    table = [f"| `{path}` | {shown} | {text} |" for path, shown, text in lines]
    return "\n".join([f"## {title}", "", "| value | default | meaning |", "|---|---|---|", *table, ""])


def rows_of(schema: Schema, values: dict[str, Any], names: list[str]) -> Iterator[tuple[str, str, str]]:
    """The rows of some top-level values."""
    for name in names:
        yield from rows(schema, schema["properties"][name], name, values[name])


def rows(schema: Schema, about: Schema, path: str, value: object) -> Iterator[tuple[str, str, str]]:
    """Path, default and description of a value and of those below it."""
    resolved = resolve(schema, about)
    below = resolved.get("properties")
    if not isinstance(value, dict) or below is None or path.endswith("resources"):
        yield path, f"`{json.dumps(value, ensure_ascii=False)}`", about.get("description", "")
        return
    for name, child in value.items():
        yield from rows(schema, below[name], f"{path}.{name}", child)


def resolve(schema: Schema, about: Schema) -> Schema:
    """A part of the schema with its reference followed."""
    reference = about.get("$ref")
    return {**schema["$defs"][reference.rpartition("/")[2]], **about} if reference else about


if __name__ == "__main__":
    main()
