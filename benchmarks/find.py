"""How well white cells are found in fields of view, by laboratory, and how their crops are read.

    python benchmarks/find.py --data DIR
    python benchmarks/find.py --data DIR --changed
    python benchmarks/find.py --data DIR --read
    python benchmarks/find.py --data DIR --timed
    python benchmarks/find.py --data DIR --fit

Without an option: recall, precision, F1 (IoU 0.3), centres and counts of Chulalongkorn's and BCDD's fields and of
drawn ones, and seconds of processor for a hundred fields of 640 x 480. ``--changed``: the same fields blurred, tinted,
resized and searched at a wrong scale. ``--read``: crops of found cells read by the default bundle, beside crops that
were cut around the known boxes, of Chulalongkorn's fields and of drawn ones. ``--timed``: the whole command
``hemosight find`` on a hundred fields of 640 x 480, scale, crops and tables with it. ``--fit``: the weights of
``hemosight.images.finding.cells`` fitted anew on nuclei, parts of nuclei, platelets and red cells of fields and crops,
with each laboratory left out in turn, and on all of them.
"""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageFilter
from sklearn.linear_model import LogisticRegression

import hemosight
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.finding import cells as finder
from hemosight.images.finding.evidence import FEATURES, features
from hemosight.images.finding.fields import CROP, USUAL_PX, Scale, of_pixels, search
from hemosight.images.finding.nuclei import nuclei
from hemosight.images.finding.stain import prepare
from hemosight.images.preprocess import crop_around
from hemosight.images.synthetic import Scanner, Stain
from hemosight.images.synthetic.camera import Lamp, draw_field, draw_labels
from hemosight.scoring.boxes import Box, ious, judge, read

WIDTHS = {"CHULA": 79.0, "BCDD": 57.0}
"""Laboratory -> width of its red cells in pixels, as ``hemosight scale`` measures it."""
CROPS = {"PBC_dataset_normal_DIB/*": 77.0, "JHU_AML/*": 77.0, "LMU_AML/*": 105.0, "CHULA/*": 80.0}
NO_WHITE_CELLS = ("platelet", "giant_platelet", "platelet_clump")
LEFT_OUT = ("smudge", "unidentified")
SQUARED = ("area", "width", "solid")
MARGIN = 0.23


@dataclass(frozen=True)
class Known:
    """A field, the width of its red cells and its white cells' boxes."""

    name: str
    pixels: Pixels
    red_cell_px: float
    boxes: list[Box]


def laboratory(data: Path, name: str) -> list[Known]:
    """The fields of a laboratory."""
    folder = data / "fields" / name
    boxes = read(folder / "boxes.csv")
    return [Known(image, decode(read_bytes(folder / image)), WIDTHS[name], own) for image, own in boxes.items()]


def drawn(count: int, seed: int = 9, most: int = 5) -> list[Known]:
    """Fields of as many laboratories, up to ``most`` cells each, some touching, some cut by the border."""
    fields = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        scanner = Scanner.random(rng)
        labels = draw_labels(int(rng.integers(0, most + 1)), rng)
        lamp = Lamp(float(rng.uniform(0, 0.6)), float(rng.uniform()), float(rng.uniform(0, 0.4)))
        field = draw_field(
            640, 480, labels, rng, stain=Stain.random(rng), scanner=scanner, lamp=lamp,
            touching=number % 2 if most else 0, on_border=most > 0 and number % 3 == 0,
        )  # fmt: skip
        own = [(cell.x, cell.y, cell.x + cell.width, cell.y + cell.height) for cell in field.cells]
        fields.append(Known(f"drawn {number}", field.pixels, 7.5 * scanner.pixels_per_um, own))
    return fields


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    changed: Annotated[bool, typer.Option("--changed", help="Fields that were changed.")] = False,
    reading: Annotated[bool, typer.Option("--read", help="Readings of the crops.")] = False,
    timed: Annotated[bool, typer.Option("--timed", help="The whole command on a hundred fields.")] = False,
    fit: Annotated[bool, typer.Option("--fit", help="Fit the weights anew.")] = False,
) -> None:
    """Print the tables."""
    if timed:
        whole_command()
        return
    fields = {name: laboratory(data, name) for name in WIDTHS}
    if fit:
        fitted(data, fields)
    elif reading:
        readings(data)
    elif changed:
        table([(f"{name}, {what}", change(own)) for what, change in CHANGES for name, own in fields.items()])
    else:
        table([*fields.items(), ("drawn", drawn(100))])
        empty = [len(finder.find(field.pixels, field.red_cell_px)) for field in drawn(100, seed=13, most=0)]
        print(f"\n100 drawn fields without a white cell: {sum(empty)} found, in {sum(map(bool, empty))} fields")
        own = [Known("", field.pixels, field.red_cell_px, []) for field in drawn(100, seed=10)]
        begin = time.process_time()
        for field in own:
            finder.find(field.pixels, field.red_cell_px)
        print(f"\n100 drawn fields of 640 x 480: {time.process_time() - begin:.1f} s of one processor")


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


def table(rows: list[tuple[str, list[Known]]]) -> None:
    """Figures of each set of fields."""
    print("| fields | cells | found | recall | precision | F1 | centred | mean IoU | counts: bias, limits |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, fields in rows:
        pairs = [(boxes(field), field.boxes) for field in fields]
        j = judge(pairs)
        print(
            f"| {name}, {j.fields} | {j.known} | {j.found} | {j.recall:.3f} | {j.precision:.3f} | {j.f1:.3f} | "
            f"{j.centred} of {j.met} | {j.iou:.2f} | {j.bias:+.2f}, {j.low:+.2f} to {j.high:+.2f} |",
            flush=True,
        )


def boxes(field: Known) -> list[Box]:
    """Boxes of the cells that are found in a field."""
    found = finder.find(field.pixels, field.red_cell_px)
    return [(cell.x, cell.y, cell.x + cell.width, cell.y + cell.height) for cell in found]


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
    paths = [folder / row["image"] for row in rows]
    own, cut, types = [], [], []
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


# --- the weights --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidates:
    """What was looked at in one picture: features, and whether each is a white cell (1), none (0), or unclear (nan)."""

    source: str
    values: np.ndarray
    truth: np.ndarray


def fitted(data: Path, fields: dict[str, list[Known]]) -> None:
    """Weights and figures with each laboratory left out, and the weights of all."""
    rng = np.random.default_rng(0)
    known = [_of_field("drawn", field, rng, complete=True) for field in drawn(60)]
    known += [_of_field("BCDD", field, rng, complete=True) for field in fields["BCDD"] for _ in range(2)]
    known += [_of_field("CHULA", field, rng, complete=False) for field in fields["CHULA"]]
    known += list(_of_crops(data, rng))
    rows: list[tuple[str, list[Known]]] = []
    for name, own in fields.items():
        _use(*_weights([one for one in known if one.source != name]))
        table([*rows, (f"{name}, left out", own)])
    weights = _weights(known)
    _use(*weights)
    table([(f"{name}, learnt from", own) for name, own in fields.items()])
    for name, values in zip(("LOW", "HIGH", "MEAN", "SPREAD", "LINEAR", "SQUARE", "INTERCEPT"), weights, strict=True):
        print(f"_{name} = {np.round(values, 3).tolist()}")


def _weights(known: list[Candidates]) -> tuple[np.ndarray, ...]:
    every = np.vstack([one.values for one in known])
    low, high = np.quantile(every, [0.002, 0.998], axis=0)
    mean, spread = every.mean(axis=0), every.std(axis=0) + 1e-6
    squared = [FEATURES.index(name) for name in SQUARED]
    sure = [~np.isnan(one.truth) for one in known]
    values = np.vstack([one.values[rows] for one, rows in zip(known, sure, strict=True)])
    truth = np.concatenate([one.truth[rows] for one, rows in zip(known, sure, strict=True)])
    source = np.concatenate([[one.source] * int(rows.sum()) for one, rows in zip(known, sure, strict=True)])
    worth = np.zeros(len(truth))
    for name in set(source):  # a source with many candidates does not drown the others
        for kind in (0, 1):
            own = (source == name) & (truth == kind)
            worth[own] = 1 / np.sqrt(max(own.sum(), 1))
    unit = (np.clip(values, low, high) - mean) / spread
    model = LogisticRegression(C=0.3, max_iter=3000)
    model.fit(np.hstack([unit, unit[:, squared] ** 2]), truth, sample_weight=worth / worth.mean())
    square = np.zeros(len(FEATURES))
    square[squared] = model.coef_[0][len(FEATURES) :]
    weights = (low, high, mean, spread, model.coef_[0][: len(FEATURES)], square, model.intercept_)
    return tuple(np.asarray(part) for part in weights)


def _use(*weights: np.ndarray) -> None:
    names = ("_LOW", "_HIGH", "_MEAN", "_SPREAD", "_LINEAR", "_SQUARE", "_INTERCEPT")
    for name, values in zip(names, weights, strict=True):
        setattr(finder, name, values if name != "_INTERCEPT" else float(values[0]))


def _candidates(pixels: Pixels, red_cell_px: float) -> tuple[np.ndarray, np.ndarray]:
    field = prepare(pixels, red_cell_px)
    found = nuclei(field)
    corners = np.array([nucleus.box for nucleus in found]).reshape(-1, 4)[:, [1, 0, 3, 2]] / field.factor
    return features(field, found), corners + MARGIN * red_cell_px * np.array([-1, -1, 1, 1])


def _changed(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    if rng.random() < 0.5:
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 3)))))
    gains, gamma = np.exp(rng.normal(0, 0.12, 3)), rng.uniform(0.7, 1.5)
    pixels = np.clip(255 * (pixels / 255) ** gamma * gains / max(1, gains.max()), 0, 255).astype(np.uint8)
    return Lamp(*(float(rng.uniform(0, most)) for most in (0.6, 1.0, 0.4))).shine(pixels, rng)


def _of_field(source: str, field: Known, rng: np.random.Generator, complete: bool) -> Candidates:
    values, own = _candidates(_changed(field.pixels, rng), field.red_cell_px * float(np.exp(rng.normal(0, 0.07))))
    truth = np.full(len(own), 0.0 if complete else np.nan)
    if field.boxes and len(own):
        shared = ious([tuple(box) for box in own.tolist()], field.boxes)
        best = shared.max(axis=1)
        if complete:
            truth[best > 0.25] = np.nan
        truth[(best > 0.02) & (best < 0.45)] = 0  # a part of a cell, or more than one
        for column in range(len(field.boxes)):
            most = shared[:, column].max()
            if most > 0.35:
                truth[shared[:, column] >= max(0.35, most - 0.07)] = 1
    return Candidates(source, values, truth)


def _of_crops(data: Path, rng: np.random.Generator, each: int = 6) -> Iterator[Candidates]:
    """Crops: the cell in the middle is one, or a platelet, which is none."""
    for pattern, red_cell_px in CROPS.items():
        for folder in sorted(data.glob(pattern)):
            if not folder.is_dir() or folder.name in LEFT_OUT:
                continue
            files = sorted(folder.glob("*.jp*g"))
            for path in [files[row] for row in rng.permutation(len(files))[:each].tolist()]:
                pixels = decode(read_bytes(path))
                values, own = _candidates(_changed(pixels, rng), red_cell_px * float(np.exp(rng.normal(0, 0.07))))
                if not len(own):
                    continue
                middle = (own[:, :2] + own[:, 2:]) / 2 - np.array([pixels.shape[1], pixels.shape[0]]) / 2
                central = np.hypot(*middle.T) < 0.65 * red_cell_px
                truth = np.full(len(own), np.nan)
                if folder.name in NO_WHITE_CELLS:
                    truth[central] = 0
                elif (central & (values[:, FEATURES.index("area")] > np.log(0.3))).any():
                    edge, clear, area = (values[:, FEATURES.index(name)] for name in ("edge", "clear", "area"))
                    best = int(np.argmax(np.where(central, edge + 0.5 * clear + 0.35 * area, -np.inf)))
                    shared = ious([tuple(box) for box in own.tolist()], [tuple(own[best].tolist())])[:, 0]
                    truth[shared > 0.8], truth[(shared > 0.02) & (shared < 0.45)] = 1, 0
                yield Candidates(pattern.split("/")[0], values, truth)


if __name__ == "__main__":
    typer.run(main)
