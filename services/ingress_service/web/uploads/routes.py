"""The way of one upload: rights, node, body with its checks, then metadata and payload, then 202."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from packages.common.errors import NodePathError, StorageError
from packages.common.keys import new_item_id, normalise_node_path
from packages.common.models.configuration_model import Endpoint
from packages.common.models.metadata_model import ItemMetadata
from services.ingress_service.errors import ForbiddenError
from services.ingress_service.web.answers import ValidationReport
from services.ingress_service.web.context import Ingress, OnAccepted
from services.ingress_service.web.items.views import state_url
from services.ingress_service.web.limits import Lease
from services.ingress_service.web.uploads.checks import CheckReport
from services.ingress_service.web.uploads.holding import Holder, holding
from services.ingress_service.web.uploads.idempotency import REPLAYED, KeyedUpload, key_of
from services.ingress_service.web.uploads.inlets import Inlet
from services.ingress_service.web.uploads.receiving import Destination, Received, receive
from services.ingress_service.web.uploads.trials import MAX_PAYLOAD_BYTES, refuse_more
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
    endpoint = inlet.target
    if not user.may_write(endpoint):
        raise ForbiddenError(f"User {user.name!r} may not write endpoint {endpoint.name!r}.")
    node_path = _node_path(request, raw_path)
    inlet.dataset_schema(node_path)
    destination = Destination(inlet, node_path, trial=validate_only)
    with ingress.gate.upload(None if user.unrestricted else user.name) as lease:
        if validate_only:
            return await _try(request, ingress, user, destination, lease)
        with ingress.keys.handling(request.headers, user.name, endpoint.name) as key:
            identity = await _identity(endpoint, node_path, key)
            async with holding(partial(ingress.keeper.writer, identity.item_id)) as holder:
                received = await receive(request, lease, ingress.bounds, destination, holder)
                metadata = _metadata(request, user, destination, identity, received, key)
                return await _keep(request, ingress, metadata, holder, key)


async def _try(
    request: Request, ingress: Ingress, user: User, destination: Destination, lease: Lease
) -> Response:
    """Say what the merge would find; an extractor, where the endpoint has one, is run for it."""
    key_of(request.headers)
    inlet, node_path = destination.inlet, destination.node_path
    endpoint = inlet.target
    holder = Holder(refuse_more, MAX_PAYLOAD_BYTES) if endpoint.is_extracted else Holder(None)
    received = await receive(request, lease, ingress.bounds, destination, holder)
    report = received.report
    if endpoint.is_extracted:
        identity = await _identity(endpoint, node_path, None)
        metadata = _metadata(request, user, destination, identity, received, None)
        schema = inlet.dataset_schema(node_path)
        report = await ingress.trials.run(endpoint, schema, metadata, holder.payload)
    return JSONResponse(_report_document(inlet, node_path, report))


def _node_path(request: Request, raw_path: str) -> str:
    """The node path of the address; an encoded slash is refused, because proxies disagree on its meaning."""
    if b"%2f" in request.scope.get("raw_path", b"").lower():
        raise NodePathError("the node path has an encoded slash")
    return normalise_node_path(f"/{raw_path}")


@dataclass(frozen=True)
class Identity:
    """What names an item."""

    item_id: str
    received_at: datetime


async def _identity(endpoint: Endpoint, node_path: str, key: KeyedUpload | None) -> Identity:
    """A new identity, or that of the item which an earlier request with the same key was to make."""
    earlier = await key.earlier() if key is not None else None
    if earlier is not None:
        return Identity(earlier.item_id, earlier.received_at)
    received_at = datetime.now(UTC)
    return Identity(new_item_id(endpoint.name, node_path, received_at), received_at)


def _metadata(
    request: Request,
    user: User,
    destination: Destination,
    identity: Identity,
    received: Received,
    key: KeyedUpload | None,
) -> ItemMetadata:
    endpoint = destination.inlet.target
    trace = request.headers.get("traceparent", "")
    return ItemMetadata(
        item_id=identity.item_id,
        received_at=identity.received_at,
        endpoint_name=endpoint.name,
        node_path=destination.node_path,
        username=user.name,
        content_type=received.content_type,
        content_encoding=received.content_encoding,
        size_bytes=received.size_bytes,
        sha256=received.sha256,
        filename=received.filename,
        traceparent=trace if _TRACEPARENT.fullmatch(trace) else None,
        idempotency_key=key.key if key is not None else None,
        schema_name=endpoint.schema_name,
        schema_path=endpoint.schema_path,
        target_node=endpoint.target_node,
        extract_fn=endpoint.extract_fn,
        fn_module=endpoint.fn_module,
    )


async def _keep(
    request: Request, ingress: Ingress, metadata: ItemMetadata, holder: Holder, key: KeyedUpload | None
) -> Response:
    """Store an item and answer, or give the answer that an earlier request with the same key has had."""
    answered = await key.answered_by(metadata) if key is not None else None
    request.state.item_id = answered or metadata.item_id
    if answered is not None:
        return _accepted(answered, None, {REPLAYED: "true"})
    try:
        await ingress.keeper.keep(metadata, holder)
    except StorageError:
        if key is not None:
            await key.release()
        raise
    ingress.metrics.accepted(metadata.endpoint_name, holder.size_bytes)
    return _accepted(metadata.item_id, request.app.state.on_accepted)


def _accepted(
    item_id: str, on_accepted: OnAccepted | None, headers: Mapping[str, str] = MappingProxyType({})
) -> Response:
    url = state_url(item_id)
    content = {"status": "accepted", "item_id": item_id, "state_url": url}
    after = BackgroundTask(_tell, on_accepted, item_id) if on_accepted is not None else None
    return JSONResponse(content, 202, {"Location": url, **headers}, background=after)


async def _tell(on_accepted: OnAccepted, item_id: str) -> None:
    """Call the hook after the answer is sent; whatever it does, the item is accepted."""
    try:
        await on_accepted(item_id)
    except Exception:
        log.exception("the hook after an accepted item failed", item_id=item_id)


def _report_document(inlet: Inlet[Endpoint], node_path: str, report: CheckReport) -> dict[str, object]:
    facts = asdict(report) | {"endpoint": inlet.target.name, "node_path": node_path or None}
    return ValidationReport.model_validate(facts).model_dump()
