"""Tells Airflow through its REST API that the queue has something new."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from packages.common.errors import ConfigurationError, IngressError
from packages.common.settings import Settings

ASSET_NAME = "ingress_queue"
"""The asset that the sweep DAG waits for."""
TIMEOUT_S = 5.0


class AirflowEventError(IngressError):
    """Airflow took no event; the message says what it answered, or that it did not."""

    kind: ClassVar[str] = "airflow_event"
    retryable: ClassVar[bool] = True


class _BearerToken(httpx.Auth):
    """Logs in when there is no token yet, and once more when the one at hand is refused."""

    requires_response_body = True

    def __init__(self, username: str, password: SecretStr) -> None:
        self._username = username
        self._password = password
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the token; a 401 means that the token has expired."""
        if self._token is not None:
            answer = yield self._signed(request)
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                return
        self._token = _token((yield self._login(request)))
        yield self._signed(request)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _login(self, request: httpx.Request) -> httpx.Request:
        root = request.url.path.partition("/api/v2/")[0]
        credentials = {"username": self._username, "password": self._password.get_secret_value()}
        address = request.url.copy_with(path=f"{root}/auth/token", query=None)
        return httpx.Request("POST", address, json=credentials)


class AirflowEvents:
    """Posts events of the queue's asset; for use by one thread."""

    def __init__(self, url: str, username: str, password: SecretStr) -> None:
        self._client = httpx.Client(
            base_url=url, auth=_BearerToken(username, password), timeout=TIMEOUT_S, trust_env=False
        )
        self._asset_id: int | None = None

    def post(self) -> None:
        """Create one event, or `AirflowEventError`. An asset that is new to Airflow is looked up again."""
        try:
            if self._asset_id is None or not self._posted(self._asset_id):
                self._asset_id = self._looked_up()
                if not self._posted(self._asset_id):
                    raise AirflowEventError(f"Airflow does not know its own asset {self._asset_id}")
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise AirflowEventError(_reason(error)) from error

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _posted(self, asset_id: int) -> bool:
        answer = self._client.post("/api/v2/assets/events", json={"asset_id": asset_id, "extra": {}})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        answer.raise_for_status()
        return True

    def _looked_up(self) -> int:
        answer = self._client.get("/api/v2/assets", params={"name_pattern": ASSET_NAME}).raise_for_status()
        ids = (asset["id"] for asset in answer.json()["assets"] if asset["name"] == ASSET_NAME)
        asset_id = next(ids, None)
        if asset_id is None:
            raise AirflowEventError(f"Airflow has no asset {ASSET_NAME}: has it read the DAGs?")
        return int(asset_id)


def airflow_events(settings: Settings) -> AirflowEvents | None:
    """The events of these settings, None where address or credentials are missing.

    Raises:
        ConfigurationError: `AIRFLOW_URL` is no address.
    """
    url, username, password = settings.airflow_url, settings.airflow_username, settings.airflow_password
    if not (url and username and password):
        return None
    if not _is_address(url):
        raise ConfigurationError(["AIRFLOW_URL: must be an address such as http://airflow:8080"])
    return AirflowEvents(url, username, password)


def _is_address(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host)


def _token(answer: httpx.Response) -> str:
    found: Any = answer.raise_for_status().json()["access_token"]
    return str(found)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.request.url.path} answered {error.response.status_code}"
    if isinstance(error, httpx.HTTPError):
        return f"{type(error).__name__}: {error}"
    return "AIRFLOW_URL answers, but not as Airflow does"
