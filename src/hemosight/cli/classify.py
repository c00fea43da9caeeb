"""``hemosight classify``: crops in, one row each out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemosight.cli.progress import bars

if TYPE_CHECKING:
    import polars as pl

    from hemosight.engine import Engine
    from hemosight.space.labels import SupportSet

SOME_UNREADABLE = 3
"""Exit code when at least one row has no label."""
_SHOWN = 25


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
        float, typer.Option("--scale", min=0.05, max=20, help="Factor to the reference pixel scale (0.1 um/px).")
    ] = 1.0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write .csv, .parquet or .json instead of the screen.")
    ] = None,
) -> None:
    """Read cell crops: one row for each input, in input order.

    Exit code 0: every crop was read. Exit code 3: some could not be; their rows say why, and all others are there.
    """
    from hemosight import engine as engines
    from hemosight import readings

    if out is not None:
        readings.check_format(out)
    crops = _crops(paths)
    engine = engines.load(bundle)
    cells = None if support is None else _support(engine, support, label_set)
    with bars("reading") as (_, (progress,)):
        rows = []
        for row in engine.stream(crops, label_set=label_set, support=cells, scale=scale):
            rows.append(row)
            progress(len(rows), len(crops))
    table = readings.table(rows, engine.classes(label_set, cells))
    if out is not None:
        readings.write(table, out)
    _show(table, out)
    if not all(row.readable for row in rows):
        raise typer.Exit(SOME_UNREADABLE)


def _crops(paths: Sequence[Path]) -> list[Path]:
    """Every named file as it is, every folder's images in the order a person would list them."""
    from hemosight.errors import NoImages, PathMissing
    from hemosight.images.preprocess import SUFFIXES
    from hemosight.images.sources import layout

    crops: list[Path] = []
    for path in paths:
        if path.is_dir():
            images = layout.images(layout.files(path))
            if not images:
                raise NoImages(suffixes=" ".join(sorted(SUFFIXES)), path=path)
            crops.extend(images)
        elif path.exists():
            crops.append(path)
        else:
            raise PathMissing(path=path, cwd=Path.cwd())
    return crops


def _support(engine: Engine, path: Path, label_set: str) -> SupportSet:
    from hemosight.images import sources

    with bars("labels", "learning") as (say, (scanning, learning)):
        catalog = sources.read(path, progress=scanning)
        support = engine.support(catalog, label_set, progress=learning)
        for file, reason in support.left_out.items():
            say(f"left out: {file}: {reason}")
    return support.cells


def _show(table: pl.DataFrame, out: Path | None) -> None:
    """CSV where another program reads; for a person the first rows, the counts, and what went wrong."""
    import polars as pl
    from rich.console import Console
    from rich.table import Table

    from hemosight import readings
    from hemosight.space.labels import title

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
                shown.add_row(row["path"], "[red]unreadable[/]", "", "")
            else:
                unusual = " unusual" if row["novelty"] > 1 else ""
                shown.add_row(
                    row["path"], title(row["label"]), f"{row['probability']:.2f}", f"{row['novelty']:.2f}{unusual}"
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
        console.print(f"unreadable: {row['path']}: {row['status']}", markup=False, style="red")
    if out is not None:
        console.print(f"\n{table.height:,} rows -> {out}", markup=False)
