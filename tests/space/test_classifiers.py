"""Classifiers: the default equals scikit-learn's, learns from two labels, knows how sure it may be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from hemosight.errors import TooFewLabels, UnknownName
from hemosight.space import classifiers, lda
from hemosight.space.classifiers import FITTERS, fit
from hemosight.space.lda import LDAStatistics

CLASSES = ("blast", "ig", "monocyte", "neutrophil")


def _cells(per_class: int, seed: int, dim: int = 48, spread: float = 0.8) -> tuple[NDArray, NDArray[np.str_]]:
    """Unit vectors around four centres; the centres are the same for every seed."""
    centres = np.random.default_rng(99).normal(size=(len(CLASSES), dim))
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(CLASSES)), per_class)
    vectors = centres[labels] + spread * rng.normal(size=(len(labels), dim)) * np.linspace(0.2, 2.5, dim)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), np.array(CLASSES)[labels]


@pytest.mark.parametrize("classifier", sorted(FITTERS))
@pytest.mark.parametrize("per_class", [1, 2, 5, 60])
def test_every_classifier_learns_from_few_and_from_many(classifier: str, per_class: int) -> None:
    reader = fit(*_cells(per_class, seed=1), classifier)
    vectors, truth = _cells(100, seed=2)
    right = (reader.predict(vectors) == truth).mean()
    assert right > {1: 0.4, 2: 0.5, 5: 0.65, 60: 0.9}[per_class]
    probabilities = reader.probabilities(vectors)
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert reader.classes == CLASSES
    assert (np.array(CLASSES)[probabilities.argmax(axis=1)] == reader.predict(vectors)).all()


@pytest.mark.parametrize("classifier", sorted(FITTERS))
def test_two_classes_are_enough(classifier: str) -> None:
    vectors, labels = _cells(30, seed=3)
    two = np.isin(labels, CLASSES[:2])
    reader = fit(vectors[two], labels[two], classifier)
    fresh, truth = _cells(50, seed=4)
    known = np.isin(truth, CLASSES[:2])
    assert (reader.predict(fresh[known]) == truth[known]).mean() > 0.9


@pytest.mark.parametrize("classifier", ["discriminant", "svm"])
def test_a_reader_is_as_often_right_as_it_says(classifier: str) -> None:
    reader = fit(*_cells(80, seed=5, spread=3.0), classifier)
    vectors, truth = _cells(500, seed=6, spread=3.0)
    sure = reader.probabilities(vectors).max(axis=1)
    right = reader.predict(vectors) == truth
    assert 0.4 < right.mean() < 0.95, "the problem must be hard enough to be unsure about"
    assert abs(sure.mean() - right.mean()) < 0.06
    assert right[sure > np.quantile(sure, 0.75)].mean() > right[sure < np.quantile(sure, 0.25)].mean() + 0.1


def test_one_class_is_not_enough() -> None:
    vectors, labels = _cells(5, seed=7)
    with pytest.raises(TooFewLabels, match="only 'blast'"):
        fit(vectors[:5], labels[:5])
    with pytest.raises(TooFewLabels, match="no labelled cell"):
        fit(vectors[:0], labels[:0])


def test_an_unknown_classifier_is_named() -> None:
    with pytest.raises(UnknownName, match="discriminant, standardised, svm, logistic"):
        fit(*_cells(2, seed=8), "oracle")


# --- the default, piece by piece ---


def _centred(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax does not see what is common to a row; neither may a comparison."""
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("per_class", [3, 10, 200])
def test_discriminant_equals_scikit_learn(per_class: int) -> None:
    vectors, labels = _cells(per_class, seed=9)
    codes = np.searchsorted(np.array(CLASSES), labels)
    means = np.stack([vectors[labels == name].mean(axis=0, dtype=np.float64) for name in CLASSES])
    residuals = vectors - means[codes]
    amount = ledoit_wolf_shrinkage(residuals, assume_centered=True)
    covariance = residuals.T @ residuals / len(residuals)
    norms = (residuals**2).sum(axis=1)
    assert lda.shrinkage(covariance, norms, np.ones(len(norms))) == pytest.approx(amount, rel=1e-6)

    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=amount, priors=np.full(4, 0.25))
    theirs.fit(vectors.astype(np.float64), labels)
    fresh, _ = _cells(50, seed=10)
    expected = theirs.decision_function(fresh.astype(np.float64))
    assert np.allclose(_centred(fit(vectors, labels).scores(fresh)), _centred(expected), rtol=1e-5, atol=1e-5)


def test_statistics_add_and_subtract() -> None:
    vectors, labels = _cells(20, seed=11)
    codes = np.searchsorted(np.array(CLASSES), labels).astype(np.int64)
    origin = vectors.mean(axis=0, dtype=np.float64)

    def of(rows: slice) -> LDAStatistics:
        return LDAStatistics.of(vectors[rows], codes[rows], len(CLASSES), origin)

    whole, parts = of(slice(None)), of(slice(0, 33)) + of(slice(33, None))
    left = whole - of(slice(0, 33))
    for name in ("counts", "sums", "products"):
        assert np.allclose(getattr(whole, name), getattr(parts, name))
        assert np.allclose(getattr(left, name), getattr(of(slice(33, None)), name))


def test_statistics_equal_the_obvious_loop() -> None:
    vectors, labels = _cells(6, seed=12, dim=5)
    codes = np.searchsorted(np.array(CLASSES), labels).astype(np.int64)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(codes))
    found = LDAStatistics.of(vectors, codes, len(CLASSES), np.zeros(5), weights)
    sums, products = np.zeros((4, 5)), np.zeros((5, 5))
    for vector, code, weight in zip(vectors.astype(np.float64), codes, weights, strict=True):
        sums[code] += weight * vector
        products += weight * np.outer(vector, vector)
    assert np.allclose(found.sums, sums)
    assert np.allclose(found.products, products)


def test_a_weight_of_two_is_the_cell_twice() -> None:
    vectors, labels = _cells(10, seed=13)
    weights = np.ones(len(labels))
    weights[:3] = 2.0
    twice = np.concatenate([vectors, vectors[:3]]), np.concatenate([labels, labels[:3]])
    weighted, doubled = lda.fit(vectors, labels, weights), lda.fit(*twice)
    fresh, _ = _cells(20, seed=14)
    assert np.allclose(_centred(weighted.scores(fresh)), _centred(doubled.scores(fresh)), rtol=1e-6, atol=1e-6)


def test_the_support_sets_proportions_do_not_enter() -> None:
    """A support set is collected, not sampled: ten times as many neutrophils must not make blasts neutrophils."""
    vectors, labels = _cells(200, seed=14, spread=1.4)
    few = np.concatenate([np.flatnonzero(labels == "blast")[:20], np.flatnonzero(labels == "neutrophil")])
    reader = fit(vectors[few], labels[few])
    fresh, truth = _cells(300, seed=15, spread=1.4)
    recall = [(reader.predict(fresh[truth == name]) == name).mean() for name in ("blast", "neutrophil")]
    assert abs(recall[0] - recall[1]) < 0.2


def test_the_papers_svm_agrees_with_its_own_margins() -> None:
    vectors, labels = _cells(40, seed=16)
    reader = classifiers.fit_svm(vectors, labels)
    assert reader.slope > 0, "calibration may change how sure a reader is, never what it says"
