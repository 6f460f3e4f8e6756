"""The upload routes: one operation for each configured endpoint."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from packages.common.models.configuration_model import RESERVED_PATHS, Endpoint
from services.ingress_service.web.caller import BasicAuth, Caller
from services.ingress_service.web.context import Ingress, ingress_of
from services.ingress_service.web.description.openapi import upload_operation
from services.ingress_service.web.uploads.inlets import Inlet
from services.ingress_service.web.uploads.routes import accept

NODE_PATH = "/{node_path:path}"
Validate = Annotated[
    Literal["only"] | None, Query(description="`only`: check and report; nothing is stored.")
]


def upload_routers(inlets: Iterable[Inlet[Endpoint]]) -> tuple[APIRouter, APIRouter]:
    """Routes of all endpoints; longer paths first, so that a nested endpoint is not taken for a node.

    The first router may be asked before the service's own routes, which every upload would have to pass.
    The second has endpoints such as `/api/v1`, whose nodes would hide them.
    """
    first, last = (APIRouter(tags=["upload"], route_class=UploadRoute) for _ in range(2))
    for inlet in sorted(inlets, key=lambda inlet: len(inlet.target.endpoint), reverse=True):
        path = inlet.target.endpoint.rstrip("/") + "/"
        _add_routes(last if any(own.startswith(path) for own in RESERVED_PATHS) else first, inlet)
    return first, last


class UploadRoute(APIRoute):
    """A route that reads its three parameters itself: FastAPI's general way takes 0.2 ms an upload for it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._authenticate = BasicAuth()
        self.app = self._respond

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        user = await self._authenticate(request)
        validate = _validate(request.query_params.get("validate"))
        answer = await self.endpoint(request, user, **request.path_params, validate=validate)
        await answer(scope, receive, send)


def _validate(value: str | None) -> Literal["only"] | None:
    if value not in {None, "only"}:
        found = {"type": "literal_error", "loc": ("query", "validate"), "input": value}
        raise RequestValidationError([found | {"msg": "Input should be 'only'"}])
    return "only" if value else None


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
