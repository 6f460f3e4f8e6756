"""`ingress queue`: looking into the queue, and putting things right by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Annotated

import typer

from packages.cli.queue_rows import item_rows, print_item, print_rows
from packages.cli.start import EXIT_REFUSED, EXIT_TROUBLE, EXIT_USAGE, fail, settings_or_exit
from packages.common.configuration import load_configuration
from packages.common.errors import ConfigurationError, IngressError, ItemNotFoundError
from packages.common.keys import ItemState
from packages.common.models.configuration_model import Configuration
from packages.common.queue import Queue, QueuedItem
from packages.common.settings import Settings
from packages.common.wording import counted
from services.extractor_service.places import open_queue

queue_app = typer.Typer(no_args_is_help=True, help="Look into the queue, and put things right by hand.")

ItemIds = Annotated[list[str] | None, typer.Argument(help="Item ids, unless chosen by --state.")]
State = Annotated[ItemState | None, typer.Option(help="Only items in this state.")]
EndpointName = Annotated[str | None, typer.Option("--endpoint", help="Only items of this endpoint.")]
NodePath = Annotated[str | None, typer.Option("--node", help="Only items of exactly this node path.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TAKEN_OVER = ("schema_name", "schema_path", "target_node", "extract_fn", "fn_module")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(queue_app, name="queue")


@queue_app.command("ls")
def ls(
    state: State = None,
    endpoint: EndpointName = None,
    node: NodePath = None,
    limit: Annotated[int, typer.Option(min=1, help="How many items to show at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List items with their state and, where they failed, the reason."""
    with _reported() as settings:
        queue = open_queue(settings)
        found = list(islice(_matching(queue, state, endpoint, node), limit + 1))
        print_rows(item_rows(queue, found[:limit]), as_json=as_json)
    if len(found) > limit:
        typer.echo(f"there are more than {limit}: --limit shows more", err=True)


@queue_app.command("show")
def show(item_id: str, as_json: AsJson = False) -> None:
    """Print everything that is known of one item; exit 1 if there is none."""
    with _reported() as settings:
        queue = open_queue(settings)
        item = _find(queue, item_id)
        print_item(item, queue.metadata(item), as_json=as_json)


@queue_app.command("requeue")
def requeue(
    item_ids: ItemIds = None,
    state: State = None,
    endpoint: EndpointName = None,
    node: NodePath = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Take schema, node and extractor from the configuration of now.")
    ] = False,
) -> None:
    """Bring items back to `accepted`, so that the next sweep takes them again.

    A processed item is merged again, over what came after it. A failed one whose rows are in a store already
    is not merged twice: it comes back as a duplicate.
    """
    with _reported() as settings:
        queue = open_queue(settings)
        configuration = _configuration(settings) if refresh else None
        for item in _chosen(queue, item_ids, state, endpoint, node):
            if configuration is not None:
                _refresh(queue, item, configuration)
            queue.requeue(item)
            typer.echo(f"requeued\t{item.item_id}")


@queue_app.command("purge")
def purge(
    item_ids: ItemIds = None,
    state: State = None,
    endpoint: EndpointName = None,
    node: NodePath = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete items with their payload, for good; it asks first."""
    with _reported() as settings:
        queue = open_queue(settings)
        items = _chosen(queue, item_ids, state, endpoint, node)
        if items and not yes:
            _ask(f"Delete {counted(len(items), 'item')} for good?")
        for item in items:
            queue.purge(item)
            typer.echo(f"purged\t{item.item_id}")


@contextmanager
def _reported() -> Iterator[Settings]:
    """The settings; errors end the command: 1 no such item, 2 misuse, 4 trouble with the storage."""
    settings = settings_or_exit()
    try:
        yield settings
    except ConfigurationError as error:
        raise fail(error.problems, EXIT_USAGE) from None
    except ItemNotFoundError as error:
        raise fail([str(error)], EXIT_REFUSED) from None
    except IngressError as error:
        raise fail([str(error)], EXIT_TROUBLE) from None


def _matching(
    queue: Queue, state: ItemState | None, endpoint: str | None, node: str | None
) -> Iterator[QueuedItem]:
    if node is not None and endpoint is None:
        raise fail(["--node needs --endpoint"], EXIT_USAGE)
    for one in (state,) if state else tuple(ItemState):
        yield from queue.items(one, endpoint=endpoint, node=node)


def _chosen(
    queue: Queue,
    item_ids: Sequence[str] | None,
    state: ItemState | None,
    endpoint: str | None,
    node: str | None,
) -> list[QueuedItem]:
    if item_ids:
        return [_find(queue, item_id) for item_id in item_ids]
    if state is None:
        raise fail(["name items, or choose them by --state"], EXIT_USAGE)
    return list(_matching(queue, state, endpoint, node))


def _find(queue: Queue, item_id: str) -> QueuedItem:
    item = queue.find(item_id)
    if item is None:
        raise ItemNotFoundError(f"the queue holds no item {item_id}")
    return item


def _configuration(settings: Settings) -> Configuration:
    return load_configuration(settings.config_path, schemas_dir=settings.schema_folder)


def _refresh(queue: Queue, item: QueuedItem, configuration: Configuration) -> None:
    metadata = queue.metadata(item)
    target = configuration.target(metadata.endpoint_name) if metadata is not None else None
    if metadata is not None and target is not None:
        queue.rewrite(item, metadata.model_copy(update={key: getattr(target, key) for key in TAKEN_OVER}))


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise fail(["nobody can be asked here: --yes deletes without asking"], EXIT_USAGE)
    typer.confirm(question, abort=True)
