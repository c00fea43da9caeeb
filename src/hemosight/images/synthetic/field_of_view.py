"""What surrounds the cell: empty glass, red cells, stray platelets."""

from __future__ import annotations

import numpy as np

from hemosight.images.synthetic.attributes import choose_attributes
from hemosight.images.synthetic.builds import STRAY_PLATELET
from hemosight.images.synthetic.cells import HAEMOGLOBIN, Patch, draw_platelet
from hemosight.images.synthetic.fields import (
    PIXELS_PER_UM,
    RED_CELL_UM,
    Field,
    enlarge,
    grid,
    inside,
    ramp,
    random_outline,
    star_distance,
)
from hemosight.images.synthetic.stain import Layers


def empty_field(side: int, rng: np.random.Generator) -> Layers:
    """Glass with a trace of unevenly dried plasma, 3 x side x side."""
    coarse = rng.normal(0.012, 0.006, (6, 6)).astype(np.float32)
    plasma = np.maximum(enlarge(coarse, (side, side)), 0)
    return np.stack([plasma, 0.5 * plasma, np.zeros_like(plasma)])


def lay(field: Layers, patch: Patch, x: float, y: float) -> None:
    """Lay a body on a field, its centre at (x, y) µm from the field's; it hides what lies below, in place."""
    window, part = _overlap(field.shape[1], patch.cover.shape[0], x, y)
    field[:, *window] *= 1 - patch.cover[part]
    field[:, *window] += patch.layers[:, *part]


def red_cells(field: Layers, keep_clear: float, rng: np.random.Generator) -> None:
    """Strew red cells over a field, in place, leaving a disc of radius ``keep_clear`` µm in the middle free."""
    half = field.shape[1] / PIXELS_PER_UM / 2
    pallor = rng.uniform(0.35, 1.0)  # how much of the pallor a smear shows depends on where it was read
    thickness = rng.uniform(0.9, 1.1)
    spread = rng.uniform(0.03, 0.09)
    crowding = rng.uniform(0.5, 2.2)
    tries = int(crowding * (2 * half + 8) ** 2 / 20)
    centres = np.empty((0, 2))
    layer = np.zeros(field.shape[1:], np.float32)
    for x, y, stacked in rng.uniform((-half - 4, -half - 4, 0), (half + 4, half + 4, 1), (tries, 3)):
        radius = RED_CELL_UM / 2 * (1 + spread * np.clip(rng.standard_normal(), -2.5, 2.5))
        if np.hypot(x, y) < keep_clear + 0.98 * radius:
            continue
        apart = np.hypot(*(centres - (x, y)).T)
        least = RED_CELL_UM * (0.6 if stacked < 0.2 else 0.99)
        if len(apart) and apart.min() < least:
            continue
        centres = np.vstack([centres, (x, y)])
        _add_red_cell(layer, x, y, radius, thickness, pallor, rng)
    field += np.array(HAEMOGLOBIN, np.float32)[:, None, None] * layer


def _add_red_cell(
    layer: Field, x: float, y: float, radius: float, thickness: float, pallor: float, rng: np.random.Generator
) -> None:
    px, py = grid(RED_CELL_UM * 0.68)
    edge = star_distance(px, py, radius, random_outline(0.022, 3, rng))
    hollow = rng.uniform(0.24, 0.5)  # radius of the pallor over the cell's
    shift = rng.normal(0, 0.05, 2).astype(np.float32) * np.float32(radius)
    t2 = ((px - shift[0]) ** 2 + (py - shift[1]) ** 2) / np.float32((hollow * radius) ** 2)
    depth = pallor * rng.uniform(0.7, 1.15)
    profile = 1 - np.float32(min(depth, 0.92)) / (1 + t2 * t2 * t2)
    profile *= 0.86 + 0.14 * ramp(edge, -0.30 * radius, -0.06 * radius)
    profile *= inside(edge, 0.16) * np.float32(thickness * rng.uniform(0.93, 1.07))
    window, part = _overlap(layer.shape[0], profile.shape[0], x, y)
    layer[window] += profile[part] * (1 - 0.4 * layer[window])  # two that overlap are squeezed thinner


def stray_platelets(field: Layers, keep_clear: float, rng: np.random.Generator) -> None:
    """Lay none to three small platelets on a field, in place, outside a disc in the middle."""
    half = field.shape[1] / PIXELS_PER_UM / 2
    for _ in range(min(rng.poisson(0.7), 3)):
        x, y = rng.uniform(-half, half, 2)
        if np.hypot(x, y) > keep_clear + 2.2:
            lay(field, draw_platelet(STRAY_PLATELET, choose_attributes("platelet", rng), rng), x, y)


def _overlap(side: int, patch: int, x: float, y: float) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Which part of a field a patch covers, and which part of the patch that is; rows first."""
    window, part = [], []
    for centre in (y, x):
        start = round(side / 2 + centre * PIXELS_PER_UM - patch / 2)
        low, high = max(start, 0), min(start + patch, side)
        window.append(slice(low, max(low, high)))
        part.append(slice(low - start, max(low, high) - start))
    return (window[0], window[1]), (part[0], part[1])
