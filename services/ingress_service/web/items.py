"""Routes over the items of the queue: what became of an upload, its payload, and the admin's actions."""

from contextlib import suppress
from typing import Annotated, Literal

import anyio
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from packages.common.errors import ItemNotFoundError, NodePathError
from packages.common.keys import ItemState, checked_item_id, checked_name, normalise_node_path
from packages.common.queue import QueuedItem
from services.ingress_service.errors import ForbiddenError, ItemStateError
from services.ingress_service.spool import SpooledItem
from services.ingress_service.web import downloads, item_views, listing, spooled
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
NOT_FORWARDED = "The item has not been forwarded to the storage yet; it waits in the spool and will be."

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
        endpoints=_readable_endpoints(ingress, user, endpoint),
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
    if (waiting := _spooled(ingress, user, item_id)) is not None:
        with suppress(FileNotFoundError):  # it has just been forwarded
            return await spooled.download(waiting)
    item = await _find(ingress, user, item_id)
    shown = await anyio.to_thread.run_sync(item_views.current_view, ingress.queue, item)
    content_type = shown.content_type if shown is not None else None
    storage = ingress.queue.storage
    return await downloads.stored(
        storage, item.payload_key, downloads.file_name(item), content_type, item.size_bytes
    )


@router.post("/{item_id:path}/requeue", responses=errors_of("item_action"))
async def requeue_item(request: Request, user: Caller, item_id: ItemId) -> Item:
    """Bring a failed or processed item back to `accepted`."""
    ingress = ingress_of(request)
    if _spooled(ingress, user, item_id, admin=True) is not None:
        raise ItemStateError(NOT_FORWARDED)
    item = await _find(ingress, user, item_id, admin=True)
    if item.state is ItemState.ACCEPTED:
        raise ItemStateError("The item is accepted already; it waits to be merged.")
    await anyio.to_thread.run_sync(ingress.queue.requeue, item)
    return await item_state(request, user, item_id)


@router.get("/{item_id:path}", responses=errors_of("item"))
async def item_state(request: Request, user: Caller, item_id: ItemId) -> Item:
    """State, times, attempts and outcome of an item."""
    ingress = ingress_of(request)
    if (waiting := _spooled(ingress, user, item_id)) is not None:
        return spooled.view(waiting)
    found = await _find(ingress, user, item_id)
    shown = await anyio.to_thread.run_sync(item_views.current_view, ingress.queue, found)
    if shown is None:
        raise ItemNotFoundError(f"There is no item {found.item_id!r}.")
    return shown


@router.delete("/{item_id:path}", status_code=204, responses=errors_of("item_action"))
async def delete_item(request: Request, user: Caller, item_id: ItemId) -> Response:
    """Remove an item for good; what it has brought to a store stays there."""
    ingress = ingress_of(request)
    if not await _deleted_from_spool(ingress, user, item_id):
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
    item_id = _allowed(ingress, user, raw_id, admin=admin)
    found = await anyio.to_thread.run_sync(ingress.queue.find, item_id)
    if found is None:
        raise ItemNotFoundError(f"There is no item {item_id!r}.")
    return found


def _spooled(ingress: Ingress, user: User, raw_id: str, *, admin: bool = False) -> SpooledItem | None:
    """The item, if it waits for the storage to come back; ItemNotFoundError if it was deleted meanwhile."""
    item_id = _allowed(ingress, user, raw_id, admin=admin)
    if ingress.spool is None:
        return None
    if ingress.spool.is_deleted(item_id):
        raise ItemNotFoundError(f"There is no item {item_id!r}.")
    return ingress.spool.find(item_id)


async def _deleted_from_spool(ingress: Ingress, user: User, item_id: str) -> bool:
    if ingress.spool is None or _spooled(ingress, user, item_id, admin=True) is None:
        return False
    return await anyio.to_thread.run_sync(ingress.spool.delete, item_id)


def _allowed(ingress: Ingress, user: User, raw_id: str, *, admin: bool) -> str:
    """The id of an item that the user may look at, or as an admin act on; there may be none."""
    item_id = _possible(raw_id)
    _require_readable(ingress, user, item_views.endpoint_of(item_id))
    if admin and not user.is_admin:
        raise ForbiddenError("This needs the role 'admin'.")
    return item_id


def _possible(item_id: str) -> str:
    """The id, if there can be an item of that name."""
    try:
        return checked_item_id(item_id)
    except NodePathError as error:
        raise ItemNotFoundError(f"There is no such item: {error}.") from None


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
