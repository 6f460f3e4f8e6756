"""Routes over the items of the queue: what became of an upload, its payload, and the admin's actions."""

from contextlib import suppress
from typing import Annotated, Literal

import anyio
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from packages.common.errors import ItemNotFoundError
from packages.common.keys import (
    REJECTED_SUFFIX,
    ItemState,
    checked_item_id,
    normalise_node_path,
)
from services.ingress_service.errors import ItemStateError
from services.ingress_service.web.answers import Item, ItemPage
from services.ingress_service.web.caller import Caller
from services.ingress_service.web.context import Ingress, ingress_of
from services.ingress_service.web.description.openapi import errors_of
from services.ingress_service.web.items import access as item_access
from services.ingress_service.web.items import downloads, listing, spooled
from services.ingress_service.web.items import views as item_views
from services.ingress_service.web.items.moments import Moment
from services.ingress_service.web.items.patterns import (
    NAME_PATTERN,
    NODE_PATTERN,
    OPTIONAL_ID_PATTERN,
    PRINTABLE_PATTERN,
)

MAX_PAGE = 500
SCANNED_FOR_USER = 1000
NO_ROWS = "The item has no quarantined rows."
NOT_FORWARDED = "The item has not been forwarded to the storage yet; it will be once the storage is back."

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
    *,
    only_spooled: Annotated[
        bool,
        Query(alias="spooled", description="only what waits in the replica that answers for the storage"),
    ] = False,
) -> ItemPage:
    """Items, newest first; with `spooled` those of the replica's spool, without it those of the queue."""
    ingress = ingress_of(request)
    query = listing.Query(
        endpoints=item_access.readable_endpoints(ingress, user, endpoint),
        node=normalise_node_path(node) if node is not None else None,
        state=ItemState(state) if state else None,
        since=since,
        until=until,
        cursor=checked_item_id(cursor) if cursor else None,
    )
    if only_spooled:
        return spooled.page(ingress.spool, query, limit, uploader)
    return await anyio.to_thread.run_sync(_page, ingress, query, limit, uploader)


@router.get("/{item_id:path}/content", response_class=Response, responses=errors_of("item"))
async def item_content(request: Request, user: Caller, item_id: ItemId) -> Response:
    """The payload of an item, as it was accepted."""
    ingress = ingress_of(request)
    if (waiting := item_access.spooled(ingress, user, item_id)) is not None:
        with suppress(FileNotFoundError):  # it has just been forwarded
            return await spooled.download(waiting)
    item = await item_access.find(ingress, user, item_id)
    shown = await anyio.to_thread.run_sync(item_views.current_view, ingress.queue, item)
    content_type = shown.content_type if shown is not None else None
    storage = ingress.queue.storage
    return await downloads.stored(
        storage, item.payload_key, downloads.file_name(item), content_type, item.size_bytes
    )


@router.get("/{item_id:path}/rejected", response_class=Response, responses=errors_of("item"))
async def rejected_rows(request: Request, user: Caller, item_id: ItemId) -> Response:
    """The quarantined rows of a processed item: CSV, to be corrected and sent again."""
    ingress = ingress_of(request)
    if item_access.spooled(ingress, user, item_id) is not None:
        raise ItemNotFoundError(NO_ROWS)
    item, storage = await item_access.find(ingress, user, item_id), ingress.queue.storage
    found = await storage.head_async(item.rejected_key)
    if found is None:
        raise ItemNotFoundError(NO_ROWS)
    name = f"{item.item_id.rpartition('/')[2]}{REJECTED_SUFFIX}"
    return await downloads.stored(storage, found.key, name, "text/csv; charset=utf-8", found.size_bytes)


@router.post("/{item_id:path}/requeue", responses=errors_of("item_action"))
async def requeue_item(request: Request, user: Caller, item_id: ItemId) -> Item:
    """Bring a failed or processed item back to `accepted`."""
    ingress = ingress_of(request)
    if item_access.spooled(ingress, user, item_id, admin=True) is not None:
        raise ItemStateError(NOT_FORWARDED)
    item = await item_access.find(ingress, user, item_id, admin=True)
    if item.state is ItemState.ACCEPTED:
        raise ItemStateError("The item is accepted already; it waits to be merged.")
    await anyio.to_thread.run_sync(ingress.queue.requeue, item)
    return await item_state(request, user, item_id)


@router.get("/{item_id:path}", responses=errors_of("item"))
async def item_state(request: Request, user: Caller, item_id: ItemId) -> Item:
    """State, times, attempts and outcome of an item."""
    ingress = ingress_of(request)
    if (waiting := item_access.spooled(ingress, user, item_id)) is not None:
        return spooled.view(waiting)
    found = await item_access.find(ingress, user, item_id)
    shown = await anyio.to_thread.run_sync(item_views.current_view, ingress.queue, found)
    if shown is None:
        raise ItemNotFoundError(f"There is no item {found.item_id!r}.")
    return shown


@router.delete("/{item_id:path}", status_code=204, responses=errors_of("item_action"))
async def delete_item(request: Request, user: Caller, item_id: ItemId) -> Response:
    """Remove an item for good; what it has brought to a store stays there."""
    ingress = ingress_of(request)
    if not await item_access.delete_from_spool(ingress, user, item_id):
        item = await item_access.find(ingress, user, item_id, admin=True)
        await anyio.to_thread.run_sync(ingress.queue.purge_everywhere, item)
    return Response(status_code=204)


def _page(ingress: Ingress, query: listing.Query, limit: int, uploader: str | None) -> ItemPage:
    count = SCANNED_FOR_USER if uploader is not None else limit
    found = listing.newest(ingress.queue, query, count + 1)
    more, found = len(found) > count, found[:count]
    shown = item_views.views(ingress.queue, found, query.state)
    last = found[-1].item_id if found and more else None
    if uploader is not None:
        shown = [item for item in shown if item.user == uploader]
        if len(shown) > limit:
            shown, last = shown[:limit], shown[limit - 1].item_id
    hidden = spooled.count(ingress.spool, query, uploader)
    return ItemPage(items=shown, next_cursor=last, spooled=hidden)
