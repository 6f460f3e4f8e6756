"""`python -m bench`: measure the merge engine against bare zarr and against xarray, in one run."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import ingress, ingress_table
from bench.cases import Case, cases
from bench.freshness import freshness_table, measure
from bench.listing import main as measure_listing
from bench.machine import facts
from bench.merge import FailedError, Runner
from bench.results import Result
from bench.sweep import main as measure_sweeps
from bench.table import facts_table, results_table

WIDTH = 180  # columns where there is no terminal to ask
FRESHNESS = "freshness"
SWEEP = "sweep"
LISTING = "listing"
INGRESS = ("ingress", *ingress.CASES)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Smaller cases, one round: below a minute.")] = False,
    case: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this case; repeat for more. `freshness`, `sweep`, `listing`, `ingress`… only if named."
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers there, too.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where stores are written, and removed again.")] = None,
) -> None:
    """Measure the merge engine against bare zarr and against xarray; or how soon an upload is readable."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    if case == [FRESHNESS]:
        _measure_freshness(console, folder, json_file)
        return
    if case == [SWEEP]:
        measure_sweeps(storage=["file"] if quick else None, folder=folder)
        return
    if case == [LISTING]:
        measure_listing(items=2_000 if quick else 20_000, storage="file", rounds=3)
        return
    if case and set(case) <= set(INGRESS):
        _measure_ingress(console, folder, json_file, case, quick=quick)
        return
    chosen = _chosen(cases(quick=quick), case or [])
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as name, console.status("") as status:
        place = Path(name)
        machine = facts(place)
        runner = Runner(place, status.update, quick=quick)
        results, failures = [], list[FailedError]()
        for one in chosen:
            try:
                results.append(runner.run(one))
            except FailedError as error:
                failures.append(error)
    console.print(facts_table(machine))
    console.print(results_table(results))
    for failure in failures:
        console.print(str(failure), markup=False)
    if json_file:
        json_file.write_text(json.dumps(_plain(machine, results), indent=1), encoding="utf-8")
    if failures:
        raise typer.Exit(1)


def _measure_freshness(console: Console, folder: Path | None, json_file: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as name, console.status("") as status:
        machine = facts(Path(name))
        found = measure(Path(name), status.update)
    console.print(facts_table(machine))
    console.print(freshness_table(found))
    if json_file:
        document = {"machine": machine, "stages_s": [one.stages_s for one in found.journeys]}
        json_file.write_text(json.dumps(document, indent=1), encoding="utf-8")
    if found.has_missed:
        raise typer.Exit(1)


def _measure_ingress(
    console: Console, folder: Path | None, json_file: Path | None, names: list[str], *, quick: bool
) -> None:
    chosen = list(INGRESS[1:]) if INGRESS[0] in names else names
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as name, console.status("") as status:
        machine = facts(Path(name))
        report = ingress.measure(chosen, Path(name), status.update, quick=quick)
    console.print(facts_table(machine), ingress_table.rates_table(report), ingress_table.growth_table(report))
    if json_file:
        document = {"machine": machine} | ingress_table.plain(report)
        json_file.write_text(json.dumps(document, indent=1), encoding="utf-8")
    if ingress_table.has_missed(report):
        raise typer.Exit(1)


def _chosen(known: list[Case], names: list[str]) -> list[Case]:
    unknown = set(names) - {one.name for one in known}
    if unknown:
        raise typer.BadParameter(f"no case {sorted(unknown)}; there are {[one.name for one in known]}")
    return [one for one in known if not names or one.name in names]


def _plain(machine: dict[str, str], results: list[Result]) -> dict[str, object]:
    measured = [asdict(one) | {"times_floor": one.floor, "verdicts": one.verdicts()} for one in results]
    return {"machine": machine, "results": measured}


if __name__ == "__main__":
    typer.run(main)
