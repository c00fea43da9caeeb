"""``hemosight find``: white cells in fields of view and slides, as boxes, crops and readings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemosight.cli.classify import SOME_UNREADABLE, survey_of
from hemosight.cli.outputs import check_folder
from hemosight.cli.progress import bars

if TYPE_CHECKING:
    from hemosight.images.finding.fields import Scale, Searched
    from hemosight.images.finding.tables import Tables
    from hemosight.scoring.boxes import Box


def find(
    paths: Annotated[
        list[Path], typer.Argument(help="Fields of view, slides, or folders of fields (searched to any depth).")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for cells.csv, fields.csv and crops/.")],
    mpp: Annotated[
        float | None,
        typer.Option("--mpp", min=0.01, max=5, help="Micrometres a pixel; measured on red cells when left away."),
    ] = None,
    crops: Annotated[bool, typer.Option("--crops/--no-crops", help="Write a crop of each cell.")] = True,
    read: Annotated[bool, typer.Option("--read", help="Read the crops as well, into readings.csv.")] = False,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle to read with; the built-in one.")] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            "--bits", min=1, max=32, help="Bits that hold the values of deep samples whose file does not say."
        ),
    ] = None,
    places: Annotated[
        Path | None,
        typer.Option(
            "--places",
            help="Where fields lie on the film: CSV image,x,y (pixels) or image,x_um,y_um; else by their names.",
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option("--boxes", help="Judge by known boxes: CSV image,kind,xmin,ymin,xmax,ymax (kind wbc)."),
    ] = None,
    partly: Annotated[
        bool, typer.Option("--partly", help="With --boxes: other white cells may be there without a box.")
    ] = False,
) -> None:
    """Find the white cells of fields: one row each in cells.csv, with its box, a score, and what speaks against it.

    Columns are image, x, y (top left corner), width, height (pixels), score, mark (border, smudge, touching, clump,
    seen again), crop: a picture of 360 x 360 pixels around the cell at the reference scale, as analyzers export them;
    and fair: whether counting is fair there. fields.csv has a row for each image, tiles.csv for each part of a slide.
    A cell that overlapping fields show counts once where their places are known. Slides (by OpenSlide or TiffSlide
    where installed, tiled TIFF without) are searched tile by tile; the same command goes on where it was interrupted.

    Exit code 0: every image was searched. Exit code 3: some could not be; their rows in fields.csv say why.
    """
    import os

    from hemosight.errors import BadSetting
    from hemosight.images.finding import fields, slides
    from hemosight.images.finding import places as placing
    from hemosight.images.finding.tables import Tables
    from hemosight.images.names import to_text
    from hemosight.scoring import boxes as scoring

    if read and not crops:
        raise BadSetting(
            code="needs_crops",
            expected="crops to read",
            came="--no-crops with --read",
            mend="Leave --no-crops away.",
        )
    check_folder(out)
    judged_by = None if boxes is None else scoring.read(boxes)
    found = survey_of(paths)
    root = Path(os.path.commonpath([path.parent.absolute() for path in found.images]))
    searched: list[Searched] = []
    with bars("measuring", "searching") as (say, (measuring, progress)):
        files = [path.absolute() for path in found.images]
        pictures = [path for path in files if not slides.is_slide(path)]
        known: dict[Path, Scale] = {}
        if mpp is not None:
            known = {path: fields.Scale(fields.RED_CELL_UM / mpp, "given") for path in files}
        elif pictures:
            known = fields.scales(pictures, measuring, bits)
        given = None
        if places is not None:
            names = {path: to_text(os.path.relpath(path, root)).replace(os.sep, "/") for path in known}
            um = {names[path]: fields.RED_CELL_UM / scale.red_cell_px for path, scale in known.items()}
            given = placing.read(places, um)
        tables = Tables(out, root, crops, given)
        for one in sorted({(scale.red_cell_px, scale.source) for scale in known.values()}):
            say(f"red cells {one[0]:.0f} px wide ({one[1]})")
        try:
            for one in fields.search(files, known, bits=bits, record=out / "slides", progress=progress):
                tables.add(one)
                searched.append(fields.without_pixels(one))
        finally:
            tables.close()
    if read:
        _read(tables.crops, bundle, out / "readings.csv")
    _say(searched, tables)
    if judged_by is not None:
        _judge(judged_by, searched, root, partly)
    if any(one.status != fields.OK for one in searched) or found.pictures or found.closed:
        raise typer.Exit(SOME_UNREADABLE)


def _read(crops: list[Path], bundle: Path | None, out: Path) -> None:
    from hemosight.engine import engine as engines
    from hemosight.engine import readings

    engine = engines.load(bundle)
    with bars("reading") as (_, (progress,)):
        rows = []
        for row in engine.stream(crops, scale=1.0):  # crops are at the reference scale
            rows.append(row)
            progress(len(rows), len(crops))
    readings.write(readings.table(rows, engine.classes()), out)


def _say(searched: list[Searched], tables: Tables) -> None:
    from collections import Counter

    from hemosight.images.names import one_line, to_text

    for one in searched:
        if one.status != "ok":
            typer.echo(one_line(f"not searched: {to_text(one.path)}: {one.status}"), err=True)
    cells = [cell for one in searched for cell in one.cells]
    marked = sum(bool(cell.marks) for cell in cells)
    good = sum(one.status == "ok" for one in searched)
    typer.echo(f"{len(searched):,} images: {good:,} searched, {len(searched) - good:,} not readable")
    parts = [one.fairness.reasons for one in searched if one.fairness is not None]
    tiles = [tile.reasons for one in searched for tile in one.tiles]
    for own, what in ((parts, "fields"), (tiles, "parts of slides")):
        if own:
            why = Counter(reason for reasons in own for reason in reasons)
            said = ", ".join(f"{count:,} {reason}" for reason, count in why.most_common())
            fair = sum(not reasons for reasons in own)
            typer.echo(f"counting is fair in {fair:,} of {len(own):,} {what}{f' ({said})' if said else ''}")
    typer.echo(f"{len(cells) - tables.seen_again:,} white cells ({marked:,} marked) -> {tables.folder / 'cells.csv'}")
    if tables.seen_again:
        typer.echo(f"{tables.seen_again:,} more that an overlapping field shows as well: counted there")
    if tables.without_place > 1:
        typer.echo(
            f"the places of {tables.without_place:,} fields are not known: where they overlap, a cell counts twice "
            "(--places, or x and y in their names)"
        )


def _judge(known: dict[str, list[Box]], searched: list[Searched], root: Path, partly: bool) -> None:
    """The figures of a run against known boxes."""
    import os

    from hemosight.scoring import boxes as scoring

    given = {
        Path(os.path.relpath(one.path, root)).as_posix(): [
            (cell.x, cell.y, cell.x + cell.width, cell.y + cell.height) for cell in one.cells
        ]
        for one in searched
    }
    by_name = {Path(name).name: name for name in given}
    pairs = [(given[by_name[name]], own) for name, own in known.items() if name in by_name]
    typer.echo(scoring.judge(pairs).text(partly))
