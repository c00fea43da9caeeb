"""The nucleus in the middle of a crop is found, whatever stains beside it."""

from __future__ import annotations

import numpy as np
import pytest

from hemosight.images.decode import Pixels
from hemosight.images.nucleus import densities, nucleus_centre, nucleus_mask
from hemosight.images.preprocess import resize
from hemosight.images.synthetic import Stain, draw_cell

GLASS, RED, NUCLEUS = (250, 228, 205), (205, 160, 150), (80, 50, 130)


def field(*discs: tuple[float, float, float, tuple[int, int, int]], side: int = 200) -> Pixels:
    y, x = np.mgrid[:side, :side]
    picture = np.full((side, side, 3), GLASS, np.uint8)
    for cy, cx, width, colour in discs:
        picture[np.hypot(y - cy, x - cx) < width / 2] = colour
    return picture


def test_nuclei_are_told_from_red_cells_by_colour() -> None:
    picture = field((60, 60, 50, RED), (130, 130, 60, NUCLEUS))
    mask = nucleus_mask(densities(picture))
    assert mask.tolist() == (picture == NUCLEUS).all(axis=2).tolist()


@pytest.mark.parametrize("place", [(100.0, 100.0), (70.0, 130.0), (140.0, 60.0)])
@pytest.mark.parametrize("factor", [0.4, 1.0, 2.3])
def test_the_centre_is_where_the_nucleus_lies(place: tuple[float, float], factor: float) -> None:
    picture = field((40, 40, 50, RED), (*place, 60, NUCLEUS))
    side = round(200 * factor)
    found = nucleus_centre(resize(picture, side, side))
    assert found is not None
    assert np.hypot(found[0] - place[0] * factor, found[1] - place[1] * factor) < 4 * factor


def test_lobes_are_one_nucleus_and_a_far_cell_is_another() -> None:
    lobes = ((90.0, 90.0, 24, NUCLEUS), (112.0, 96.0, 24, NUCLEUS), (100.0, 118.0, 30, NUCLEUS))
    found = nucleus_centre(field(*lobes, (190.0, 20.0, 60, NUCLEUS)))
    assert found is not None
    assert np.hypot(found[0] - 101, found[1] - 105) < 5


def test_where_there_is_no_nucleus_there_is_no_centre() -> None:
    assert nucleus_centre(field((100, 100, 70, RED))) is None
    assert nucleus_centre(field((100, 100, 5, NUCLEUS))) is None, "dirt"
    assert nucleus_centre(np.zeros((16, 16, 3), np.uint8)) is None


@pytest.mark.parametrize("label", ["neutrophil", "lymphocyte", "monocyte", "blast", "eosinophil"])
def test_drawn_cells_shifted_by_hand_are_found_again(label: str) -> None:
    rng = np.random.default_rng(6)
    for number in range(4):
        picture = draw_cell(label, np.random.default_rng([1, number]), stain=Stain.random(rng)).pixels
        here = nucleus_centre(picture)
        shifted = nucleus_centre(np.ascontiguousarray(picture[50:, 24:]))
        assert here is not None
        assert shifted is not None
        assert np.hypot(here[0] - 180, here[1] - 180) < 40, "drawn in the middle, its nucleus a little off"
        assert np.hypot(shifted[0] + 50 - here[0], shifted[1] + 24 - here[1]) < 8
