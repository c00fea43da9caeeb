"""Consensus of several readers: what a cell most probably is, and how each reader errs (Dawid and Skene 1979).

Each reader has a matrix: how often a cell of one type is called another. Given the matrices the probable type of each
cell follows, and given the types the matrices do; the two are made to fit by expectation and maximisation (Applied
Statistics 28:20-28). Good readers come to count more than hasty ones, and a reader who always confuses two types is
believed in everything else. What all readers get wrong in the same way no such model can know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemosight.scoring.metrics import Interval

Probabilities = NDArray[np.float64]
_TINY = 1e-300
SURE = 0.9
"""Probability of the consensus below which a cell is for people to decide."""


@dataclass(frozen=True)
class Consensus:
    """What readers together say.

    Parameters
    ----------
    shares
        Of the classes among the cells.
    skill
        Readers x true class x said class; rows sum to 1.
    posterior
        Cells x classes: what each cell most probably is.
    likelihood
        Log likelihood of what was said.
    rounds
        Steps until it came to rest.
    """

    shares: Probabilities
    skill: Probabilities
    posterior: Probabilities
    likelihood: float
    rounds: int

    @property
    def labels(self) -> NDArray[np.int64]:
        """The most probable class of each cell."""
        return self.posterior.argmax(axis=1)

    @property
    def accuracy(self) -> Probabilities:
        """Of each reader, the share of cells (mixed as these are) that it names right."""
        return np.einsum("c,rcc->r", self.shares, self.skill)


def counts_of(said: Sequence[tuple[int, int, int]], cells: int, readers: int, classes: int) -> Probabilities:
    """(cell, reader, class) triples as cells x readers x classes; a reader may read a cell more than once."""
    counts = np.zeros((cells, readers, classes))
    for cell, reader, label in said:
        counts[cell, reader, label] += 1
    return counts


def dawid_skene(counts: ArrayLike, *, prior: float = 0.0, rounds: int = 500, tolerance: float = 1e-8) -> Consensus:
    """Fit the readers.

    Parameters
    ----------
    counts
        Cells x readers x classes: how often a reader called a cell a class; 0 where it did not read it.
    prior
        Added to each entry of a reader's matrix before it is normed: 0 is the paper's maximum likelihood, 0.01 keeps
        readers of few cells from being believed infallible.
    rounds, tolerance
        At most so many steps; at rest when no probability moves by more.

    Raises :class:`ValueError` when a cell was read by nobody.
    """
    n = np.asarray(counts, np.float64)
    if n.ndim != 3 or not (n.sum(axis=(1, 2)) > 0).all():
        raise ValueError(f"expected cells x readers x classes, every cell read; came {n.shape}")
    flat = n.reshape(len(n), -1)
    posterior = n.sum(axis=1)
    posterior /= posterior.sum(axis=1, keepdims=True)  # formula 3.1: begin with the shares of what was said
    done, likelihood = 0, float("-inf")
    shares, skill = _maximised(n, posterior, prior)
    for done in range(1, rounds + 1):  # noqa: B007 -- how many there were
        by_answer = np.log(np.maximum(skill, _TINY)).transpose(0, 2, 1).reshape(flat.shape[1], -1)
        joint = np.log(np.maximum(shares, _TINY)) + flat @ by_answer
        top = joint.max(axis=1, keepdims=True)
        weight = np.exp(joint - top)
        likelihood = float((top[:, 0] + np.log(weight.sum(axis=1))).sum())
        before, posterior = posterior, weight / weight.sum(axis=1, keepdims=True)
        shares, skill = _maximised(n, posterior, prior)
        if np.abs(posterior - before).max() < tolerance:
            break
    return Consensus(shares, skill, posterior, likelihood, done)


def reader_intervals(
    counts: ArrayLike, *, prior: float = 0.01, draws: int = 200, seed: int = 0, level: float = 0.95
) -> list[Interval]:
    """Accuracy of each reader with its interval: cells are drawn anew (bootstrap) and readers fitted again."""
    n = np.asarray(counts, np.float64)
    whole = dawid_skene(n, prior=prior).accuracy
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [
            dawid_skene(n[rng.integers(0, len(n), len(n))], prior=prior, rounds=60, tolerance=1e-4).accuracy
            for _ in range(draws)
        ]
    )
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return [Interval(*(float(v) for v in row)) for row in zip(whole, low, high, strict=True)]


def suspects(counts: ArrayLike, found: Consensus, sure: float = SURE) -> list[tuple[int, int, int, float]]:
    """Labels that are probably wrong: (cell, reader, said class, probability of it), the least probable first.

    A label is suspect where the consensus is another class with at least the probability ``sure``.
    """
    n = np.asarray(counts, np.float64)
    rows = []
    for cell, reader, label in zip(*np.nonzero(n), strict=True):
        best = int(found.posterior[cell].argmax())
        if best != label and found.posterior[cell, best] >= sure:
            rows.append((int(cell), int(reader), int(label), float(found.posterior[cell, label])))
    return sorted(rows, key=lambda row: row[3])


def _maximised(n: Probabilities, posterior: Probabilities, prior: float) -> tuple[Probabilities, Probabilities]:
    """Shares of the classes and the readers' matrices for given types (formulas 2.3 and 2.4)."""
    _, readers, classes = n.shape
    skill = (posterior.T @ n.reshape(len(n), -1)).reshape(classes, readers, classes).transpose(1, 0, 2) + prior
    total = skill.sum(axis=2, keepdims=True)
    # A reader who met no cell of a class says nothing about it: all answers alike.
    skill = np.where(total > 0, skill / np.where(total > 0, total, 1.0), 1.0 / classes)
    return posterior.mean(axis=0), skill
