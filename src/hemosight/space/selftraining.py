"""Few labels and many cells without one: the discriminant teaches itself on a background of unlabelled cells.

Plain fitting learns class means and the spread around them from labelled cells alone. Here unlabelled cells take part:
the plain reader says what each of them is, means and spread are computed anew from all cells, the better reader says
again what each is, and so on. This is expectation maximisation for Gaussians that share a covariance (O'Neill 1978,
"Normal discrimination with unclassified observations"), with the given labels held fast. As all classes share it, the
sum of outer products stays the same from round to round, whoever is what: it is factorised once, and a round is two
products with a matrix of one column a class.

A background of other kinds of cells than the labels speak of can mislead. So the labels decide: the self-taught reader
is taken only where, in cross-validation, it gets at least as large a share of each class right, on average, as the
plain one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import softmax

from hemosight.space import lda
from hemosight.space.embeddings import Vectors
from hemosight.space.lda import Affine, FoldedStatistics, LDAStatistics, Weights
from hemosight.space.linear_classifier import LinearClassifier

ROUNDS = 10
"""Of saying what each unlabelled cell is; after eight, figures move by 0.2 points at most."""
SHRINKAGE = 0.03
"""Towards a multiple of the identity, of the covariance of thousands of cells; from 0.02 to 0.05 reads the same."""
_OVERCONFIDENCE = 1 / 80
"""Temperature to start the calibration from, per dimension: with 1,280 of them measured from 12 (a fifth of the cells
labelled) to 24 (one label a class)."""


@dataclass(frozen=True)
class Background:
    """Unlabelled cells, and what every fit needs of them.

    Parameters
    ----------
    vectors
        Cells x dimensions.
    """

    vectors: Vectors

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def origin(self) -> NDArray[np.float64]:
        """The mean of all cells, shape (dimensions,)."""
        return self.vectors.mean(axis=0, dtype=np.float64)

    @cached_property
    def shifted(self) -> Vectors:
        """Vectors measured from the origin."""
        return self.vectors - self.origin.astype(np.float32)

    @cached_property
    def products(self) -> NDArray[np.float64]:
        """Sum of outer products, measured from the origin; dimensions x dimensions."""
        return (self.shifted.T @ self.shifted).astype(np.float64)

    def read(self, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scores of every cell by an affine map of vectors measured from the origin; cells x classes."""
        return self.shifted @ weight.astype(np.float32) + bias.astype(np.float32)


def fit(
    vectors: Vectors, labels: NDArray[np.str_], background: Background, weights: Weights = None
) -> LinearClassifier:
    """Fit on labelled cells and a background, and calibrate by cross-validation.

    Parameters
    ----------
    vectors, labels, weights
        As for :func:`hemosight.space.lda.fit`. Labelled cells should not stand in the background as well.
    background
        Cells of the same encoder; the answer depends on them, but not on their order.
    """
    if not len(background):
        return lda.fit(vectors, labels, weights)
    dealt = FoldedStatistics.of(vectors, labels, background.origin, weights)

    def held_out(fit_on: Callable[[LDAStatistics], Affine]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        return lda.held_out(dealt.parts, dealt.total, vectors, dealt.codes, dealt.fold, fit_on)

    plain_held, truth = held_out(lambda others: lda.solve(others, dealt.amount))
    taught_held, _ = held_out(lambda others: _taught(others, dealt.amount, background))
    if _recall(taught_held, truth) < _recall(plain_held, truth) - 1e-9:  # equal shares may differ in the last bit
        held, expected = plain_held, lda.overconfidence(vectors.shape[1], len(vectors))
        slopes, bias = lda.solve(dealt.total, dealt.amount)
    else:
        held, expected = taught_held, 1.0 + _OVERCONFIDENCE * vectors.shape[1]
        slopes, bias = _taught(dealt.total, dealt.amount, background)
    return LinearClassifier(dealt.names, slopes, bias, 1.0 / lda.calibrate(held, truth, expected))


def _recall(held: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Share of held-out cells read right, the mean over classes: a rare class counts as much as a common one."""
    counts = np.bincount(truth)
    right = np.bincount(truth[held.argmax(axis=1) == truth], minlength=len(counts))
    return float((right[counts > 0] / counts[counts > 0]).mean()) if len(truth) else 0.0


def _taught(labelled: LDAStatistics, amount: float, background: Background) -> Affine:
    """The affine map after all rounds, of vectors as they are; a class without a label scores -inf."""
    present = np.flatnonzero(labelled.present)
    teacher = _Teacher(labelled, present, background)
    plain, offset = lda.solve(labelled, amount)
    first = background.vectors @ plain[:, present].astype(np.float32) + offset[present].astype(np.float32)
    # At first without a doubt: probabilities from a handful of labels are too timid to tell the means apart.
    learned, height = teacher.learn(np.eye(len(present), dtype=np.float32)[first.argmax(axis=1)])
    for _ in range(ROUNDS - 1):
        learned, height = teacher.learn(teacher.say(learned, height))
    slopes, bias = np.zeros_like(plain), np.full_like(offset, -np.inf)
    slopes[:, present], bias[present] = learned, height - labelled.origin @ learned
    return slopes, bias


class _Teacher:
    """Rounds of learning from what all cells are said to be, with one factorisation for all of them."""

    def __init__(self, labelled: LDAStatistics, present: NDArray[np.int64], background: Background) -> None:
        self.counts, self.sums = labelled.counts[present], labelled.sums[present]
        self.background = background
        self.cells = self.counts.sum() + len(background)
        self.temperature = lda.overconfidence(len(labelled.origin), self.cells)
        total = (labelled.products + background.products) / self.cells
        level = np.trace(total) / len(total)
        total *= 1.0 - SHRINKAGE
        total[np.diag_indices_from(total)] += SHRINKAGE * max(level, 1e-12)
        self.factor = cho_factor(total, lower=True, overwrite_a=True, check_finite=False)

    def learn(self, said: NDArray[np.float32]) -> Affine:
        """Means of what cells are said to be, and the discriminant of their common covariance.

        That covariance is the total one less the outer products of the means, so that its inverse follows from the
        total's by Woodbury's identity.
        """
        counts = self.counts + said.sum(axis=0, dtype=np.float64)
        means = (self.sums + said.T @ self.background.shifted) / counts[:, None]
        solved = cho_solve(self.factor, means.T)
        share = (1.0 - SHRINKAGE) * counts / self.cells
        inner = np.diag(1.0 / share) - means @ solved
        slopes = solved + solved @ np.linalg.solve(inner, means @ solved)
        return slopes, -0.5 * np.einsum("kd,dk->k", means, slopes)

    def say(self, slopes: NDArray[np.float64], bias: NDArray[np.float64]) -> NDArray[np.float32]:
        """What each unlabelled cell is, cells x classes; rows sum to one."""
        return softmax(self.background.read(slopes, bias) / np.float32(self.temperature), axis=1)
