from __future__ import annotations

import io
import json
import logging
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from zarr_fuse import schema, zarr_schema
from zarr_fuse.errors import MissingKeyError, SchemaError, SchemaWarning, UndefinedUnitError, UnknownKeyError
from zarr_fuse.schema import (
    Coord,
    DatasetSchema,
    DiscreteRange,
    InfRange,
    IntervalRange,
    NodeSchema,
    Variable,
    deserialize,
    serialize,
)
from zarr_fuse.schema.document import CoordDocument, VariableDocument
from zarr_fuse.units import DateTimeUnit, NoneUnit, Unit

RIVER = """
ATTRS: {title: River survey, STORE_URL: "s3://hydro/river.zarr", S3_ENDPOINT_URL: "https://objects.example.net"}
upper:
  VARS:
    stage:   {unit: m, source_unit: ft, df_col: "Level (ft)", coords: [when, gauge],
              range: {interval: [0, 40, ft]}, attrs: {device: radar}}
    quality: {unit: "", type: "str[10]", coords: [when, gauge], range: {discrete: [good, suspect, bad]}}
    east:    {unit: km, coords: gauge}
    north:   {unit: km, coords: gauge}
  COORDS:
    when:  {unit: {tick: s}, source_unit: {tick: s, tz: "Europe/Lisbon", dayfirst: true}, chunk_size: 4096}
    gauge: {composed: [east, north], chunk_size: 32}
"""
FIELD_SCHEMAS = Path(__file__).parents[3] / "shared" / "data" / "schemas"


def variable(document: str, **extra: str) -> Variable:
    ds = deserialize(f"VARS: {{v: {document}}}").ds
    return ds.VARS["v"]


def coord(document: str) -> Coord:
    return deserialize(f"VARS: {{v: {{unit: m, coords: x}}}}\nCOORDS: {{x: {document}}}").ds.COORDS["x"]


class TestTree:
    def test_sections_describe_the_node_and_all_else_is_a_child(self):
        tree = deserialize("ATTRS: {a: 1}\n'b c.d': {ATTRS: {e: 2}, deep: {VARS: {v: {unit: m, coords: x}}}}")
        assert tree.ds.ATTRS == {"a": 1}
        assert list(tree.groups) == ["b c.d"]
        assert list(tree.groups["b c.d"].groups["deep"].ds.VARS) == ["v"]

    def test_empty_sections_and_documents(self):
        for text in ("", "ATTRS:\nVARS:\nCOORDS:", "{}"):
            assert deserialize(text) == NodeSchema.make_empty()
            assert deserialize(text).ds.is_empty

    def test_the_example_means_what_it_says(self):
        ds = deserialize(RIVER).groups["upper"].ds
        stage, when, gauge = ds.VARS["stage"], ds.COORDS["when"], ds.COORDS["gauge"]
        assert (stage.coords, stage.unit, stage.source_unit) == (("when", "gauge"), Unit("m"), Unit("ft"))
        assert (stage.df_col, stage.attrs, stage.type.name) == ("Level (ft)", {"device": "radar"}, "float64")
        assert when.unit == DateTimeUnit("s")
        assert when.source_unit == DateTimeUnit("s", tz="Europe/Lisbon", dayfirst=True)
        assert (when.composed, when.chunk_size, when.sorted) == (("when",), 4096, True)
        assert (gauge.composed, gauge.sorted, gauge.type.name) == (("east", "north"), False, "int64")
        assert gauge.is_composed
        assert not when.is_composed
        assert ds.components == {"east", "north"}
        assert [entry.name for entry in ds.incoming] == ["when", "stage", "quality", "east", "north"]
        assert ds.source_to_schema_name_map["Level (ft)"] == "stage"

    def test_a_coordinate_that_coords_lacks_exists_with_all_defaults(self):
        x = deserialize("VARS: {v: {unit: m, coords: [x]}}").ds.COORDS["x"]
        assert (x.composed, x.chunk_size, x.shard_size, x.sorted, x.df_col) == (("x",), 1024, None, True, "x")
        assert (x.type, x.unit) == (None, NoneUnit())
        assert x.step_limits.any_new
        assert x == coord("{}")

    def test_a_scalar_lies_over_nothing(self):
        assert variable("{unit: m, coords: []}").coords == ()

    @pytest.mark.parametrize("name", ["a/b", "''", ".", "..", "__zf_x", "zarr.json"])
    def test_names_that_cannot_be_stored(self, name):
        for text in (
            f"{name}: {{}}",
            f"VARS: {{{name}: {{unit: m, coords: x}}}}",
            f"VARS: {{v: {{coords: [{name}]}}}}",
        ):
            with pytest.raises(SchemaError, match="cannot be a name"):
                deserialize(text)

    def test_names_must_be_text(self):
        with pytest.raises(SchemaError, match="put it in quotes"):
            deserialize("VARS: {10: {unit: m, coords: x}}")
        with pytest.raises(SchemaError, match="put it in quotes"):
            deserialize("no: {}")

    def test_a_node_and_an_array_of_one_name_exclude_each_other(self):
        with pytest.raises(SchemaError, match="same name"):
            deserialize("VARS: {v: {unit: m, coords: x}}\nv: {}")

    @pytest.mark.parametrize(
        "text", ["[1]", "5", "a: 5", "VARS: [1]", "VARS: {v: 5}", "VARS: {v: }", "ATTRS: x"]
    )
    def test_what_should_be_a_mapping_must_be_one(self, text):
        with pytest.raises(SchemaError, match="expected a mapping"):
            deserialize(text)


class TestSources:
    def test_every_kind_of_source(self, tmp_path):
        path = tmp_path / "river.yaml"
        path.write_text(RIVER, encoding="utf-8")
        expected = deserialize(RIVER)
        for source in (
            path,
            RIVER.encode(),
            io.StringIO(RIVER),
            io.BytesIO(RIVER.encode()),
            b"\xef\xbb\xbf" + RIVER.encode(),
        ):
            assert deserialize(source) == expected
        assert deserialize(expected) is expected

    def test_a_mapping_is_not_modified(self):
        raw = {
            "ATTRS": {"a": {"b": [1]}},
            "VARS": {"x": {"coords": "x", "merge": None}, "v": {"unit": "m", "coords": "x"}},
        }
        before = json.dumps(raw)
        with pytest.warns(SchemaWarning):
            tree = deserialize(raw)
        tree.ds.ATTRS["a"]["b"].append(2)
        assert json.dumps(raw) == before

    def test_text_is_never_a_file_name(self):
        with pytest.raises(SchemaError, match="a file is given as a Path"):
            deserialize("river.yaml")

    @pytest.mark.parametrize("source", [5, 1.5, ["x"], object()])
    def test_other_sources_are_a_type_error(self, source):
        with pytest.raises(TypeError):
            deserialize(source)

    def test_broken_documents_are_schema_errors(self):
        for broken in ("a: [", "a: !!python/object:os.system {}", b"\xff\xfe\xfa"):
            with pytest.raises(SchemaError):
                deserialize(broken)

    def test_a_repeated_key_is_not_lost_in_silence(self):
        with pytest.warns(SchemaWarning, match="line 2: the key 'a' is repeated"):
            deserialize("a: {}\na: {}")

    def test_warnings_go_to_the_log_where_one_is_given(self, caplog):
        with caplog.at_level(logging.WARNING, "zarr_fuse.schema"):
            deserialize("VARS: {v: {unit: C, coords: x}}", "river.yaml", log=schema.default_logger())
        assert "river.yaml:VARS/v/unit" in caplog.text

    def test_the_alias_module_has_the_same_names(self):
        assert all(getattr(zarr_schema, name) is getattr(schema, name) for name in schema.__all__)


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "kind", "message"),
        [
            (
                "upper: {VARS: {s: {coords: t, uint: m}}}",
                UnknownKeyError,
                "river.yaml:upper/VARS/s/uint.*'unit'",
            ),
            ("VARS: {s: {unit: m}}", MissingKeyError, "river.yaml:VARS/s/coords"),
            ("VARS: {s: {cords: x}}", UnknownKeyError, "did you mean 'coords'"),
            ("VARS: {s: {coords: t, chunk_size: 5}}", UnknownKeyError, "VARS/s/chunk_size"),
            ("COORDS: {t: {chunksize: 5}}", UnknownKeyError, "COORDS/t/chunksize.*'chunk_size'"),
            ("VARS: {s: {coords: t, unit: {tic: s}}}", UnknownKeyError, "VARS/s/unit/tic.*'tick'"),
            (
                "VARS: {s: {coords: t, range: {intervall: []}}}",
                UnknownKeyError,
                "VARS/s/range/intervall.*'interval'",
            ),
            ("VARS: {s: {coords: t, unit: foo}}", UndefinedUnitError, "VARS/s/unit: unknown unit 'foo'"),
            ("VARS: {s: {coords: t, unit: 5}}", SchemaError, "VARS/s/unit"),
            ("VARS: {s: {coords: t, unit: {tick: y}}}", SchemaError, "VARS/s/unit: tick 'y'"),
            (
                "VARS: {s: {coords: t, unit: {tz: Mars}}}",
                SchemaError,
                "VARS/s/unit: unknown time zone 'Mars'",
            ),
            ("VARS: {s: {coords: t, unit: {dayfirst: 'yes'}}}", SchemaError, "VARS/s/unit/dayfirst"),
            ("VARS: {s: {coords: t, type: flaot}}", SchemaError, "did you mean 'float'"),
            ("VARS: {s: {coords: t, type: int16}}", SchemaError, "unknown type"),
            ("VARS: {s: {coords: t, type: 'str[-1]'}}", SchemaError, "unknown type"),
            ("VARS: {s: {coords: t, type: 'datetime64[s]'}}", SchemaError, "unit of time"),
            ("VARS: {s: {coords: t, unit: {tick: s}, type: int64}}", SchemaError, "datetime64"),
            ("VARS: {s: {coords: [t, t], unit: m}}", SchemaError, "VARS/s/coords.*twice"),
            ("VARS: {s: {coords: t, unit: m, name: z}}", SchemaError, "differs from the key"),
            ("VARS: {s: {coords: t, unit: m, description: 5}}", SchemaError, "VARS/s/description"),
            ("VARS: {s: {coords: t, unit: m, df_col: 5}}", SchemaError, "VARS/s/df_col"),
            ("VARS: {s: {coords: t, unit: m, attrs: {unit: m}}}", SchemaError, "VARS/s/attrs/unit"),
            ("VARS: {s: {coords: t, unit: m, attrs: {scale_factor: 2}}}", SchemaError, "attrs/scale_factor"),
            ("VARS: {s: {coords: t, na_value: 5}}", SchemaError, "needs a type"),
            ("VARS: {s: {coords: t, type: int8, na_value: 200}}", SchemaError, "VARS/s/na_value"),
            ("VARS: {s: {coords: t, type: 'str[2]', na_value: abc}}", SchemaError, "VARS/s/na_value"),
            ("VARS: {s: {coords: t, unit: m, na_value: x}}", SchemaError, "VARS/s/na_value"),
            ("VARS: {s: {coords: t, unit: {tick: s}, na_value: 5}}", SchemaError, "VARS/s/na_value"),
            ("VARS: {s: {coords: t, unit: m, range: {interval: [3, 1]}}}", SchemaError, "above"),
            ("VARS: {s: {coords: t, unit: m, range: {interval: [0, 1, s]}}}", SchemaError, "something else"),
            ("VARS: {s: {coords: t, unit: m, range: {interval: [a, b]}}}", SchemaError, "not a number"),
            ("VARS: {s: {coords: t, unit: m, range: {interval: [1, 2, m, 3]}}}", SchemaError, "interval"),
            (
                "VARS: {s: {coords: t, type: 'str[3]', range: {interval: [1, 2]}}}",
                SchemaError,
                "ordered values",
            ),
            (
                "VARS: {s: {coords: t, unit: {tick: s}, range: {interval: ['x', '2024-01-01']}}}",
                SchemaError,
                "time",
            ),
            (
                "VARS: {s: {coords: t, unit: m, range: {interval: [0, 1], discrete: [0]}}}",
                SchemaError,
                "either",
            ),
            ("VARS: {s: {coords: t, unit: '', range: {discrete: [a]}}}", SchemaError, "label 'a'"),
            ("VARS: {s: {coords: t, type: int8, range: {discrete: [1, 300]}}}", SchemaError, "300"),
            ("VARS: {s: {coords: t, type: int8, range: {discrete: [1, 1]}}}", SchemaError, "twice"),
            ("VARS: {s: {coords: t, type: int8, range: {discrete: []}}}", SchemaError, "empty"),
            ("VARS: {s: {coords: t, type: 'str[2]', range: {discrete: [abc]}}}", SchemaError, "abc"),
            ("VARS: {s: {coords: t, type: int8, range: {discrete: none.csv}}}", SchemaError, "cannot read"),
            ("COORDS: {t: {chunk_size: 0}}", SchemaError, "COORDS/t/chunk_size"),
            ("COORDS: {t: {chunk_size: true}}", SchemaError, "COORDS/t/chunk_size"),
            ("COORDS: {t: {chunk_size: 4, shard_size: 6}}", SchemaError, "multiple"),
            ("COORDS: {t: {sorted: 'yes'}}", SchemaError, "COORDS/t/sorted"),
            ("COORDS: {t: {coords: [u]}}", SchemaError, "COORDS/t/coords"),
            ("COORDS: {t: {composed: [a]}}", SchemaError, "at least two"),
            ("COORDS: {t: {composed: [a, b]}}", SchemaError, "no variable 'a'"),
            ("COORDS: {t: {step_limits: all}}", SchemaError, "COORDS/t/step_limits"),
            ("COORDS: {t: {unit: m, step_limits: [3, 1]}}", SchemaError, "longer"),
            ("COORDS: {t: {unit: m, step_limits: [1, 2, s]}}", SchemaError, "does not fit"),
            ("COORDS: {t: {unit: m, step_limits: [1, 2, foo]}}", UndefinedUnitError, "foo"),
            ("COORDS: {t: {unit: {tick: h}, step_limits: [1, 10, m]}}", SchemaError, "one tick"),
            ("COORDS: {t: {unit: m, step_limits: {start: 1}}}", SchemaError, "start, end and unit"),
            ("ATTRS: {__structure__: x}", SchemaError, "ATTRS/__structure__"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_place(self, text, kind, message):
        with pytest.raises(SchemaError, match=message) as error:
            deserialize(text, "river.yaml")
        assert type(error.value) is kind
        assert "river.yaml" in str(error.value)

    def test_the_file_is_named(self, tmp_path):
        path = tmp_path / "river.yaml"
        path.write_text("VARS: {s: {coords: t, uint: m}}", encoding="utf-8")
        with pytest.raises(UnknownKeyError, match=r"river\.yaml:VARS/s/uint"):
            deserialize(path)

    def test_all_that_is_wrong_in_one_entry_is_told_at_once(self):
        with pytest.raises(UnknownKeyError) as error:
            deserialize("VARS: {s: {colour: red, unit: 5}}")
        for key in ("colour", "unit", "coords"):
            assert f"VARS/s/{key}" in str(error.value)

    @pytest.mark.parametrize(
        ("composed", "variables", "message"),
        [
            ("[a, a]", "a: {unit: m, coords: t}", "twice"),
            ("[a, b]", "a: {unit: m, coords: t}, b: {unit: m, coords: [t, u]}", "'b' must lie over"),
            ("[a, b]", "a: {unit: m, coords: t}, b: {type: complex, coords: t}", "complex"),
        ],
    )
    def test_components_must_fit_their_axis(self, composed, variables, message):
        with pytest.raises(SchemaError, match=message):
            deserialize(f"VARS: {{{variables}}}\nCOORDS: {{t: {{composed: {composed}}}}}")


class TestTypes:
    @pytest.mark.parametrize(
        ("written", "name", "dtype", "na"),
        [
            ("float", "float64", "f8", math.nan),
            ("float32", "float32", "f4", math.nan),
            ("int", "int64", "i8", -(2**63)),
            ("int8", "int8", "i1", -128),
            ("int32", "int32", "i4", -(2**31)),
            ("uint", "uint64", "u8", 2**64 - 1),
            ("uint8", "uint8", "u1", 255),
            ("uint32", "uint32", "u4", 2**32 - 1),
            ("bool", "int8", "i1", -128),
            ("str[3]", "str[3]", "<U3", "\uffff" * 3),
        ],
    )
    def test_types_and_their_missing_values(self, written, name, dtype, na):
        v = variable(f"{{type: '{written}', coords: x}}")
        assert (v.type.name, v.dtype, v.storage_dtype) == (name, np.dtype(dtype), np.dtype(dtype))
        assert v.storage_na == na or (v.storage_na != v.storage_na and na != na)
        assert isinstance(v.storage_na, np.generic)

    def test_complex_is_missing_in_both_parts(self):
        v = variable("{type: complex, coords: x}")
        assert v.storage_dtype == np.complex128
        assert math.isnan(v.na_value.real)
        assert math.isnan(v.na_value.imag)

    @pytest.mark.parametrize("written", ["str", "str[0]"])
    def test_text_without_length_has_32_characters(self, written):
        with pytest.warns(SchemaWarning, match="says no length"):
            assert variable(f"{{type: '{written}', coords: x}}").type.name == "str[32]"

    @pytest.mark.parametrize(
        ("written", "na", "expected"),
        [
            ("int8", "max_int", 127),
            ("uint8", "min_int", 0),
            ("int32", "-9", -9),
            ("float", "-9", -9.0),
            ("str[3]", "n/a", "n/a"),
        ],
    )
    def test_other_missing_values(self, written, na, expected):
        assert variable(f"{{type: '{written}', na_value: {na}, coords: x}}").na_value == expected

    def test_times_are_counts(self):
        v = variable("{unit: {tick: h}, coords: x}")
        assert (v.type.name, v.storage_dtype, v.storage_na) == ("datetime64[h]", np.dtype("int64"), -(2**63))
        assert np.isnat(v.na_value)

    def test_codes_are_integers(self):
        v = variable("{type: 'str[4]', coords: x, range: {discrete: [a, b]}}")
        assert (v.storage_dtype, v.storage_na, v.dtype) == (np.dtype("int64"), 0, np.dtype("<U4"))

    def test_on_a_coordinate_the_label_is_stored(self):
        x = coord("{type: 'str[4]', range: {discrete: [a, b]}}")
        assert x.storage_dtype == np.dtype("<U4")

    def test_a_discrete_list_fixes_an_open_type(self):
        assert variable("{coords: x, range: {discrete: [ab, abc]}}").type.name == "str[3]"
        assert variable("{coords: x, range: {discrete: [1, 2]}}").type.name == "int64"
        assert variable("{coords: x, range: {discrete: [1, 2.5]}}").type.name == "float64"

    def test_an_open_type_is_resolved_later(self):
        v = variable("{coords: x}")
        assert (v.type, v.dtype, v.na_value) == (None, None, None)
        with pytest.raises(TypeError, match="first frame"):
            _ = v.storage_dtype
        fixed = v.resolved(schema.DType("int8"))
        assert (fixed.storage_dtype, fixed.storage_na) == (np.dtype("int8"), -128)
        assert fixed.resolved(schema.DType("float64")) is fixed
        assert v.resolved(None) is v


class TestRanges:
    def test_an_interval_converts_its_unit(self):
        v = variable("{unit: m, coords: x, range: {interval: [0, 40, ft]}}")
        assert isinstance(v.range, IntervalRange)
        assert (v.range.low, v.range.high) == (0, pytest.approx(12.192))
        assert v.range.high > 12.192
        assert v.range.inside(np.array([0.0, 12.192, 12.2, -0.1, np.nan])).tolist() == [
            True,
            True,
            False,
            False,
            False,
        ]

    @pytest.mark.parametrize(
        ("written", "low", "high"),
        [("5", 5, 5), ("[5]", 5, 5), ("[]", -np.inf, np.inf), ("[null, 5]", -np.inf, 5)],
    )
    def test_short_forms_of_an_interval(self, written, low, high):
        limits = variable(f"{{unit: m, coords: x, range: {{interval: {written}}}}}").range
        assert (limits.low, limits.high) == (low, high)

    def test_an_interval_of_times(self):
        v = variable(
            "{unit: {tick: D, tz: '+02:00'}, coords: x, range: {interval: [2024-01-01, '2024-01-31T23:00Z']}}"
        )
        days = np.array(["2023-12-31", "2024-01-01", "2024-02-01", "2024-02-02"], "M8[D]")
        assert v.range.inside(days).tolist() == [False, True, True, False]

    def test_rounding_does_not_cut_the_border_off(self):
        v = variable("{unit: degC, coords: x, range: {interval: [32, 212, degF]}}")
        assert v.range.inside(np.array([0.0, 100.0, -1e-9, 100.0 + 1e-9])).tolist() == [
            True,
            True,
            False,
            False,
        ]

    def test_codes_decode_to_labels(self):
        limits = variable("{type: 'str[4]', coords: x, range: {discrete: [b, a]}}").range
        assert isinstance(limits, DiscreteRange)
        np.testing.assert_array_equal(
            limits.encode(np.array([["a", "b"], ["c", "\uffff" * 4]])), [[2, 1], [0, 0]]
        )
        assert limits.decode([1, 2, 0]).tolist() == ["b", "a", "\uffff" * 4]
        with pytest.raises(IndexError):
            limits.decode([3])

    def test_no_range_takes_all(self):
        limits = variable("{unit: m, coords: x}").range
        assert limits == InfRange()
        np.testing.assert_array_equal(limits.encode(np.array([1.0])), [1.0])


class TestSteps:
    def test_words(self):
        assert coord("{unit: m}").step_limits.any_new
        assert coord("{unit: m, step_limits: []}").step_limits.any_new
        assert coord("{unit: m, step_limits: no_new}").step_limits.no_new
        assert coord("{unit: m, step_limits: null}").step_limits.no_new

    @pytest.mark.parametrize(
        ("document", "bounds"),
        [
            ("{unit: m, step_limits: [1, 2]}", (1, 2)),
            ("{unit: m, step_limits: [1, 2, km]}", (1000, 2000)),
            ("{unit: degC, step_limits: [1, 9, delta_degF]}", (5 / 9, 5)),
            ("{unit: {tick: s}, step_limits: [1, 2, m]}", (60, 120)),
            ("{unit: {tick: s}, step_limits: [0.5, 2, hour]}", (1800, 7200)),
            ("{unit: {tick: m}, step_limits: [1, 2, D]}", (1440, 2880)),
            ("{type: int64, step_limits: [1, 2]}", (1, 2)),
            ("{unit: m, step_limits: any_new}", None),
        ],
    )
    def test_bounds_in_the_unit_of_the_axis(self, document, bounds):
        found = coord(document).step_bounds
        assert found == (bounds if bounds is None else pytest.approx(bounds))

    @pytest.mark.parametrize(
        "document", ["{unit: m, sorted: false, step_limits: [1, 2]}", "{type: 'str[3]', step_limits: [1, 2]}"]
    )
    def test_limits_of_steps_are_ignored_where_steps_mean_nothing(self, document):
        with pytest.warns(SchemaWarning, match="ignored"):
            assert coord(document).step_bounds is None

    def test_older_callers_call_what_newer_ones_read(self):
        x = coord("{unit: m}")
        assert x.is_composed() is False
        assert x.step_limits.any_new() is True
        assert deserialize("").ds.is_empty() is True
        assert x.zarr_attrs() == x.zarr_attrs


class TestObsoleteForms:
    @pytest.mark.parametrize(
        ("document", "message", "modern"),
        [
            ("{unit: m, merge: {step_limits: [1, 2]}}", "x/merge/step_limits", "{unit: m}"),
            ("{unit: m, merge: {other: 1}}", "x/merge/other", "{unit: m}"),
            ("{unit: m, merge: None}", "x/merge", "{unit: m}"),
            ("{unit: m, sorted: None}", "x/sorted", "{unit: m}"),
            ("{unit: m, df_col: None}", "x/df_col", "{unit: m}"),
            ("{unit: m, step_limits: None}", "x/step_limits", "{unit: m, step_limits: any_new}"),
            ("{unit: m, sorted: []}", "x/sorted", "{unit: m, sorted: false}"),
            (
                "{unit: m, step_limits: {start: 1, end: 2, unit: km}}",
                "x/step_limits",
                "{unit: m, step_limits: [1, 2, km]}",
            ),
            ("{unit: m, dtype: float}", "x/dtype", "{unit: m}"),
            ("{unit: m, values: [1, 2]}", "x/values", "{unit: m}"),
            ("{unit: m, discrete: true}", "x/discrete", "{unit: m}"),
        ],
    )
    def test_it_is_read_with_a_warning(self, document, message, modern):
        with pytest.warns(SchemaWarning, match=message):
            old = coord(document)
        assert old == coord(modern)

    def test_a_name_equal_to_its_key_is_fine(self):
        assert coord("{unit: m, name: x}") == coord("{unit: m}")

    def test_a_multiple_of_a_tick(self):
        with pytest.warns(SchemaWarning, match="floored to 15 m"):
            assert coord("{unit: {tick: 15m}}").unit == DateTimeUnit("15m")

    @pytest.mark.parametrize("unit", ["C", "D"])
    def test_units_that_are_easily_mistaken(self, unit):
        with pytest.warns(SchemaWarning, match="coulomb|debye"):
            variable(f"{{unit: {unit}, coords: x}}")

    def test_a_stored_wall_clock_with_summer_time(self):
        with pytest.warns(SchemaWarning, match="summer time"):
            coord("{unit: {tick: s, tz: Europe/Prague}}")

    def test_a_coordinate_described_in_vars_wins_over_coords(self):
        with pytest.warns(SchemaWarning, match="VARS/t"):
            ds = deserialize(
                "VARS: {t: {unit: {tick: h}, description: one}, v: {unit: m, coords: [t]}}\n"
                "COORDS: {t: {chunk_size: 7, description: two}}"
            ).ds
        assert list(ds.VARS) == ["v"]
        assert (ds.COORDS["t"].unit, ds.COORDS["t"].chunk_size) == (DateTimeUnit("h"), 7)
        assert ds.COORDS["t"].description == "one"

    @pytest.mark.parametrize("entry", ["{unit: {tick: h}, coords: t}", "{unit: {tick: h}, coords: [t]}"])
    def test_a_coordinate_may_stand_in_vars_alone(self, entry):
        with pytest.warns(SchemaWarning, match="VARS/t"):
            ds = deserialize(f"VARS: {{t: {entry}, v: {{unit: m, coords: [t]}}}}").ds
        assert (list(ds.VARS), list(ds.COORDS)) == (["v"], ["t"])

    def test_a_composed_axis_is_never_sorted(self):
        parts = "a: {unit: m, coords: p}, b: {unit: m, coords: p}"
        text = f"VARS: {{{parts}}}\nCOORDS: {{p: {{composed: [a, b], sorted: true}}}}"
        with pytest.warns(SchemaWarning, match="never sorted"):
            assert deserialize(text).ds.COORDS["p"].sorted is False


class TestEquality:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("{unit: m, coords: x}", "{unit: meter, coords: [x]}"),
            (
                "{unit: m, coords: x}",
                "{unit: m, coords: x, df_col: v, type: float, na_value: nan, source_unit: m}",
            ),
            ("{unit: m, coords: x}", "{unit: m, coords: x, attrs: {}, range: null, description: null}"),
            ("{type: bool, coords: x}", "{type: int8, coords: x}"),
        ],
    )
    def test_it_is_structural(self, one, other):
        assert variable(one) == variable(other)
        assert hash(variable(one)) == hash(variable(other))

    @pytest.mark.parametrize(
        "other",
        [
            "{unit: km, coords: x}",
            "{unit: m, coords: [x, y]}",
            "{unit: m, coords: x, na_value: -9}",
            "{unit: m, coords: x, attrs: {a: 1}}",
            "{unit: m, coords: x, range: {interval: [0, 1]}}",
            "{unit: m, coords: x, df_col: w}",
            "{unit: m, coords: x, description: d}",
        ],
    )
    def test_differences_count(self, other):
        assert variable("{unit: m, coords: x}") != variable(other)

    def test_version_and_file_name_do_not_count(self, tmp_path):
        path = tmp_path / "other.yaml"
        path.write_text("ATTRS: {VERSION: 9.9.9, a: 1}", encoding="utf-8")
        assert deserialize(path) == deserialize("ATTRS: {a: 1}")


class TestStoredForms:
    def test_array_attributes(self):
        ds = deserialize(RIVER).groups["upper"].ds
        assert ds.VARS["stage"].zarr_attrs == {
            "unit": "meter",
            "type": "float64",
            "range": {"interval": [0, 40, "foot"]},
            "description": None,
            "df_col": "Level (ft)",
            "source_unit": "foot",
            "_FillValue": "AAAAAAAA+H8=",
            "device": "radar",
        }
        assert list(ds.VARS["quality"].zarr_attrs)[-2:] == ["flag_values", "flag_meanings"]
        assert ds.VARS["quality"].zarr_attrs["flag_values"] == [1, 2, 3]
        assert ds.VARS["quality"].zarr_attrs["flag_meanings"] == "good suspect bad"
        when = ds.COORDS["when"].zarr_attrs
        assert when["unit"] == {"tick": "s", "tz": "UTC", "dayfirst": False, "yearfirst": True}
        assert (when["units"], when["calendar"]) == ("seconds since 1970-01-01", "proleptic_gregorian")
        assert (when["composed"], when["chunk_size"], when["step_limits"], when["sorted"]) == (
            ["when"],
            4096,
            "any_new",
            True,
        )
        assert "_FillValue" not in when
        assert ds.COORDS["gauge"].zarr_attrs["composed"] == ["east", "north"]

    def test_only_nan_is_repeated_as_fill_value(self):
        for document in (
            "{unit: m, na_value: -9, coords: x}",
            "{type: int8, coords: x}",
            "{type: 'str[3]', coords: x}",
        ):
            assert "_FillValue" not in variable(document).zarr_attrs

    def test_attributes_are_json(self):
        ds = deserialize(
            "ATTRS: {when: 2024-01-01, bad: .nan, deep: [{x: .inf}]}\n"
            "VARS:\n"
            "  v: {unit: {tick: s}, coords: x, range: {interval: [2024-01-01, null]}}\n"
            "  w: {unit: m, coords: x, range: {interval: []}}\n"
            "  u: {unit: m, coords: x, range: {interval: [null, 5]}}"
        ).ds
        for attrs in (ds.zarr_attrs, *(v.zarr_attrs for v in ds.VARS.values())):
            json.dumps(attrs, allow_nan=False)
        assert ds.zarr_attrs == {"when": "2024-01-01", "bad": "nan", "deep": [{"x": "inf"}]}

    def test_structure_text_keeps_the_order_of_keys(self):
        import yaml

        ds = deserialize(RIVER).groups["upper"].ds
        raw = yaml.safe_load(ds.structure_text())
        assert list(raw) == ["ATTRS", "COORDS", "VARS"]
        assert list(raw["VARS"]["stage"]) == [
            *("name", "coords", "unit", "type", "na_value", "df_col", "source_unit", "range", "attrs")
        ]  # fmt: skip
        assert list(raw["COORDS"]["when"])[-4:] == ["composed", "chunk_size", "step_limits", "sorted"]
        assert deserialize(ds.structure_text()).ds == ds

    def test_the_older_generation_is_read(self):
        text = """
ATTRS: {description: rock}
COORDS:
  date_time: {name: date_time, description: "\\n when", composed: [date_time], step_limits: []}
  lat_lon: {name: lat_lon, composed: [latitude, longitude], chunk_size: 64, step_limits: null}
  depth: {name: depth, chunk_size: 8, step_limits: [1, 2, m]}
VARS:
  date_time: {name: date_time, coords: [date_time], unit: {tick: h, tz: UTC}, df_col: date_time}
  depth: {name: depth, coords: [depth], unit: m, df_col: depth}
  latitude: {name: latitude, coords: [lat_lon], unit: deg, df_col: latitude, source_unit: deg}
  longitude: {name: longitude, coords: [lat_lon], unit: deg}
  odd: {name: odd, coords: [date_time, lat_lon], unit: furlongs_per_moon, description: null}
"""
        with pytest.warns(SchemaWarning, match="furlongs_per_moon.*read as no unit") as caught:
            ds = deserialize(text, "stored schema").ds
        assert len(caught) == 1
        assert set(ds.VARS) == {"latitude", "longitude", "odd"}
        assert ds.VARS["odd"].unit == NoneUnit()
        assert ds.VARS["latitude"].unit == Unit("degree")
        assert ds.COORDS["date_time"].step_limits.any_new
        assert ds.COORDS["lat_lon"].step_limits.no_new
        assert ds.COORDS["depth"].step_bounds == (1, 2)

    def test_reading_back_what_was_warned_of_is_silent(self):
        text = "VARS: {v: {type: str, coords: x}}\nCOORDS: {x: {unit: {tick: 15m, tz: Europe/Prague}}}"
        with pytest.warns(SchemaWarning) as caught:
            ds = deserialize(text).ds
        assert len(caught) == 3
        assert deserialize(ds.structure_text()).ds == ds

    def test_the_documents_have_a_json_schema(self):
        for model in (VariableDocument, CoordDocument):
            made = model.model_json_schema()
            assert made["additionalProperties"] is False
            assert "unit" in made["properties"]


class TestSecrets:
    TEXT = """
ATTRS:
  S3_ACCESS_KEY: topsecret-a
  S3_SECRET_KEY: topsecret-b
  S3_OPTIONS: '{"key": "topsecret-c", "client_kwargs": {"region_name": "eu"}, "secret": "topsecret-d"}'
"""

    def test_they_never_leave(self):
        tree = deserialize(self.TEXT)
        assert tree.ds.ATTRS["S3_SECRET_KEY"] == "topsecret-b"
        for shown in (
            serialize(tree),
            repr(tree),
            str(tree.ds),
            tree.ds.structure_text(),
            json.dumps(tree.ds.zarr_attrs),
        ):
            assert "topsecret" not in shown
        assert "eu" in serialize(tree)

    def test_options_that_are_no_json_are_dropped_whole(self):
        tree = deserialize({"ATTRS": {"S3_OPTIONS": "{topsecret"}})
        assert "topsecret" not in serialize(tree)


class TestFieldSchemas:
    @pytest.mark.parametrize(
        "name", ["bukov_schema_2026", "bukov_schema_v1", "surface_schema", "yr_no_testing"]
    )
    def test_they_load_and_round_trip(self, name):
        path = FIELD_SCHEMAS / f"{name}.yaml"
        if not path.exists():
            pytest.skip(f"{path} is absent")
        with pytest.warns(SchemaWarning):
            tree = deserialize(path)
        text = serialize(tree)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SchemaWarning)
            assert deserialize(text) == tree
            assert serialize(deserialize(text)) == text


class TestValues:
    def test_values_convert_encode_and_decode(self):
        stage = deserialize(RIVER).groups["upper"].ds.VARS["stage"]
        np.testing.assert_allclose(stage.convert_values(["10", "20"]), [3.048, 6.096])
        with pytest.raises(ValueError, match="outside"):
            stage.convert_values([41.0])
        assert str(stage.decode(np.array([1.0])).units) == "meter"
        assert stage.magnitude(stage.quantity([1.0])).tolist() == [1.0]

    def test_discrete_values(self):
        quality = deserialize(RIVER).groups["upper"].ds.VARS["quality"]
        assert quality.encode(np.array(["bad", "?"])).tolist() == [3, 0]
        assert quality.decode(np.array([3, 1])).tolist() == ["bad", "good"]
        assert quality.valid_mask(np.array([0, 1])).tolist() == [False, True]

    def test_times(self):
        when = deserialize(RIVER).groups["upper"].ds.COORDS["when"]
        assert when.convert_values(["5/6/2024 10:00"]).tolist() == [
            np.datetime64("2024-06-05T09:00:00").item()
        ]
        assert when.valid_mask(np.array(["NaT", "2024-01-01"], "M8[s]")).tolist() == [False, True]
        assert when.get_encoding()["calendar"] == "proleptic_gregorian"
        assert DatasetSchema().is_empty

    def test_floats_and_text_know_their_missing_values(self):
        v = variable("{unit: m, na_value: -9, coords: x}")
        assert v.valid_mask(np.array([-9.0, np.nan, 1.0])).tolist() == [False, False, True]
        assert variable("{type: 'str[1]', coords: x}").valid_mask(np.array(["\uffff", "a"])).tolist() == [
            False,
            True,
        ]
