"""Fields with known boxes: of laboratories and drawn ones; and what is found in them, by laboratory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.finding import cells as finder
from hemosight.images.synthetic import Scanner, Stain
from hemosight.images.synthetic.camera import Lamp, draw_field, draw_labels
from hemosight.scoring.boxes import Box, read

WIDTHS = {"CHULA": 79.0, "BCDD": 57.0}
"""Laboratory -> width of its red cells in pixels, as ``hemosight scale`` measures it."""
MIRRORED = ("HF-M-8_0037.jpg", "HF-M-8_0073.jpg")
"""Fields of Chulalongkorn that are mirrored copies of others of the set (M-8_0037.jpg, M-8_0073.jpg): left out."""


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
    known = read(folder / "boxes.csv")
    distinct = {image: own for image, own in known.items() if image not in MIRRORED}
    return [Known(image, decode(read_bytes(folder / image)), WIDTHS[name], own) for image, own in distinct.items()]


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
        fields.append(Known(f"drawn {seed}-{number}", field.pixels, 7.5 * scanner.pixels_per_um, own))
    return fields


def boxes(field: Known) -> list[Box]:
    """Boxes of the cells that are found in a field."""
    found = finder.find(field.pixels, field.red_cell_px)
    return [(cell.x, cell.y, cell.x + cell.width, cell.y + cell.height) for cell in found]
