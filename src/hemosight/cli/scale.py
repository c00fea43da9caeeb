"""``hemosight scale``: the pixel scale of a scanner, from the red cells in its crops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hemosight.cli.classify import crops_of
from hemosight.cli.progress import bars

UNKNOWN = 4
"""Exit code when the scale cannot be told."""


def scale(
    paths: Annotated[list[Path], typer.Argument(help="Crops or fields, or folders of them (searched to any depth).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the measurement as JSON.")] = False,
) -> None:
    """Measure the pixel scale: how wide red cells are, and the factor that brings them to the reference's 77 pixels.

    All pictures are taken to be of one scanner; at most 200 of them, spread evenly, are looked at. Exit code 0: it was
    measured. Exit code 4: it cannot be told, for the reason given.
    """
    from hemosight.images import pixel_scale

    crops = crops_of(paths)
    with bars("measuring") as (_, (progress,)):
        found = pixel_scale.measure(crops, progress)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    elif found.red_cell_px is None:
        typer.echo(f"cannot tell: {found.reason} (red cells {found.cells:,}, crops {found.crops:,})")
    else:
        near = "" if found.used != 1.0 else "  (so near to 1 that crops are read with 1)"
        typer.echo(
            f"red_cell_px  {found.red_cell_px:.1f}  (95% interval {found.low:.1f} to {found.high:.1f})\n"
            f"factor       {found.factor:.3f}{near}\n"
            f"cells        {found.cells:,}\n"
            f"crops        {found.crops:,}\n"
            f"method       {found.method}"
        )
    raise typer.Exit(0 if found.red_cell_px is not None else UNKNOWN)
