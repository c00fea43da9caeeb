"""Counting is fair where red cells lie side by side, and in focus."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from hemosight.images.decode import Pixels
from hemosight.images.finding.cells import find
from hemosight.images.finding.fairness import BLURRED, THICK, THIN, fairness, words
from hemosight.images.synthetic.camera import draw_field

RED_CELL_PX = 77.0


def _field(seed: int) -> Pixels:
    return draw_field(800, 600, ["neutrophil", "monocyte"], np.random.default_rng(seed)).pixels


def _piled(seed: int) -> Pixels:
    """Three films upon one another: light goes through all of them."""
    light = _field(seed).astype(float)
    for more in range(2):
        light *= draw_field(800, 600, [], np.random.default_rng(100 + 10 * seed + more)).pixels / 235
    return np.clip(light, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_a_monolayer_in_focus_is_fair_and_its_blurred_or_piled_copy_is_not(seed: int) -> None:
    pixels = _field(seed)
    cells = find(pixels, RED_CELL_PX)
    fair = fairness(pixels, RED_CELL_PX, cells)
    assert fair.fair, fair
    assert words(fair.covered, fair.reasons).startswith("Fair to count in: red cells cover ")
    blurred = np.asarray(ndimage.gaussian_filter(pixels, (8, 8, 0))).astype(np.uint8)
    assert BLURRED in fairness(blurred, RED_CELL_PX, cells).reasons
    piled = fairness(_piled(seed), RED_CELL_PX, cells)
    assert piled.reasons == (THICK,), piled
    assert "lie upon one another" in words(piled.covered, piled.reasons)


def test_the_magnification_does_not_matter() -> None:
    pixels = _field(5)
    small = np.ascontiguousarray(pixels.reshape(300, 2, 400, 2, 3).mean(axis=(1, 3)).astype(np.uint8))
    one, other = fairness(pixels, RED_CELL_PX, []), fairness(small, RED_CELL_PX / 2, [])
    assert abs(one.covered - other.covered) < 0.06
    assert one.fair
    assert other.fair


def test_glass_with_hardly_a_red_cell_is_too_thin_and_not_called_blurred() -> None:
    rng = np.random.default_rng(0)
    glass = (236 + rng.normal(0, 2, (600, 800, 1))).astype(np.uint8).repeat(3, axis=2)
    few = glass.copy()
    few[100:200, 100:200] = _field(1)[100:200, 100:200]
    for pixels in (glass, few):
        assert fairness(pixels, RED_CELL_PX, []).reasons == (THIN,)


def test_a_white_cell_does_not_count_as_red_ones() -> None:
    pixels = _field(3)
    cells = find(pixels, RED_CELL_PX)
    assert cells
    alone = fairness(pixels, RED_CELL_PX, cells).covered
    far = pixels.copy()
    for cell in cells:  # as dark as can be: what the threshold rests on must not follow
        far[int(cell.y) : int(cell.y + cell.height), int(cell.x) : int(cell.x + cell.width)] = (60, 20, 90)
    assert abs(fairness(far, RED_CELL_PX, cells).covered - alone) < 0.03
