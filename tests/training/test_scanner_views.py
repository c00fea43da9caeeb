"""Views for laboratories never seen: a seed decides them, nothing asked for is nothing done, each does what it says."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from hemosight.training.augment import centre
from hemosight.training.scanner_views import ScannerViews, scanner_views

pytestmark = pytest.mark.train
SIZE = 40
STILL = ScannerViews(
    zoom=1.0,
    wide_zoom=(1.0, 1.0),
    **{field.name: 0.0 for field in fields(ScannerViews) if field.name not in ("zoom", "wide_zoom")},
)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    """Smooth random pictures in middling colours, ``[8, 64, 64, 3]``."""
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=(8, 64, 64, 3)), (0, 2, 2, 0))
    return torch.from_numpy(np.clip(128 + 250 * smooth, 40, 210).astype(np.uint8))


def seen(pictures: Tensor, recipe: ScannerViews, seed: int = 0) -> Tensor:
    masks = torch.zeros(len(pictures), 16, 16, dtype=torch.uint8)
    whose = torch.zeros(len(pictures), dtype=torch.long)
    generator = torch.Generator().manual_seed(seed)
    return scanner_views(pictures, masks, whose, None, recipe, size=SIZE, generator=generator)


def spread(views: Tensor) -> Tensor:
    return views.std(dim=(2, 3)).mean(dim=1)


def detail(views: Tensor) -> Tensor:
    return views.diff(dim=3).abs().mean(dim=(1, 2, 3))


def test_a_seed_decides_the_views(pictures: Tensor) -> None:
    first = seen(pictures, ScannerViews(), 1)
    assert torch.equal(first, seen(pictures, ScannerViews(), 1))
    assert not torch.equal(first, seen(pictures, ScannerViews(), 2))
    assert first.shape == (8, 3, SIZE, SIZE)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 255


def test_a_still_view_is_the_centre_turned_and_mirrored(pictures: Tensor) -> None:
    views = seen(pictures, STILL)
    plain = centre(pictures, SIZE).float()
    assert torch.allclose(views.mean(dim=(2, 3)), plain.mean(dim=(2, 3)), atol=12)
    # Turned by any angle: the middle pixels stay where they are.
    assert torch.allclose(
        views[:, :, 19:21, 19:21].mean(dim=(2, 3)), plain[:, :, 19:21, 19:21].mean(dim=(2, 3)), atol=4
    )


@pytest.mark.parametrize(
    ("change", "measure", "more"),
    [
        ({"veil_chance": 0.999, "veil": 0.9}, spread, False),
        ({"resolution": 1.0}, detail, False),
        ({"blur_chance": 1.0, "blur": 0.05}, detail, False),
        ({"sharpen": 1.0}, detail, True),
        ({"noise_chance": 1.0, "noise": 40.0}, detail, True),
    ],
)
def test_what_an_option_does(pictures: Tensor, change: dict[str, Any], measure: Any, more: bool) -> None:
    before, after = measure(seen(pictures, STILL)), measure(seen(pictures, replace(STILL, **change)))
    assert float((after - before).mean()) * (1 if more else -1) > 0.02 * float(before.mean())


def test_a_background_is_another_pictures_and_the_cell_stays() -> None:
    plain = torch.stack([torch.full((64, 64, 3), level, dtype=torch.uint8) for level in (60, 180)])
    masks = torch.zeros(2, 16, 16, dtype=torch.uint8)
    masks[:, 6:10, 6:10] = 255
    recipe = replace(STILL, background=1.0)
    middles, corners = set(), set()
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        views = scanner_views(
            plain, masks, torch.zeros(2, dtype=torch.long), None, recipe, size=SIZE, generator=generator
        )
        middles |= set(views[:, 0, 20, 20].round().tolist())
        corners |= {(row, round(float(views[row, 0, 2, 2]))) for row in (0, 1)}
    assert middles == {60.0, 180.0}
    assert corners == {(0, 60), (0, 180), (1, 60), (1, 180)}


def test_a_close_crop_has_an_edge_of_one_colour(pictures: Tensor) -> None:
    views = seen(pictures, replace(STILL, close=1.0))
    edge = views[:, :, 0]
    assert torch.equal(edge.std(dim=2), torch.zeros(8, 3))
