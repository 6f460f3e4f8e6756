from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.common.configuration import load_configuration
from packages.common.templates import lenient_template, parse_template
from services.ingress_service.scrapper.dialects import read_job
from services.ingress_service.scrapper.errors import PlanError
from services.ingress_service.scrapper.requests import render, shown_url
from tests.hypothesis_profiles import examples

FIRED = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
SCHEMA = """\
ATTRS: {description: x}
models:
  aladin:
    VARS:
      temperature: {unit: K, df_col: T2m, coords: [time]}
      wind: {unit: m/s, df_col: W10, coords: [time]}
      gust: {unit: m/s, df_col: W10, coords: [time]}
      rain: {unit: mm, coords: [time]}
    COORDS:
      time: {unit: {tick: s}}
"""
FRAME = """\
site,lat,lon,note.
001,50.870,14.90,"a, b"
002,,15.0,
003,51,15.5,
"""
ONE = """\
active_scrappers:
  - name: one
    cron: "*/15 * * * *"
    url: "https://one.example/objects/{7}?x=1"
    method: GET
    schema_path: schemas/models.yaml
"""
TWO = """\
active_scrappers:
  - name: two
    crons: ["15 1  * * *", "45 9 * * *"]
    url: https://two.example/complete
    schema_path: inputs/schemas/models.yaml
    headers:
      - {header_name: User-Agent, header_value: "App/1.0 (a@example.org)"}
    url_params:
      - {param_name: lat, column_name: lat}
      - {param_name: lon, column_name: lon}
    dataframe_path: inputs/frames/sites.csv
    dataframe_has_header: true
"""
THREE = """\
configuration:
  base: {queue_dir_path: /var/q, log_level: INFO, port: 8000, worker_poll_interval: 30}
  smtp: {enabled: true, notify_to: [a@example.org], host: smtp.example.org, from_email: b@x.org}
active_scrappers:
  - name: three
    schema_path: schemas/models.yaml
    target_node: models/aladin
    runs:
      - {cron: "0 20 * * *", set: {time: "00"}}
      - {cron: "0 21 * * *", set: {time: "06"}}
    request:
      method: GET
      url: "https://three.example/{time}/A_{date}{time}_{quantity}.grb.bz2"
      headers: [{header_name: X-Site, header_value: "site {site}"}]
      query_params: [{name: lat, value: "{lat}"}, {name: kind, value: "{kind}"}]
    render:
      - {name: date, source: datetime_utc, format: "%Y%m%d"}
      - {name: kind, source: const, value: "a&b"}
    iterate:
      - {name: quantity, source: schema, target_node: models/aladin, schema_regex: "VARS.*.df_col"}
      - name: row
        source: dataframe
        dataframe_path: frames/sites.csv
        outputs: {lat: lat, site: site}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inputs = tmp_path / "inputs"
    (inputs / "schemas").mkdir(parents=True)
    (inputs / "frames").mkdir()
    (inputs / "schemas" / "models.yaml").write_text(SCHEMA)
    (inputs / "frames" / "sites.csv").write_text(FRAME)
    return inputs


@pytest.fixture
def job_of(folder):
    def job_of(text: str):
        path = folder / "configuration.yaml"
        path.write_text(text)
        return read_job(load_configuration(path).active_scrappers[0])

    return job_of


@pytest.fixture
def requests_of(job_of):
    return lambda text, fired_at=FIRED: render(job_of(text), fired_at)


def test_an_address_alone_is_sent_as_it_is(requests_of):
    (request,) = requests_of(ONE)
    assert (request.method, request.url) == ("GET", "https://one.example/objects/{7}?x=1")
    assert (request.headers, request.dataframe_row, request.body) == ((), None, None)


def test_each_row_with_all_needed_values_makes_one_request(requests_of):
    first, second = requests_of(TWO)
    assert first.url == "https://two.example/complete?lat=50.870&lon=14.90"
    assert second.url == "https://two.example/complete?lat=51&lon=15.5"
    assert first.headers == (("User-Agent", "App/1.0 (a@example.org)"),)
    assert first.dataframe_row == {"site": 1, "lat": 50.87, "lon": 14.9, "note.": "a, b"}
    assert second.dataframe_row["note."] is None


def test_without_a_frame_the_column_name_is_the_value(requests_of):
    text = TWO.replace("    dataframe_path: inputs/frames/sites.csv\n    dataframe_has_header: true\n", "")
    (request,) = requests_of(text)
    assert request.url == "https://two.example/complete?lat=lat&lon=lon"


def test_a_frame_without_header_has_numbered_columns(requests_of, folder):
    (folder / "frames" / "sites.csv").write_text("50.1,14.1\n50.2,14.2\n")
    text = TWO.replace("has_header: true", "has_header: false").replace(
        "column_name: lat", "column_name: column_1"
    )
    requests = requests_of(text.replace("column_name: lon", "column_name: column_2"))
    assert [httpx.URL(one.url).params["lat"] for one in requests] == ["50.1", "50.2"]


def test_sets_times_schema_and_rows_make_a_product(requests_of):
    requests = requests_of(THREE)
    assert [(one.url, dict(one.headers)["X-Site"]) for one in requests] == [
        (f"https://three.example/00/A_2026112000_{name}.grb.bz2?lat={lat}&kind=a%26b", f"site {site}")
        for name in ("T2m", "W10")
        for lat, site in (("50.870", "001"), ("51", "003"))
    ]
    assert requests[0].dataframe_row == {"site": 1, "lat": 50.87, "lon": 14.9, "note.": "a, b"}
    later = requests_of(THREE, FIRED.replace(hour=21))
    assert {one.url[22:24] for one in later} == {"06"}


def test_values_of_a_schema_may_repeat_where_asked(requests_of):
    text = THREE.replace('"VARS.*.df_col"', '"VARS.*.df_col", unique: false')
    assert len(requests_of(text)) == 3 * 2


def test_local_times_follow_the_time_zone(requests_of):
    text = THREE.replace("source: datetime_utc", "source: datetime_local").replace(
        "    render:", "    timezone: Pacific/Auckland\n    render:"
    )
    assert "A_20261121" in requests_of(text)[0].url


def test_earlier_names_of_keys_are_understood(requests_of):
    text = THREE.replace("target_node: models/aladin", "schema_node: models/aladin")
    assert len(requests_of(text)) == 4
    assert len(requests_of(TWO.replace("url_params:", "query_params:"))) == 2


def test_a_json_body_is_filled_in(requests_of):
    body = 'body: {where: {site: "{site}", text: "{unknown}"}, n: 3}'
    text = THREE.replace("      method: GET\n", f"      method: POST\n      {body}\n")
    request = requests_of(text)[0]
    assert json.loads(request.body) == {"where": {"site": "001", "text": "{unknown}"}, "n": 3}
    assert dict(request.headers)["Content-Type"] == "application/json"


def test_rows_that_ask_the_same_are_different_requests(requests_of, folder):
    (folder / "frames" / "sites.csv").write_text("site,lat,lon\na,1,2\nb,1,2\n")
    assert len({one.digest for one in requests_of(TWO)}) == 2


def test_a_row_cannot_change_where_a_request_goes(requests_of, folder):
    (folder / "frames" / "sites.csv").write_text("site,lat\n?evil=1#,../../x\n")
    text = THREE.replace("{date}{time}_{quantity}", "{site}/{lat}").replace('"site {site}"', "x")
    url = httpx.URL(requests_of(text)[0].url)
    assert (url.host, "evil" in url.params, url.params["kind"]) == ("three.example", False, "a&b")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("{quantity}", "{nothing}"), "{nothing} is defined nowhere; known are date, kind, lat, quantity"),
        (("{quantity}", "{quantity.x}"), "plain name"),
        (("{quantity}", "{quantity[0]}"), "plain name"),
        (("{quantity}", "{quantity!r}"), "plain name"),
        (("name: date", "name: time"), "defined in more than one place: time"),
        (("outputs: {lat: lat, site: site}", "outputs: {date: lat}"), "defined in more than one place: date"),
        (("name: quantity", "name: kind"), "defined in more than one place: kind"),
        ((', set: {time: "06"}', ""), "{time} is set by some runs and not by others"),
        (('set: {time: "06"}', "set: {time: 06}"), "valid string"),
        (("source: const, value", "source: const, format"), "source const needs value"),
        (("source: datetime_utc, format", "source: datetime_utc, value"), "source datetime_utc needs format"),
        (("source: schema, target_node", "source: schema, outputs: {a: b}, target_node"), "takes no outputs"),
        (("    render:", "    url: https://x.example\n    render:"), "one of url and request"),
        (("    render:", "    cron: '* * * * *'\n    render:"), "one of cron, crons and runs"),
        (("    render:", "    timezone: Mars/Base\n    render:"), "no time zone"),
        (("    render:", "    auth: {username: x}\n    render:"), "come together"),
        (("    render:", "    pagination: {}\n    render:"), "one of next and page_param"),
        (("    render:", "    pagination: {next: '$['}\n    render:"), "JSON path"),
        (("frames/sites.csv", "frames/none.csv"), "there is no file"),
        (("query_params:", "query_parms:"), "nearest known one is 'query_params'"),
        (("schema_regex", "schema_regexp"), "nearest known one is 'schema_regex'"),
        (("header_value", "header_valu"), "nearest known one is 'header_value'"),
    ],
)
def test_mistakes_are_said_with_their_line(job_of, change, said):
    with pytest.raises(ValueError, match=r"configuration\.yaml:\d+: ") as caught:
        job_of(THREE.replace(*change, 1))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("frames/sites.csv", "schemas/models.yaml"), "sites.csv"),
        (("site: site}", "site: sight}"), "no column 'sight'"),
        (("VARS.*.df_col", "VARS.*.df_cool"), "has nothing at"),
        (("VARS.*.df_col", "VARS.*"), "no plain value"),
        (("target_node: models/aladin, schema", "target_node: models/icon, schema"), "no node 'models/icon'"),
    ],
)
def test_what_only_a_firing_finds_out_is_a_plan_error(requests_of, change, said):
    if change[0] == "frames/sites.csv":
        change, said = (change[0], "schemas/models.yaml"), "models.yaml"
    with pytest.raises(PlanError, match=said):
        requests_of(THREE.replace(*change))


def test_a_frame_without_one_complete_row_is_a_plan_error(requests_of, folder):
    (folder / "frames" / "sites.csv").write_text("lat,lon\n,1\n")
    with pytest.raises(PlanError, match="no row"):
        requests_of(TWO)


def test_a_bare_address_takes_no_variables(job_of):
    with pytest.raises(ValueError, match="need request"):
        job_of(ONE.replace("    method: GET", "    render: [{name: a, source: const, value: b}]"))


def test_shown_addresses_hide_what_is_named_like_a_secret():
    shown = shown_url("https://x.example/a?api_key=1&lat=5&access_token=2&keyboard=3")
    assert shown == "https://x.example/a?api_key=HIDDEN&lat=5&access_token=HIDDEN&keyboard=3"


NAMES = st.sampled_from(["a", "b_1", "C"])


VALUES = {"a": "1", "b_1": "{a}", "C": ""}


@settings(max_examples=examples(50))
@given(parts=st.lists(st.tuples(st.text(alphabet=st.characters(exclude_characters="{}")), NAMES)))
def test_templates_replace_names_and_nothing_else(parts):
    text = "".join(f"{before}{{{name}}}" for before, name in parts)
    expected = "".join(f"{before}{VALUES[name]}" for before, name in parts)
    assert parse_template(text).render(VALUES) == expected
    assert lenient_template(text, VALUES).render(VALUES) == expected
    assert lenient_template(text, ()).render(VALUES) == text


@settings(max_examples=examples(100))
@given(text=st.text(alphabet="ab{}.![]:0"))
def test_no_text_makes_a_template_do_more_than_replace(text):
    try:
        template = parse_template(text)
    except ValueError:
        return
    values = dict.fromkeys(template.names, "x")
    assert "{" not in template.render(values)
