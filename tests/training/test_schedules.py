from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemosight.training.recipes import RECIPES, PretrainConfig, resolve
from hemosight.training.schedules import LossHistory, cosine, learning_rate

pytestmark = pytest.mark.train
PAPER = RECIPES["paper"]


@given(steps=st.integers(1, 500), warmup=st.sampled_from([0.0, 0.05, 0.5]))
def test_cosine_rises_then_falls_and_never_leaves_zero_to_lr(steps: int, warmup: float) -> None:
    rates = [cosine(step, steps, lr=2.0, warmup=warmup) for step in range(steps)]
    rising = math.ceil(warmup * steps)
    assert all(0 < rate <= 2.0 for rate in rates)
    assert rates[:rising] == sorted(rates[:rising])
    assert rates[rising:] == sorted(rates[rising:], reverse=True)
    if rising < steps:
        assert rates[rising] == 2.0


def test_cosine_is_half_in_the_middle_and_zero_after_the_end() -> None:
    assert cosine(50, 100, lr=1.0, warmup=0) == pytest.approx(0.5)
    assert cosine(100, 100, lr=1.0, warmup=0) == pytest.approx(0)


def run(losses: list[float], config: PretrainConfig) -> list[LossHistory]:
    states, state = [], LossHistory(lr=config.lr)
    for epoch, loss in enumerate(losses, 1):
        state = state.after(epoch, loss, config)
        states.append(state)
    return states


def test_plateau_and_stopping_follow_keras() -> None:
    # Traced by hand through keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=4, min_lr=1e-7) and
    # EarlyStopping(patience=5): gains below 1e-4 do not count for the first and do count for the second.
    losses = [1.0, 0.5, 0.49995, 0.6, 0.6, 0.6, 0.6, 0.6]
    states = run(losses, PAPER)
    assert [state.lr for state in states] == pytest.approx([1e-5] * 5 + [1e-6] * 3)
    assert [state.best_epoch for state in states] == [1, 2, 3, 3, 3, 3, 3, 3]
    assert [state.should_stop(PAPER) for state in states] == [False] * 7 + [True]
    assert [state.improved(epoch) for epoch, state in enumerate(states, 1)] == [True] * 3 + [False] * 5


def test_the_rate_has_a_floor() -> None:
    patient = resolve("paper", {"early_stopping": None})
    assert run([1.0] * 30, patient)[-1].lr == pytest.approx(1e-7)


def test_cosine_ignores_the_plateau_and_plateau_ignores_the_step() -> None:
    state = LossHistory(lr=1e-6)
    assert learning_rate(RECIPES["default"], 10, 100, state) == pytest.approx(
        cosine(10, 100, lr=RECIPES["default"].lr, warmup=RECIPES["default"].warmup)
    )
    assert learning_rate(PAPER, 3, 10, state) == learning_rate(PAPER, 9, 10, state) == 1e-6
