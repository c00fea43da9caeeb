"""``hemosight drift`` and ``hemosight compare-bundles``: what changes after a validation, and before a switch."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemosight.cli.outputs import check_folder
from hemosight.cli.progress import bars
from hemosight.cli.typed import typed

if TYPE_CHECKING:
    from hemosight.cli.validation_cells import Say
    from hemosight.lab.validation.cells import ValidationCells
    from hemosight.lab.validation.protocol import Protocol

FLAGGED = 4
"""Exit code when a chart has a flag, or a type is read worse for certain."""
_CELLS = typer.Argument(
    metavar="CELLS",
    help="Folder of data sets or catalog (patients are the cases), or a project's number (signed cases).",
)
_ADDRESS = typer.Option("--address", envvar="HEMOSIGHT_ADDRESS", help="Where the service is, for a project.")
_TOKEN = typer.Option("--token", envvar="HEMOSIGHT_TOKEN", help="API token; none for a service with --no-login.")
_HERE = "http://127.0.0.1:8321"


def drift(
    cells: Annotated[str, _CELLS],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html and tables/.")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle that reads; the built-in one.")] = None,
    least: Annotated[int, typer.Option("--least", min=4, help="Cells that a case must have.")] = 20,
    baseline: Annotated[int, typer.Option("--baseline", min=10, help="First cases, which say what is usual.")] = 20,
    address: Annotated[str, _ADDRESS] = _HERE,
    token: Annotated[str | None, _TOKEN] = None,
) -> None:
    """Control charts of signed cases: unusual cells, scale, stain, agreement and types, by scanner.

    Cases are in the order of their first signature; of a folder or catalog in the order in which they stand there. Exit
    code 4: a rule is broken, validate again.
    """
    from hemosight.cli import validation_cells
    from hemosight.engine.backends import REFERENCE
    from hemosight.engine.engine import load
    from hemosight.lab.validation import drift as drifts
    from hemosight.lab.validation.cells import gather, too_few_cases

    check_folder(out)
    with bars("fetching", "measuring", "reading", "looking") as (say, (fetching, measuring, reading, looking)):
        source = validation_cells.Source(cells, address, token)
        with source.open(say=say, fetching=fetching, measuring=measuring) as (catalog, origin):
            found = gather(catalog, load(bundle, backend=REFERENCE), _protocol(least, learnt=True), progress=reading)
            came = catalog.table["patient"].drop_nulls().unique(maintain_order=True).to_list()
            _tell_left_out(say, found)
            rows = drifts.measured(found, [case for case in came if case in set(found.cases)], looking)
    charts = drifts.charted(rows, baseline)
    if not charts:
        raise too_few_cases(baseline + 1, f"no scanner with more than {baseline} cases")
    written = drifts.write(out, charts, rows, _facts(origin.words))
    for one in charts:
        typer.echo(f"{one.scanner}: {len(one.cases)} cases, {len(one.charts)} charts, {len(one.flags)} flags")
        for row in one.flags.iter_rows(named=True):
            typer.secho(f"  {row['measure']}: case {row['case']} ({row['rules']})", fg=typer.colors.RED)
    typer.echo(f"-> {written}")
    if any(len(one.flags) for one in charts):
        raise typer.Exit(FLAGGED)


def compare_bundles(
    cells: Annotated[str, _CELLS],
    new: Annotated[Path, typer.Option("--new", help="The bundle that is to be switched on.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html and tables/.")],
    old: Annotated[Path | None, typer.Option("--old", help="The bundle in use; the built-in one.")] = None,
    least: Annotated[int, typer.Option("--least", min=1, help="Cells that a case must have.")] = 4,
    address: Annotated[str, _ADDRESS] = _HERE,
    token: Annotated[str | None, _TOKEN] = None,
) -> None:
    """Compare two bundles on a laboratory's own labelled or signed cells: which change, by type, with intervals.

    Cases of which either bundle has learnt a cell do not count. Exit code 4: a type is read worse for certain.
    """
    from hemosight.cli import validation_cells
    from hemosight.engine.backends import REFERENCE
    from hemosight.engine.engine import load
    from hemosight.lab.validation import two_bundles
    from hemosight.lab.validation.cells import gather

    check_folder(out)
    engines = load(old, backend=REFERENCE), load(new, backend=REFERENCE)
    with bars("fetching", "measuring", "by the old", "by the new") as (say, (fetching, measuring, first, second)):
        source = validation_cells.Source(cells, address, token)
        with source.open(say=say, fetching=fetching, measuring=measuring) as (catalog, origin):
            read = [
                gather(catalog, engine, _protocol(max(least, 4), learnt=False), progress=progress)
                for engine, progress in zip(engines, (first, second), strict=True)
            ]
            names = [f"{engine.bundle.manifest.name} {engine.bundle.manifest.version}" for engine in engines]
            for name, engine, its in zip(names, engines, read, strict=True):
                _tell_left_out(say, its, f"{name}: ")
                if missing := sorted(set(its.table["truth"].to_list()) - set(engine.classes())):
                    say(f"{name} has no class for {', '.join(missing)}: it reads each of these cells wrong")
    found = two_bundles.compare(read[0], read[1])
    written = two_bundles.write(out, found, (names[0], names[1]), _facts(origin.words))
    typer.echo(f"{found.cells:,} cells of {found.cases} cases, {found.changed:,} read otherwise")
    for row in found.by_type.iter_rows(named=True):
        bounds = f"[{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
        typer.echo(f"  {row['type']:14} {row['cells']:6,} cells  {row['difference']:+.3f} {bounds}")
    typer.echo(f"-> {written}")
    if found.worse:
        typer.secho(f"read worse for certain: {', '.join(found.worse)}", fg=typer.colors.RED)
        raise typer.Exit(FLAGGED)


def _tell_left_out(say: Say, cells: ValidationCells, whose: str = "") -> None:
    """Name what was given and does not count: one line for each reason."""
    from hemosight.lab.validation.cells import reasons

    for line in reasons(cells.cases_left_out, cells.left_out):
        say(f"{whose}left out: {line}")


def _protocol(least: int, *, learnt: bool) -> Protocol:
    from hemosight.lab.validation.protocol import Cells, Protocol

    # What a case looks like, and what two bundles read of the same cells, is told by some of its cells as well.
    cells = Cells(least=least, least_reviewed=0, learnt="include" if learnt else "exclude")
    return Protocol(title="", written_by="", written_on=datetime.datetime.now(datetime.UTC).date(), cells=cells)


def _facts(origin: str) -> list[tuple[str, str]]:
    from importlib.metadata import version

    made = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    command = " ".join(typed(["hemosight", *sys.argv[1:]]))
    return [("Cells", origin), ("Command", command), ("Made", f"{made} by HemoSight {version('hemosight')}")]
