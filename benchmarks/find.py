"""How well white cells are found in fields of view, by laboratory, and how their crops are read.

    python benchmarks/find.py --data DIR
    python benchmarks/find.py --data DIR --choose
    python benchmarks/find.py --data DIR --changed
    python benchmarks/find.py --data DIR --read
    python benchmarks/find.py --data DIR --timed
    python benchmarks/find.py --data DIR --fit

Without an option: recall, precision, F1 (IoU 0.3), centres and counts of Chulalongkorn's and BCDD's fields and of
drawn ones, and seconds of processor for a hundred fields of 640 x 480. ``--choose``: each laboratory left out of all
choices, features, limits and constants among them (``find_choice.py`` states the rule), and then read once, beside what
ships with its weights alone fitted without the laboratory. ``--changed``: the same fields blurred, tinted, resized and
searched at a wrong scale. ``--read``: crops of found cells read by the default bundle, beside crops that were cut
around the known boxes, of Chulalongkorn's fields and of drawn ones. ``--timed``: the whole command ``hemosight find``
on a hundred fields of 640 x 480, scale, crops and tables with it. ``--fit``: the weights of
``hemosight.images.finding.cells`` fitted anew (``find_weights.py``), with each laboratory left out in turn, and on all
of them.
"""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import find_choice
import find_weights
import numpy as np
import typer
from find_fields import MIRRORED, WIDTHS, Known, boxes, drawn, laboratory
from find_tables import intervals, table
from PIL import Image, ImageFilter

import hemosight
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.finding import cells as finder
from hemosight.images.finding.fields import CROP, USUAL_PX, Scale, of_pixels, search
from hemosight.images.preprocess import crop_around
from hemosight.images.synthetic import Scanner, Stain
from hemosight.images.synthetic.camera import draw_field, draw_labels
from hemosight.scoring.boxes import Box


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    changed: Annotated[bool, typer.Option("--changed", help="Fields that were changed.")] = False,
    reading: Annotated[bool, typer.Option("--read", help="Readings of the crops.")] = False,
    timed: Annotated[bool, typer.Option("--timed", help="The whole command on a hundred fields.")] = False,
    fit: Annotated[bool, typer.Option("--fit", help="Fit the weights anew.")] = False,
    choose: Annotated[bool, typer.Option("--choose", help="Leave each laboratory out of all choices.")] = False,
) -> None:
    """Print the tables."""
    if timed:
        whole_command()
        return
    fields = {name: laboratory(data, name) for name in WIDTHS}
    if choose:
        left_out_of_all(data, fields)
    elif fit:
        fitted(data, fields)
    elif reading:
        readings(data)
    elif changed:
        table((f"{name}, {what}", _searched(change(own))) for what, change in CHANGES for name, own in fields.items())
    else:
        rows = [(name, _searched(own)) for name, own in (*fields.items(), ("drawn", drawn(100)))]
        table(rows)
        print()
        intervals(rows)
        empty = [len(finder.find(field.pixels, field.red_cell_px)) for field in drawn(100, seed=13, most=0)]
        print(f"\n100 drawn fields without a white cell: {sum(empty)} found, in {sum(map(bool, empty))} fields")
        own = [Known("", field.pixels, field.red_cell_px, []) for field in drawn(100, seed=10)]
        begin = time.process_time()
        for field in own:
            finder.find(field.pixels, field.red_cell_px)
        print(f"\n100 drawn fields of 640 x 480: {time.process_time() - begin:.1f} s of one processor")


def _searched(fields: list[Known]) -> list[tuple[list[Box], Known]]:
    return [(boxes(field), field) for field in fields]


def whole_command(count: int = 100) -> None:
    """Seconds of ``hemosight find`` on fields of one laboratory, from files to tables, as its user waits for it."""
    rng = np.random.default_rng(12)
    stain, scanner = Stain.random(rng), Scanner.reference()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(count):
            field = draw_field(640, 480, draw_labels(int(rng.integers(0, 4)), rng), rng, stain=stain, scanner=scanner)
            Image.fromarray(field.pixels).save(folder / f"field-{number:03d}.jpg", quality=95)
        command = [sys.executable, "-m", "hemosight", "find", str(folder), "--out", str(folder / "out")]
        begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        waited, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    print(f"{count} drawn fields of 640 x 480: {waited:.1f} s, {busy:.1f} s of processor, {os.cpu_count()} cores,")
    print(f"{busy / waited:.2f} of them used on average; load of the machine {os.getloadavg()[0]:.1f}")


# --- changes ------------------------------------------------------------------------------------------------


def _each(change: Callable[[Pixels], Pixels], scale: float = 1.0) -> Callable[[list[Known]], list[Known]]:
    def all_of(fields: list[Known]) -> list[Known]:
        out = []
        for field in fields:
            pixels = change(field.pixels)
            factor = pixels.shape[1] / field.pixels.shape[1]
            own = [(a * factor, b * factor, c * factor, d * factor) for a, b, c, d in field.boxes]
            out.append(Known(field.name, pixels, field.red_cell_px * factor * scale, own))
        return out

    return all_of


def _resized(factor: float) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))

    return change


def _blurred(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(3)))


def _tinted(pixels: Pixels) -> Pixels:
    return (255 * (pixels / 255) ** 1.4 * np.array([0.8, 0.95, 1.0])).astype(np.uint8)


CHANGES = [
    ("blurred by 3 px", _each(_blurred)),
    ("tinted, darker", _each(_tinted)),
    ("resized by 0.45", _each(_resized(0.45))),
    ("resized by 1.8", _each(_resized(1.8))),
    *[(f"scale wrong by {scale}", _each(lambda pixels: pixels, scale)) for scale in (0.75, 0.87, 1.15, 1.35)],
]


# --- readings -----------------------------------------------------------------------------------------------


def readings(data: Path) -> None:
    """Crops of found cells beside crops around the known boxes, of Chulalongkorn's fields and of drawn ones."""
    print("| fields | cells | found crops right | box crops right | read alike | change of probability, median |")
    print("|---|---|---|---|---|---|")
    _alike("Chulalongkorn", *_of_chulalongkorn(data))
    _alike("drawn", *_of_drawn())


def _of_chulalongkorn(data: Path) -> tuple[list[Pixels], list[Pixels], list[str]]:
    """Crops of found cells, crops around their known boxes, and what the cells are."""
    folder = data / "fields" / "CHULA"
    with (folder / "boxes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    own, cut, types = [], [], []
    rows = [row for row in rows if row["image"] not in MIRRORED]
    paths = [folder / row["image"] for row in rows]
    for row, searched in zip(rows, search(paths, dict.fromkeys(paths, Scale(WIDTHS["CHULA"], "given"))), strict=True):
        left, top, right, bottom = (float(row[name]) for name in ("xmin", "ymin", "xmax", "ymax"))
        x, y = (left + right) / 2, (top + bottom) / 2
        near = [cell for cell in searched.cells if np.hypot(cell.middle[0] - x, cell.middle[1] - y) < 80]
        if near:
            own.append(searched.crop(near[0]))
            cut.append(crop_around(decode(read_bytes(searched.path)), 360, (y, x)))
            types.append(row["type"])
    return own, cut, types


def _of_drawn(count: int = 60, each: int = 2) -> tuple[list[Pixels], list[Pixels], list[str]]:
    """The same of drawn fields, by the reference scanner and lamp: the box is where the cell was drawn."""
    own, cut, types = [], [], []
    for number in range(count):
        rng = np.random.default_rng([11, number])
        field = draw_field(640, 480, draw_labels(each, rng), rng)
        scale = Scale(USUAL_PX, "given")
        searched = of_pixels(field.pixels, scale, finder.find(field.pixels, scale.red_cell_px))
        for cell in field.cells:
            x, y = cell.x + cell.width / 2, cell.y + cell.height / 2
            near = [one for one in searched.cells if np.hypot(one.middle[0] - x, one.middle[1] - y) < 40]
            if near:
                own.append(searched.crop(near[0]))
                cut.append(crop_around(field.pixels, CROP, (y, x)))
                types.append(cell.label)
    return own, cut, types


def _alike(name: str, own: list[Pixels], cut: list[Pixels], types: list[str]) -> None:
    engine = hemosight.load()
    found, known = (engine.classify(crops, scale=1.0) for crops in (own, cut))
    right = [sum(row.label == label for row, label in zip(rows, types, strict=True)) for rows in (found, known)]
    same = sum(one.label == other.label for one, other in zip(found, known, strict=True))
    moved = np.median([abs((a.probability or 0) - (b.probability or 0)) for a, b in zip(found, known, strict=True)])
    print(f"| {name} | {len(own)} | {right[0]} | {right[1]} | {same} | {moved:.3f} |")


# --- the weights and all other choices ----------------------------------------------------------------------


def fitted(data: Path, fields: dict[str, list[Known]]) -> None:
    """Weights and figures with each laboratory left out, and the weights of all."""
    rows: list[tuple[str, list[tuple[list[Box], Known]]]] = []
    for name, own in fields.items():
        _weights(data, fields, name).use()
        rows.append((f"{name}, left out", _searched(own)))
    weights = _weights(data, fields)
    weights.use()
    rows += [(f"{name}, learnt from", _searched(own)) for name, own in fields.items()]
    table(rows)
    print(weights.text())


def _weights(data: Path, fields: dict[str, list[Known]], without: str = "") -> find_weights.Model:
    pictures = find_weights.shown(*find_weights.sources(fields, without), data)
    return find_weights.fit([find_weights.candidates(find_weights.see(one)) for one in pictures])


def left_out_of_all(data: Path, fields: dict[str, list[Known]]) -> None:
    """Each laboratory read once by what was chosen without it; and fields that were drawn for nothing else."""
    drawings = find_choice.drawings()
    with ProcessPoolExecutor(min(len(fields), os.cpu_count() or 1)) as pool:
        waiting = {name: pool.submit(find_choice.without, name, fields, data, drawings) for name in fields}
        outcomes = {name: own.result() for name, own in waiting.items()}
    shipped = find_choice.Choice()
    for name, own in outcomes.items():
        print(f"without {name}: F1 {own.f1:.4f} cross-validated within; {find_choice.told(own.choice)}")
    print(f"what ships: {find_choice.told(shipped)}\n")
    fresh = [*drawn(60, seed=23), *drawn(40, seed=24, most=0)]
    rows = []
    for name, own in outcomes.items():
        for what, choice, model in (("chosen", own.choice, own.model), ("as shipped", shipped, own.as_shipped)):
            for where, those in ((f"{name} left out", fields[name]), (f"drawn, without {name}", fresh)):
                rows.append((f"{where}, {what}", [(find_choice.searched(one, model, choice), one) for one in those]))
    table(rows)
    print()
    intervals(rows)
    for title, pairs in rows:
        find_choice.amiss(title, pairs)


if __name__ == "__main__":
    typer.run(main)
