"""Finds items by the ids of requests: who may look at one, who may act on it, and where it is."""

from __future__ import annotations

import anyio

from packages.common.errors import ItemBusyError, ItemNotFoundError, NodePathError
from packages.common.keys import checked_item_id, checked_name
from packages.common.queue import QueuedItem
from services.ingress_service.errors import ForbiddenError
from services.ingress_service.spool import SpooledItem
from services.ingress_service.web.context import Ingress
from services.ingress_service.web.items import views as item_views
from services.ingress_service.web.users import User


def readable_endpoints(ingress: Ingress, user: User, wanted: str | None) -> tuple[str, ...] | None:
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


async def find(ingress: Ingress, user: User, raw_id: str, *, admin: bool = False) -> QueuedItem:
    """The item in the queue; raises ItemNotFoundError, ForbiddenError."""
    item_id = _allowed(ingress, user, raw_id, admin=admin)
    found = await anyio.to_thread.run_sync(ingress.queue.find, item_id)
    if found is None:
        raise ItemNotFoundError(f"There is no item {item_id!r}.")
    return found


def spooled(ingress: Ingress, user: User, raw_id: str, *, admin: bool = False) -> SpooledItem | None:
    """The item, if it waits for the storage to come back; ItemNotFoundError if it was deleted meanwhile."""
    item_id = _allowed(ingress, user, raw_id, admin=admin)
    if ingress.spool is None:
        return None
    if ingress.spool.is_deleted(item_id):
        raise ItemNotFoundError(f"There is no item {item_id!r}.")
    return ingress.spool.find(item_id)


async def delete_from_spool(ingress: Ingress, user: User, item_id: str) -> bool:
    """Delete an item that waits for the storage to come back; False if it does not.

    Raises ItemBusyError for one with an Idempotency-Key: its client may have it accepted once more under the
    same id, by any replica, and what is remembered as deleted here would take that away.
    """
    waiting = spooled(ingress, user, item_id, admin=True)
    if ingress.spool is None or waiting is None:
        return False
    if waiting.metadata.idempotency_key is not None:
        raise ItemBusyError(
            "An item with an Idempotency-Key is deleted once it has been forwarded, not before."
        )
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
