"""``hemosight classify``: crops in, one row each out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemosight.cli.outputs import check_file
from hemosight.cli.progress import bars

if TYPE_CHECKING:
    import polars as pl

    from hemosight.engine.engine import Engine
    from hemosight.engine.readings import Foreignness
    from hemosight.images.sources import layout
    from hemosight.space.labels import SupportSet

SOME_UNREADABLE = 3
"""Exit code when at least one row has no label."""
_SHOWN = 25
_NAMED = 5
"""Pictures that were passed over and are named."""
_REMARKS = {"unfamiliar": " unfamiliar"}


def classify(
    paths: Annotated[list[Path], typer.Argument(help="Crops, or folders of crops (searched to any depth).")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle to read with; the built-in one.")] = None,
    support: Annotated[
        Path | None,
        typer.Option("--support", help="Own labels instead of the bundle's: DIR/<class>/<image>, or CSV path,label."),
    ] = None,
    label_set: Annotated[str, typer.Option("--label-set", help="What to read: cell_type, or an attribute.")] = (
        "cell_type"
    ),
    scale: Annotated[
        float | None,
        typer.Option(
            "--scale",
            min=0.05,
            max=20,
            help="Factor to the reference pixel scale (0.1 um/px); measured when left away.",
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            "--bits", min=1, max=32, help="Bits that hold the values of deep samples whose file does not say."
        ),
    ] = None,
    blasts: Annotated[
        bool,
        typer.Option("--blast-suspicion", help="One more column, blast_suspicion: sort by it to look for blasts."),
    ] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            help="What computes: auto (the quickest here), onnxruntime, openvino, openvino-bf16; $HEMOSIGHT_BACKEND.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write .csv, .parquet or .json instead of the screen.")
    ] = None,
) -> None:
    """Read cell crops: one row for each input, in input order.

    A crop that lies beyond what the bundle knows has the status unfamiliar: its label is a best guess.

    Exit code 0: every picture was read. Exit code 3: some could not be; their rows say why, and all others are there.
    The last line counts what was passed over in folders, by kind; a picture among it (of a format that is not read, or
    under a name that is none) makes the exit code 3, too, and so does a folder that may not be entered.
    """
    from hemosight.engine import engine as engines
    from hemosight.engine import readings
    from hemosight.images import pixel_scale

    check_file(out, readings.FORMATS)
    found = survey_of(paths)
    crops = found.images
    engine = engines.load(bundle, backend=backend)
    engine.network.bits = bits
    cells = None if support is None else _support(engine, support, label_set, measure=scale is None)
    suspicion = blasts and label_set == "cell_type"
    classes = engine.classes(label_set, cells)
    readings.table([], classes, suspicion=suspicion)  # a class called like a column: refused before crops are read
    with bars("measuring", "reading") as (say, (measuring, progress)):
        factors: float | list[float] = 1.0 if scale is None else scale
        if scale is None:
            measured = pixel_scale.measure_each(crops, measuring, bits)
            factors = measured.factors
            for line in measured.lines():
                say(line)
        rows = []
        for row in engine.stream(crops, label_set=label_set, support=cells, scale=factors):
            rows.append(row)
            progress(len(rows), len(crops))
    table = readings.table(rows, classes, suspicion=suspicion)
    if out is not None:
        readings.write(table, out)
    _show(table, out)
    _warn(readings.Foreignness.of(rows))
    if cells is not None:
        _tell_labelled(len({row.id for row in rows} & set(cells.embeddings.ids)))
    read = sum(row.readable for row in rows)
    # Beside a table on stdout, the last line must not be one of its rows.
    typer.echo(_closing(found, read), err=out is None)
    if read < len(rows) or found.pictures or found.closed:
        raise typer.Exit(SOME_UNREADABLE)


def crops_of(paths: Sequence[Path]) -> list[Path]:
    """Every named file as it is, every folder's images in the order a person would list them."""
    return survey_of(paths).images


def survey_of(paths: Sequence[Path]) -> layout.Survey:
    """:func:`crops_of`, and what was passed over in folders."""
    import os

    from hemosight.errors import PathMissing
    from hemosight.images.formats import no_images
    from hemosight.images.names import to_text
    from hemosight.images.sources import layout

    found = layout.Survey()
    for path in paths:
        if os.path.isdir(path):
            below = layout.survey(path)
            if not below.images:
                raise no_images(to_text(path), below.described())
            found.images += below.images
            found.passed_over += below.passed_over
            found.pictures += below.pictures
            found.closed += below.closed
        elif os.path.lexists(path):
            found.images.append(path)
        else:
            raise PathMissing(path=to_text(path), cwd=Path.cwd())
    return found


def _closing(found: layout.Survey, read: int) -> str:
    """The last line: how many crops were read, and what was passed over."""
    from hemosight.images.names import one_line, to_text

    crops = len(found.images)
    parts = [f"{crops:,} crops: {read:,} read, {crops - read:,} not readable"]
    parts += [found.described()] if found.passed_over else []
    if found.pictures:
        named = [one_line(to_text(path.name)) for path in found.pictures]
        parts.append(f"pictures among them: {', '.join(named[:_NAMED])}" + (", ..." if len(named) > _NAMED else ""))
    if found.closed:
        named = [one_line(to_text(path)) for path in found.closed]
        parts.append(f"not entered: {', '.join(named[:_NAMED])}" + (", ..." if len(named) > _NAMED else ""))
    return ", ".join(parts)


def _support(engine: Engine, path: Path, label_set: str, *, measure: bool) -> SupportSet:
    from hemosight.images import sources
    from hemosight.images.names import one_line

    with bars("labels", "measuring", "learning") as (say, (scanning, measuring, learning)):
        catalog = sources.read(path, progress=scanning, say=say)
        if measure:
            catalog, lines = sources.measured(catalog, progress=measuring, bits=engine.network.bits)
            for line in lines:
                say(f"labels: {line}")
        support = engine.support(catalog, label_set, progress=learning)
        for file, reason in support.left_out.items():
            say(one_line(f"left out: {file}: {reason}"))
    return support.cells


def _warn(foreign: Foreignness) -> None:
    """One line on stderr where a folder looks foreign: rows on stdout stay rows."""
    if foreign.looks_foreign:
        typer.echo(
            f"{foreign.unfamiliar:,} of {foreign.cells:,} cells ({foreign.share:.0%}) are unfamiliar (median novelty "
            f"{foreign.median_novelty:.2f}): another scanner, stain or scale than the bundle knows. Their types are "
            "guesses: label some cells of this laboratory and give them with --support.",
            err=True,
        )


def _tell_labelled(number: int) -> None:
    """One line on stderr where crops are read by their own labels: how right they are says nothing."""
    if number:
        typer.echo(
            f"{number:,} of these crops are labelled cells of --support: that they are read as they are labelled "
            "proves nothing (`hemosight study held-out` measures on cells that take no part)",
            err=True,
        )


def _show(table: pl.DataFrame, out: Path | None) -> None:
    """CSV where another program reads; for a person the first rows, the counts, and what went wrong."""
    import polars as pl
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from hemosight.blood.vocabulary import title
    from hemosight.engine import readings
    from hemosight.images.names import one_line
    from hemosight.space.novelty import UNUSUAL

    console = Console(soft_wrap=True)
    if out is None and not console.is_terminal:
        typer.echo(readings.csv(table), nl=False)
        return
    if out is None:
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for name, align in (("crop", "left"), ("read as", "left"), ("sure", "right"), ("novelty", "right")):
            shown.add_column(name, justify="right" if align == "right" else "left")
        for row in table.head(_SHOWN).to_dicts():
            if row["label"] is None:
                shown.add_row(escape(one_line(row["path"])), "[red]unreadable[/]", "", "")
            else:
                unusual = _REMARKS.get(row["status"], " unusual" if row["novelty"] > UNUSUAL else "")
                shown.add_row(
                    escape(one_line(row["path"])),
                    title(row["label"]),
                    f"{row['probability']:.2f}",
                    f"{row['novelty']:.2f}{unusual}",
                )
        console.print(shown)
        if table.height > _SHOWN:
            console.print(f"... and {table.height - _SHOWN:,} more (--out FILE.csv writes all)")
        console.print()
    counts = (
        table.filter(pl.col("label").is_not_null())
        .group_by("label")
        .len()
        .sort("len", "label", descending=[True, False])
    )
    summary = Table(box=None, pad_edge=False, header_style="bold")
    summary.add_column("type")
    summary.add_column("crops", justify="right")
    summary.add_column("%", justify="right")
    total = max(int(counts["len"].sum()), 1)
    for name, count in counts.iter_rows():
        summary.add_row(title(name), f"{count:,}", f"{100 * count / total:.1f}")
    console.print(summary)
    for row in table.filter(pl.col("label").is_null()).to_dicts():
        console.print(one_line(f"unreadable: {row['path']}: {row['status']}"), markup=False, style="red")
    if out is not None:
        console.print(f"\n{table.height:,} rows -> {out}", markup=False)
