"""Scanners: masks that hold the cell, and an exchange that makes one scanner's pictures look like another's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from hemosight.errors import TooFewCells
from hemosight.training.scanners import Scanners, cell_masks, otsu

pytestmark = pytest.mark.train
SIDE = 64
Pictures = NDArray[np.uint8]


def cells(count: int, seed: int, place: tuple[float, float] = (0.0, 0.0)) -> Pictures:
    """Dark nuclei in the middle, pale red cells about them, a light ground, and grain."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    pictures = np.full((count, SIDE, SIDE, 3), (225.0, 220.0, 215.0))
    for picture in pictures:
        for _ in range(5):
            angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(20, 34)
            red = np.hypot(rows - far * np.sin(angle), columns - far * np.cos(angle)) < 7
            picture[red] = (200, 150, 150)
        picture[np.hypot(rows - place[0], columns - place[1]) < rng.uniform(9, 11)] = (90, 50, 140)
    pictures += ndimage.gaussian_filter(rng.normal(size=pictures.shape), (0, 0.7, 0.7, 0)) * 20
    return np.clip(pictures, 0, 255).astype(np.uint8)


def as_taken_elsewhere(pictures: Pictures) -> Pictures:
    """Paler in green, darker in red, and out of focus."""
    density = -np.log((pictures + 16.0) / 272.0) * (1.4, 0.6, 1.0) + (0.1, 0.05, 0.0)
    return np.clip(ndimage.gaussian_filter(272 * np.exp(-density) - 16, (0, 1.2, 1.2, 0)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def two() -> tuple[Scanners, Pictures, Pictures]:
    here, there = cells(40, 0), as_taken_elsewhere(cells(40, 1))
    both = np.concatenate([here, there])
    return Scanners.fit(both, cell_masks(both), np.repeat([0, 1], 40), ["here", "there"]), here, there


def exchange(scanners: Scanners, pictures: Pictures, target: int, amount: float) -> Pictures:
    count = len(pictures)
    pixels: Tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    amounts = torch.full((count,), amount)
    made = scanners.exchange(
        pixels,
        torch.zeros(count, dtype=torch.long),
        torch.full((count,), target),
        torch.ones(count),
        stain=amounts,
        sharpness=amounts,
        full=torch.ones(count, dtype=torch.bool),
    )
    return made.permute(0, 2, 3, 1).numpy()


def sharpness(pictures: Pictures) -> float:
    grey = pictures.astype(float).mean(axis=3)
    return float(np.mean([ndimage.laplace(picture).var() / picture.var() for picture in grey]))


def test_a_mask_holds_the_cell_in_the_middle_and_not_what_lies_about_it() -> None:
    mask = cell_masks(cells(1, 3))[0]
    assert mask.shape == (16, 16)
    assert mask[8, 8] == 255
    assert (mask[[0, -1]] == 0).all()
    assert (mask[:, [0, -1]] == 0).all()
    assert 0.04 < (mask > 127).mean() < 0.4, "a nucleus of 10 pixels' radius is 8 % of the picture"


def test_without_a_cell_in_the_middle_a_small_disc_is_kept() -> None:
    mask = cell_masks(cells(1, 3, place=(24, 24)))[0]
    assert mask[8, 8] == 255
    assert mask[14, 14] == 0


def test_otsu_parts_two_groups() -> None:
    rng = np.random.default_rng(0)
    threshold, parted = otsu(np.concatenate([rng.normal(10, 1, 500), rng.normal(20, 1, 200)]))
    assert 12 < threshold < 18
    assert parted > 0.9
    assert 0.5 < otsu(rng.normal(10, 1, 500))[1] < 0.7, "one group has no two parts"


def test_exchanging_nothing_changes_nothing(two: tuple[Scanners, Pictures, Pictures]) -> None:
    scanners, here, _ = two
    assert np.abs(exchange(scanners, here, 1, 0.0) - here).max() < 0.1
    assert np.abs(exchange(scanners, here, 0, 1.0) - here).max() < 0.1


def test_exchanged_cells_have_the_other_scanners_colours_and_sharpness(
    two: tuple[Scanners, Pictures, Pictures],
) -> None:
    scanners, here, there = two
    made = exchange(scanners, here, 1, 1.0)
    middle = (slice(None), slice(24, 40), slice(24, 40))
    before = np.abs(here[middle].mean(axis=(0, 1, 2)) - there[middle].mean(axis=(0, 1, 2)))
    after = np.abs(made[middle].mean(axis=(0, 1, 2)) - there[middle].mean(axis=(0, 1, 2)))
    assert before.max() > 15
    assert after.max() < 5
    assert sharpness(there) < 0.6 * sharpness(here)
    assert abs(sharpness(made) - sharpness(there)) < 0.4 * abs(sharpness(here) - sharpness(there))


def test_a_scanner_is_not_told_from_a_few_cells() -> None:
    few = cells(5, 0)
    with pytest.raises(TooFewCells, match="scanner of here"):
        Scanners.fit(few, cell_masks(few), np.zeros(5, np.int64), ["here"])
