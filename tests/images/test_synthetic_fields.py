from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemosight.images.synthetic.cells import Patch
from hemosight.images.synthetic.field_of_view import lay
from hemosight.images.synthetic.fields import (
    PIXELS_PER_UM,
    balls_distance,
    enlarge,
    grid,
    inside,
    noise,
    random_outline,
    star_distance,
)
from hemosight.images.synthetic.nuclei import nucleus_distance


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_star_distance_is_the_fourier_series_it_says(seed):
    rng = np.random.default_rng(seed)
    harmonics = random_outline(0.1, 4, rng)
    x, y = grid(6.0)
    distance = star_distance(x, y, 5.0, harmonics)
    for row, column in rng.integers(0, distance.shape[0], (20, 2)):
        px, py = float(x[0, column]), float(y[row, 0])
        angle = np.arctan2(py, px)
        edge = 1 + sum(a * np.cos(k * angle) + b * np.sin(k * angle) for k, (a, b) in enumerate(harmonics, start=2))
        assert distance[row, column] == pytest.approx(np.hypot(px, py) - 5.0 * edge, abs=1e-4)


def test_balls_distance_is_the_nearest_disc():
    rng = np.random.default_rng(0)
    balls = rng.uniform(0.5, 2.0, (5, 3))
    x, y = grid(3.0)
    distance = balls_distance(x, y, balls)
    for row, column in rng.integers(0, distance.shape[0], (40, 2)):
        slow = min(np.hypot(x[0, column] - cx, y[row, 0] - cy) - r for cx, cy, r in balls)
        assert distance[row, column] == pytest.approx(slow, abs=1e-5)


def test_antialiased_area_is_the_disc_of_geometry():
    x, y = grid(6.0)
    covered = inside(balls_distance(x, y, np.array([[0.3, -0.2, 4.0]]))).sum() / PIXELS_PER_UM**2
    assert covered == pytest.approx(np.pi * 16, rel=0.002)


def test_half_resolution_covers_the_same_ground():
    x, y = grid(5.0)
    coarse_x, coarse_y = grid(5.0, step=2)
    assert x.shape[1] == 2 * coarse_x.shape[1]
    balls = np.array([[1.0, -2.0, 2.0]])
    enlarged = enlarge(balls_distance(coarse_x, coarse_y, balls), (x.shape[1], x.shape[1]))
    fine = balls_distance(x, y, balls)
    near = np.abs(fine) < 1  # the cone's tip, inside, is sharper than half resolution can show
    assert np.abs(enlarged - fine)[near].max() < 0.02


@pytest.mark.parametrize("wavelength", [0.6, 1.2, 2.4])
def test_noise_lies_around_its_wavelength(wavelength):
    side = 256
    field = noise((side, side), wavelength, np.random.default_rng(1))
    assert field.dtype == np.float32
    assert field.mean() == pytest.approx(0, abs=0.02)
    assert field.std() == pytest.approx(1, abs=0.01)
    power = np.abs(np.fft.fft2(field)) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None]) * PIXELS_PER_UM
    band = (frequency > 0.5 / wavelength) & (frequency < 2.0 / wavelength)
    assert power[band].sum() > 0.85 * power.sum()


@pytest.mark.parametrize("shape", ["unsegmented-round", "unsegmented-band", "segmented-bilobed", "irregular"])
def test_a_nucleus_has_its_share_and_stays_inside(shape):
    x, y = grid(8.0)
    membrane = star_distance(x, y, 6.5, np.zeros((1, 2)))
    shares = []
    for seed in range(8):
        nucleus = nucleus_distance(shape, 0.35, 6.5, membrane, 0.5, 0.0, 0.1, np.random.default_rng(seed))
        assert not ((nucleus < 0) & (membrane > 0)).any()
        shares.append((nucleus < 0).sum() / (membrane < 0).sum())
    assert np.mean(shares) == pytest.approx(0.35, abs=0.05)


@given(st.floats(-30, 30), st.floats(-30, 30))
@settings(max_examples=60, deadline=None)
def test_a_body_laid_anywhere_changes_only_where_it_lies(x, y):
    cover = np.ones((16, 16), np.float32)
    layers = np.full((3, 16, 16), 2.0, np.float32)
    field = np.ones((3, 60, 60), np.float32)
    lay(field, Patch(layers, cover, 1.0), x, y)
    expected = np.ones((60, 60))
    top, left = (round(30 + along * PIXELS_PER_UM - 8) for along in (y, x))
    for row in range(60):
        for column in range(60):
            if top <= row < top + 16 and left <= column < left + 16:
                expected[row, column] = 2.0
    np.testing.assert_array_equal(field[0], expected)
