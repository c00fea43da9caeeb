"""``hemosight data``: public data sets, own folders, duplicates and label conflicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemosight.cli.outputs import check_file
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
        size = f"{known.total:,} files{copies}, {len(known.counts)} classes" if known.counts else "size not stated"
        on_disk = f"{here[known.name]:,} on disk" if known.name in here else "not on disk"
        how = "hemosight data get" if known.files else "by hand from"
        typer.echo(
            f"\n{known.name}: {known.title}\n"
            f"  {size}; {on_disk}\n"
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
    if source.counts and number != source.total:
        typer.echo(f"note: {number:,} images of {source.total:,} published ones are there")


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder of pictures or data sets, or a CSV or Parquet table.")],
    kind: Annotated[str | None, typer.Option("--as", help="Layout; found out when left away.")] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option("--scale", help="Factor to the reference scale: X for all, or SOURCE=X; may be repeated."),
    ] = None,
    folders: Annotated[
        str | None,
        typer.Option("--folders", help="What each level of folders is, from the outermost, such as source/class."),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            "--bits", min=1, max=32, help="Bits of deep samples whose file does not say; the catalog keeps it."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the tree as it is understood, read no picture, write nothing.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="Catalog to write: .parquet or .csv.")] = Path("catalog.parquet"),
) -> None:
    """Read a folder into a catalog: one row per cell, with label, patient, size and content id.

    Levels for --folders: class, subtype, source, patient, split, fold, and - for one that means nothing.
    """
    from hemosight.images import sources

    if dry_run:
        _tree(path, kind, folders)
        return
    if out.suffix not in (".parquet", ".csv"):
        raise typer.BadParameter("must end in .parquet or .csv", param_hint="--out")
    check_file(out)
    if out.exists() and path.exists() and out.samefile(path):
        raise typer.BadParameter("would overwrite the table it is made from", param_hint="--out")
    factors = _scales(scale or [])
    with bars("reading") as (say, (progress,)):
        catalog = sources.read(path, kind, scale=factors, folders=folders, bits=bits, progress=progress, say=say)
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
    folders: Annotated[
        str | None,
        typer.Option("--folders", help="What each level of folders is, from the outermost, such as source/class."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--json", help="Write every finding to this file; - prints it instead.")
    ] = None,
    bits: Annotated[
        int | None, typer.Option("--bits", min=1, max=32, help="Bits of deep samples whose file does not say.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 also for copies on both sides of a split, fold or patient.")
    ] = False,
) -> None:
    """Find unreadable files, copies, near copies, label conflicts and odd sizes.

    Exit code 0: nothing that must be mended (copies alone do no harm: HemoSight's own splits keep them together). Exit
    code 1: a file cannot be read, copies of one cell carry different labels, or, with --strict, copies lie on both
    sides of a published split or fold, or belong to two patients (cases).
    """
    from hemosight.images import sources
    from hemosight.images.duplicates import check as check_catalog

    if report != Path("-"):
        check_file(report)
    with bars("reading", "decoding", "comparing") as (say, (reading, decoding, comparing)):
        catalog = sources.read(path, kind, folders=folders, progress=reading, say=say)
        found = check_catalog(catalog, decoding, comparing, bits=bits)
    text = json.dumps(found.to_json(), indent=2, ensure_ascii=False)
    if report == Path("-"):
        typer.echo(text)
    else:
        _render(found)
        if report is not None:
            report.parent.mkdir(parents=True, exist_ok=True)
            report.write_text(text + "\n", encoding="utf-8")
    raise typer.Exit(1 if found.must_be_mended or (strict and found.straddling.height) else 0)


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


def _tree(path: Path, kind: str | None, folders: str | None) -> None:
    """Each folder that holds pictures, and what it is understood as."""
    from collections import Counter

    from hemosight.errors import PathMissing
    from hemosight.images import sources

    if not path.exists():
        raise PathMissing(path=path, cwd=Path.cwd())
    if not path.is_dir():
        raise typer.BadParameter("shows what folders are understood as; a table says it itself", param_hint="--dry-run")
    with bars() as (say, _):
        rows = sources.rows_of(path, kind, folders=folders, say=say)
    columns = (("label", "class"), ("subtype", "finer type"), ("patient", "patient"), ("official_split", "split"))
    columns = (*columns, ("fold", "fold"), ("source", "source"))
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        folder = Path(row["path"]).parent
        here = folder.relative_to(path).as_posix() if folder.is_relative_to(path) else str(folder)
        described = [f"{called} {row[name]}" for name, called in columns if row.get(name)]
        counts[here, ", ".join(described if row.get("label") else ["no class", *described])] += 1
    for (here, described), number in sorted(counts.items()):
        typer.echo(f"{here + '/':<40}{number:>8,}  {described}")
    typer.echo(f"\n{len(rows):,} pictures; nothing was read or written")


def _summarise(catalog: Catalog) -> None:
    import polars as pl

    uncounted = pl.when(pl.col("subtype").is_not_null()).then(pl.format("uncounted: {}", "subtype"))
    shown = pl.col("label").fill_null(uncounted).fill_null("(no label)")
    counts = (
        catalog.table.with_columns(pl.col("source").fill_null("-"), label=shown)
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
    for column, called in (("official_split", "split"), ("fold", "folds")):
        split = catalog.table[column].drop_nulls().value_counts().sort(column)
        if split.height:
            typer.echo(f"{called}: " + ", ".join(f"{name} {number:,}" for name, number in split.iter_rows()))
    patients = catalog.table.select("source", "patient").drop_nulls("patient").n_unique()
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
        ("copies that straddle", found.straddling),
        ("odd sizes", found.sizes),
    ):
        typer.echo(f"{title:<22}{table.height:>6,}")
    for title, table, row in (
        ("unreadable files", found.unreadable, "  {path}\n    {reason}"),
        ("label conflicts", found.conflicts, "  {path}: {label}\n    {copy}: {copy_label} ({kind})"),
        ("identical pairs", found.identical, "  {path}\n    = {copy}"),
        ("near-identical pairs", found.near, "  {path}\n    ~ {copy} ({position}, {difference:.1f} grey levels apart)"),
        ("copies that straddle", found.straddling, "  {path}: {side}\n    {copy}: {copy_side} ({across})"),
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
