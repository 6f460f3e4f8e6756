from __future__ import annotations

import ast
import re

import pytest

from tests.rigs.project import ROOT
from zarr_fuse.schema.document import CoordDocument, RangeDocument, TimeUnitDocument, VariableDocument
from zarr_fuse.schema.entries import RESERVED_ATTRS
from zarr_fuse.schema.json_schema import document_schema
from zarr_fuse.schema.legacy import IGNORED
from zarr_fuse.schema.types import TYPE_PATTERN
from zarr_fuse.schema_diff import INCOMING, Effect
from zarr_fuse.stored.evolution import FIXED, FIXED_OF_COORDS
from zarr_fuse.values.time_units import TICKS

PAGE = (ROOT / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`]+)`")
OF_COORDS = [key for key in CoordDocument.model_fields if key not in VariableDocument.model_fields]


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, flags=re.M | re.S)
    assert found, f"there is no section {title}"
    return found.group(1)


def rows(title: str) -> list[list[str]]:
    """Cells of the tables of a section."""
    lines = [
        line for line in section(title).splitlines() if line.startswith("| ") and not line.startswith("|--")
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def defaults(title: str) -> dict[str, str]:
    """Default of each key that has a row of its own."""
    return {key: row[1] for row in rows(title) for key in CODE.findall(row[0])}


@pytest.mark.parametrize(
    ("title", "model", "keys"),
    [
        ("Variables", VariableDocument, list(VariableDocument.model_fields)),
        ("Coordinates", CoordDocument, OF_COORDS),
        ("Ranges", RangeDocument, list(RangeDocument.model_fields)),
        ("Time units", TimeUnitDocument, list(TimeUnitDocument.model_fields)),
    ],
)
def test_every_key_of_the_documents_has_a_row_with_its_default(title, model, keys):
    described = defaults(title)
    assert [key for key in keys if key not in described] == []
    properties = document_schema()["$defs"][model.__name__]["properties"]
    for key in keys:
        default = properties[key].get("default")
        if default is not None:
            text = str(default).lower() if isinstance(default, bool) else str(default)
            assert text in CODE.findall(described[key]), key


def test_every_type_and_tick_is_listed():
    listed = [name for row in rows("Types") for name in CODE.findall(row[0])]
    named = [name for name in TYPE_PATTERN.split("|") if name.isalnum()]
    assert len(named) > 10
    assert [name for name in named if name not in listed] == []
    assert {"str[n]", "datetime64[tick]"} <= set(listed)
    (ticks,) = (row[2] for row in rows("Time units") if row[0] == "`tick`")
    assert list(TICKS) == CODE.findall(ticks)[0].split()


def test_every_obsolete_or_taken_key_is_listed():
    obsolete = CODE.findall(section("Obsolete forms"))
    assert [key for key in (*IGNORED, "merge", "name") if key not in obsolete] == []
    taken = CODE.findall(section("Variables"))
    assert [key for key in RESERVED_ATTRS if key not in taken] == []


def test_every_kind_of_finding_is_listed():
    listed = [kind for row in rows("Findings") for kind in CODE.findall(row[0])]
    assert sorted(kinds_in_the_code() - set(listed)) == []


def test_every_change_stands_in_the_row_of_its_effect():
    changes = {row[1].strip("`"): CODE.findall(row[0]) for row in rows("Changing a schema")}
    assert [effect for effect in Effect if effect not in changes] == []
    fixed = [key.rpartition("/")[2] for key in (*FIXED, *FIXED_OF_COORDS)]
    assert sorted(changes["breaking"]) == sorted(fixed)
    incoming = {"range": "interval"}
    assert [key for key in INCOMING if incoming.get(key, key) not in changes["incoming"]] == []


def kinds_in_the_code() -> set[str]:
    """The kinds that the merge engine gives: first arguments of `add` and `reject`, verdicts, faults."""
    found: set[str] = set()
    for path in (ROOT / "packages" / "zarr_fuse").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found |= {one.value for one in kind_nodes(node) if isinstance(one, ast.Constant)}
    kinds = {kind for kind in found if isinstance(kind, str)}
    assert {"coordinate_missing", "not_in_set", "text_cut", "contradiction", "no_new_label"} <= kinds
    return kinds


def kind_nodes(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add":
        return node.args[:1] if "findings" in ast.unparse(node.func.value) else []
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "rows.reject":
        return node.args[:1]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "_mark":
        return node.args[1:2]
    if isinstance(node, ast.FunctionDef) and node.name == "_verdicts":
        yields = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Yield)]
        return [value.elts[0] for value in yields if isinstance(value, ast.Tuple)]
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_OF_COORDINATES":
        table = node.value
        return [one for one in (*table.keys, *table.values) if one] if isinstance(table, ast.Dict) else []
    return []
