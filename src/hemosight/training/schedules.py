"""Learning rates over a run: a function of the step, or a rule that follows the validation loss."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hemosight.training.recipes import PretrainConfig

_LEAST_GAIN = 1e-4
"""A validation loss counts as better for the plateau when it falls by more than this, as in Keras."""


def cosine(step: int, steps: int, *, lr: float, warmup: float) -> float:
    """Learning rate of a step (from 0) of ``steps``: linear over the share ``warmup``, then a half cosine to zero."""
    rising = math.ceil(warmup * steps)
    if step < rising:
        return lr * (step + 1) / (rising + 1)
    return lr * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


@dataclass(frozen=True)
class LossHistory:
    """What a run remembers of its validation losses, by the rules of Keras.

    ``ReduceLROnPlateau`` steps down after ``patience`` epochs without a loss better by 1e-4 and then counts anew;
    ``EarlyStopping`` counts epochs without any better loss.

    Parameters
    ----------
    lr
        Where the plateau rule has brought the learning rate.
    best, best_epoch
        Lowest loss so far, and the epoch (from 1) it was seen after.
    since_best
        Epochs since then.
    plateau_best, plateau_wait
        The plateau rule's own lowest loss and count.
    """

    lr: float
    best: float = math.inf
    best_epoch: int = 0
    since_best: int = 0
    plateau_best: float = math.inf
    plateau_wait: int = 0

    def after(self, epoch: int, loss: float, config: PretrainConfig) -> LossHistory:
        """The state after an epoch (from 1) with this validation loss."""
        if loss < self.best:
            state = replace(self, best=loss, best_epoch=epoch, since_best=0)
        else:
            state = replace(self, since_best=self.since_best + 1)
        if loss < self.plateau_best - _LEAST_GAIN:
            return replace(state, plateau_best=loss, plateau_wait=0)
        wait = state.plateau_wait + 1
        if config.schedule == "plateau" and wait >= config.plateau_patience:
            lower = max(state.lr * config.plateau_factor, config.plateau_floor)
            return replace(state, lr=min(state.lr, lower), plateau_wait=0)
        return replace(state, plateau_wait=wait)

    def improved(self, epoch: int) -> bool:
        """Whether this epoch's loss is the lowest."""
        return self.best_epoch == epoch

    def should_stop(self, config: PretrainConfig) -> bool:
        """Whether patience has run out."""
        return config.early_stopping is not None and self.since_best >= config.early_stopping


def learning_rate(config: PretrainConfig, step: int, steps: int, progress: LossHistory) -> float:
    """Learning rate of a step (from 0) of a run of ``steps``."""
    if config.schedule == "cosine":
        return cosine(step, steps, lr=config.lr, warmup=config.warmup)
    return progress.lr
