"""The upload routes: one operation for each configured endpoint."""

from collections.abc import Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from packages.common.models.configuration_model import Endpoint
from services.ingress_service.web.caller import Caller
from services.ingress_service.web.context import ingress_of
from services.ingress_service.web.inlets import Inlet
from services.ingress_service.web.openapi import upload_operation
from services.ingress_service.web.uploads import accept

Validate = Annotated[
    Literal["only"] | None, Query(description="`only`: check and report; nothing is stored.")
]


def upload_router(inlets: Iterable[Inlet[Endpoint]]) -> APIRouter:
    """Routes of all endpoints; longer paths first, so that a nested endpoint is not taken for a node."""
    router = APIRouter(tags=["upload"])
    for inlet in sorted(inlets, key=lambda inlet: len(inlet.target.endpoint), reverse=True):
        _add_routes(router, inlet)
    return router


def _add_routes(router: APIRouter, inlet: Inlet[Endpoint]) -> None:
    async def upload(request: Request, user: Caller, validate: Validate = None) -> Response:
        trial = validate is not None
        return await accept(request, ingress_of(request), user, inlet, "", validate_only=trial)

    async def upload_node(
        request: Request, user: Caller, node_path: str, validate: Validate = None
    ) -> Response:
        return await accept(
            request, ingress_of(request), user, inlet, node_path, validate_only=bool(validate)
        )

    path, name = inlet.target.endpoint.rstrip("/"), inlet.target.name
    operation = upload_operation(inlet)
    router.add_api_route(path, upload, methods=["POST"], operation_id=f"upload_{name}", **operation)
    router.add_api_route(
        f"{path}/{{node_path:path}}",
        upload_node,
        methods=["POST"],
        operation_id=f"upload_{name}_node",
        **operation,
    )
