"""How far a reading can be believed away from home: a temperature that grows with a cell's foreign score.

A classifier's calibration holds for cells like those it was fitted on. On another laboratory's cells it stays as sure
and is right less often (Ovadia et al. 2019, "Can you trust your model's uncertainty?"). Here the temperature of a cell
depends on how foreign it is::

    temperature = exp(base + growth * clip(score - start, 0, SPAN))

``score`` is the cell's novelty (:mod:`hemosight.space.novelty`) or any other number that is higher farther away. The
parameters are fitted over laboratories left out, each read by a classifier that never saw it, and the laboratories
weigh alike. Temperatures never change what a cell is read as, only how surely. A cell whose score lies above ``limit``,
which one known cell in a hundred does, is called unfamiliar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from hemosight.errors import TooFewLabels

SPAN = 2.0
"""Beyond so much above the start a cell is as foreign as can be told: temperatures grow no further."""
KNOWN_BELOW = 0.99
"""Share of known cells' scores that lie below the limit."""
_BASE, _GROWTH = (-1.0, 1.5), (0.0, 6.0)
_STARTS = 12


@dataclass(frozen=True)
class Familiarity:
    """A temperature for each cell, and the limit beyond which it is called unfamiliar.

    Parameters
    ----------
    limit
        Scores above it are unfamiliar.
    base
        Logarithm of a familiar cell's temperature; 0 leaves its probabilities as the classifier has them.
    growth
        By how much the logarithm grows for each unit of the score above ``start``.
    start
        Score from which the temperature grows.
    """

    limit: float = 1.0
    base: float = 0.0
    growth: float = 0.0
    start: float = 0.0

    def temperatures(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """One temperature a cell; above 1 makes it less sure."""
        return np.exp(self.base + self.growth * np.clip(scores - self.start, 0.0, SPAN))

    def unfamiliar(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which cells lie beyond what the model knows."""
        return scores > self.limit

    def to_json(self) -> dict[str, float]:
        """For a manifest."""
        return {name: round(float(value), 6) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Familiarity:
        """From a manifest; other keys, such as what it was fitted on, are passed over."""
        return cls(**{name: float(facts[name]) for name in ("limit", "base", "growth", "start") if name in facts})


@dataclass(frozen=True)
class LeftOutLaboratory:
    """Readings of one laboratory's cells by a classifier that saw none of them.

    Parameters
    ----------
    logits
        Logarithms of the classifier's probabilities, up to a constant a row; cells x classes.
    truth
        Columns of the true classes; -1 for a class that the classifier does not know, which no temperature mends.
    scores
        Foreign scores, one a cell.
    """

    logits: NDArray[np.float64]
    truth: NDArray[np.int64]
    scores: NDArray[np.float64]


def fit(laboratories: Sequence[LeftOutLaboratory], known_scores: NDArray[np.float64]) -> Familiarity:
    """The parameters that make the truth likeliest, every laboratory weighing the same.

    Parameters
    ----------
    laboratories
        Home among them, read in cross-validation: else familiar cells are tempered for others' sake.
    known_scores
        Scores of cells of laboratories that the model has seen, for the limit.

    Raises
    ------
    TooFewLabels
        When no cell has a class that its classifier knows, or there are no known scores.
    """
    from scipy.optimize import minimize  # a tenth of a second, which reading needs nothing of

    usable = [_known(laboratory) for laboratory in laboratories]
    usable = [laboratory for laboratory in usable if len(laboratory.truth)]
    if not usable or not len(known_scores):
        raise TooFewLabels(came="no cell of a left-out laboratory whose class the classifier knows")
    everything = np.concatenate([laboratory.scores for laboratory in usable])
    best: tuple[float, Familiarity] | None = None
    limit = float(np.quantile(known_scores, KNOWN_BELOW))
    for start in np.unique(np.quantile(everything, np.linspace(0.0, 0.9, _STARTS))).tolist():
        found = minimize(_surprise, (0.0, 0.5), args=(usable, start), method="L-BFGS-B", bounds=(_BASE, _GROWTH))
        if best is None or found.fun < best[0] - 1e-9:
            base, growth = (float(value) for value in found.x)
            best = float(found.fun), Familiarity(limit, base, growth, start)
    assert best is not None  # noqa: S101 -- there is at least one start
    return best[1]


def _known(laboratory: LeftOutLaboratory) -> LeftOutLaboratory:
    rows = np.flatnonzero(laboratory.truth >= 0)
    return LeftOutLaboratory(laboratory.logits[rows], laboratory.truth[rows], laboratory.scores[rows])


def _surprise(parameters: NDArray[np.float64], laboratories: Sequence[LeftOutLaboratory], start: float) -> float:
    """Mean negative log-likelihood, the mean over laboratories."""
    base, growth = parameters
    temperature = Familiarity(1.0, float(base), float(growth), start).temperatures
    lost = []
    for laboratory in laboratories:
        scaled = laboratory.logits / temperature(laboratory.scores)[:, None]
        rows = np.arange(len(laboratory.truth))
        lost.append(float(np.mean(np.asarray(logsumexp(scaled, axis=1)) - scaled[rows, laboratory.truth])))
    return float(np.mean(lost))
