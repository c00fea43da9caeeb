"""``hemosight data``: public data sets, own folders, duplicates and label conflicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemosight.cli.progress import bars

if TYPE_CHECKING:
    import polars as pl

    from hemosight.images.catalog import Catalog
    from hemosight.images.duplicates import CheckReport

app = typer.Typer(no_args_is_help=True, help="Public data sets, own folders, duplicates and label conflicts.")

_SHOWN = 20
"""Findings of one kind that are listed; --json holds all."""


@app.command("list")
def list_sets(
    at: Annotated[
        Path | None, typer.Option("--at", help="Folder of data sets [default: HEMOSIGHT_DATA, else XDG data folder].")
    ] = None,
) -> None:
    """The public data sets HemoSight knows, their licences, and how much of them is on disk."""
    from hemosight.images import sources
    from hemosight.images.download import data_home

    home = at or data_home()
    here = sources.count(home)
    typer.echo(f"Data sets in {home}{'' if home.is_dir() else ' (no such folder yet)'}")
    for known in sources.SOURCES.values():
        copies = f" ({known.distinct:,} distinct)" if known.distinct else ""
        on_disk = f"{here[known.name]:,} on disk" if known.name in here else "not on disk"
        how = "hemosight data get" if known.files else "by hand from"
        typer.echo(
            f"\n{known.name}: {known.title}\n"
            f"  {known.total:,} files{copies}, {len(known.counts)} classes; {on_disk}\n"
            f"  {known.licence}; {known.citation}\n"
            f"  {how} {known.name if known.files else known.page}\n"
            f"  {known.note}"
        )
    others = {name: number for name, number in here.items() if name not in sources.SOURCES}
    for name, number in sorted(others.items()):
        typer.echo(f"\n{name}: {number:,} images of your own")
    typer.echo("\nLayouts for --as:")
    for kind, layout in sources.KINDS.items():
        typer.echo(f"  {kind:<10}{layout}")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="A public data set: see `hemosight data list`.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of data sets [default: HEMOSIGHT_DATA, else XDG data folder].")
    ] = None,
) -> None:
    """Download a public data set; the same command again goes on where it stopped."""
    from hemosight.images import sources
    from hemosight.images.download import data_home
    from hemosight.images.download import get as get_source

    source = sources.source(name)
    home = to or data_home()
    with bars("fetching", in_bytes=True) as (say, (progress,)):
        folder = get_source(source, home, progress=progress, say=say)
    typer.echo(f"{source.name} is in {folder}\nlicence: {source.licence}\nplease cite: {source.citation}")
    number = sources.count(home).get(source.name, 0)
    if number != source.total:
        typer.echo(f"note: {number:,} images of {source.total:,} published ones are there")


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder of pictures or data sets, or a CSV or Parquet table.")],
    kind: Annotated[str | None, typer.Option("--as", help="Layout; found out when left away.")] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option("--scale", help="Factor to the reference scale: X for all, or SOURCE=X; may be repeated."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Catalog to write: .parquet or .csv.")] = Path("catalog.parquet"),
) -> None:
    """Read a folder into a catalog: one row per cell, with label, patient, size and content id."""
    from hemosight.images import sources

    if out.suffix not in (".parquet", ".csv"):
        raise typer.BadParameter("must end in .parquet or .csv", param_hint="--out")
    if out.exists() and out.samefile(path):
        raise typer.BadParameter("would overwrite the table it is made from", param_hint="--out")
    factors = _scales(scale or [])
    with bars("reading") as (_, (progress,)):
        catalog = sources.read(path, kind, scale=factors, progress=progress)
    catalog.write(out)
    _summarise(catalog)
    typer.echo(f"\n{len(catalog):,} cells -> {out}")
    lost = len(catalog) - len(catalog.readable())
    if lost:
        typer.echo(f"{lost:,} of them cannot be read; `hemosight data check {out}` says why")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="A folder, or a catalog written by `hemosight data add`.")],
    kind: Annotated[str | None, typer.Option("--as", help="Layout; found out when left away.")] = None,
    report: Annotated[
        Path | None, typer.Option("--json", help="Write every finding to this file; - prints it instead.")
    ] = None,
) -> None:
    """Find unreadable files, copies, near copies, label conflicts and odd sizes.

    Exit code 0: nothing that must be mended (copies alone do no harm: splits keep them together). Exit code 1: a
    file cannot be read, or copies of one cell carry different labels.
    """
    from hemosight.images import sources
    from hemosight.images.duplicates import check as check_catalog

    with bars("reading", "decoding", "comparing") as (_, (reading, decoding, comparing)):
        catalog = sources.read(path, kind, progress=reading)
        found = check_catalog(catalog, decoding, comparing)
    text = json.dumps(found.to_json(), indent=2, ensure_ascii=False)
    if report == Path("-"):
        typer.echo(text)
    else:
        _render(found)
        if report is not None:
            report.parent.mkdir(parents=True, exist_ok=True)
            report.write_text(text + "\n", encoding="utf-8")
    raise typer.Exit(1 if found.must_be_mended else 0)


# --- showing --------------------------------------------------------------------------------------------------


def _scales(given: list[str]) -> float | dict[str, float] | None:
    factors: dict[str, float] = {}
    for item in given:
        name, _, number = item.rpartition("=")
        try:
            factor = float(number)
        except ValueError:
            factor = 0.0
        if not 0.05 <= factor <= 20:
            raise typer.BadParameter(f"{item!r} is neither X nor SOURCE=X with X from 0.05 to 20", param_hint="--scale")
        factors[name] = factor
    if "" in factors and len(given) > 1:
        raise typer.BadParameter("one factor for all, or one for each source, not both", param_hint="--scale")
    return factors.get("", factors or None)


def _summarise(catalog: Catalog) -> None:
    import polars as pl

    counts = (
        catalog.table.with_columns(pl.col("source").fill_null("-"), pl.col("label").fill_null("(no label)"))
        .group_by("source", "label")
        .agg(
            pl.len(), pl.col("patient").n_unique().alias("patients"), pl.col("patient").null_count().alias("no_patient")
        )
        .sort("source", "label")
    )
    for (source,), rows in counts.group_by("source", maintain_order=True):
        scale = catalog.table.filter(pl.col("source").fill_null("-") == source)["scale"].unique().to_list()
        typer.echo(f"{source}" + (f" (scale {', '.join(f'{x:g}' for x in scale)})" if scale != [1.0] else ""))
        for row in rows.to_dicts():
            typer.echo(f"  {row['label']:<24}{row['len']:>8,}")
    patients = catalog.table.select("source", "patient").drop_nulls("patient").n_unique()
    if patients:
        typer.echo(f"patients: {patients:,}")
    if catalog.attributes:
        annotated = catalog.table.filter(pl.any_horizontal(pl.selectors.starts_with("attribute.").is_not_null())).height
        typer.echo(f"attributes: {len(catalog.attributes)} of {annotated:,} cells")


def _render(found: CheckReport) -> None:
    typer.echo(
        f"{found.cells:,} cells: {found.distinct_files:,} distinct files, {found.distinct_cells:,} distinct cells\n"
    )
    for title, table in (
        ("unreadable files", found.unreadable),
        ("label conflicts", found.conflicts),
        ("identical pairs", found.identical),
        ("near-identical pairs", found.near),
        ("odd sizes", found.sizes),
    ):
        typer.echo(f"{title:<22}{table.height:>6,}")
    for title, table, row in (
        ("unreadable files", found.unreadable, "  {path}\n    {reason}"),
        ("label conflicts", found.conflicts, "  {path}: {label}\n    {copy}: {copy_label} ({kind})"),
        ("identical pairs", found.identical, "  {path}\n    = {copy}"),
        ("near-identical pairs", found.near, "  {path}\n    ~ {copy} ({position}, {difference:.1f} grey levels apart)"),
        ("odd sizes", found.sizes, "  {path}: {width} x {height}, {reason}"),
    ):
        _list(title, table, row)


def _list(title: str, table: pl.DataFrame, row: str) -> None:
    if not table.height:
        return
    typer.echo(f"\n{title}")
    typer.echo("\n".join(row.format(**finding) for finding in table.head(_SHOWN).to_dicts()))
    if table.height > _SHOWN:
        typer.echo(f"  ... and {table.height - _SHOWN:,} more: --json FILE lists all")
