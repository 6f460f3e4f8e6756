"""The page over the queue, inside Airflow and behind its login.

It only reads: what it requeues it asks of Airflow's own API, as a run of the DAG `ingress_reprocess`, so that
rights, protection against forged requests, and the record of who did it are Airflow's.
"""

from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, Query
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import FileResponse, HTMLResponse, Response

from packages.common.configuration import load_configuration
from packages.common.errors import ConfigurationError, IngressError
from packages.common.keys import ItemState
from packages.common.settings import Settings, load_settings
from services.extractor_service.places import open_queue
from services.extractor_service.plugins.queue_page.overview import count_items, totals
from services.extractor_service.plugins.queue_page.rows import page_of

FOLDER = Path(__file__).parent
SHOWN_FOR, REQUEUES_WITH = "ingress_processor", "ingress_reprocess"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
MAY_READ = Depends(requires_access_dag("GET", DagAccessEntity.RUN, SHOWN_FOR))

templates = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def create_app() -> FastAPI:
    """The page as an application that Airflow mounts."""
    app = FastAPI(title="Ingress queue", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_api_route("/", show_queue, dependencies=[MAY_READ], response_class=HTMLResponse)
    app.add_api_route("/page.css", style, response_class=FileResponse)
    app.add_api_route("/page.js", script, response_class=FileResponse)
    return app


def show_queue(
    user: GetUserDep,
    state: ItemState = ItemState.FAILED,
    endpoint: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """The queue by endpoint and state, and one page of the items of a state."""
    settings = load_settings()
    known: dict[str, Any] = {
        "state": state,
        "endpoint": endpoint,
        "states": list(ItemState),
        "dag": REQUEUES_WITH,
    }
    try:
        known |= _found(settings, state, endpoint, page)
    except IngressError as error:
        text = templates.get_template("trouble.html").render(known, reason=str(error))
        return HTMLResponse(text, 503, HEADERS)
    text = templates.get_template("page.html").render(known, may_requeue=_may_requeue(user))
    return HTMLResponse(text, headers=HEADERS)


def style() -> FileResponse:
    """How the page looks."""
    return FileResponse(FOLDER / "page.css", media_type="text/css")


def script() -> FileResponse:
    """What the page does."""
    return FileResponse(FOLDER / "page.js", media_type="text/javascript")


def _found(settings: Settings, state: ItemState, endpoint: str, page: int) -> dict[str, Any]:
    queue = open_queue(settings)
    names, problems = _configured(settings)
    endpoints = count_items(queue, names)
    return {
        "endpoints": endpoints,
        "total": totals(endpoints),
        "problems": problems,
        "page": page_of(queue, state, endpoint or None, page),
    }


def _configured(settings: Settings) -> tuple[list[str], list[str]]:
    """Names of endpoints and scrapers, or what is wrong with the configuration: the page does without."""
    try:
        configuration = load_configuration(settings.config_path, schemas_dir=settings.schema_folder)
    except ConfigurationError as error:
        return [], list(error.problems)
    return [one.name for one in (*configuration.endpoints, *configuration.active_scrappers)], []


def _may_requeue(user: Any) -> bool:  # noqa: ANN401 - a user of whatever auth manager is configured
    details = DagDetails(id=REQUEUES_WITH)
    return bool(
        get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
        )
    )
