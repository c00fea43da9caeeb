from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax

from hemosight.errors import TooFewLabels
from hemosight.scoring.metrics import calibration_error
from hemosight.space.familiarity import SPAN, Familiarity, LeftOutLaboratory, fit


def laboratory(cells: int, score: float, sharpened: float, seed: int) -> LeftOutLaboratory:
    """Cells whose true probabilities are known, read by a classifier that is ``sharpened`` times too sure."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, (cells, 4))
    chance = np.exp(log_softmax(honest, axis=1))
    truth = np.array([rng.choice(4, p=row) for row in chance], np.int64)
    return LeftOutLaboratory(honest * sharpened, truth, np.full(cells, score))


def error(it: LeftOutLaboratory, familiarity: Familiarity) -> float:
    scaled = it.logits / familiarity.temperatures(it.scores)[:, None]
    sure = np.exp(log_softmax(scaled, axis=1))
    return calibration_error(sure.max(axis=1), sure.argmax(axis=1) == it.truth)


def known(n: int = 2000) -> NDArray[np.float64]:
    return np.random.default_rng(9).normal(0.6, 0.1, n)


def test_the_temperature_at_home_and_away_is_found() -> None:
    home, away = laboratory(4000, 0.6, 1.0, 0), laboratory(4000, 1.4, 4.0, 1)
    found = fit([home, away], known())
    assert found.temperatures(np.array([0.6, 1.4])) == pytest.approx([1.0, 4.0], rel=0.08)
    assert error(away, Familiarity()) > 0.2
    assert error(away, found) < 0.03
    assert error(home, found) < 0.03


def test_laboratories_between_follow_and_one_farther_out_is_not_made_surer() -> None:
    fitted = fit([laboratory(3000, s, t, k) for k, (s, t) in enumerate([(0.6, 1.0), (1.0, 2.0), (1.4, 4.0)])], known())
    between = fitted.temperatures(np.array([0.8]))[0]
    assert 1.1 < between < 2.0
    far = fitted.temperatures(np.array([1.4, 2.0, 50.0, 500.0]))
    assert np.all(np.diff(far) >= 0)
    assert far[-1] == far[-2] == pytest.approx(np.exp(fitted.base + fitted.growth * SPAN))


def test_laboratories_weigh_alike_whatever_their_size() -> None:
    few, many = laboratory(300, 1.4, 4.0, 1), laboratory(6000, 0.6, 1.0, 0)
    found = fit([many, few], known())
    assert found.temperatures(np.array([1.4]))[0] == pytest.approx(4.0, rel=0.25)


def test_one_known_cell_in_a_hundred_lies_beyond_the_limit() -> None:
    scores = known(5000)
    found = fit([laboratory(500, 0.6, 1.0, 0)], scores)
    assert found.unfamiliar(scores).mean() == pytest.approx(0.01, abs=0.001)


def test_classes_that_a_classifier_does_not_know_teach_no_temperature() -> None:
    home, away = laboratory(2000, 0.6, 1.0, 0), laboratory(2000, 1.4, 4.0, 1)
    unknown = LeftOutLaboratory(
        np.concatenate([away.logits, away.logits]),
        np.concatenate([away.truth, np.full(2000, -1)]),
        np.concatenate([away.scores, away.scores]),
    )
    assert fit([home, unknown], known()).to_json() == fit([home, away], known()).to_json()
    with pytest.raises(TooFewLabels):
        fit([LeftOutLaboratory(away.logits, np.full(2000, -1), away.scores)], known())


def test_without_parameters_nothing_is_tempered() -> None:
    assert Familiarity().temperatures(np.array([0.1, 1.0, 9.0])).tolist() == [1.0, 1.0, 1.0]
    found = Familiarity(1.2, 0.1, 2.0, 0.7)
    assert Familiarity.of({**found.to_json(), "fitted_on": ["pbc"]}) == found
