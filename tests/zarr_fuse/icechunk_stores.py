"""A small store of format icechunk: what it holds, and how it is written to."""

from __future__ import annotations

import polars as pl

ICE = {"STORE_FORMAT": "icechunk"}
AXIS = {"t": {"unit": {"tick": "s"}, "chunk_size": 3}}
SIMPLE = {"n": {"VARS": {"x": {"unit": "m", "coords": "t"}}, "COORDS": AXIS}}


def column(start, value, count=2):
    return pl.DataFrame({"t": list(range(start, start + count)), "x": [float(value)] * count})


def contents(root):
    data = root["n"].dataset.load()
    if "t" not in data:
        return {}
    return dict(zip(data.t.values.astype("datetime64[s]").astype(int).tolist(), data.x.values, strict=True))


def merge(root, start, value, item_id):
    with root.transaction(item_ids=[item_id]) as transaction:
        transaction["n"].update(column(start, value))
    return transaction
