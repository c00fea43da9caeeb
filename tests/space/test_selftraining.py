"""Self-training: unlabelled cells sharpen a handful of labels, never against what the labels themselves say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from hemosight.space import classifiers, lda, selftraining
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.selftraining import ROUNDS, SHRINKAGE, Background

CLASSES = ("blast", "ig", "monocyte")


def _cells(per_class: int, seed: int, dim: int = 40) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Classes apart along a few directions, with more spread along others that say nothing."""
    centres = np.zeros((len(CLASSES), dim))
    centres[:, :6] = np.random.default_rng(99).normal(size=(len(CLASSES), 6))
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(CLASSES)), per_class)
    spread = np.r_[np.full(6, 0.45), np.full(dim - 6, 1.0)]
    vectors = centres[codes] + spread * rng.normal(size=(len(codes), dim))
    return vectors.astype(np.float32), np.array(CLASSES)[codes]


def _right(reader: LinearClassifier, seed: int = 77) -> float:
    vectors, truth = _cells(400, seed)
    return float((reader.predict(vectors) == truth).mean())


@pytest.mark.parametrize("per_class", [1, 3, 8])
def test_unlabelled_cells_make_few_labels_read_better(per_class: int) -> None:
    background = Background(_cells(500, seed=1)[0])
    plain, taught = [], []
    for seed in range(10, 18):
        few = _cells(per_class, seed)
        plain.append(_right(lda.fit(*few)))
        taught.append(_right(selftraining.fit(*few, background)))
    assert np.mean(taught) > np.mean(plain) + 0.03


def test_it_is_the_obvious_loop() -> None:
    """Against expectation maximisation that makes the common covariance anew in every round and inverts it."""
    labelled, labels = _cells(5, seed=2)
    unlabelled = _cells(60, seed=3)[0]
    codes = np.searchsorted(np.array(CLASSES), labels)
    everything = np.concatenate([labelled, unlabelled]).astype(np.float64)
    origin = unlabelled.mean(axis=0, dtype=np.float64)
    everything -= origin
    temperature = lda.overconfidence(everything.shape[1], len(everything))
    first = lda.fit(labelled, labels).scores(unlabelled).argmax(axis=1)
    said = np.eye(3)[np.concatenate([codes, first])]
    total = everything.T @ everything / len(everything)
    ridge = SHRINKAGE * np.trace(total) / len(total) * np.eye(len(total))
    slopes, bias = np.empty((40, 3)), np.empty(3)
    for _ in range(ROUNDS):
        means = (said.T @ everything) / said.sum(axis=0)[:, None]
        # Shrunk: the total and what the means explain of it, by the same factor.
        within = (1 - SHRINKAGE) * (total - (means.T * said.mean(axis=0)) @ means) + ridge
        slopes = np.linalg.solve(within, means.T)
        bias = -0.5 * np.einsum("kd,dk->k", means, slopes)
        said = softmax((everything @ slopes + bias) / temperature, axis=1)
        said[: len(codes)] = np.eye(3)[codes]
    reader = selftraining.fit(labelled, labels, Background(unlabelled))
    fresh = _cells(50, seed=4)[0]
    expected = (fresh - origin) @ slopes + bias
    found = reader.scores(fresh)
    assert np.allclose(
        found - found.mean(axis=1, keepdims=True), expected - expected.mean(axis=1, keepdims=True), atol=2e-3
    )


def test_a_background_that_contradicts_the_labels_is_left_alone() -> None:
    """Two heaps of cells that differ in what the labels do not speak of."""
    rng = np.random.default_rng(5)

    def heaps(count: int, *, told_by: int) -> NDArray[np.float32]:
        vectors = 0.3 * rng.normal(size=(count, 12))
        vectors[:, 0] += np.where(rng.random(count) < 0.5, -4.0, 4.0)
        vectors[:, 1] += told_by * 0.8
        return vectors.astype(np.float32)

    vectors = np.concatenate([heaps(12, told_by=-1), heaps(12, told_by=1)])
    labels = np.repeat(["band", "segmented"], 12)
    unlabelled = heaps(600, told_by=0)
    unlabelled[:, 1] = 0.5 * np.sign(unlabelled[:, 0])  # the heaps lean the way the classes do
    plain, taught = lda.fit(vectors, labels), selftraining.fit(vectors, labels, Background(unlabelled))
    fresh = np.concatenate([heaps(200, told_by=-1), heaps(200, told_by=1)])
    truth = np.repeat(["band", "segmented"], 200)
    assert (plain.predict(fresh) == truth).mean() > 0.95
    assert (taught.predict(fresh) == truth).mean() > 0.95


def test_neither_order_nor_the_hour_changes_a_reading() -> None:
    few, unlabelled = _cells(4, seed=6), _cells(100, seed=7)[0]
    fresh = _cells(20, seed=8)[0]
    once = selftraining.fit(*few, Background(unlabelled)).probabilities(fresh)
    again = selftraining.fit(*few, Background(unlabelled)).probabilities(fresh)
    turned = selftraining.fit(*few, Background(unlabelled[::-1].copy())).probabilities(fresh)
    assert (once == again).all()
    assert np.allclose(once, turned, atol=1e-3)


def test_no_background_is_the_plain_reader() -> None:
    few = _cells(4, seed=9)
    plain, taught = lda.fit(*few), selftraining.fit(*few, Background(few[0][:0]))
    assert (plain.weight == taught.weight).all()
    assert plain.slope == taught.slope


def test_probabilities_stay_honest() -> None:
    few = _cells(8, seed=10)
    reader = classifiers.fit(*few, background=Background(_cells(500, seed=11)[0]))
    vectors, truth = _cells(500, seed=12)
    probabilities = reader.probabilities(vectors)
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    right = np.array(reader.classes)[probabilities.argmax(axis=1)] == truth
    assert abs(probabilities.max(axis=1).mean() - right.mean()) < 0.1


def test_classes_with_one_label_are_kept() -> None:
    vectors, labels = _cells(6, seed=13)
    kept = np.r_[0, 6:18]  # one blast, six of each other
    reader = selftraining.fit(vectors[kept], labels[kept], Background(_cells(300, seed=14)[0]))
    assert reader.classes == CLASSES
    assert np.isfinite(reader.bias).all()
    fresh, truth = _cells(200, seed=15)
    assert (reader.predict(fresh[truth == "blast"]) == "blast").mean() > 0.6
