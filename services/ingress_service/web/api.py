"""The upload routes: one operation for each configured endpoint."""

from collections.abc import Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from packages.common.models.configuration_model import Endpoint
from services.ingress_service.web.caller import Caller
from services.ingress_service.web.context import Ingress, ingress_of
from services.ingress_service.web.inlets import Inlet
from services.ingress_service.web.openapi import upload_operation
from services.ingress_service.web.uploads import accept

NODE_PATH = "/{node_path:path}"
Validate = Annotated[
    Literal["only"] | None, Query(description="`only`: check and report; nothing is stored.")
]


def upload_router(inlets: Iterable[Inlet[Endpoint]]) -> APIRouter:
    """Routes of all endpoints; longer paths first, so that a nested endpoint is not taken for a node."""
    router = APIRouter(tags=["upload"])
    for inlet in sorted(inlets, key=lambda inlet: len(inlet.target.endpoint), reverse=True):
        _add_routes(router, inlet)
    return router


def upload_routes(inlets: Iterable[Inlet[Endpoint]]) -> dict[str, str]:
    """The name of the endpoint behind each template of an upload route."""
    pairs = [(inlet.target.endpoint.rstrip("/"), inlet.target.name) for inlet in inlets]
    return {path + tail: name for path, name in pairs for tail in ("", NODE_PATH)}


def _open_for(request: Request, *, trial: bool) -> Ingress:
    """The service, unless its queue is full and something is to be stored."""
    ingress = ingress_of(request)
    if not trial:
        ingress.watch.depth.require_room()
    return ingress


def _add_routes(router: APIRouter, inlet: Inlet[Endpoint]) -> None:
    async def upload(request: Request, user: Caller, validate: Validate = None) -> Response:
        ingress = _open_for(request, trial=validate is not None)
        return await accept(request, ingress, user, inlet, "", validate_only=validate is not None)

    async def upload_node(
        request: Request, user: Caller, node_path: str, validate: Validate = None
    ) -> Response:
        ingress = _open_for(request, trial=validate is not None)
        return await accept(request, ingress, user, inlet, node_path, validate_only=validate is not None)

    path, name = inlet.target.endpoint.rstrip("/"), inlet.target.name
    operation = upload_operation(inlet)
    router.add_api_route(path, upload, methods=["POST"], operation_id=f"upload_{name}", **operation)
    router.add_api_route(
        path + NODE_PATH, upload_node, methods=["POST"], include_in_schema=False, response_model=None
    )
