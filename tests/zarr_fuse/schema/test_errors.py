from __future__ import annotations

import pytest

from zarr_fuse.errors import MissingKeyError, SchemaError, UndefinedUnitError, UnknownKeyError
from zarr_fuse.schema import deserialize


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
