"""Variance components: Snedecor and Cochran's turnip greens, and what was drawn."""

import numpy as np
import pytest

from hemosight.scoring.repeatability import components


def test_leaves_of_turnip_greens() -> None:
    # Snedecor and Cochran 1989, table 13.3.1: calcium in 4 leaves, 4 determinations each: mean squares 0.2961 and
    # 0.0066, component of leaves 0.0724.
    calcium = [[3.28, 3.09, 3.03, 3.03], [3.52, 3.48, 3.38, 3.38], [2.88, 2.80, 2.81, 2.76], [3.34, 3.38, 3.23, 3.26]]
    found = components(calcium)
    assert found.mean_squares == pytest.approx((0.2961, 0.0066), abs=6e-5)
    assert found.between == pytest.approx(0.0724, abs=6e-5)
    assert found.repeatability.value == pytest.approx(np.sqrt(0.0066), abs=6e-4)


def test_plants_leaves_and_determinations() -> None:
    # Snedecor and Cochran 1967, ch. 10; SAS/STAT, "The NESTED Procedure", example: plants 0.365223, leaves 0.161060,
    # determinations 0.006654.
    plants = [3.28, 3.09, 3.52, 3.48, 2.88, 2.80, 2.46, 2.44, 1.87, 1.92, 2.19, 2.19]
    plants += [2.77, 2.66, 3.74, 3.44, 2.55, 2.55, 3.78, 3.87, 4.07, 4.12, 3.31, 3.31]
    found = components(np.reshape(plants, (4, 3, 2)))
    assert (found.between, found.middle, found.within) == pytest.approx((0.365223, 0.161060, 0.006654), abs=5e-6)
    assert found.precision.value == pytest.approx(np.sqrt(0.161060 + 0.006654), abs=1e-5)


def test_intervals_hold_what_was_drawn() -> None:
    rng = np.random.default_rng(1)
    held = np.zeros(2)
    for _ in range(400):
        drawn = rng.normal(0, 3, (20, 1, 1)) + rng.normal(0, 1.5, (20, 2, 1)) + rng.normal(0, 1, (20, 2, 2))
        found = components(drawn)
        total = np.hypot(1.5, 1)
        held[0] += found.repeatability.low <= 1 <= found.repeatability.high
        held[1] += found.precision.low <= total <= found.precision.high
    assert (held / 400 > 0.92).all()
    assert (held / 400 < 0.985).all()


def test_a_component_below_zero_is_none_and_other_shapes_are_refused() -> None:
    assert components([[0.0, 10.0], [10.0, 0.0], [0.0, 10.0]]).between == 0
    with pytest.raises(ValueError, match="groups x repeats"):
        components([1.0, 2.0])
