"""The way of one upload: rights, node, body, checks, then two PUTs, then 202."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import asdict
from datetime import UTC, datetime

import anyio
import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from packages.common.errors import NodePathError, StorageUnavailableError
from packages.common.keys import new_item_id, normalise_node_path
from packages.common.models.configuration_model import Endpoint
from packages.common.models.metadata_model import ItemMetadata
from services.ingress_service.errors import ForbiddenError
from services.ingress_service.web.answers import ValidationReport
from services.ingress_service.web.bodies import Body, read_body
from services.ingress_service.web.checks import CheckReport, check_payload
from services.ingress_service.web.context import Ingress, OnAccepted
from services.ingress_service.web.inlets import Inlet
from services.ingress_service.web.item_views import state_url
from services.ingress_service.web.limits import MIN_STORAGE_BYTES_PER_S
from services.ingress_service.web.users import User

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger("ingress.upload")


async def accept(
    request: Request,
    ingress: Ingress,
    user: User,
    inlet: Inlet[Endpoint],
    raw_path: str,
    *,
    validate_only: bool,
) -> Response:
    """Check an upload in the documented order, store it and answer; every refusal is raised."""
    if not user.may_write(inlet.target):
        raise ForbiddenError(f"User {user.name!r} may not write endpoint {inlet.target.name!r}.")
    node_path = _node_path(request, raw_path)
    inlet.dataset_schema(node_path)
    with ingress.gate.upload() as lease:
        body = await read_body(request, lease, ingress.bounds)
        report, sha256 = await anyio.to_thread.run_sync(_check, body, inlet, node_path, limiter=lease.checks)
        if validate_only:
            return JSONResponse(_report_document(inlet, node_path, report))
        metadata = _metadata(request, user, inlet, node_path, body, sha256)
        await _store(ingress, metadata, body.data)
    request.state.item_id = metadata.item_id
    ingress.metrics.accepted(inlet.target.name, len(body.data))
    return _accepted(metadata.item_id, request.app.state.on_accepted)


def _node_path(request: Request, raw_path: str) -> str:
    """The node path of the address; an encoded slash is refused, because proxies disagree on its meaning."""
    if b"%2f" in request.scope.get("raw_path", b"").lower():
        raise NodePathError("the node path has an encoded slash")
    return normalise_node_path(f"/{raw_path}")


def _check(body: Body, inlet: Inlet[Endpoint], node_path: str) -> tuple[CheckReport, str]:
    endpoint = inlet.target
    report = check_payload(
        body.data,
        body.content_type,
        inlet.dataset_schema(node_path),
        extracted=endpoint.is_extracted,
        on_bad_rows=endpoint.bad_rows_at_merge,
    )
    return report, hashlib.sha256(body.data).hexdigest()


def _metadata(
    request: Request, user: User, inlet: Inlet[Endpoint], node_path: str, body: Body, sha256: str
) -> ItemMetadata:
    endpoint, received_at = inlet.target, datetime.now(UTC)
    trace = request.headers.get("traceparent", "")
    return ItemMetadata(
        item_id=new_item_id(endpoint.name, node_path, received_at),
        received_at=received_at,
        endpoint_name=endpoint.name,
        node_path=node_path,
        username=user.name,
        content_type=body.content_type,
        size_bytes=len(body.data),
        sha256=sha256,
        filename=body.filename,
        traceparent=trace if _TRACEPARENT.fullmatch(trace) else None,
        schema_name=endpoint.schema_name,
        schema_path=endpoint.schema_path,
        target_node=endpoint.target_node,
        extract_fn=endpoint.extract_fn,
        fn_module=endpoint.fn_module,
    )


async def _store(ingress: Ingress, metadata: ItemMetadata, payload: bytes) -> None:
    patience_s = 2 * ingress.settings.s3_timeout_s + len(payload) / MIN_STORAGE_BYTES_PER_S
    try:
        async with asyncio.timeout(patience_s):
            await ingress.queue.accept_async(metadata, payload)
    except TimeoutError:
        raise StorageUnavailableError("the storage did not answer in time") from None


def _accepted(item_id: str, on_accepted: OnAccepted | None) -> Response:
    url = state_url(item_id)
    content = {"status": "accepted", "item_id": item_id, "state_url": url}
    after = BackgroundTask(_tell, on_accepted, item_id) if on_accepted is not None else None
    return JSONResponse(content, 202, {"Location": url}, background=after)


async def _tell(on_accepted: OnAccepted, item_id: str) -> None:
    """Call the hook after the answer is sent; whatever it does, the item is accepted."""
    try:
        await on_accepted(item_id)
    except Exception:
        log.exception("the hook after an accepted item failed", item_id=item_id)


def _report_document(inlet: Inlet[Endpoint], node_path: str, report: CheckReport) -> dict[str, object]:
    facts = asdict(report) | {"endpoint": inlet.target.name, "node_path": node_path or None}
    return ValidationReport.model_validate(facts).model_dump()
