"""Crops of a smear: one cell in the middle, red cells and stray platelets around it, photographed."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from hemosight.images.catalog import ATTRIBUTE, content_id
from hemosight.images.decode import Pixels
from hemosight.images.synthetic.attributes import ATTRIBUTES, CELL_TYPES, check_label, choose_attributes
from hemosight.images.synthetic.builds import BUILDS
from hemosight.images.synthetic.cells import draw_nucleated, draw_platelet
from hemosight.images.synthetic.field_of_view import empty_field, lay, red_cells, stray_platelets
from hemosight.images.synthetic.stain import Scanner, Stain

SOURCE = "drawn"
"""The ``source`` of drawn cells in a catalog."""
VERSION = 1
"""Goes up when the same seed draws another picture, so that files of an older release are drawn anew."""


@dataclass(frozen=True)
class DrawnCell:
    """A picture and what it shows.

    Parameters
    ----------
    pixels
        RGB, uint8, size x size x 3.
    label
        One of :data:`CELL_TYPES`.
    attributes
        The value of each attribute that the cell was drawn with; a platelet has no nuclear ones.
    """

    pixels: Pixels
    label: str
    attributes: Mapping[str, str]


def draw_cell(
    label: str,
    rng: np.random.Generator,
    *,
    attributes: Mapping[str, str] | None = None,
    stain: Stain | None = None,
    scanner: Scanner | None = None,
    size: int = 360,
) -> DrawnCell:
    """Draw a crop of ``size`` x ``size`` pixels with one cell of a type in its middle.

    The cell, its surroundings and the camera's noise draw from streams of their own, so that the same generator
    state shows the same cell under another stain or another scanner.

    Parameters
    ----------
    label
        One of :data:`CELL_TYPES`.
    rng
        Source of all chance.
    attributes
        Values to draw with; the others are drawn from the type's frequencies.
    stain, scanner
        The reference ones where not given.

    Raises :class:`~hemosight.errors.UnknownName` for a label, attribute or value that is not one of the choices.
    """
    stain, scanner = stain or Stain.reference(), scanner or Scanner.reference()
    traits, body, around, camera = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=4))
    chosen = choose_attributes(label, traits, attributes)
    draw = draw_platelet if label == "platelet" else draw_nucleated
    cell = draw(BUILDS[label], chosen, body)

    field = empty_field(scanner.field_side(size), around)
    red_cells(field, cell.radius, around)
    stray_platelets(field, cell.radius, around)
    shift = body.uniform(-0.35, 0.35, 2)
    lay(field, cell, float(shift[0]), float(shift[1]))
    pixels = scanner.photograph(stain.optical_density(field), size, camera)
    return DrawnCell(pixels, label, chosen)


def draw_smear(
    folder: str | Path,
    per_type: int | Mapping[str, int],
    seed: int,
    *,
    stain: Stain | None = None,
    scanner: Scanner | None = None,
    size: int = 360,
    progress: Callable[[int, int], object] | None = None,
) -> list[Path]:
    """Write a folder of drawn crops, ``folder/<label>/<label>_0001.jpg`` ..., and ``folder/labels.csv`` about them.

    Each picture depends on the seed, its label and its number alone. Its header says so: a second call keeps the
    files that it would write again and draws what is missing or was drawn otherwise, so that an interrupted call
    can be repeated and a larger one extends a smaller one.

    Parameters
    ----------
    per_type
        How many crops of every type, or of the types named; the others get none.
    stain
        Where not given, every crop has a stain of its own, as slides of many days have.
    scanner
        The reference one where not given; a laboratory has one scanner.
    progress
        Called after each picture with how many are done and how many there will be.

    Returns
    -------
    list of Path
        The pictures, type by type. ``labels.csv`` has a row for each, in this order, with the columns of a
        :class:`~hemosight.images.catalog.Catalog`; paths are relative to the table.

    Raises :class:`~hemosight.errors.UnknownName` for a type that cannot be drawn.
    """
    folder = Path(folder)
    scanner = scanner or Scanner.reference()
    counts = dict.fromkeys(CELL_TYPES, per_type) if isinstance(per_type, int) else dict(per_type)
    for label in counts:
        check_label(label)
    wanted = [(label, number) for label in CELL_TYPES for number in range(1, counts.get(label, 0) + 1)]
    paths, rows = [], []
    for done, (label, number) in enumerate(wanted, start=1):
        path = folder / label / f"{label}_{number:04d}.jpg"
        recipe = {
            "version": VERSION,
            "seed": seed,
            "label": label,
            "number": number,
            "size": size,
            "stain": asdict(stain) if stain else None,
            "scanner": asdict(scanner),
        }
        recipe = json.loads(json.dumps(recipe))  # as it reads back: tuples become lists
        data, attributes = _drawn_before(path, recipe)
        if not data:
            rng = np.random.default_rng([seed, CELL_TYPES.index(label), number])
            cell = draw_cell(label, rng, stain=stain or Stain.random(rng), scanner=scanner, size=size)
            attributes = dict(cell.attributes)
            data = scanner.export(cell.pixels, json.dumps({"recipe": recipe, "attributes": attributes}))
            _write(path, data)
        paths.append(path)
        rows.append(
            {
                "id": content_id(data),
                "path": path.relative_to(folder).as_posix(),
                "label": label,
                "source": SOURCE,
                "width": size,
                "height": size,
                "scale": scanner.scale,
                **{ATTRIBUTE + name: attributes.get(name, "") for name in ATTRIBUTES},
            }
        )
        if progress:
            progress(done, len(wanted))
    if rows:
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        _write(folder / "labels.csv", table.getvalue().encode())
    return paths


def _drawn_before(path: Path, recipe: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """A file's bytes and the attributes of its cell if it was drawn by this recipe; nothing otherwise."""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            header = json.loads(image.info.get("comment", b"{}"))
    except (OSError, UnidentifiedImageError, ValueError):
        return b"", {}
    if not isinstance(header, dict) or header.get("recipe") != recipe:
        return b"", {}
    return data, header["attributes"]


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: an interrupted call leaves no half picture behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
