from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from pydantic import SecretStr

from packages.common.airflow_api import AirflowApi, AirflowApiError, airflow_api
from packages.common.errors import ConfigurationError
from packages.common.settings import Settings
from services.ingress_service.airflow_events import AirflowEvents

from .fake_airflow import PASSWORD, FakeAirflow, running_airflow


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with running_airflow() as fake:
        yield fake


@pytest.fixture
def events(airflow: FakeAirflow) -> Iterator[AirflowEvents]:
    events = AirflowEvents(AirflowApi(airflow.url, "ingress", SecretStr(PASSWORD)))
    yield events
    events.close()


def settings(**facts: str) -> Settings:
    return Settings(_env_file=None, **facts)


def test_events_log_in_once_and_find_the_asset_by_its_exact_name(airflow, events):
    events.post()
    events.post()
    assert (airflow.logins, airflow.events) == (1, [7, 7])


def test_an_expired_token_is_renewed(airflow, events):
    events.post()
    airflow.tokens.clear()
    events.post()
    assert (airflow.logins, airflow.events) == (2, [7, 7])


def test_an_asset_with_a_new_id_is_looked_up_again(airflow, events):
    events.post()
    airflow.asset_id = 8
    events.post()
    assert airflow.events == [7, 8]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ({"asset_id": None}, "has it read the DAGs"),
        ({"broken_with": 503}, "answered 503"),
        ({"garbage": b"<html>"}, "not as Airflow does"),
        ({"garbage": b"[]"}, "not as Airflow does"),
    ],
)
def test_trouble_is_one_error_with_a_reason_and_no_password(airflow, events, trouble, reason):
    for name, value in trouble.items():
        setattr(airflow, name, value)
    with pytest.raises(AirflowApiError, match=reason) as raised:
        events.post()
    assert PASSWORD not in str(raised.value)


def test_a_wrong_password_says_where_it_was_refused(airflow):
    events = AirflowEvents(AirflowApi(airflow.url, "ingress", SecretStr("wrong")))
    with closing(events), pytest.raises(AirflowApiError, match=r"/auth/token answered 401"):
        events.post()


def test_nobody_listening_is_the_same_error():
    events = AirflowEvents(AirflowApi("http://127.0.0.1:9", "ingress", SecretStr(PASSWORD)))
    with closing(events), pytest.raises(AirflowApiError, match="ConnectError"):
        events.post()


@pytest.mark.parametrize(
    "facts", [{}, {"airflow_url": "http://a"}, {"airflow_url": "http://a", "airflow_username": "ingress"}]
)
def test_without_credentials_there_are_no_events(facts):
    assert airflow_api(settings(**facts)) is None


@pytest.mark.parametrize("url", ["http://a:port", "airflow:8080", "airflow", "http:///x"])
def test_an_address_that_is_none_is_a_configuration_error(url):
    facts = {"airflow_url": url, "airflow_username": "ingress", "airflow_password": "x"}
    with pytest.raises(ConfigurationError, match="AIRFLOW_URL"):
        airflow_api(settings(**facts))
