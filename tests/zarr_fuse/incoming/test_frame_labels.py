from __future__ import annotations

import numpy as np
import polars as pl

from tests.zarr_fuse.frames import I64_NA, dataset, found, kinds, one
from zarr_fuse.incoming.frame import convert
from zarr_fuse.schema import deserialize


class TestDiscrete:
    LABELS = "{type: 'str[10]', unit: '', coords: x, range: {discrete: [good, suspect, bad]}}"

    def test_labels_become_codes_from_one(self):
        done = one(self.LABELS, ["bad", "good", None, "odd", "suspect"])
        assert done.columns["v"].tolist() == [3, 1, 0, 0, 2]
        assert done.columns["v"].dtype == np.int64
        assert found(done) == [(3, "v", "not_in_set", "odd")]

    def test_numbers_and_times_may_be_labels(self):
        assert one("{type: int32, coords: x, range: {discrete: [30, 10, 20]}}", ["10", "15"]).columns[
            "v"
        ].tolist() == [2, 0]
        times = "{unit: {tick: D}, coords: x, range: {discrete: [2024-01-02, 2024-01-01]}}"
        assert one(times, ["2024-01-01 13:00", "2024-01-03"]).columns["v"].tolist() == [2, 0]

    def test_on_a_coordinate_the_label_itself_is_stored(self):
        schema = dataset(
            "VARS: {v: {unit: m, coords: x}}\nCOORDS: {x: {type: int64, range: {discrete: [30, 10]}}}"
        )
        done = convert(pl.DataFrame({"x": [10, 30, 20], "v": [1.0, 2.0, 3.0]}), schema)
        assert done.columns["x"].tolist() == [10, 30, I64_NA]
        assert done.keep.tolist() == [True, True, False]
        assert found(done) == [(2, "x", "coordinate_out_of_range", "20")]

    def test_the_list_may_stand_in_a_file_beside_the_schema(self, tmp_path):
        (tmp_path / "levels.csv").write_text("name,depth\na,1\nb,2.5\n", encoding="utf-8")
        path = tmp_path / "river.yaml"
        path.write_text(
            "VARS: {v: {unit: m, source_unit: km, df_col: depth, coords: x, range: {discrete: levels.csv}}}\n"
            "COORDS: {x: {type: int64}}",
            encoding="utf-8",
        )
        done = convert(pl.DataFrame({"x": [0, 1], "depth": [2.5, 3.0]}), deserialize(path).ds)
        assert done.columns["v"].tolist() == [2, 0]


class TestText:
    def test_long_text_is_cut_and_reported(self):
        done = one("{type: 'str[3]', coords: x}", ["abc", "abcd", "žluť", None, ""])
        assert done.columns["v"].tolist() == ["abc", "abc", "žlu", "\uffff" * 3, ""]
        assert kinds(done) == [(1, "text_cut"), (2, "text_cut")]

    def test_numbers_are_written_out(self):
        assert one("{type: 'str[8]', coords: x}", [12, 7]).columns["v"].tolist() == ["12", "7"]

    def test_a_closing_nul_cannot_be_stored(self):
        done = one("{type: 'str[3]', coords: x}", ["ab\0", "a\0b"])
        assert done.columns["v"].tolist() == ["\uffff" * 3, "a\0b"]
        assert kinds(done) == [(0, "not_representable")]

    def test_an_empty_text_is_no_label(self):
        schema = dataset("VARS: {v: {unit: m, coords: x}}\nCOORDS: {x: {type: 'str[4]'}}")
        done = convert(pl.DataFrame({"x": ["a", "", None], "v": [1.0, 2.0, 3.0]}), schema)
        assert done.keep.tolist() == [True, False, False]
        assert kinds(done) == [(1, "coordinate_missing"), (2, "coordinate_missing")]
