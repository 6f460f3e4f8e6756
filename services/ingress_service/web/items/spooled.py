"""Items that wait in the spool of this process, as the routes over items show them."""

from __future__ import annotations

from starlette.responses import Response

from packages.common.queue_items import new_item
from services.ingress_service.spool import Spool, SpooledItem
from services.ingress_service.web.answers import Item, ItemPage
from services.ingress_service.web.items import downloads, listing
from services.ingress_service.web.items import views as item_views


def view(waiting: SpooledItem) -> Item:
    """Document of an item; it is accepted."""
    item = new_item(waiting.metadata, b"")._replace(size_bytes=waiting.size_bytes)
    return item_views.view(item, waiting.metadata).model_copy(update={"spooled": True})


async def download(waiting: SpooledItem) -> Response:
    """The payload of an item, or FileNotFoundError where it has just been forwarded or deleted."""
    name, content_type = downloads.file_name(new_item(waiting.metadata, b"")), waiting.metadata.content_type
    return await downloads.on_disk(waiting.payload, name, content_type, waiting.size_bytes)


def count(spool: Spool | None, query: listing.Query, uploader: str | None) -> int:
    """How many items a query would find, were they in the queue."""
    return len(_matching(spool, query, uploader))


def page(spool: Spool | None, query: listing.Query, limit: int, uploader: str | None) -> ItemPage:
    """The items that a query finds here, and nothing of the queue."""
    found = _matching(spool, query, uploader)
    left = listing.behind(found, query.cursor)
    last = left[limit - 1] if len(left) > limit else None
    return ItemPage(items=[view(found[one]) for one in left[:limit]], next_cursor=last, spooled=len(found))


def _matching(spool: Spool | None, query: listing.Query, uploader: str | None) -> dict[str, SpooledItem]:
    """The items by id, newest first, without regard to the cursor."""
    waiting = {one.metadata.item_id: one for one in spool.waiting()} if spool is not None else {}
    asked = listing.selected((new_item(one.metadata, b"") for one in waiting.values()), query)
    found = ((item.item_id, waiting[item.item_id]) for item in asked)
    return {item_id: one for item_id, one in found if uploader in {None, one.metadata.username}}
