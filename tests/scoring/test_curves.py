"""The power law: known parameters come back, a stray point does not bend it, intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from hemosight.errors import TooFewLabels
from hemosight.scoring.curves import RATES, PowerLaw, fit, forecast

SIZES = np.arange(90, 6000, 90)
LAWS = [
    PowerLaw(0.97, 2.0, 20.0, 0.7),
    PowerLaw(0.92, 0.8, 60.0, 0.4),
    PowerLaw(0.99, 40.0, -60.0, 1.3),
    PowerLaw(0.85, 5.0, 0.0, 1.0),
]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_known_parameters_come_back(law: PowerLaw) -> None:
    found = fit(SIZES, law(SIZES)).law
    assert found.p_max == pytest.approx(law.p_max, abs=2e-3)
    assert found.r == pytest.approx(law.r, abs=0.05)
    assert found.n0 == pytest.approx(law.n0, abs=15)
    assert np.abs(found(SIZES) - law(SIZES)).max() < 1e-3


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_known_parameters_come_back_from_noise(law: PowerLaw) -> None:
    rng = np.random.default_rng(1)
    found = fit(SIZES, law(SIZES) + 0.004 * rng.normal(size=len(SIZES))).law
    assert found.p_max == pytest.approx(law.p_max, abs=0.02)
    assert found.r == pytest.approx(law.r, rel=0.5)
    assert np.abs(found(SIZES) - law(SIZES)).max() < 0.015


def test_a_stray_point_does_not_bend_it() -> None:
    law = LAWS[0]
    scores = law(SIZES)
    scores[5] -= 0.3
    found = fit(SIZES, scores).law
    others = np.delete(np.arange(len(SIZES)), 5)
    assert np.abs(found(SIZES) - law(SIZES))[others].max() < 0.01


@pytest.mark.slow
def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Of Pmax, of the rate and of a forecast: 95% of 24 curves, less three times the error of so few."""
    law, sizes, curves = PowerLaw(0.95, 3.0, 10.0, 0.8), np.geomspace(30, 1000, 24), 24
    asked = (lambda found: found.p_max, lambda found: found.r, lambda found: float(found(3000.0)))
    covered, widths = [], []
    for seed in range(curves):
        rng = np.random.default_rng(seed)
        found = fit(sizes, law(sizes) + 0.01 * rng.normal(size=len(sizes)), samples=25, rng=rng)
        intervals = [found.interval(of) for of in asked]
        covered.append([low <= of(law) <= high for of, (low, high) in zip(asked, intervals, strict=True)])
        widths.append([high - low for low, high in intervals])
    least = 0.95 - 3 * (0.95 * 0.05 / curves) ** 0.5
    assert (np.mean(covered, axis=0) >= least).all(), f"{np.mean(covered, axis=0)}"
    # Intervals that say nothing cover everything.
    assert (np.median(widths, axis=0) < [0.1, 2.0, 0.05]).all(), f"{np.median(widths, axis=0)}"


def test_a_rate_at_its_bound_says_so() -> None:
    assert all(PowerLaw(0.9, 1.0, 0.0, rate).at_bound for rate in RATES)
    assert not any(law.at_bound for law in LAWS)
    rests = fit(SIZES, 0.95 - 0.3 * np.exp(-SIZES / 200.0)).law
    assert rests.at_bound, "no power comes to rest as soon as an exponential"


def test_labels_for_a_score_and_back() -> None:
    law = LAWS[1]
    assert float(law(law.labels_for(0.88))) == pytest.approx(0.88)
    assert law.labels_for(0.92) == float("inf")


def test_the_ceiling_holds() -> None:
    sizes = np.array([10, 20, 40, 80, 160])
    found = fit(sizes, 0.2 * np.log10(sizes) + 0.4).law
    assert found.p_max <= 1.0


def test_a_flat_curve_is_flat() -> None:
    found = fit(SIZES, np.full(len(SIZES), 0.8)).law
    assert np.allclose(found(SIZES), 0.8, atol=2e-3)


def test_three_sizes_are_too_few() -> None:
    with pytest.raises(TooFewLabels, match="4 different numbers", check=lambda fault: fault.code == "curve_too_short"):
        fit([10, 20, 30, 30], [0.5, 0.6, 0.7, 0.7])


def test_a_forecast_finds_a_long_curves_own_rate() -> None:
    law = PowerLaw(0.96, 2.0, 0.0, 0.8)
    found = forecast(SIZES, law(SIZES))
    assert found.r == pytest.approx(0.8, rel=0.2)
    assert float(found(20_000)) == pytest.approx(float(law(20_000)), abs=0.01)


def test_a_forecast_from_a_short_noisy_curve_stays_with_what_is_usual() -> None:
    law, sizes = PowerLaw(0.96, 1.5, 0.0, 0.5), np.geomspace(30, 200, 6)
    rates, ahead = [], []
    for seed in range(20):
        found = forecast(sizes, law(sizes) + 0.015 * np.random.default_rng(seed).normal(size=6))
        rates.append(found.r)
        ahead.append(float(found(1000)))
    assert np.quantile(rates, 0.9) < 3 * np.quantile(rates, 0.1)
    assert np.mean(np.abs(np.array(ahead) - law(1000)) < 0.05) >= 0.7
