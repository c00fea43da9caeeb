"""The command line. Each module holds the commands of one errand and imports what it needs when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hemosight import __version__
from hemosight.cli import (
    benchmark,
    classify,
    data,
    demo,
    encode,
    export,
    find,
    outputs,
    pretrain,
    reproduce,
    scale,
    serve,
    study,
    train,
    validate,
    watch,
    worker,
)
from hemosight.errors import HemoSightError


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hemosight {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="hemosight",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Reads white blood cell crops. Research use only: not for primary diagnosis."""


app.command()(classify.classify)
app.command()(find.find)
app.command()(scale.scale)
app.command()(demo.demo)
app.command()(pretrain.pretrain)
app.command()(train.train)
app.command()(encode.embed)
app.command()(encode.pack)
app.command()(encode.landscape)
app.command()(encode.measure)
app.command()(reproduce.reproduce)
app.command()(benchmark.benchmark)
app.command()(serve.serve)
app.command()(export.export)
app.command()(validate.validate)
app.command()(watch.drift)
app.command()(watch.compare_bundles)
app.command()(worker.worker)
app.add_typer(serve.app, name="service")
app.add_typer(data.app, name="data")
app.add_typer(study.app, name="study")


def main() -> None:
    """Run the command line; a fault HemoSight can explain is one message and exit code 2."""
    try:
        app()
    except OSError as refused:
        error = outputs.explained(refused)
        if error is None:
            raise
        sys.stderr.write(f"hemosight: {error}\n")
        raise SystemExit(2) from None
    except HemoSightError as error:
        sys.stderr.write(f"hemosight: {error}\n")
        raise SystemExit(2) from None
