"""Writes docs/reference/errors.md from the error classes: ``python -m tools.error_page``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"
TREES = {
    "services.ingress_service.errors": "At the door",
    "services.ingress_service.scrapper.errors": "While scraping",
    "packages.common.errors": "Queue, configuration and payloads",
    "packages.common.extractors.errors": "In extractors",
    "services.extractor_service.errors": "In the sweep",
    "zarr_fuse.errors": "In the merge engine",
}
HEAD = """# Errors

Every error has a `kind` that keeps its meaning: the `code` of a refusal over HTTP, the `kind` in the outcome
of a failed item, and the word to look for in logs. *Retryable* says whether the same thing may succeed later
without anybody's doing: then an item waits and is tried again, and a client may send its request again.

[HTTP API](http-api.md) tells the status of each refusal, [The queue](queue.md) what an outcome holds, and
[The schema language](schema.md) the kinds of findings. `python -m tools.error_page` makes this page.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The text of the page: a table for each tree of errors."""
    return "\n".join([HEAD, *(section(module, title) for module, title in TREES.items())])


def section(module: str, title: str) -> str:
    """A heading and the table of one tree."""
    rows = [f"| `{kind}` | {retryable} | {meaning} |" for kind, retryable, meaning in errors_of(module)]
    return "\n".join([f"## {title}", "", "| kind | retryable | means |", "|---|---|---|", *rows, ""])


def errors_of(module: str) -> Iterator[tuple[str, str, str]]:
    """Kind, whether it is retryable, and meaning of each error class of a module; one row a kind."""
    found = inspect.getmembers(import_module(module), inspect.isclass)
    own = {str(vars(each).get("kind", "")): each for _, each in found if each.__module__ == module}
    for kind in sorted(own.keys() - {""}):
        error = own[kind]
        meaning = (inspect.getdoc(error) or "").partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        yield kind, "yes" if getattr(error, "retryable", False) else "no", meaning


if __name__ == "__main__":
    main()
