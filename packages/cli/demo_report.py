"""What a demo prints: the dataset, what became of each file, and where to look next."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import xarray as xr
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from packages.cli.demo_place import AIRFLOW_ADMIN, INGRESS_USER, DemoPlace
from packages.cli.demo_samples import Upload

STYLES = {"processed": "green", "failed": "red", "refused": "yellow"}


def print_report(console: Console, place: DemoPlace, uploads: Iterable[Upload]) -> None:
    """Print dataset, files and addresses."""
    print_dataset(console, place)
    console.print(files_table(uploads))
    console.print(addresses_table(place))


def print_dataset(console: Console, place: DemoPlace) -> None:
    """Print the store as plain xarray shows it."""
    short = xr.set_options(display_expand_attrs=False)  # type: ignore[no-untyped-call]
    with warnings.catch_warnings(), short:
        warnings.simplefilter("ignore")
        with xr.open_datatree(place.folder / "store.zarr", engine="zarr") as tree:
            console.rule("The dataset, opened with xarray")
            console.print(str(tree), markup=False, highlight=False, soft_wrap=True)


def files_table(uploads: Iterable[Upload]) -> Table:
    """One line a sample file: where it ended and why."""
    table = Table(title="What became of each file", box=box.SIMPLE)
    for heading in ("file", "state", "rows"):
        table.add_column(heading, no_wrap=True)
    table.add_column("row and reason", overflow="fold")
    for upload in uploads:
        state = upload.item.get("state", "refused")
        shown = f"refused {upload.status_code}" if state == "refused" else state
        table.add_row(upload.name, f"[{STYLES[state]}]{shown}[/]", _rows(upload), escape(_reason(upload)))
    return table


def addresses_table(place: DemoPlace) -> Table:
    """Where the demo can be looked at, and with which password."""
    table = Table("what", "address", "user", "password", title="Addresses", box=box.SIMPLE)
    table.add_row("ingress", f"{place.ingress_url}/docs", INGRESS_USER, place.secrets.ingress_password)
    table.add_row("Airflow", place.airflow_url, AIRFLOW_ADMIN, place.secrets.airflow_password)
    table.add_row("dataset", place.store_url, "", "")
    return table


def _rows(upload: Upload) -> str:
    rows = upload.outcome.get("rows")
    return "" if rows is None else str(rows)


def _reason(upload: Upload) -> str:
    """Why a file was refused or failed, or the first of the cells that a processed one lost."""
    if upload.problem:
        return str(upload.problem["detail"])
    if error := upload.outcome.get("error"):
        return _place(error)
    found, counts = upload.outcome.get("rejected_rows") or [], upload.outcome.get("rejected_counts") or {}
    return f"{sum(counts.values())} left out; first: {_place(found[0])}" if found else ""


def _place(finding: dict[str, Any]) -> str:
    named = [
        f"{name} {finding[name]}" for name in ("row", "column", "value") if finding.get(name) is not None
    ]
    return ": ".join(filter(None, [", ".join(named), finding["message"]]))
