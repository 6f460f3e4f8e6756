"""The few calls of Airflow's REST API that wake the sweep and annotate its runs."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from packages.common.errors import ConfigurationError, IngressError
from packages.common.settings import Settings

TIMEOUT_S = 5.0
NOTE_LIMIT = 1000
"""Characters that Airflow takes as the note of a run."""


class AirflowApiError(IngressError):
    """Airflow did not do what it was asked; the message says what it answered, or that it did not."""

    kind: ClassVar[str] = "airflow_api"
    retryable: ClassVar[bool] = True


class BearerToken(httpx.Auth):
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


class AirflowApi:
    """One Airflow, as one of its users; for use by one thread. Every method may raise `AirflowApiError`."""

    def __init__(self, url: str, username: str, password: SecretStr) -> None:
        self._client = httpx.Client(
            base_url=url, auth=BearerToken(username, password), timeout=TIMEOUT_S, trust_env=False
        )

    def post_asset_event(self, asset_id: int) -> bool:
        """Create an event of an asset; False if Airflow has no asset of this id."""
        answer = self._request("POST", "assets/events", json={"asset_id": asset_id, "extra": {}})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        _checked(answer)
        return True

    def asset_id(self, name: str) -> int:
        """The id of an asset by its exact name."""
        answer = _checked(self._request("GET", "assets", params={"name_pattern": name}))
        try:
            ids = [int(asset["id"]) for asset in answer.json()["assets"] if asset["name"] == name]
        except (ValueError, LookupError, TypeError):
            raise _strange_answer() from None
        if not ids:
            raise AirflowApiError(f"Airflow has no asset {name}: has it read the DAGs?")
        return ids[0]

    def note_run(self, dag_id: str, run_id: str, note: str) -> None:
        """Attach a note to a run; it is cut to what Airflow takes."""
        short = note if len(note) <= NOTE_LIMIT else f"{note[: NOTE_LIMIT - 1]}…"
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        _checked(self._request("PATCH", path, params={"update_mask": "note"}, json={"note": short}))

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._client.request(method, f"/api/v2/{path}", **content)
        except httpx.HTTPStatusError as error:
            raise _refused(error.response) from error
        except httpx.HTTPError as error:
            raise AirflowApiError(f"Airflow cannot be reached: {type(error).__name__}: {error}") from error
        except (ValueError, LookupError, TypeError):
            raise _strange_answer() from None


def airflow_api(settings: Settings) -> AirflowApi | None:
    """The Airflow of these settings, None where address or credentials are missing.

    Raises:
        ConfigurationError: `AIRFLOW_URL` is no address.
    """
    url, username, password = settings.airflow_url, settings.airflow_username, settings.airflow_password
    if not (url and username and password):
        return None
    if not _is_address(url):
        raise ConfigurationError(["AIRFLOW_URL: must be an address such as http://airflow:8080"])
    return AirflowApi(url, username, password)


def _is_address(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host)


def _token(answer: httpx.Response) -> str:
    found: Any = answer.raise_for_status().json()["access_token"]
    return str(found)


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise _refused(answer)
    return answer


def _refused(answer: httpx.Response) -> AirflowApiError:
    return AirflowApiError(f"{answer.request.url.path} answered {answer.status_code}")


def _strange_answer() -> AirflowApiError:
    return AirflowApiError("AIRFLOW_URL answers, but not as Airflow does")
