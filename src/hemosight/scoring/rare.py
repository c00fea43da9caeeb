"""Searching a film for a rare type: how many there may be, and how many more looks decide.

All white cells of a film are ranked by how likely they are of the type. The first of them are looked at in that order
(stratum one: what it holds is known); of the rest, cells are drawn at random (stratum two: what it holds is bounded).
Ranked looks find the cells, random looks say how many were missed, as in technology-assisted review, where a stopping
rule draws at random from what was not read (Callaghan and Müller-Hansen 2020, Systematic Reviews 9:273). The count of
the film is the sum of the strata (Cochran 1977, Sampling Techniques, chapter 5).

A reviewer looks at the bound after every cell and stops when it suits, which an interval for a fixed number of looks
does not survive. The bound is a confidence sequence: it holds at every moment at once, and so wherever one stops
(sampling without replacement, prior-posterior ratio: Waudby-Smith and Ramdas 2020, NeurIPS 33:20204, theorem 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import lgamma, log1p

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
FIRST, STREAK, MOST = 100, 50, 500
"""Ranked looks there are at least; how many in a row find nothing when ranking ends; and how many there are at most."""
_PRIOR = (0.5, 60.0)
"""Beta-binomial prior of the number in the second stratum. The bound holds with any; this one is tight where the type
is rare or absent."""


@dataclass(frozen=True)
class SearchCounts:
    """What a search has looked at.

    Parameters
    ----------
    cells
        White cells of the film.
    ranked, ranked_found
        Cells looked at by rank, before the first random look, and how many of them were of the type.
    random, random_found
        Cells drawn at random from all others, and how many of them were of the type.

    Raises ``ValueError`` for counts that cannot be.
    """

    cells: int
    ranked: int = 0
    ranked_found: int = 0
    random: int = 0
    random_found: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.ranked_found <= self.ranked or not 0 <= self.random_found <= self.random:
            raise ValueError("more cells were found than were looked at")
        if self.ranked + self.random > self.cells:
            raise ValueError("more cells were looked at than there are")

    @property
    def rest(self) -> int:
        """Cells of the second stratum, looked at or not."""
        return self.cells - self.ranked

    @property
    def looked(self) -> int:
        """Cells looked at."""
        return self.ranked + self.random

    @property
    def found(self) -> int:
        """Cells of the type."""
        return self.ranked_found + self.random_found


@dataclass(frozen=True)
class Bound:
    """How many cells of the type a film holds.

    Parameters
    ----------
    estimate
        Found by rank, and the rest at the share found at random; None before a random look unless all was looked at.
    low, high
        The interval of the number, both ends included.
    """

    estimate: float | None
    low: int
    high: int


def bound(looks: SearchCounts, confidence: float = CONFIDENCE) -> Bound:
    """The interval of the number of cells of the type, valid however long one goes on looking.

    Before the first random look the ranked cells alone bound it: those not looked at might all be of the type.
    """
    low, high = _second(looks, confidence)
    unseen = looks.rest - looks.random
    estimate: float | None = None
    if looks.random:
        estimate = looks.found + unseen * looks.random_found / looks.random
    elif not unseen:
        estimate = float(looks.found)
    return Bound(estimate, looks.ranked_found + low, looks.ranked_found + high)


def _second(looks: SearchCounts, confidence: float) -> tuple[int, int]:
    """The interval of the number in the second stratum."""
    size, drawn, hits = looks.rest, looks.random, looks.random_found
    if not drawn:
        return 0, size
    limit = -log1p(-confidence)

    def kept(number: int) -> bool:
        return evidence(number, size, drawn, hits) < limit

    # The likelihood has one peak, so what is kept is an interval around it.
    least, most = hits, size - (drawn - hits)
    peak = min(max((size + 1) * hits // drawn, least), most)
    return _edge(kept, peak, least), _edge(kept, peak, most)


def _edge(kept: Callable[[int], bool], inside: int, end: int) -> int:
    """The number farthest from ``inside`` on the way to ``end`` that is kept."""
    if kept(end):
        return end
    outside = end
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if kept(middle) else (inside, middle)
    return inside


def evidence(number: int, size: int, drawn: int, hits: int) -> float:
    """Logarithm of prior over posterior of a number: a martingale at the true one (Bayes marginal over likelihood)."""
    a, b = _PRIOR
    marginal = _log_choose(drawn, hits) + _log_beta(a + hits, b + drawn - hits) - _log_beta(a, b)
    likelihood = _log_choose(number, hits) + _log_choose(size - number, drawn - hits) - _log_choose(size, drawn)
    return marginal - likelihood


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def decided(looks: SearchCounts, share: float, confidence: float = CONFIDENCE) -> bool | None:
    """Whether the film holds less than this share of the type (True), at least as much (False), or one cannot tell."""
    found = bound(looks, confidence)
    if found.high < share * looks.cells:
        return True
    return False if found.low >= share * looks.cells else None


def further(looks: SearchCounts, share: float, confidence: float = CONFIDENCE) -> int | None:
    """How many more random looks decide that there is less than this share, if none of them finds one.

    0 where that is decided; None where even a look at every cell would not say so, because enough were found.
    """

    def enough(more: int) -> bool:
        later = SearchCounts(looks.cells, looks.ranked, looks.ranked_found, looks.random + more, looks.random_found)
        return decided(later, share, confidence) is True

    if enough(0):
        return 0
    low, high = 0, looks.rest - looks.random
    if not enough(high):
        return None
    while high - low > 1:  # the bound falls with every look that finds nothing
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def ranking_ends(found: list[bool]) -> bool:
    """Whether ranked looks, in their order, have found what ranking finds: random ones follow."""
    if len(found) >= MOST:
        return True
    return len(found) >= FIRST and not any(found[-STREAK:])


def fused(orders: list[NDArray[np.floating]]) -> NDArray[np.float64]:
    """One score from several (n each, higher is likelier): reciprocal rank fusion.

    Cormack, Clarke and Büttcher 2009, SIGIR: the sum of 1 / (60 + rank). Probability and likeness have no common unit,
    their ranks have.
    """
    total = np.zeros(len(orders[0]))
    for values in orders:
        rank = np.empty(len(values), np.int64)
        rank[np.argsort(-np.asarray(values), kind="stable")] = np.arange(len(values))
        total += 1 / (60 + rank)
    return total
