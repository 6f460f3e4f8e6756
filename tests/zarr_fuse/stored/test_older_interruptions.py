"""The first update of an existing store, ended at any call."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import polars as pl
import pytest

from tests.faults.switch import DiedError
from tests.zarr_fuse.older_nodes import seconds
from tests.zarr_fuse.older_stores import new_generation
from zarr_fuse.errors import StorageError


def disordered(folder):
    """Everything that the first update has to put right at once."""
    store = new_generation(folder, [7200, 0, 7200])
    del store.group()["time"]
    attributes = {"units": "hours since 1970-01-01", "calendar": "proleptic_gregorian"}
    store.array("time", np.array([2, 0, 2]), ["time"], 0, **attributes)


FAULTS = ["before", "after", "lost", "refused"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("make", "times"),
    [(new_generation, [15, 40]), (new_generation, [30]), (disordered, [1800, 9000]), (disordered, [3600])],
)
def test_first_update_of_an_existing_store_is_whole_or_absent(
    make, times, fault, tmp_path, monkeypatch, request
):
    river = request.getfixturevalue("survey").__class__
    frame = pl.DataFrame({"time": times, "level": [5.0] * len(times), "note": ["n"] * len(times)})

    make(tmp_path)
    files = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    contents = {key: path.read_bytes() for key, path in files.items()}

    def started():
        survey = river(monkeypatch)
        for key, data in contents.items():
            survey.storage.put(key, data)
        return survey

    def merge(survey):
        with survey.open(None).transaction(item_ids=["item"]) as transaction, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transaction["site"].update(frame)

    def shown(survey):
        data = survey.open(None, MODE="r")["site"].dataset.load()
        cells = (data.level.values, data["count"].values, data.note.values)
        return seconds(data), [np.array(values).astype(str).tolist() for values in cells]

    survey = started()
    before = shown(survey)
    survey.storage.switch.heal()
    merge(survey)
    after, calls = shown(survey), survey.storage.switch.calls
    for call in range(1 + FAULTS.index(fault), calls + 1, len(FAULTS)):
        survey = started()
        survey.storage.switch.plan(call, fault)
        with contextlib.suppress(DiedError, StorageError):
            merge(survey)
        survey.restart()
        committed = survey.open(None).ledger.contains(["item"]) == {"item"}
        assert shown(survey) == (after if committed else before), (call, committed)
        if not committed:
            merge(survey)
        assert shown(survey) == after, call
