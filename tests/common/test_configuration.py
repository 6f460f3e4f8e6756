from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from packages.common.configuration import load_configuration
from packages.common.cron import checked_cron, weekdays
from packages.common.errors import ConfigurationError

ENDPOINT = """\
endpoints:
  - name: weather
    endpoint: /api/v1/weather
    schema_name: weather.yaml
"""
SCRAPER = """\
active_scrappers:
  - name: sun
    cron: "*/15 * * * *"
    url: https://sun.example/data.csv
    method: GET
    schema_name: weather
"""


@pytest.fixture
def write(tmp_path: Path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "weather.yaml").write_text("{}")

    def write(text: str) -> Path:
        path = tmp_path / "configuration.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path)
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)
    return [problem.removeprefix(str(path)) for problem in caught.value.problems]


def test_endpoints_and_scrapers_are_read(write, tmp_path):
    configuration = load_configuration(write(ENDPOINT + SCRAPER))
    (endpoint,), (scraper,) = configuration.endpoints, configuration.active_scrappers
    assert (endpoint.endpoint, endpoint.on_bad_rows, endpoint.users) == ("/api/v1/weather", "report", None)
    assert (scraper.cron, scraper.method, scraper.allow_private_hosts) == ("*/15 * * * *", "GET", [])
    assert endpoint.schema_file == scraper.schema_file == tmp_path / "schemas" / "weather.yaml"
    assert configuration.target("sun") is scraper
    assert configuration.target("none") is None


@pytest.mark.parametrize(
    "text", ["", "---\n", "endpoints:\n", "{}", "endpoints: []\nactive_scrappers: null\n"]
)
def test_an_empty_configuration_is_no_error(write, text):
    configuration = load_configuration(write(text))
    assert (configuration.endpoints, configuration.active_scrappers) == ([], [])


def test_sections_of_earlier_products_are_accepted(write):
    text = """\
    configuration:
      smtp: {notify_to: a@example.org, host: mail.example.org, from_email: b@example.org, username: u}
      base: {queue_dir_path: /q, log_level: INFO, port: 8000, worker_poll_interval: 5}
    """
    section = load_configuration(write(text)).configuration
    assert section.smtp.port == 587
    assert section.base.worker_poll_interval == 5


def test_unknown_keys_name_line_and_nearest_key(write):
    text = """\
    endpoint:
      - 1
    endpoints:
      - name: weather
        endpoint: /w
        schema_name: weather.yaml
        tagret_node: a
    configuration:
      smpt: {}
      base: {pot: 1}
    """
    assert problems_of(write(text)) == [
        ":1: endpoint: unknown key; the nearest known one is 'endpoints'",
        ":7: endpoints[0].tagret_node: unknown key; the nearest known one is 'target_node'",
        ":9: configuration.smpt: unknown key; the nearest known one is 'smtp'",
        ":10: configuration.base.pot: unknown key; the nearest known one is 'port'",
    ]


def test_every_wrong_value_is_said_with_its_line(write):
    text = """\
    endpoints:
      - name: a/b
        endpoint: weather
        schema_name: weather.yaml
      - endpoint: /api/v1/items
        schema_name: weather.yaml
        name: ok
        on_bad_rows: ignore
      - name: both
        endpoint: /both
        schema_name: weather.yaml
        schema_path: schemas/weather.yaml
      - name: half
        endpoint: /half
        schema_name: weather.yaml
        extract_fn: f
      - name: up
        endpoint: /up
        schema_name: weather.yaml
        target_node: ../x
    active_scrappers:
      - name: s
        schema_name: weather.yaml
        cron: "61 * * * *"
        url: ftp://example.org/x
        method: PUT
      - name: t
        schema_name: weather.yaml
        url: https://user:pw@example.org/x
    """
    said = problems_of(write(text))
    lines = [problem.split(":")[1] for problem in said]
    assert lines == ["2", "3", "5", "8", "9", "13", "17", "24", "25", "26", "29"]
    assert not any("pw" in problem for problem in said)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (ENDPOINT + ENDPOINT.removeprefix("endpoints:\n"), 5),
        (ENDPOINT + ENDPOINT.removeprefix("endpoints:\n").replace("name: weather\n", "name: b\n", 1), 6),
        (SCRAPER + SCRAPER.removeprefix("active_scrappers:\n"), 7),
        (ENDPOINT + SCRAPER.replace("sun\n", "weather\n"), 6),
    ],
)
def test_names_and_paths_are_unique(write, text, line):
    said = problems_of(write(text))
    assert said[0].startswith(f":{line}:")


def test_scraper_may_share_the_name_of_an_endpoint_with_the_same_target(write):
    text = ENDPOINT + SCRAPER.replace("sun\n", "weather\n").replace(
        "schema_name: weather\n", "schema_name: weather.yaml\n"
    )
    assert len(load_configuration(write(text)).active_scrappers) == 1


def test_a_missing_schema_is_named_with_its_line(write):
    said = problems_of(write(ENDPOINT.replace("weather.yaml", "wether.yaml")))
    assert len(said) == 1
    assert said[0].startswith(":4: endpoints[0].schema_name: there is no schema 'wether.yaml'")


def test_schema_name_may_not_leave_its_folder(write, tmp_path):
    (tmp_path / "secret.yaml").write_text("{}")
    for name in ("../secret.yaml", str(tmp_path / "secret.yaml")):
        assert "outside" in problems_of(write(ENDPOINT.replace("weather.yaml", name)))[0]


def test_schema_path_lies_beside_the_configuration(write, tmp_path):
    configuration = load_configuration(
        write(ENDPOINT.replace("schema_name: weather", "schema_path: schemas/weather"))
    )
    assert configuration.endpoints[0].schema_file == tmp_path / "schemas" / "weather.yaml"


def test_paths_and_modules_may_begin_with_the_name_of_the_folder(write, tmp_path):
    text = ENDPOINT.replace("schema_name: weather", f"schema_path: {tmp_path.name}/schemas/weather")
    text += f"    fn_module: {tmp_path.name}.extract.weather\n    extract_fn: normalise\n    schema_node: a\n"
    (endpoint,) = load_configuration(write(text)).endpoints
    assert endpoint.schema_file == tmp_path / "schemas" / "weather.yaml"
    assert (endpoint.schema_path, endpoint.fn_module) == ("schemas/weather.yaml", "extract.weather")
    assert endpoint.target_node == "a"


def test_schemas_dir_takes_the_place_of_the_folder_beside(write, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "weather.yml").write_text("{}")
    configuration = load_configuration(write(ENDPOINT.replace(".yaml", "")), schemas_dir=other)
    assert configuration.endpoints[0].schema_file == other / "weather.yml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("endpoints: [\n", ":2: not valid YAML"),
        ("a: 1\nb: *x\n", ":2: not valid YAML"),
        ("endpoints: []\nendpoints: []\n", ":2: 'endpoints' is given twice"),
        ("- a\n", ":1: "),
        ("just text\n", ":1: "),
        ("a: !!python/object:os.system {}\n", ":1: not valid YAML"),
        ("endpoints: 7\n", ":1: endpoints: "),
        ("endpoints: [7]\n", ":1: endpoints[0]: "),
    ],
)
def test_what_is_no_configuration_is_said_so(write, text, said):
    assert problems_of(write(text))[0].startswith(said)


def test_missing_and_binary_files(tmp_path):
    assert "No such file" in problems_of(tmp_path / "none.yaml")[0]
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"a: \xff")
    assert problems_of(path) == [": not UTF-8 at byte 3"]


def test_utf8_names_and_a_byte_order_mark_are_fine(write):
    configuration = load_configuration(
        write("\ufeff" + ENDPOINT.replace("name: weather\n", "name: počasí\n"))
    )
    assert configuration.endpoints[0].name == "počasí"


@pytest.mark.parametrize(
    "schedule",
    ["* * * * *", "*/15 0-6,12 1 jan-mar mon-fri", "0 0 1-31/2 * 7", "5/10 * * * SUN", " 1  2 3 4 5 "],
)
def test_schedules_of_five_fields(schedule):
    assert checked_cron(schedule) == " ".join(schedule.lower().split())


@pytest.mark.parametrize(
    "schedule",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
     "5-1 * * * *", "*/0 * * * *", "a * * * *", "* * * foo *", "1,,2 * * * *", "-1 * * * *", "@daily"],
)  # fmt: skip
def test_wrong_schedules(schedule):
    with pytest.raises(ValueError, match=r"five fields|is no"):
        checked_cron(schedule)


@pytest.mark.parametrize(
    ("field", "days"),
    [("0", ["sun"]), ("7", ["sun"]), ("1-5", ["mon", "tue", "wed", "thu", "fri"]), ("mon", ["mon"]),
     ("5-7", ["sun", "fri", "sat"]), ("*/3", ["sun", "wed", "sat"]), ("1/2", ["mon", "wed", "fri"]),
     ("sun,sat", ["sun", "sat"]), ("*", ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])],
)  # fmt: skip
def test_weekdays_count_from_sunday(field, days):
    assert weekdays(field) == days


def test_aliases_that_name_aliases_are_read_at_once(write):
    levels = ["l0: &l0 [x, x]", *(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 40))]
    problems = problems_of(write("\n".join([*levels, "endpoints: *l39"])))
    assert any("endpoints[0]: keys with values belong here" in problem for problem in problems)


@pytest.mark.parametrize("text", ["endpoints: &e [*e]", "endpoints: " + "[" * 5000 + "]" * 5000])
def test_what_contains_itself_or_goes_too_deep_is_said(write, text):
    assert problems_of(write(text))
