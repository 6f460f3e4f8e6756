from __future__ import annotations

import json
import warnings

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from tests.hypothesis_profiles import examples
from tests.rigs.project import ROOT
from tests.zarr_fuse.schema.test_properties import nodes
from zarr_fuse.errors import SchemaError, SchemaWarning
from zarr_fuse.schema import deserialize, serialize
from zarr_fuse.schema.document import CoordDocument, RangeDocument, TimeUnitDocument, VariableDocument
from zarr_fuse.schema.forms import json_value
from zarr_fuse.schema.json_schema import document_schema

SAMPLES = sorted((ROOT / "inputs" / "schemas").glob("*.yaml"))
FIELD_SCHEMAS = ROOT.parent / "shared" / "data" / "schemas"
FIELD_NAMES = ["bukov_schema_2026", "bukov_schema_v1", "surface_schema", "yr_no_testing"]
MADE = document_schema()
VALIDATOR = Draft202012Validator(MADE)
MODELS = [VariableDocument, CoordDocument, RangeDocument, TimeUnitDocument]


def mistakes(text: str) -> list[str]:
    document = json_value(yaml.safe_load(text))
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_schema_of_its_dialect_and_plain_json():
    Draft202012Validator.check_schema(MADE)
    assert MADE["$schema"] == Draft202012Validator.META_SCHEMA["$schema"]
    assert json.loads(json.dumps(MADE, allow_nan=False)) == MADE


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_described_and_has_its_default(model):
    properties = MADE["$defs"][model.__name__]["properties"]
    for key, field in model.model_fields.items():
        assert properties[key]["description"] == field.description
        assert field.is_required() or "default" in properties[key]
    assert MADE["$defs"][model.__name__]["additionalProperties"] is False


def test_defaults_are_those_in_force():
    coords, time = (MADE["$defs"][name]["properties"] for name in ("CoordDocument", "TimeUnitDocument"))
    when = deserialize("COORDS: {t: {unit: {}}}").ds.COORDS["t"]
    for key in ("chunk_size", "shard_size", "sorted"):
        assert coords[key]["default"] == getattr(when, key)
    assert coords["step_limits"]["default"] == when.step_limits.step_form()
    assert {key: facts["default"] for key, facts in time.items()} == when.unit.as_mapping()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_schemas_are_valid(path):
    assert mistakes(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", FIELD_NAMES)
def test_field_schemas_are_valid(name):
    path = FIELD_SCHEMAS / f"{name}.yaml"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    assert mistakes(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ATTRS:\nVARS:\nCOORDS:\nchild:",
        "VARS: {v: {coords: []}}",
        "VARS: {v: {coords: x, unit: {tick: 15m, tz: Europe/Lisbon, dayfirst: true, yearfirst: false}}}",
        "VARS: {v: {coords: x, unit: m, na_value: .nan, range: {interval: [0, null, ft]}}}",
        "VARS: {v: {coords: x, unit: {tick: D}, range: {interval: [2024-01-01, '2024-02-01', {tz: CET}]}}}",
        "VARS: {v: {coords: x, unit: m, range: {interval: 5}}, w: {coords: x, range: {interval: []}}}",
        "VARS: {v: {coords: x, type: 'str[3]', range: {discrete: [a, b]}}}",
        "VARS: {v: {coords: x, type: int8, attrs: {standard_name: s, n: 1}}}",
        "VARS: {a: {coords: p}, b: {coords: p}}\nCOORDS: {p: {composed: [a, b], shard_size: 4096}, t: }",
        "COORDS: {t: {unit: m, step_limits: [1, 2, km]}, u: {step_limits: null}, v: {step_limits: []}}",
        "COORDS: {t: {sorted: None, step_limits: None, df_col: None, merge: None, dtype: x, values: [1]}}",
        "COORDS: {t: {unit: m, sorted: [], step_limits: {start: 1, end: 2, unit: m}}}",
        "'b c.d': {e: {ATTRS: {anything: [1, {a: b}]}}}",
    ],
)
def test_sound_documents_are_valid(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        deserialize(text)
    assert mistakes(text) == []


def test_a_list_in_a_file_is_valid():
    assert mistakes("VARS: {v: {coords: x, type: int8, range: {discrete: list.csv}}}") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("VARS: {v: {unit: m}}", "$.VARS.v: 'coords'"),
        ("VARS: {v: {coords: x, uint: m}}", "'uint'"),
        ("VARS: {v: {coords: x, unit: 5}}", "$.VARS.v.unit"),
        ("VARS: {v: {coords: x, unit: {tic: s}}}", "$.VARS.v.unit"),
        ("VARS: {v: {coords: x, unit: {tick: y}}}", "$.VARS.v.unit"),
        ("VARS: {v: {coords: x, unit: {dayfirst: 'yes'}}}", "$.VARS.v.unit"),
        ("VARS: {v: {coords: x, type: flaot}}", "$.VARS.v.type"),
        ("VARS: {v: {coords: x, type: int16}}", "$.VARS.v.type"),
        ("VARS: {v: {coords: x, type: 'str[-1]'}}", "$.VARS.v.type"),
        ("VARS: {v: {coords: x, chunk_size: 5}}", "'chunk_size'"),
        ("VARS: {v: {coords: x, df_col: 5}}", "$.VARS.v.df_col"),
        ("VARS: {v: {coords: x, description: [a]}}", "$.VARS.v.description"),
        ("VARS: {v: {coords: x, na_value: true}}", "$.VARS.v.na_value"),
        ("VARS: {v: {coords: x, attrs: {scale_factor: 2}}}", "$.VARS.v.attrs"),
        ("VARS: {v: {coords: x, attrs: {__zf_a: 2}}}", "$.VARS.v.attrs"),
        ("VARS: {v: {coords: x, range: {intervall: []}}}", "$.VARS.v.range"),
        ("VARS: {v: {coords: x, range: {interval: [0, 1], discrete: [0]}}}", "$.VARS.v.range"),
        ("VARS: {v: {coords: x, range: {interval: [1, 2, m, 3]}}}", "$.VARS.v.range"),
        ("VARS: {v: {coords: x, type: int8, range: {discrete: []}}}", "$.VARS.v.range"),
        ("VARS: {v: {coords: x, type: int8, range: {discrete: [1, 1]}}}", "$.VARS.v.range"),
        ("COORDS: {t: {chunksize: 5}}", "$.COORDS.t"),
        ("COORDS: {t: {chunk_size: 0}}", "$.COORDS.t"),
        ("COORDS: {t: {chunk_size: true}}", "$.COORDS.t"),
        ("COORDS: {t: {shard_size: many}}", "$.COORDS.t"),
        ("COORDS: {t: {sorted: 'yes'}}", "$.COORDS.t"),
        ("COORDS: {t: {composed: place}}", "$.COORDS.t"),
        ("COORDS: {t: {step_limits: all}}", "$.COORDS.t"),
        ("COORDS: {t: {step_limits: [1]}}", "$.COORDS.t"),
        ("COORDS: {t: {step_limits: {start: 1}}}", "$.COORDS.t"),
        ("VARS: [1]", "$.VARS"),
        ("VARS: {v: 5}", "$.VARS.v"),
        ("ATTRS: x", "$.ATTRS"),
        ("ATTRS: {__structure__: x}", "$.ATTRS"),
        ("a: 5", "$.a"),
        ("[1]", "$"),
        ("a/b: {}", "a/b"),
        ("VARS: {zarr.json: {coords: x}}", "zarr.json"),
        ("deep: {er: {vars: {v: {unit: m, coords: x}}}}", "$.deep.er.vars.v"),
    ],
)
def test_wrong_documents_are_not(text, place):
    with pytest.raises(SchemaError):
        deserialize(text)
    found = mistakes(text)
    assert found
    assert place in "\n".join(found)


@settings(max_examples=examples(15))
@given(document=nodes(depth=1))
def test_what_the_parser_reads_and_what_it_writes_is_valid(document):
    assert list(VALIDATOR.iter_errors(json_value(document))) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        assert mistakes(serialize(deserialize(document))) == []
