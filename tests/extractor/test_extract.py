from __future__ import annotations

import json
from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pytest
import xarray as xr

from packages.common.models.metadata_model import ItemMetadata
from packages.common.payloads.csv_joined import read_joined
from services.extractor_service import extraction
from services.extractor_service.extract import means_of, rows_of
from services.extractor_service.extraction import extract
from services.extractor_service.items import Content, Extracted, PlannedItem, Verdict, VerdictKind
from services.extractor_service.treatments import Treatments
from tests.extractor.site import Site, csv, readings

RECEIVED_AT = datetime(2026, 11, 20, tzinfo=UTC)


def metadata(**facts: object) -> ItemMetadata:
    return ItemMetadata.model_validate(
        {"content_type": "application/json", "received_at": RECEIVED_AT, "endpoint_name": "weather", **facts}
    )


def rows(site: Site, payload: bytes | str, **facts: object) -> object:
    data = payload if isinstance(payload, bytes) else payload.encode()
    with means_of(site.settings) as means:
        return rows_of(means, metadata(**facts), data)


def judged(site: Site, payload: str, **facts: object) -> Extracted | Verdict:
    item = PlannedItem(item_id="weather/1", extension="json", size_bytes=1)
    content = Content(item, metadata(**facts), payload.encode())
    with means_of(site.settings) as means:
        (found,) = extract(means, [content])
    return found


def reason(site: Site, payload: str, **facts: object) -> tuple[str, str]:
    verdict = judged(site, payload, **facts)
    assert isinstance(verdict, Verdict)
    assert verdict.kind is VerdictKind.PERMANENT
    assert verdict.error is not None
    return verdict.error.kind, verdict.error.message


def test_csv_is_a_table_of_text(site: Site) -> None:
    frame = rows(site, csv(1), content_type="text/csv")
    assert isinstance(frame, pl.DataFrame)
    assert frame.schema == dict.fromkeys(("time", "place", "temperature"), pl.String)


def test_json_records_are_a_table(site: Site) -> None:
    frame = rows(site, json.dumps(readings(2)))
    assert isinstance(frame, pl.DataFrame)
    assert frame["temperature"].to_list() == [2.0, 2.1, 2.2]


def test_function_of_payload_and_metadata_gets_bytes_and_a_plain_mapping(site: Site) -> None:
    site.write(
        "new_style.py",
        "import polars as pl\n"
        "def extract(payload, metadata):\n"
        "    assert isinstance(payload, bytes) and type(metadata) is dict\n"
        "    return pl.DataFrame({'size': [len(payload)], 'at': [metadata['received_at']],"
        " 'extra': [metadata['extra']]})\n",
    )
    frame = rows(site, b"\x00\xff", fn_module="new_style", extract_fn="extract", extra="kept")
    assert isinstance(frame, pl.DataFrame)
    assert frame.rows() == [(2, "2026-11-20T00:00:00Z", "kept")]


def test_function_of_json_and_dataframe_row_gets_both_parsed(site: Site) -> None:
    payload = json.dumps({"series": [{"time": "2026-11-20", "temperature": 1.5}]})
    frame = rows(
        site, payload, fn_module="extract.devices", extract_fn="from_json", dataframe_row={"place": "peak"}
    )
    assert isinstance(frame, pd.DataFrame)
    assert frame["place"].tolist() == ["peak"]


def test_dataset_is_a_possible_result(site: Site) -> None:
    site.write("sets.py", "import xarray as xr\ndef extract(payload, metadata):\n    return xr.Dataset()\n")
    assert isinstance(rows(site, "{}", fn_module="sets", extract_fn="extract"), xr.Dataset)


def test_other_result_is_a_permanent_error_that_names_its_type(site: Site) -> None:
    site.write("wrong.py", "def extract(payload, metadata):\n    return {'a': 1}\n")
    assert reason(site, "{}", fn_module="wrong", extract_fn="extract") == (
        "extractor_result",
        "wrong.extract returned dict, not a polars or pandas DataFrame or an xarray Dataset",
    )


def test_crash_is_a_permanent_error_with_the_traceback_in_the_log_only(
    site: Site, log_lines: list[dict[str, object]]
) -> None:
    site.write("crash.py", "def extract(payload, metadata):\n    return metadata['no such key']\n")
    kind, message = reason(site, "{}", fn_module="crash", extract_fn="extract")
    assert (kind, message) == (
        "extractor_raised",
        "crash.extract raised KeyError: 'no such key' (crash.py line 2)",
    )
    (line,) = [line for line in log_lines if "extractor" in line]
    assert line["extractor"] == "crash.extract"
    assert "KeyError: 'no such key'" in str(line["traceback"])


def test_unreadable_payload_is_a_permanent_error_with_its_line(site: Site) -> None:
    kind, message = reason(site, "time,place\n1,2\n1,2,3\n", content_type="text/csv")
    assert kind == "payload"
    assert "line 3" in message


def test_old_style_function_never_sees_an_unreadable_payload(site: Site) -> None:
    kind, _ = reason(site, '{"series": [', fn_module="extract.devices", extract_fn="from_json")
    assert kind == "payload"


def test_binary_payload_without_extractor_says_what_is_missing(site: Site) -> None:
    kind, message = reason(site, "x" * 257 + "ustar" + "x" * 250, content_type="application/x-tar")
    assert kind == "not_tabular"
    assert "extract_fn" in message


def test_broken_binary_payload_is_a_permanent_error(site: Site) -> None:
    kind, message = reason(site, "GRIB....", content_type="application/x-grib")
    assert kind == "payload"
    assert "application/x-grib" in message


PATHS = """
    extract:
      rows: "$.readings[*]"
      columns: {time: $.time, temperature: $.values.t}
      document: {place: $.device}
"""


def test_paths_of_the_configuration_make_the_table(site: Site) -> None:
    site.write("configuration.yaml", f"endpoints:\n  - name: weather{PATHS}")
    payload = {"device": "d1", "readings": [{"time": "2026-11-20", "values": {"t": 1.5}}]}
    frame = rows(site, json.dumps(payload))
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dicts() == [{"time": "2026-11-20", "temperature": 1.5, "place": "d1"}]
    assert reason(site, "{}") == ("payload_empty", "the rows path $.readings[*] finds nothing in the JSON")


def test_wrong_paths_hold_the_items_of_their_endpoint_back(site: Site) -> None:
    site.write("configuration.yaml", f"endpoints:\n  - name: weather{PATHS.replace('$.time', 'time')}")
    verdict = judged(site, "{}")
    assert isinstance(verdict, Verdict)
    assert verdict.kind is VerdictKind.TRANSIENT
    assert verdict.error is not None
    assert verdict.error.message.startswith("the configuration of weather is wrong: extract.columns.time:")
    assert isinstance(judged(site, csv(1), content_type="text/csv", endpoint_name="other"), Extracted)


def test_limits_of_an_extractor_come_from_its_endpoint_or_the_settings(site: Site) -> None:
    site.write("slow.py", "import time\ndef extract(payload, metadata):\n    time.sleep(30)\n")
    site.write("configuration.yaml", "endpoints:\n  - {name: weather, extractor_timeout_s: 0.2}\n")
    assert reason(site, "{}", fn_module="slow", extract_fn="extract") == (
        "extractor_timeout",
        "slow.extract took longer than 0.2 s",
    )
    treatments = Treatments(site.settings)
    assert treatments.limits("weather") == (0.2, 2 * 2**30)
    assert treatments.limits("other") == (60.0, 2 * 2**30)


def test_small_csv_read_together_keep_their_order_and_their_own_faults(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(
        extraction, "read_joined", lambda texts: calls.append(len(texts)) or read_joined(texts)
    )
    payloads = [csv(number) for number in range(9)]
    payloads[2] = "time,place\n1,2,3\n"
    payloads[5] = '"time",place,temperature\n2026-11-20T08:00,valley,1\n'
    payloads[7] = csv(7).replace("temperature", "humidity")
    contents = [
        Content(PlannedItem(f"weather/{number}", "csv", 1), metadata(content_type="text/csv"), one.encode())
        for number, one in enumerate(payloads)
    ]
    gone = Verdict(PlannedItem("weather/gone", "csv", 1), VerdictKind.GONE)
    with means_of(site.settings) as means:
        found = list(extract(means, [*contents[:4], gone, *contents[4:]]))
        alone = [next(extract(means, [one])) for one in contents]
    assert calls == [2]
    assert found.pop(4) is gone
    for together, one in zip(found, alone, strict=True):
        assert together.item == one.item
        if isinstance(one, Verdict):
            assert together == one
        else:
            assert together.frame.equals(one.frame)
    assert [isinstance(one, Verdict) for one in found] == [number == 2 for number in range(9)]


def test_corrected_rows_read_together_lose_their_reasons(site: Site) -> None:
    text = "time,place,temperature,rejected_row,rejected_because\n2026-11-20T08:00,a,{number},1,x\n"
    contents = [
        Content(
            PlannedItem(f"weather/{number}", "csv", 1),
            metadata(content_type="text/csv"),
            text.format(number=number).encode(),
        )
        for number in range(3)
    ]
    with means_of(site.settings) as means:
        found = list(extract(means, contents))
    assert [one.frame.columns for one in found] == [["time", "place", "temperature"]] * 3
    assert [one.frame["temperature"].item() for one in found] == ["0", "1", "2"]
