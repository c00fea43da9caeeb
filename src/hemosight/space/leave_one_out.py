"""Labelled cells as a linear discriminant reads them that was fitted on all the others, without fitting it anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from hemosight.space.lda import LDAStatistics

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class LeftOut:
    """Every labelled cell as a classifier reads it that was fitted on all the others.

    Parameters
    ----------
    cells
        Their numbers; cells that are the only one of their class cannot take part.
    truth
        What they were labelled, as columns of the scores.
    scores
        Uncalibrated, cells x classes.
    """

    cells: Codes
    truth: Codes
    scores: NDArray[np.float64]

    @property
    def read(self) -> Codes:
        """What they were read as, as columns of the scores."""
        return self.scores.argmax(axis=1) if len(self.scores) else np.zeros(0, np.int64)


def scores_left_out(
    total: LDAStatistics,
    amount: float,
    each: float,
    points: NDArray[np.float64],
    truth: Codes,
    covariance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Scores (cells x classes) by classifiers that each know all but that cell.

    Nothing is fitted anew: taking one cell out changes the shrunk covariance by a matrix of rank one, whose inverse
    follows by Sherman and Morrison's formula. (The identity's share of the shrinkage keeps its size, which differs from
    a refit by the share of one cell in the trace.)

    Parameters
    ----------
    total, amount
        Sums over all cells, and the shrinkage, 0 to 1.
    each
        How much one of the cells weighs in the sums; less than its class does.
    points
        The cells' vectors, from the origin of the sums; cells x dimensions.
    truth
        Column of each cell's class.
    covariance
        That of all cells, shrunk; dimensions x dimensions. It is overwritten.
    """
    means, rows = total.means(), np.arange(len(points))
    factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    mass, own = total.counts.sum(), total.counts[truth]
    apart = points - means[truth]
    solved = cho_solve(factor, apart.T).T  # u = A^-1 r for each cell
    solved_means = cho_solve(factor, means.T)  # dimensions x classes
    length = np.einsum("ij,ij->i", apart, solved)  # r.u
    lost = (1.0 - amount) * each * own / ((own - each) * mass)
    gain = lost / np.maximum(1.0 - lost * length, 1e-12)
    shift = each / (own - each)  # the class's mean moves away by so many r
    # Of the class means: against the cell, against u, and against themselves.
    against = points @ solved_means
    toward = solved @ means.T
    selves = np.tile(np.einsum("ij,ji->i", means, solved_means), (len(points), 1))
    reach = np.einsum("ij,ij->i", solved, points)
    selves[rows, truth] += -2.0 * shift * toward[rows, truth] + shift**2 * length
    # r.A^-1 x, as A^-1 x = u + A^-1 m
    against[rows, truth] -= shift * (length + np.einsum("ij,ij->i", apart, solved_means.T[truth]))
    toward[rows, truth] -= shift * length
    scores = against + gain[:, None] * toward * reach[:, None] - 0.5 * (selves + gain[:, None] * toward**2)
    scores *= (mass - each) / mass
    return np.where(total.present, scores, -np.inf)
