"""How many more labels, and of which types: a forecast from the labels a laboratory has.

Parts of the labels read the others: at several sizes and in several draws, each cell is read by a fit that never saw
its label. The inverse power law through these scores (:func:`~hemosight.scoring.curves.forecast`) says what more labels
would bring, as long as they come in the proportions they came in so far. How far that can be trusted is found by
doing it again on resampled cells and draws: the interval therefore knows that few labels are also few cells to
measure on.

Fewer cells than dimensions span a subspace, in which the readings are the same and cost a hundredth.

Which types they should be follows from a curve for each class: the next label goes where the mean F1 rises most. Only
half of them go so, and at most half as many as there are; the others are of every class alike. For a class's curve was
measured while all classes grew, so that it also rises by what the others' labels teach: what all share, and where the
others end. On drawn cells, many labels for the worst classes alone read less well than labels at random.

Nothing here needs pictures or torch; the review service calls :func:`plan` on its own labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.linalg import qr
from numpy.typing import NDArray

from hemosight.errors import TooFewLabels
from hemosight.scoring import curves, metrics
from hemosight.space import classifiers, lda
from hemosight.space.embeddings import Vectors

PARTS = (0.15, 0.22, 0.32, 0.46, 0.68, 1.0)
"""Sizes that are tried, as shares of what four of five folds hold."""
FOLDS = 5
DRAWS = 4
SAMPLES = 200
"""Resampled forecasts, of which the interval is made."""
LEAST = 5
"""Labels of the smallest class that a forecast needs: one a fold."""
BEYOND = 10.0
"""Times the labels there are, those included; a forecast beyond that is none, and is given as infinite."""
RUNGS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
"""Targets to go for one after the other, where nobody names one."""
_STEPS = 60


@dataclass(frozen=True)
class Plan:
    """What more labels would bring.

    Parameters
    ----------
    target
        Macro-F1 that is wished for.
    labels
        Labels there are.
    score
        Macro-F1 they reach now, by the fitted curve.
    more
        How many more reach the target; 0 where they are enough, infinite where ten times as many in all would not do.
    low, high
        Its 95% interval, infinite likewise.
    chance
        Share of resampled forecasts in which the target is within reach.
    curve
        ``kind`` (``measured`` or ``forecast``), ``labels``, ``macro_f1``, ``low``, ``high``.
    by_class
        ``class``, ``labels``, ``f1`` (now, by that class's curve) and ``more``: how the labels are best shared out;
        where the target is out of reach, as many as a forecast goes (:attr:`farthest`).
    """

    target: float
    labels: int
    score: float
    more: float
    low: float
    high: float
    chance: float
    curve: pl.DataFrame
    by_class: pl.DataFrame

    @property
    def reachable(self) -> bool:
        """Whether the target is within ten times the labels there are."""
        return bool(np.isfinite(self.more))

    @property
    def farthest(self) -> int:
        """The most labels that a forecast asks for; a target out of reach needs more."""
        return round((BEYOND - 1.0) * self.labels)

    def to_json(self) -> dict[str, Any]:
        """For a page: infinities become null; ``by_class`` then shares out :attr:`farthest` labels."""

        def finite(value: float) -> int | None:
            return round(value) if np.isfinite(value) else None

        return {
            "target": self.target,
            "labels": self.labels,
            "score": round(self.score, 4),
            "more": finite(self.more),
            "low": finite(self.low),
            "high": finite(self.high),
            "chance": round(self.chance, 3),
            "curve": self.curve.to_dicts(),
            "by_class": self.by_class.to_dicts(),
        }


@dataclass(frozen=True)
class Trials:
    """Every labelled cell as it was read after fits on parts of the others.

    Parameters
    ----------
    classes
        Names, sorted.
    truth
        Class number of each cell.
    read
        Class number it was read as; draws x sizes x cells.
    sizes
        Labels of a fit, mean over folds; shape (sizes,).
    counts
        Labels of each class in a fit, mean over folds; sizes x classes.
    """

    classes: tuple[str, ...]
    truth: NDArray[np.int64]
    read: NDArray[np.int64]
    sizes: NDArray[np.float64]
    counts: NDArray[np.float64]

    def f1(self, cells: NDArray[np.int64], draws: NDArray[np.int64]) -> NDArray[np.float64]:
        """F1 of each class on these cells (repeats allowed) in these draws; draws x sizes x classes."""
        k = len(self.classes)
        pairs = self.truth[cells] * k + self.read[draws][:, :, cells]
        flat = pairs.reshape(-1, len(cells)) + k * k * np.arange(pairs.shape[0] * pairs.shape[1])[:, None]
        matrices = np.bincount(flat.ravel(), minlength=len(flat) * k * k).reshape(-1, k, k)
        return metrics.per_class(matrices)[2].reshape(*pairs.shape[:2], k)


def plan(
    vectors: Vectors,
    labels: NDArray[np.str_],
    target: float | None = None,
    *,
    classifier: str = classifiers.DEFAULT,
    draws: int = DRAWS,
    samples: int = SAMPLES,
    seed: int = 0,
    of: int | None = None,
) -> Plan:
    """Forecast how many more labels reach a macro-F1.

    Parameters
    ----------
    vectors, labels
        Labelled cells: cells x dimensions, one label each.
    target
        Macro-F1 between 0 and 1; where None, the first of :data:`RUNGS` that takes a tenth of
        what is missing.
    draws, samples
        Repeats of the trials, and of the forecast for its interval.
    of
        Labels there are, where the given ones are a random sample of them.

    Raises
    ------
    TooFewLabels
        With fewer than two classes, or fewer than :data:`LEAST` cells in one.
    """
    rng = np.random.default_rng(seed)
    tried = trials(vectors, labels, classifier=classifier, draws=draws, rng=rng)
    everyone, all_draws = np.arange(len(labels)), np.arange(draws)
    scores = tried.f1(everyone, all_draws)
    law = _law(tried.sizes, scores.mean(axis=2))
    # Classes are resampled apart: a bootstrap that loses a rare class would measure another question.
    of_class = [np.flatnonzero(tried.truth == code) for code in range(len(tried.classes))]
    drawn, measured = [], []
    for _ in range(samples):
        cells = np.concatenate([rng.choice(rows, len(rows)) for rows in of_class])
        again = tried.f1(cells, rng.integers(0, draws, draws)).mean(axis=2)
        measured.append(again.mean(axis=0))
        drawn.append(_law(tried.sizes, again))
    have = of or len(labels)
    if target is None:
        # One that is all but reached tells nothing.
        least = 1.0 - 0.9 * (1.0 - float(law(have)))
        target = next((rung for rung in RUNGS if rung >= least), 1.0)
    needed = np.array([_more(sample, target, have) for sample in drawn] or [_more(law, target, have)])
    low, high = np.quantile(needed, [0.025, 0.975], method="inverted_cdf")
    more = _more(law, target, have)
    return Plan(
        target=target,
        labels=have,
        score=float(law(have)),
        more=more,
        low=float(low),
        high=float(high),
        chance=float(np.isfinite(needed).mean()),
        curve=_curve(tried.sizes, scores.mean(axis=(0, 2)), np.array(measured), law, drawn, have),
        by_class=_shared_out(
            tried, scores, more, np.rint(np.bincount(tried.truth) * have / len(labels)).astype(np.int64)
        ),
    )


def trials(
    vectors: Vectors,
    labels: NDArray[np.str_],
    *,
    classifier: str = classifiers.DEFAULT,
    draws: int = DRAWS,
    rng: np.random.Generator,
) -> Trials:
    """Read every cell after fits on parts of the other folds; parts are nested and keep the classes' proportions."""
    names, truth = np.unique(labels, return_inverse=True)
    counts = np.bincount(truth, minlength=len(names))
    if len(names) < 2:
        raise TooFewLabels(came=f"only {names[0]!r}" if len(names) else "no labelled cell")
    if counts.min() < LEAST:
        rare = ", ".join(f"{names[code]} {counts[code]}" for code in np.flatnonzero(counts < LEAST))
        raise TooFewLabels(came=f"fewer than {LEAST} of {rare}")
    dimensions = vectors.shape[1]
    if classifier == classifiers.DEFAULT and len(vectors) < dimensions:
        vectors = in_their_subspace(vectors)
    read = np.empty((draws, len(PARTS), len(labels)), np.int64)
    fitted = np.zeros((draws, FOLDS, len(PARTS), len(names)))
    for draw in range(draws):
        # Each class in a random order, dealt to the folds in turn.
        order = np.concatenate([rng.permutation(np.flatnonzero(truth == code)) for code in range(len(names))])
        rank = np.concatenate([np.arange(count) for count in counts])
        fold = np.empty(len(labels), np.int64)
        fold[order] = rank % FOLDS
        for held in range(FOLDS):
            queries = np.flatnonzero(fold == held)
            others = order[fold[order] != held]
            own_rank = np.concatenate([np.arange(n) for n in np.bincount(truth[others], minlength=len(names))])
            sizes = np.bincount(truth[others], minlength=len(names))
            for part, share in enumerate(PARTS):
                few = others[own_rank < np.maximum(np.rint(share * sizes), 1)[truth[others]]]
                read[draw, part, queries] = _read(vectors, truth, names, few, queries, classifier, dimensions)
                fitted[draw, held, part] = np.bincount(truth[few], minlength=len(names))
    per_class = fitted.mean(axis=(0, 1))
    return Trials(tuple(names.tolist()), truth, read, per_class.sum(axis=1), per_class)


def in_their_subspace(vectors: Vectors) -> Vectors:
    """Coordinates of cells in the subspace that they span (cells x cells): distances and products stay as they are."""
    return qr(vectors.T).R.T


def _read(
    vectors: Vectors,
    truth: NDArray[np.int64],
    names: NDArray[np.str_],
    few: NDArray[np.int64],
    queries: NDArray[np.int64],
    classifier: str,
    dimensions: int,
) -> NDArray[np.int64]:
    if classifier != classifiers.DEFAULT:
        fitted = classifiers.fit(vectors[few], names[truth[few]], classifier)
        return np.searchsorted(names, fitted.predict(vectors[queries]))
    # Readings need no calibration, which is five of the six factorisations of a fit.
    origin = vectors[few].mean(axis=0, dtype=np.float64)
    total = lda.LDAStatistics.of(vectors[few], truth[few], len(names), origin)
    amount = lda.estimate(total, vectors[few], truth[few], np.ones(len(few)), dimensions)
    weight, bias = lda.solve(total, amount, dimensions)
    return (vectors[queries].astype(np.float64) @ weight + bias).argmax(axis=1)


def _law(sizes: NDArray[np.float64], scores: NDArray[np.float64]) -> curves.PowerLaw:
    """The law through the means of draws x sizes; larger fits count for more, since what lies beyond is asked for."""
    return curves.forecast(sizes, scores.mean(axis=0), weights=sizes / sizes.mean())


def _more(law: curves.PowerLaw, target: float, have: int) -> float:
    needed = law.labels_for(target)
    return float("inf") if needed > BEYOND * have else max(0.0, needed - have)


def _curve(
    sizes: NDArray[np.float64],
    scores: NDArray[np.float64],
    measured: NDArray[np.float64],
    law: curves.PowerLaw,
    drawn: list[curves.PowerLaw],
    have: int,
) -> pl.DataFrame:
    ahead = have * np.geomspace(1.0, BEYOND, 11)
    forecast = np.array([sample(ahead) for sample in drawn] or [law(ahead)])
    if not len(measured):
        measured = scores[None]
    return pl.DataFrame(
        {
            "kind": ["measured"] * len(sizes) + ["forecast"] * len(ahead),
            "labels": np.rint(np.concatenate([sizes, ahead])).astype(np.int64),
            "macro_f1": np.concatenate([scores, law(ahead)]),
            "low": np.concatenate([np.quantile(measured, 0.025, axis=0), np.quantile(forecast, 0.025, axis=0)]),
            "high": np.concatenate([np.quantile(measured, 0.975, axis=0), np.quantile(forecast, 0.975, axis=0)]),
        }
    )


def _shared_out(tried: Trials, scores: NDArray[np.float64], more: float, have: NDArray[np.int64]) -> pl.DataFrame:
    """Each class's own curve, and the labels to ask for: some where the mean F1 rises most, the others alike.

    Out of reach, the most labels that are forecast are shared out: which types hold the mean back is known all the
    same.
    """
    laws = [_law(tried.counts[:, code], scores[:, :, code]) for code in range(len(tried.classes))]
    labels = float(have.sum())
    total = more if np.isfinite(more) else (BEYOND - 1.0) * labels
    chosen = min(total, labels) / 2.0
    given = np.full(len(laws), (total - chosen) / len(laws))
    step = chosen / _STEPS
    for _ in range(_STEPS if total > 0 else 0):
        gains = [float(law(n + step) - law(n)) for law, n in zip(laws, have + given, strict=True)]
        given[int(np.argmax(gains))] += step
    return pl.DataFrame(
        {
            "class": list(tried.classes),
            "labels": have,
            "f1": [float(law(n)) for law, n in zip(laws, have, strict=True)],
            "more": np.rint(given).astype(np.int64),
        }
    )
