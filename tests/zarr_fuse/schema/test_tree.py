from __future__ import annotations

import io
import json
import logging
import warnings

import pytest

from tests.rigs.project import RECORDINGS
from tests.zarr_fuse.schemas import RIVER, coord, variable
from zarr_fuse import schema, zarr_schema
from zarr_fuse.errors import SchemaError, SchemaWarning
from zarr_fuse.schema import NodeSchema, deserialize, serialize
from zarr_fuse.units import DateTimeUnit, NoneUnit, Unit

FIELD_SCHEMAS = RECORDINGS / "schemas"


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
