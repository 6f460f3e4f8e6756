"""How the queue is printed: tables on a terminal, tab-separated lines or JSON elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from packages.common.errors import MetadataError
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Queue, QueuedItem

READERS = 16


class ItemRow(NamedTuple):
    """One item in a listing."""

    item_id: str
    state: str
    size_bytes: int
    received_at: datetime | None
    attempts: int
    rows: int | None
    reason: str


def item_rows(queue: Queue, items: Sequence[QueuedItem]) -> list[ItemRow]:
    """Read what there is to say about items."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="ls") as pool:
        return list(pool.map(lambda item: _item_row(queue, item), items))


def print_rows(rows: Sequence[ItemRow], *, as_json: bool) -> None:
    """Print a listing."""
    if as_json:
        typer.echo(json.dumps([_document(row) for row in rows], indent=2, ensure_ascii=False))
    elif Console().is_terminal:
        Console().print(_table(rows))
    else:
        for row in rows:
            typer.echo("\t".join(_texts(row)))


def print_item(item: QueuedItem, metadata: ItemMetadata | None, *, as_json: bool) -> None:
    """Print everything that is known of one item."""
    known = metadata.model_dump(mode="json") if metadata is not None else {}
    document = {"item_id": item.item_id, "state": str(item.state), "size_bytes": item.size_bytes, **known}
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for name, value in document.items():
        if value not in (None, "", {}, []):
            shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            typer.echo(f"{name}\t{shown}")


def _item_row(queue: Queue, item: QueuedItem) -> ItemRow:
    try:
        metadata = queue.metadata(item)
    except MetadataError as error:
        return ItemRow(item.item_id, item.state, item.size_bytes, None, 0, None, str(error))
    if metadata is None:
        return ItemRow(
            item.item_id, item.state, item.size_bytes, None, 0, None, "foreign: it has no metadata"
        )
    outcome = metadata.outcome
    return ItemRow(
        item_id=item.item_id,
        state=item.state,
        size_bytes=item.size_bytes,
        received_at=metadata.received_at,
        attempts=metadata.attempts,
        rows=outcome.rows if outcome else None,
        reason=_reason(metadata),
    )


def _reason(metadata: ItemMetadata) -> str:
    outcome = metadata.outcome
    if outcome is not None and outcome.error is not None:
        return f"{outcome.error.kind}: {outcome.error.message}"
    if outcome is not None and outcome.rejected_counts:
        counts = ", ".join(f"{count} {kind}" for kind, count in outcome.rejected_counts.items())
        return f"rejected: {counts}"
    if metadata.retry_at is None:
        return ""
    waits = f"waits until {metadata.retry_at:%Y-%m-%dT%H:%M:%SZ}"
    error = metadata.history[-1].error if metadata.history else None
    return f"{waits}: {error.kind}: {error.message}" if error is not None else waits


def _document(row: ItemRow) -> dict[str, object]:
    received_at = row.received_at.isoformat().replace("+00:00", "Z") if row.received_at else None
    return row._asdict() | {"state": str(row.state), "received_at": received_at}


def _texts(row: ItemRow) -> list[str]:
    return [
        row.state,
        row.item_id,
        str(row.size_bytes),
        f"{row.received_at:%Y-%m-%dT%H:%M:%SZ}" if row.received_at else "",
        str(row.attempts),
        "" if row.rows is None else str(row.rows),
        " ".join(row.reason.split()),
    ]


def _table(rows: Iterable[ItemRow]) -> Table:
    titles = ("state", "item", "bytes", "received", "attempts", "rows", "reason")
    table = Table(*(Column(title, overflow="fold") for title in titles))
    for row in rows:
        table.add_row(*map(Text, _texts(row)))
    return table
