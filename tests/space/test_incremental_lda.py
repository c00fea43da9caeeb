"""Corrections that teach: sums equal a fit from scratch, the right cells follow, taking back takes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hemosight.scoring.dawid_skene import dawid_skene
from hemosight.space import lda
from hemosight.space.embeddings import Embeddings, EmbeddingSpace
from hemosight.space.incremental_lda import GROWTH, IncrementalLDA, Reference
from hemosight.space.labels import SupportSet
from hemosight.space.lda import LDAStatistics
from hemosight.space.linear_classifier import LinearClassifier

CLASSES = ("blast", "ig", "monocyte", "neutrophil")
DIM = 32


def _cells(per_class: int, seed: int, spread: float = 0.8) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors around four centres, the same for every seed."""
    centres = np.random.default_rng(99).normal(size=(len(CLASSES), DIM))
    rng = np.random.default_rng(seed)
    codes = np.tile(np.arange(len(CLASSES)), per_class)
    vectors = centres[codes] + spread * rng.normal(size=(len(codes), DIM)) * np.linspace(0.2, 2.5, DIM)
    return vectors.astype(np.float32), codes


@pytest.fixture(scope="module")
def support() -> SupportSet:
    vectors, codes = _cells(40, seed=1)
    ids = tuple(f"{row:064x}" for row in range(len(vectors)))
    return SupportSet(
        Embeddings(ids, vectors, EmbeddingSpace("e", "p")), {"type": tuple(CLASSES[code] for code in codes)}
    )


@pytest.fixture(scope="module")
def reference(support: SupportSet) -> Reference:
    return Reference.of(support, "type", lda.fit(*support.labelled("type")))


def _learner(
    vectors: NDArray[np.float32], reference: Reference | None, classes: tuple[str, ...] = CLASSES
) -> IncrementalLDA:
    return IncrementalLDA(classes, lambda cells: vectors[cells], DIM, reference)


def _centred(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores - scores.mean(axis=1, keepdims=True)


def _from_scratch(
    support: SupportSet, reference: Reference, vectors: NDArray[np.float32], codes: NDArray[np.int64], weight: float
) -> LinearClassifier:
    """One weighted fit on reference and project cells together, with the reference's shrinkage and temperature."""
    known, names = support.labelled("type")
    together = np.concatenate([known, vectors])
    columns = np.concatenate([np.searchsorted(np.array(CLASSES), names), codes]).astype(np.int64)
    weights = np.concatenate([np.ones(len(known)), np.full(len(vectors), weight)])
    total = LDAStatistics.of(together, columns, len(CLASSES), together.mean(axis=0, dtype=np.float64), weights)
    return LinearClassifier(CLASSES, *lda.solve(total, reference.amount), reference.classifier.slope)


def test_without_a_lesson_the_reference_reads(support: SupportSet, reference: Reference) -> None:
    vectors, codes = _cells(10, seed=2)
    expected = lda.fit(*support.labelled("type")).probabilities(vectors)
    learner = _learner(vectors, reference)
    untaught, off = learner.classifier(), None
    learner.update(range(4), codes[:4])
    off = learner.classifier(weight=0.0)
    assert untaught is not None
    assert off is not None
    assert (untaught.probabilities(vectors) == expected).all()
    assert (off.probabilities(vectors) == expected).all()


@pytest.mark.parametrize("weight", [1.0, 20.0])
def test_learning_one_by_one_equals_a_fit_from_scratch(
    support: SupportSet, reference: Reference, weight: float
) -> None:
    vectors, codes = _cells(12, seed=3, spread=1.5)
    fresh, _ = _cells(30, seed=4)
    learner = _learner(vectors, reference)
    for cell, code in enumerate(codes):
        learner.update([cell], [(code + 1) % 4])  # wrong at first
        learner.update([cell], [code])
    learner.update([0, 1], [-1, -1])  # and two taken back
    taught, whole = learner.classifier(weight), _from_scratch(support, reference, vectors[2:], codes[2:], weight)
    assert taught is not None
    assert len(learner) == len(codes) - 2
    assert np.allclose(_centred(taught.scores(fresh)), _centred(whole.scores(fresh)), rtol=1e-6, atol=1e-6)
    assert np.allclose(taught.probabilities(fresh), whole.probabilities(fresh), atol=1e-8)


def test_all_at_once_equals_one_by_one(reference: Reference) -> None:
    vectors, codes = _cells(12, seed=5)
    once, each = _learner(vectors, reference), _learner(vectors, reference)
    once.update(np.arange(len(codes)), codes)
    for cell, code in enumerate(codes):
        each.update([cell], [code])
    one, other = once.classifier(), each.classifier()
    assert one is not None
    assert other is not None
    assert np.allclose(one.weight, other.weight)


def test_the_last_word_on_a_cell_counts(reference: Reference) -> None:
    vectors, _ = _cells(3, seed=6)
    twice, once = _learner(vectors, reference), _learner(vectors, reference)
    twice.update([0, 0], [1, 2])
    once.update([0], [2])
    one, other = twice.classifier(), once.classifier()
    assert one is not None
    assert other is not None
    assert np.allclose(one.weight, other.weight)


def test_taking_everything_back_is_the_reference_again(reference: Reference) -> None:
    vectors, codes = _cells(5, seed=7)
    learner = _learner(vectors, reference)
    learner.update(np.arange(20), codes)
    learner.update(np.arange(20), np.full(20, -1))
    assert learner.classifier() is reference.classifier


def test_a_correction_moves_the_cells_around_it_and_leaves_the_others(reference: Reference) -> None:
    """Cells of another laboratory: one type is stained so that the reference often calls it another."""
    vectors, codes = _cells(60, seed=8)
    monocytes, rest = np.flatnonzero(codes == 2), codes != 2
    vectors[monocytes] += (0.5 * (_centre(reference, 0) - _centre(reference, 2))).astype(np.float32)
    truth = np.array(CLASSES)[codes]
    before = reference.classifier.predict(vectors) == truth
    assert before[monocytes].mean() < 0.6, "the stain must deceive the reference"
    taught, others = monocytes[:10], monocytes[10:]
    learner = _learner(vectors, reference)
    learner.update(taught, np.full(len(taught), 2))
    classifier = learner.classifier()
    assert classifier is not None
    after = classifier.predict(vectors) == truth
    assert after[others].mean() > before[others].mean() + 0.25, "cells like the corrected ones follow"
    assert after[rest].mean() > before[rest].mean() - 0.05, "and what was right stays right"


def _centre(reference: Reference, code: int) -> NDArray[np.float64]:
    return reference.statistics.means()[code]


def test_a_new_class_joins_a_reference(reference: Reference) -> None:
    vectors, codes = _cells(10, seed=9)
    smudge = np.flatnonzero(codes == 3)
    vectors[smudge] += 6.0
    classes = ("smudge", *reversed(CLASSES))
    learner = _learner(vectors, reference, classes)
    untaught = learner.classifier()
    assert untaught is not None
    by_name = dict(zip(classes, untaught.probabilities(vectors).T, strict=True))
    known = dict(zip(CLASSES, reference.classifier.probabilities(vectors).T, strict=True))
    assert all(np.allclose(by_name[name], known[name]) for name in CLASSES)
    assert not by_name["smudge"].any(), "nobody has shown one yet"
    learner.update(smudge[:3], np.zeros(3, np.int64))
    classifier = learner.classifier()
    assert classifier is not None
    assert (classifier.predict(vectors[smudge[3:]]) == "smudge").all()
    assert (classifier.predict(vectors[codes != 3]) != "smudge").all()


def test_an_own_label_set_reads_from_two_classes_on() -> None:
    vectors, codes = _cells(40, seed=10)
    learner = _learner(vectors, None)
    assert learner.classifier() is None
    learner.update([0, 4], codes[[0, 4]])
    assert codes[0] == codes[4]
    assert learner.classifier() is None, "one class is no question"
    learner.update(np.arange(20), codes[:20])
    classifier = learner.classifier()
    assert classifier is not None
    assert (classifier.predict(vectors[20:]) == np.array(CLASSES)[codes[20:]]).mean() > 0.8


@pytest.mark.parametrize("with_reference", [True, False])
def test_left_out_equals_fitting_without_each_cell(reference: Reference, with_reference: bool) -> None:
    vectors, codes = _cells(12, seed=11, spread=1.6)
    start = reference if with_reference else None
    learner = _learner(vectors, start)
    learner.update(np.arange(len(codes)), codes)
    left = learner.leave_one_out(weight=5.0)
    assert left.cells.tolist() == list(range(len(codes)))
    slow = np.empty_like(left.scores)
    total, amount, _ = learner.statistics(5.0)
    for cell in range(len(codes)):
        alone = LDAStatistics.of(vectors[[cell]], codes[[cell]], 4, total.origin) * (5.0 if with_reference else 1.0)
        slopes, bias = lda.solve(total - alone, amount)
        slow[cell] = vectors[cell].astype(np.float64) @ slopes + bias
    assert (left.read == slow.argmax(axis=1)).mean() > 0.97
    assert np.allclose(_centred(left.scores), _centred(slow), rtol=0.03, atol=0.05 * np.abs(_centred(slow)).mean())
    seen = learner.classifier(5.0)
    assert seen is not None
    assert (left.read == codes).mean() < (seen.predict(vectors) == np.array(CLASSES)[codes]).mean()


def test_the_only_cell_of_its_class_cannot_be_left_out() -> None:
    vectors, codes = _cells(4, seed=12)
    keep = np.array([cell for cell, code in enumerate(codes) if code != 1] + [1])
    learner = _learner(vectors, None)
    learner.update(keep, codes[keep])
    assert 1 not in learner.leave_one_out().cells
    assert len(learner.leave_one_out().cells) == len(keep) - 1


def test_an_own_label_set_is_as_often_right_as_it_says() -> None:
    vectors, codes = _cells(60, seed=13, spread=3.0)
    fresh, truth = _cells(500, seed=14, spread=3.0)
    learner = _learner(vectors, None)
    learner.update(np.arange(len(codes)), codes)
    classifier = learner.classifier()
    assert classifier is not None
    right = (classifier.predict(fresh) == np.array(CLASSES)[truth]).mean()
    assert 0.4 < right < 0.95
    assert abs(classifier.probabilities(fresh).max(axis=1).mean() - right) < 0.08


# --- without a reference, calibrated by folds: what studies fit in rounds ----------------------------------

THREE = CLASSES[:3]


def _three_types(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(THREE), n)
    centres = np.random.default_rng(9).normal(size=(len(THREE), 24))
    return (centres[codes] + 1.5 * rng.normal(size=(n, 24))).astype(np.float32), codes


def _in_rounds(vectors: NDArray[np.float32], growth: float) -> IncrementalLDA:
    origin = vectors.mean(axis=0, dtype=np.float64)
    return IncrementalLDA(THREE, lambda cells: vectors[cells], vectors.shape[1], origin=origin, growth=growth)


@pytest.mark.parametrize("rounds", [1, 4, 9])
def test_rounds_equal_one_fit(rounds: int) -> None:
    vectors, codes = _three_types(300, 1)
    order = np.random.default_rng(2).permutation(300)[:180]
    growing = _in_rounds(vectors, growth=1.0)
    for rows in np.array_split(order, rounds):
        growing.update(rows, codes[rows])
        growing.classifier()
    classifier = growing.classifier()
    assert classifier is not None
    slow = lda.fit(vectors[order], np.array(THREE)[codes[order]])
    assert classifier.classes == slow.classes
    assert np.allclose(classifier.probabilities(vectors), slow.probabilities(vectors), atol=1e-5)


def test_an_old_temperature_changes_no_reading() -> None:
    vectors, codes = _three_types(300, 3)
    one = other = None
    often, seldom = _in_rounds(vectors, growth=1.0), _in_rounds(vectors, growth=10.0)
    for rows in np.array_split(np.arange(200), 8):
        for growing in (often, seldom):
            growing.update(rows, codes[rows])
        one, other = often.classifier(), seldom.classifier()
        assert one is not None
        assert other is not None
        assert (one.predict(vectors) == other.predict(vectors)).all()
    assert one is not None
    assert other is not None
    assert one.slope != other.slope


def test_a_class_without_a_label_is_never_read() -> None:
    vectors, codes = _three_types(100, 4)
    growing = _in_rounds(vectors, GROWTH)
    rows = np.flatnonzero(codes != 1)
    growing.update(rows, codes[rows])
    classifier = growing.classifier()
    assert classifier is not None
    probabilities = classifier.probabilities(vectors)
    assert np.allclose(probabilities[:, 1], 0.0)
    assert np.allclose(probabilities.sum(axis=1), 1.0)


def test_a_standardised_reference_learns_as_a_fit_on_divided_vectors(support: SupportSet) -> None:
    known, names = support.labelled("type")
    deviations = lda.deviations_of(known)
    fitted = lda.fit_standardised(known, names)
    reference = Reference.of(support, "type", fitted, standardised=True)
    divided = replace(support, embeddings=replace(support.embeddings, vectors=(known / deviations).astype(np.float32)))
    plain = Reference.of(divided, "type", lda.fit(*divided.labelled("type")))
    assert reference.amount == pytest.approx(plain.amount, rel=1e-4)
    vectors, codes = _cells(3, seed=5)
    ours = IncrementalLDA(CLASSES, lambda cells: vectors[cells], DIM, reference)
    theirs = IncrementalLDA(CLASSES, lambda cells: (vectors / deviations).astype(np.float32)[cells], DIM, plain)
    for learner in (ours, theirs):
        learner.update(np.arange(6), codes[:6])
    first, second = ours.classifier(), theirs.classifier()
    assert first is not None
    assert second is not None
    scores = first.scores(vectors), second.scores((vectors / deviations).astype(np.float32))
    np.testing.assert_allclose(_centred(scores[0]), _centred(scores[1]), rtol=1e-3, atol=1e-3)
    left, also = ours.leave_one_out(), theirs.leave_one_out()
    np.testing.assert_allclose(_centred(left.scores), _centred(also.scores), rtol=1e-3, atol=1e-3)
    unlike = Reference.of(support, "type", lda.fit(known, names))
    different = _learner(vectors, unlike)
    different.update(np.arange(6), codes[:6])
    other = different.classifier()
    assert other is not None
    assert np.abs(_centred(other.scores(vectors)) - _centred(scores[0])).max() > 0.05


# --- taught by shares -------------------------------------------------------------------------------------------


def _shares(count: int, seed: int) -> NDArray[np.float64]:
    shares = np.random.default_rng(seed).dirichlet(np.full(len(CLASSES), 0.4), count)
    shares[shares < 0.05] = 0.0  # a consensus rules most classes out
    return shares


def _slow(
    vectors: NDArray[np.float32], labels: dict[int, int], shares: dict[int, NDArray[np.float64]], origin: object
) -> LDAStatistics:
    """The obvious loop: every cell, every class, one number after the other."""
    counts, sums = np.zeros(len(CLASSES)), np.zeros((len(CLASSES), DIM))
    products = np.zeros((DIM, DIM))
    for cell in range(len(vectors)):
        point = vectors[cell].astype(np.float64) - origin
        for column in range(len(CLASSES)):
            if cell in labels:
                share = 1.0 if labels[cell] == column else 0.0
            else:
                share = float(shares[cell][column]) if cell in shares else 0.0
            counts[column] += share
            sums[column] += share * point
            products += share * np.outer(point, point)
    return LDAStatistics(counts, sums, products, np.asarray(origin))


def _same(learner: IncrementalLDA, expected: LDAStatistics, before: LDAStatistics | None) -> None:
    """What was taught, above the reference's own sums."""
    total = learner.statistics(1.0)[0] if before is None else learner.statistics(1.0)[0] - before
    for name in ("counts", "sums", "products"):
        np.testing.assert_allclose(getattr(total, name), getattr(expected, name), atol=1e-8)


@pytest.mark.parametrize("with_reference", [True, False])
def test_shares_teach_as_the_slow_loop_does_whatever_came_before(reference: Reference, with_reference: bool) -> None:
    vectors, codes = _cells(8, seed=5)
    learner = _learner(vectors, reference if with_reference else None)
    first = dict(enumerate(_shares(20, 1)))
    second = {cell + 6: row for cell, row in enumerate(_shares(20, 2))}
    assert learner.set_soft_labels(first)
    assert not learner.set_soft_labels(dict(first)), "the same again changes nothing"
    learner.update([2, 3, 9], codes[[2, 3, 9]])
    assert learner.set_soft_labels(second)
    learner.update([3, 9, 12], [-1, int(codes[8]), int(codes[12])])  # withdrawn, changed, new
    labels = {2: int(codes[2]), 9: int(codes[8]), 12: int(codes[12])}
    before = reference.statistics if with_reference else None
    _same(learner, _slow(vectors, labels, second, learner.statistics(1.0)[0].origin), before)
    assert len(learner) == 3, "shares are no labels"
    learner.set_soft_labels({})
    learner.update(list(labels), [-1] * 3)
    _same(learner, _slow(vectors, {}, {}, learner.statistics(1.0)[0].origin), before)


def test_a_sure_consensus_teaches_what_a_label_does(reference: Reference) -> None:
    vectors, codes = _cells(6, seed=6)
    said, shared = _learner(vectors, reference), _learner(vectors, reference)
    said.update(np.arange(len(codes)), codes)
    shared.set_soft_labels({cell: np.eye(len(CLASSES))[code] for cell, code in enumerate(codes)})
    one, other = said.classifier(), shared.classifier()
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.scores(vectors), other.scores(vectors), rtol=1e-9)


def test_shares_alone_are_enough_where_there_is_no_reference() -> None:
    vectors, codes = _cells(30, seed=7)
    learner = _learner(vectors, None)
    assert learner.classifier() is None
    learner.set_soft_labels({cell: 0.7 * np.eye(len(CLASSES))[code] + 0.1 for cell, code in enumerate(codes)})
    found = learner.classifier()
    assert found is not None
    assert (found.scores(vectors).argmax(axis=1) == codes).mean() > 0.9


def _taught(vectors: NDArray[np.float32], shares: NDArray[np.float64]) -> LinearClassifier:
    learner = _learner(vectors, None)
    learner.set_soft_labels(dict(enumerate(shares)))
    found = learner.classifier()
    assert found is not None
    return found


def test_noisy_readers_teach_better_by_their_consensus_than_by_a_vote() -> None:
    """One good reader among careless ones: who counts heads is outvoted, who weighs readers is not."""
    scores: dict[str, list[float]] = {"vote": [], "consensus": [], "shares": []}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        vectors, codes = _cells(20, seed=100 + seed, spread=1.6)
        new, truth = _cells(100, seed=200 + seed, spread=1.6)
        counts = np.zeros((len(codes), 5, len(CLASSES)))
        for reader, skill in enumerate((0.92, 0.5, 0.5, 0.4, 0.4)):
            right = rng.random(len(codes)) < skill
            # The careless ones take what they do not know for a neutrophil.
            said = np.where(right, codes, np.where(rng.random(len(codes)) < 0.7, 3, rng.integers(4, size=len(codes))))
            counts[np.arange(len(codes)), reader, said] = 1
        posterior = dawid_skene(counts, prior=0.05).posterior
        eye = np.eye(len(CLASSES))
        votes = counts.sum(axis=1)
        ways = {"vote": eye[votes.argmax(axis=1)], "consensus": eye[posterior.argmax(axis=1)], "shares": posterior}
        for name, shares in ways.items():
            scores[name].append(float((_taught(vectors, shares).scores(new).argmax(axis=1) == truth).mean()))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    assert means["shares"] > means["vote"] + 0.02, means
    assert means["shares"] >= means["consensus"] - 0.005, means
