"""Whole fields of view as a camera takes them: red cells everywhere, some white cells, a lamp that is not even."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hemosight.images.decode import Pixels
from hemosight.images.synthetic.attributes import choose_attributes
from hemosight.images.synthetic.builds import BUILDS
from hemosight.images.synthetic.cells import Patch, draw_nucleated
from hemosight.images.synthetic.field_of_view import empty_field, lay, red_cells, stray_platelets
from hemosight.images.synthetic.fields import PIXELS_PER_UM
from hemosight.images.synthetic.slide import SHARES
from hemosight.images.synthetic.stain import Scanner, Stain

_GAP_UM = 0.4
"""Glass between white cells that do not touch."""


@dataclass(frozen=True)
class PlacedCell:
    """A white cell in a drawn field: its type and its box in the field's pixels (top left corner, width, height)."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class DrawnField:
    """A picture (RGB, uint8, height x width x 3) and every white cell in it whose centre lies inside."""

    pixels: Pixels
    cells: tuple[PlacedCell, ...]


@dataclass(frozen=True)
class Lamp:
    """What a simple camera adds to the specimen.

    Parameters
    ----------
    vignette
        Share of the light that is lost in the corners, 0 to 0.8.
    tint
        How unlike the loss is in red, green and blue, 0 to 1: a cheap lens colours its corners.
    slope
        Share of the light by which one side is darker than the other.
    """

    vignette: float = 0.0
    tint: float = 0.0
    slope: float = 0.0

    def shine(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        """The picture under this lamp."""
        height, width, _ = pixels.shape
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        radius = (x * x + y * y) / 2
        angle = rng.uniform(0, 2 * np.pi)
        slope = 1 - self.slope * (1 + np.cos(angle) * x + np.sin(angle) * y) / 2
        loss = self.vignette * np.clip(1 + self.tint * rng.uniform(-1, 1, 3), 0, 1.2)
        light = slope[..., None] * (1 - radius[..., None] * loss.astype(np.float32))
        return np.clip(pixels * light + 0.5, 0, 255).astype(np.uint8)


def draw_field(
    width: int,
    height: int,
    labels: Sequence[str],
    rng: np.random.Generator,
    *,
    stain: Stain | None = None,
    scanner: Scanner | None = None,
    lamp: Lamp | None = None,
    touching: int = 0,
    on_border: bool = False,
) -> DrawnField:
    """Draw a field of ``width`` x ``height`` pixels with these white cells in it, where there is room for them.

    Parameters
    ----------
    labels
        Types of the white cells (:data:`~hemosight.images.synthetic.CELL_TYPES` without platelets).
    touching
        So many of them lie against the one before.
    on_border
        Whether cells may be cut by the picture's border; otherwise they lie inside.
    """
    stain, scanner, lamp = stain or Stain.reference(), scanner or Scanner.reference(), lamp or Lamp()
    body, around, camera = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=3))
    side = max(width, height)
    layers = empty_field(scanner.field_side(side), around)
    red_cells(layers, 0.0, around)
    for _ in range(int(np.ceil((layers.shape[1] / PIXELS_PER_UM / 36) ** 2))):
        stray_platelets(layers, -9.0, around)
    half_x, half_y = (length / scanner.pixels_per_um / 2 for length in (width, height))
    placed: list[tuple[str, float, float, Patch]] = []
    for number, label in enumerate(labels):
        cell = draw_nucleated(BUILDS[label], choose_attributes(label, body), body)
        beside = placed[-1] if placed and number <= touching else None
        spot = _spot(cell.radius, beside, placed, (half_x, half_y), on_border, body)
        if spot is None:
            continue
        _clear(layers, *spot, cell.radius)
        placed.append((label, *spot, cell))
    for _, x, y, cell in placed:
        lay(layers, cell, x, y)
    picture = scanner.photograph(stain.optical_density(layers), side, camera)
    top, left = (side - height) // 2, (side - width) // 2
    pixels = lamp.shine(picture[top : top + height, left : left + width], camera)
    cells = []
    for label, x, y, cell in placed:
        box = _box(cell, x, y, scanner.pixels_per_um, side)
        box = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
        x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
        cells.append(PlacedCell(label, x0, y0, x1 - x0, y1 - y0))
    return DrawnField(pixels, tuple(cells))


def draw_labels(count: int, rng: np.random.Generator, shares: Mapping[str, float] = SHARES) -> list[str]:
    """Types of the white cells of a film, by their shares; platelets left out."""
    names = [name for name in shares if name != "platelet"]
    weights = np.array([shares[name] for name in names])
    return rng.choice(names, size=count, p=weights / weights.sum()).tolist()


def _spot(
    radius: float,
    beside: tuple[str, float, float, Patch] | None,
    placed: Sequence[tuple[str, float, float, Patch]],
    half: tuple[float, float],
    on_border: bool,
    rng: np.random.Generator,
) -> tuple[float, float] | None:
    """A place (x, y) in µm from the middle for a cell of this radius, or None where there is no room."""
    margin = 0.0 if on_border else 1.15 * radius
    for _ in range(60):
        if beside is not None:
            angle = rng.uniform(0, 2 * np.pi)
            reach = 0.97 * (radius + beside[3].radius)
            x, y = beside[1] + reach * np.cos(angle), beside[2] + reach * np.sin(angle)
        else:
            x, y = rng.uniform(-1, 1, 2) * (max(half[0] - margin, 0), max(half[1] - margin, 0))
        if abs(x) > half[0] - margin or abs(y) > half[1] - margin:
            continue
        others = [other for other in placed if other is not beside]
        if all(np.hypot(x - o[1], y - o[2]) > radius + o[3].radius + _GAP_UM for o in others):
            return float(x), float(y)
    return None


def _clear(layers: np.ndarray, x: float, y: float, radius: float) -> None:
    """Push red cells aside: white cells lie on glass, the red ones around them."""
    middle = layers.shape[1] / 2
    cx, cy, r = middle + x * PIXELS_PER_UM, middle + y * PIXELS_PER_UM, (radius + 0.3) * PIXELS_PER_UM
    rows, columns = np.ogrid[: layers.shape[1], : layers.shape[2]]
    r0, r1 = max(0, int(cy - r - 2)), int(cy + r + 3)
    c0, c1 = max(0, int(cx - r - 2)), int(cx + r + 3)
    inner = np.hypot(rows[r0:r1] - cy, columns[:, c0:c1] - cx) < r
    layers[:, r0:r1, c0:c1][:, inner] = np.array([0.012, 0.006, 0.0], np.float32)[:, None]


def _box(cell: Patch, x: float, y: float, pixels_per_um: float, side: int) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a body in the picture's pixels."""
    rows, columns = (np.flatnonzero((cell.cover > 0.5).any(axis=axis)) for axis in (1, 0))
    patch = cell.cover.shape[0] / 2
    shown = pixels_per_um / PIXELS_PER_UM
    left, right = ((columns[[0, -1]] + (0, 1) - patch + x * PIXELS_PER_UM) * shown + side / 2).tolist()
    top, bottom = ((rows[[0, -1]] + (0, 1) - patch + y * PIXELS_PER_UM) * shown + side / 2).tolist()
    return left, top, right, bottom
