"""The upload routes: one operation for each configured endpoint."""

from collections.abc import Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.ingress_service.web.caller import Caller
from services.ingress_service.web.context import ingress_of
from services.ingress_service.web.openapi import upload_operation
from services.ingress_service.web.targets import Target
from services.ingress_service.web.uploads import accept

Validate = Annotated[
    Literal["only"] | None, Query(description="`only`: check and report; nothing is stored.")
]


def upload_router(targets: Iterable[Target]) -> APIRouter:
    """Routes of all endpoints; longer paths first, so that a nested endpoint is not taken for a node."""
    router = APIRouter(tags=["upload"])
    for target in sorted(targets, key=lambda target: len(target.endpoint.endpoint), reverse=True):
        _add_routes(router, target)
    return router


def _add_routes(router: APIRouter, target: Target) -> None:
    async def upload(request: Request, user: Caller, validate: Validate = None) -> Response:
        return await accept(request, ingress_of(request), user, target, "", validate_only=bool(validate))

    async def upload_node(
        request: Request, user: Caller, node_path: str, validate: Validate = None
    ) -> Response:
        return await accept(request, ingress_of(request), user, target, node_path, validate_only=bool(validate))

    path, name = target.endpoint.endpoint.rstrip("/"), target.endpoint.name
    operation = upload_operation(target)
    router.add_api_route(path, upload, methods=["POST"], operation_id=f"upload_{name}", **operation)
    router.add_api_route(
        f"{path}/{{node_path:path}}",
        upload_node,
        methods=["POST"],
        operation_id=f"upload_{name}_node",
        **operation,
    )
