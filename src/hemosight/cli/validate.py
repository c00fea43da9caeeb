"""``hemosight validate``: a laboratory's own cells against a protocol, as a dossier for its file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hemosight.cli.outputs import check_folder
from hemosight.cli.progress import bars
from hemosight.cli.typed import typed

NOT_MET = 4
"""Exit code when a limit of the protocol is not met."""


def validate(
    cells: Annotated[
        str,
        typer.Argument(
            metavar="CELLS",
            help="Folder of crops or of data sets, a catalog (patients are the cases), or the number of a project in a "
            "running service (its signed cases).",
        ),
    ],
    protocol: Annotated[Path, typer.Option("--protocol", help="The protocol (TOML), written before looking.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for dossier.html, dossier.pdf, dossier.json, tables/.")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle to validate; the built-in one.")] = None,
    readings: Annotated[
        Path | None,
        typer.Option("--readings", help="Further readers of the same cells: CSV with sha256 (or path), reader, label."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            help="Labels in place of the cells' own, as a panel's reference has them: CSV of sha256 (or path), label.",
        ),
    ] = None,
    address: Annotated[
        str, typer.Option("--address", envvar="HEMOSIGHT_ADDRESS", help="Where the service is, for a project.")
    ] = "http://127.0.0.1:8321",
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="HEMOSIGHT_TOKEN", help="API token; none for a service with --no-login."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", envvar="HEMOSIGHT_THREADS", min=1, help="Processor threads to compute with [default: all]."
        ),
    ] = None,
) -> None:
    """Validate a bundle on a laboratory's own cells and write the dossier that an inspector asks for.

    Method comparison (CLSI H20-A2, EP09), presence of blasts (EP12), calibration, subgroups, repeatability, failures,
    and what was not tested; with 95% intervals, by case and by cell. Run again with the same options it makes the
    dossier anew and says loudly what has changed since.

    Exit code 0: no limit of the protocol is missed. Exit code 4: at least one is; the dossier is written all the same.
    """
    from hemosight.cli import validation_cells, validation_readings
    from hemosight.engine.backends import REFERENCE
    from hemosight.engine.engine import load
    from hemosight.lab.validation import dossier
    from hemosight.lab.validation import protocol as protocols

    check_folder(out)
    asked, digest = protocols.read(protocol)
    engine = load(bundle, threads, REFERENCE)  # what is validated does not depend on the machine's arithmetic
    with bars("fetching", "measuring", "reading", "again") as (say, (fetching, measuring, reading, again)):
        source = validation_cells.Source(cells, address, token)
        with source.open(say=say, fetching=fetching, measuring=measuring) as (catalog, origin):
            if reference is not None:
                catalog, origin = validation_readings.referred(reference, catalog, origin)
            made = dossier.validate(
                catalog,
                engine,
                asked,
                digest,
                out,
                readers=None if readings is None else validation_readings.readers(readings, catalog, origin.types),
                origin=origin,
                command=" ".join(typed(["hemosight", *sys.argv[1:]])),
                say=say,
                reading=reading,
                again=again,
            )
    for line in made.changes:
        typer.secho(line, fg=typer.colors.RED, err=True)
    for one in made.verdicts:
        typer.echo(f"{one.judged:12}  {one.what}: {one.said} ({one.asked})")
    if not made.verdicts:
        typer.echo("The protocol names no limit: everything is measured, nothing is required.")
    typer.echo(f"{len(made.cells):,} cells of {len(made.cells.cases)} cases -> {made.page}, {made.pdf.name}")
    if any(one.judged == "not met" for one in made.verdicts):
        raise typer.Exit(NOT_MET)
