"""Red cells are found by their outlines, whole, touching or cut by the border, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from hemosight.images.decode import Pixels
from hemosight.images.red_cells import Outlines, RedCells, distinct, find

GLASS, RED, NUCLEUS = (250, 228, 205), (205, 160, 150), (80, 50, 130)
Disc = tuple[float, float, float]


def field(*discs: Disc, side: int = 300, hollow: float = 0.0, colour: tuple[int, int, int] = RED) -> Pixels:
    """Discs (y, x, width) on glass, slightly blurred, with a little noise."""
    y, x = np.mgrid[:side, :side]
    picture = np.full((side, side, 3), GLASS, np.float64)
    for cy, cx, width in discs:
        away = np.hypot(y - cy, x - cx)
        picture[away < width / 2] = colour
        picture[away < hollow * width / 2] = GLASS
    picture = ndimage.gaussian_filter(picture, (1, 1, 0)) + np.random.default_rng(0).normal(0, 2, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def nearest(cells: RedCells, disc: Disc) -> int:
    return int(np.hypot(cells.y - disc[0], cells.x - disc[1]).argmin())


@pytest.mark.parametrize("width", [40, 60, 90, 130])
@pytest.mark.parametrize("hollow", [0.0, 0.4])
def test_a_disc_is_found_where_it_is_and_as_wide_as_it_is(width: int, hollow: float) -> None:
    disc = (140.0, 160.0, float(width))
    cells = find(field(disc, hollow=hollow))
    assert len(cells) == 1, "the pale middle is no cell of its own"
    assert cells.width[0] == pytest.approx(width, rel=0.04)
    assert np.hypot(cells.y[0] - disc[0], cells.x[0] - disc[1]) < 0.05 * width
    assert cells.visible[0] == 1
    assert cells.evidence[0] > 0.9


def test_cells_that_touch_or_overlap_are_two() -> None:
    pair = ((150.0, 110.0, 80.0), (150.0, 182.0, 80.0))
    cells = find(field(*pair))
    assert len(cells) == 2
    for disc in pair:
        assert cells.width[nearest(cells, disc)] == pytest.approx(80, rel=0.06)


def test_a_cell_cut_by_the_border_is_as_wide_as_the_whole_one() -> None:
    cut = (10.0, 150.0, 80.0)
    cells = find(field(cut))
    assert len(cells) == 1
    assert cells.width[0] == pytest.approx(80, rel=0.08)
    assert 0.45 < cells.visible[0] < 0.75


def test_a_cell_whose_centre_is_outside_is_not_taken_for_a_smaller_one_inside() -> None:
    assert len(find(field((-14.0, 150.0, 90.0)))) == 0


def test_nuclei_holes_and_empty_pictures_are_no_red_cells() -> None:
    assert len(find(field((150.0, 150.0, 90.0), colour=NUCLEUS))) == 0
    assert len(find(field((150.0, 150.0, 600.0), hollow=80 / 600))) == 0, "lighter inside: a gap between cells"
    assert len(find(field())) == 0
    assert len(find(np.full((16, 16, 3), 7, np.uint8))) == 0


def test_a_smaller_picture_or_another_stain_makes_no_difference_to_the_width() -> None:
    discs = ((80.0, 80.0, 70.0), (80.0, 200.0, 70.0), (210.0, 150.0, 70.0))
    plain = find(field(*discs))
    stained = find(field(*discs, colour=(140, 120, 135)))
    half = find(np.ascontiguousarray(field(*discs)[::2, ::2]))
    assert len(plain) == len(stained) == len(half) == 3
    assert np.median(stained.width) == pytest.approx(np.median(plain.width), rel=0.03)
    assert 2 * np.median(half.width) == pytest.approx(np.median(plain.width), rel=0.03)


def test_of_outlines_of_one_cell_the_likeliest_is_kept() -> None:
    rng = np.random.default_rng(3)
    number = 40
    features = [
        rng.uniform(low, high, number) for low, high in ((0.01, 0.06), (0, 1), (0, 1), (0.7, 1), (0.3, 1), (0.5, 1))
    ]
    roughness, contrast, glass, covered, strength, visible = features
    y, x = rng.uniform(0, 100, (2, number))
    every = Outlines(y, x, rng.uniform(8, 20, number), roughness, contrast, glass, covered, strength, visible)
    kept: list[int] = []
    for row in np.argsort(-every.evidence, kind="stable"):  # the slow, obvious way
        apart = [np.hypot(every.y[row] - every.y[other], every.x[row] - every.x[other]) for other in kept]
        reach = [0.6 * max(every.radius[row], every.radius[other]) for other in kept]
        if all(a >= r for a, r in zip(apart, reach, strict=True)):
            kept.append(int(row))
    assert distinct(every).y.tolist() == every.y[kept].tolist()
    assert 1 < len(kept) < number
