"""``hemosight demo``: cells the model has never seen, read and shown."""

from __future__ import annotations

import os
import shlex
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from hemosight.cli.outputs import check_folder
from hemosight.cli.progress import bars

BELOW_BOUND = 1
"""Exit code of a check whose macro-F1 lies under its bound."""


def demo(
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", help="Folder of crops [default: HEMOSIGHT_DATA, else a public set, else a drawn smear]."
        ),
    ] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle to read with; the built-in one.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the contact sheet.")] = Path("demo-output"),
    check: Annotated[
        bool, typer.Option("--check", help="Hold the macro-F1 against a bound (0.80; on a drawn smear 0.85).")
    ] = False,
    show: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open a browser [default: where there is a screen].")
    ] = None,
    desk: Annotated[
        bool | None,
        typer.Option("--desk/--no-desk", help="Go on at the review desk until Ctrl-C [default: in a terminal]."),
    ] = None,
) -> None:
    """Read cells the model was never told about, say how well, write a contact sheet, and show them at the desk.

    Exit code 0: done, and with --check the macro-F1 reaches its bound. Exit code 1: it does not.
    """
    from rich.console import Console

    from hemosight.demo import open_desk, run_demo
    from hemosight.engine import engine as engines

    check_folder(out)
    engine = engines.load(bundle)
    command = shlex.join(["hemosight", *sys.argv[1:]])
    outcome = run_demo(images, out, check, engine, Console(), bars=bars, command=command)
    show = not check and _has_screen() if show is None else show
    if desk or (desk is None and not check and _in_terminal()):
        open_desk(outcome.cells, outcome.labelled, out, typer.echo, bundle=bundle, bars=bars, show=show)
    elif show:
        webbrowser.open(outcome.report.resolve().as_uri())
    elif not check:
        # As it was called: in a checkout the program is on nobody's path.
        program = sys.argv[0] if Path(sys.argv[0]).name == "hemosight" else "hemosight"
        typer.echo(f"To review them in the browser: {shlex.quote(program)} demo --desk")
    if check and not outcome.passed:
        raise typer.Exit(BELOW_BOUND)


def _in_terminal() -> bool:
    """Whether someone can end with Ctrl-C what would else run on."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _has_screen() -> bool:
    """Whether someone sits in front of this: a terminal, and a desktop that a browser can open on."""
    desktop = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return desktop and sys.stdout.isatty()
