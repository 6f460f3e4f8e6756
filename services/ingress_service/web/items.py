"""Routes over the items of the queue: what became of an upload, its payload, and the admin's actions."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import anyio
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from packages.common.errors import ItemNotFoundError, NodePathError
from packages.common.keys import ItemState, checked_item_id, checked_name, normalise_node_path
from packages.common.queue import Queue, QueuedItem
from packages.common.queue_items import new_item
from services.ingress_service.errors import ForbiddenError, ItemStateError
from services.ingress_service.web import item_views, listing
from services.ingress_service.web.answers import Item, ItemPage
from services.ingress_service.web.caller import Caller
from services.ingress_service.web.context import Ingress, ingress_of
from services.ingress_service.web.moments import Moment
from services.ingress_service.web.openapi import errors_of
from services.ingress_service.web.patterns import (
    NAME_PATTERN,
    NODE_PATTERN,
    OPTIONAL_ID_PATTERN,
    PRINTABLE_PATTERN,
)
from services.ingress_service.web.users import User

MAX_PAGE = 500
SCANNED_FOR_USER = 1000

ItemId = Annotated[
    str,
    Path(
        description="as in the answer to the upload; its slashes may stay as they are",
        json_schema_extra={"pattern": PRINTABLE_PATTERN},
    ),
]
Node = Annotated[
    str | None,
    Query(
        description="node path below the endpoint; empty: items without one",
        json_schema_extra={"pattern": NODE_PATTERN},
    ),
]
Cursor = Annotated[
    str | None,
    Query(description="`next_cursor` of the page before", json_schema_extra={"pattern": OPTIONAL_ID_PATTERN}),
]

router = APIRouter(prefix=item_views.ITEMS_PATH, tags=["items"])


@router.get("", responses=errors_of("list"))
async def list_items(
    request: Request,
    user: Caller,
    endpoint: Annotated[str | None, Query(json_schema_extra={"pattern": NAME_PATTERN})] = None,
    node: Node = None,
    state: Literal["accepted", "failed", "processed"] | None = None,
    uploader: Annotated[str | None, Query(alias="user")] = None,
    since: Annotated[Moment | None, Query(description="received at or after; UTC without offset")] = None,
    until: Annotated[Moment | None, Query(description="received before")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Cursor = None,
) -> ItemPage:
    """Items, newest first."""
    ingress = ingress_of(request)
    query = listing.Query(
        endpoints=_readable_endpoints(ingress, user, endpoint),
        node=normalise_node_path(node) if node is not None else None,
        state=ItemState(state) if state else None,
        since=since,
        until=until,
        cursor=checked_item_id(cursor) if cursor else None,
    )
    return await anyio.to_thread.run_sync(_page, ingress.queue, query, limit, uploader)


@router.get("/{item_id:path}/content", response_class=Response, responses=errors_of("item"))
async def item_content(request: Request, user: Caller, item_id: ItemId) -> Response:
    """The payload of an item, as it was accepted."""
    ingress = ingress_of(request)
    item = await _find(ingress, user, item_id)
    shown = await anyio.to_thread.run_sync(item_views.current_view, ingress.queue, item)
    content_type = shown.content_type if shown is not None else None
    pieces = ingress.queue.storage.stream_async(item.payload_key)
    first = await anext(pieces, b"")
    name = f"{item.item_id.rpartition('/')[2]}.{item.extension or 'bin'}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(item.size_bytes),
        "X-Content-Type-Options": "nosniff",
    }
    media_type = content_type or "application/octet-stream"
    return StreamingResponse(_joined(first, pieces), media_type=media_type, headers=headers)


@router.post("/{item_id:path}/requeue", responses=errors_of("item_action"))
async def requeue_item(request: Request, user: Caller, item_id: ItemId) -> Item:
    """Bring a failed or processed item back to `accepted`."""
    ingress = ingress_of(request)
    item = await _find(ingress, user, item_id, admin=True)
    if item.state is ItemState.ACCEPTED:
        raise ItemStateError("The item is accepted already; it waits to be merged.")
    await anyio.to_thread.run_sync(ingress.queue.requeue, item)
    return await item_state(request, user, item_id)


@router.get("/{item_id:path}", responses=errors_of("item"))
async def item_state(request: Request, user: Caller, item_id: ItemId) -> Item:
    """State, times, attempts and outcome of an item."""
    ingress = ingress_of(request)
    if (spooled := _spooled(ingress, user, item_id)) is not None:
        return spooled
    found = await _find(ingress, user, item_id)
    shown = await anyio.to_thread.run_sync(item_views.current_view, ingress.queue, found)
    if shown is None:
        raise ItemNotFoundError(f"There is no item {found.item_id!r}.")
    return shown


@router.delete("/{item_id:path}", status_code=204, responses=errors_of("item_action"))
async def delete_item(request: Request, user: Caller, item_id: ItemId) -> Response:
    """Remove an item for good; what it has brought to a store stays there."""
    ingress = ingress_of(request)
    item = await _find(ingress, user, item_id, admin=True)
    await anyio.to_thread.run_sync(ingress.queue.purge_everywhere, item)
    return Response(status_code=204)


def _readable_endpoints(ingress: Ingress, user: User, wanted: str | None) -> tuple[str, ...] | None:
    """Endpoint names to list; None for all. Raises ForbiddenError where the wanted one is not readable."""
    if wanted is not None:
        _require_readable(ingress, user, checked_name(wanted))
        return (wanted,)
    if user.may_read(None):
        return None
    configured = [*ingress.configuration.endpoints, *ingress.configuration.active_scrappers]
    return tuple({target.name: None for target in configured if user.may_read(target)})


def _require_readable(ingress: Ingress, user: User, name: str) -> None:
    if not user.may_read(ingress.configuration.target(name)):
        raise ForbiddenError(f"User {user.name!r} may not read the items of {name!r}.")


async def _find(ingress: Ingress, user: User, raw_id: str, *, admin: bool = False) -> QueuedItem:
    item_id = _possible(raw_id)
    _require_readable(ingress, user, item_views.endpoint_of(item_id))
    if admin and not user.is_admin:
        raise ForbiddenError("This needs the role 'admin'.")
    found = await anyio.to_thread.run_sync(ingress.queue.find, item_id)
    if found is None:
        raise ItemNotFoundError(f"There is no item {item_id!r}.")
    return found


def _spooled(ingress: Ingress, user: User, raw_id: str) -> Item | None:
    """The document of an item that waits for the storage to come back; it is accepted."""
    found = ingress.keeper.spooled(_possible(raw_id))
    if found is None:
        return None
    _require_readable(ingress, user, item_views.endpoint_of(raw_id))
    return item_views.view(new_item(found.metadata, found.payload), found.metadata)


def _possible(item_id: str) -> str:
    """The id, if there can be an item of that name."""
    try:
        return checked_item_id(item_id)
    except NodePathError as error:
        raise ItemNotFoundError(f"There is no such item: {error}.") from None


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream whose first piece has been read already, so that a missing object is still a 404."""
    yield first
    async for piece in rest:
        yield piece


def _page(queue: Queue, query: listing.Query, limit: int, uploader: str | None) -> ItemPage:
    count = SCANNED_FOR_USER if uploader is not None else limit
    found = listing.newest(queue, query, count + 1)
    more, found = len(found) > count, found[:count]
    shown = item_views.views(queue, found, query.state)
    last = found[-1].item_id if found and more else None
    if uploader is not None:
        shown = [item for item in shown if item.user == uploader]
        if len(shown) > limit:
            shown, last = shown[:limit], shown[limit - 1].item_id
    return ItemPage(items=shown, next_cursor=last)
