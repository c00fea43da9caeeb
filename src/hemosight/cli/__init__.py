"""The command line. Each module holds the commands of one errand and imports what it needs when it is called."""

from __future__ import annotations

import sys

import typer

from hemosight.cli import (
    benchmark,
    classify,
    data,
    demo,
    encode,
    export,
    find,
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

app = typer.Typer(
    name="hemosight",
    help="Reads white blood cell crops. Research use only: not for primary diagnosis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
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
    except HemoSightError as error:
        sys.stderr.write(f"hemosight: {error}\n")
        raise SystemExit(2) from None
