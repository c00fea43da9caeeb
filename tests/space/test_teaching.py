"""Corrections that teach: sums equal a fit from scratch, the right cells follow, taking back takes back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hemosight.space import discriminant
from hemosight.space.discriminant import Statistics
from hemosight.space.embeddings import Embeddings, Space
from hemosight.space.labels import SupportSet
from hemosight.space.readers import Reader
from hemosight.space.teaching import Lessons, Reference

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
    return SupportSet(Embeddings(ids, vectors, Space("e", "p")), {"type": tuple(CLASSES[code] for code in codes)})


@pytest.fixture(scope="module")
def reference(support: SupportSet) -> Reference:
    return Reference.of(support, "type", discriminant.fit(*support.labelled("type")))


def _lessons(vectors: NDArray[np.float32], reference: Reference | None, classes: tuple[str, ...] = CLASSES) -> Lessons:
    return Lessons(classes, lambda cells: vectors[cells], DIM, reference)


def _centred(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores - scores.mean(axis=1, keepdims=True)


def _from_scratch(
    support: SupportSet, reference: Reference, vectors: NDArray[np.float32], codes: NDArray[np.int64], weight: float
) -> Reader:
    """One weighted fit on reference and project cells together, with the reference's shrinkage and temperature."""
    known, names = support.labelled("type")
    together = np.concatenate([known, vectors])
    columns = np.concatenate([np.searchsorted(np.array(CLASSES), names), codes]).astype(np.int64)
    weights = np.concatenate([np.ones(len(known)), np.full(len(vectors), weight)])
    total = Statistics.of(together, columns, len(CLASSES), together.mean(axis=0, dtype=np.float64), weights)
    return Reader(CLASSES, *discriminant.solve(total, reference.amount), reference.reader.slope)


def test_without_a_lesson_the_reference_reads(support: SupportSet, reference: Reference) -> None:
    vectors, codes = _cells(10, seed=2)
    expected = discriminant.fit(*support.labelled("type")).probabilities(vectors)
    lessons = _lessons(vectors, reference)
    untaught, off = lessons.reader(), None
    lessons.teach(range(4), codes[:4])
    off = lessons.reader(weight=0.0)
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
    lessons = _lessons(vectors, reference)
    for cell, code in enumerate(codes):
        lessons.teach([cell], [(code + 1) % 4])  # wrong at first
        lessons.teach([cell], [code])
    lessons.teach([0, 1], [-1, -1])  # and two taken back
    taught, whole = lessons.reader(weight), _from_scratch(support, reference, vectors[2:], codes[2:], weight)
    assert taught is not None
    assert len(lessons) == len(codes) - 2
    assert np.allclose(_centred(taught.scores(fresh)), _centred(whole.scores(fresh)), rtol=1e-6, atol=1e-6)
    assert np.allclose(taught.probabilities(fresh), whole.probabilities(fresh), atol=1e-8)


def test_all_at_once_equals_one_by_one(reference: Reference) -> None:
    vectors, codes = _cells(12, seed=5)
    once, each = _lessons(vectors, reference), _lessons(vectors, reference)
    once.teach(np.arange(len(codes)), codes)
    for cell, code in enumerate(codes):
        each.teach([cell], [code])
    one, other = once.reader(), each.reader()
    assert one is not None
    assert other is not None
    assert np.allclose(one.weight, other.weight)


def test_the_last_word_on_a_cell_counts(reference: Reference) -> None:
    vectors, _ = _cells(3, seed=6)
    twice, once = _lessons(vectors, reference), _lessons(vectors, reference)
    twice.teach([0, 0], [1, 2])
    once.teach([0], [2])
    one, other = twice.reader(), once.reader()
    assert one is not None
    assert other is not None
    assert np.allclose(one.weight, other.weight)


def test_taking_everything_back_is_the_reference_again(reference: Reference) -> None:
    vectors, codes = _cells(5, seed=7)
    lessons = _lessons(vectors, reference)
    lessons.teach(np.arange(20), codes)
    lessons.teach(np.arange(20), np.full(20, -1))
    assert lessons.reader() is reference.reader


def test_a_correction_moves_the_cells_around_it_and_leaves_the_others(reference: Reference) -> None:
    """Cells of another laboratory: one type is stained so that the reference often calls it another."""
    vectors, codes = _cells(60, seed=8)
    monocytes, rest = np.flatnonzero(codes == 2), codes != 2
    vectors[monocytes] += (0.5 * (_centre(reference, 0) - _centre(reference, 2))).astype(np.float32)
    truth = np.array(CLASSES)[codes]
    before = reference.reader.predict(vectors) == truth
    assert before[monocytes].mean() < 0.6, "the stain must deceive the reference"
    taught, others = monocytes[:10], monocytes[10:]
    lessons = _lessons(vectors, reference)
    lessons.teach(taught, np.full(len(taught), 2))
    reader = lessons.reader()
    assert reader is not None
    after = reader.predict(vectors) == truth
    assert after[others].mean() > before[others].mean() + 0.25, "cells like the corrected ones follow"
    assert after[rest].mean() > before[rest].mean() - 0.05, "and what was right stays right"


def _centre(reference: Reference, code: int) -> NDArray[np.float64]:
    return reference.statistics.means()[code]


def test_a_new_class_joins_a_reference(reference: Reference) -> None:
    vectors, codes = _cells(10, seed=9)
    smudge = np.flatnonzero(codes == 3)
    vectors[smudge] += 6.0
    classes = ("smudge", *reversed(CLASSES))
    lessons = _lessons(vectors, reference, classes)
    untaught = lessons.reader()
    assert untaught is not None
    by_name = dict(zip(classes, untaught.probabilities(vectors).T, strict=True))
    known = dict(zip(CLASSES, reference.reader.probabilities(vectors).T, strict=True))
    assert all(np.allclose(by_name[name], known[name]) for name in CLASSES)
    assert not by_name["smudge"].any(), "nobody has shown one yet"
    lessons.teach(smudge[:3], np.zeros(3, np.int64))
    reader = lessons.reader()
    assert reader is not None
    assert (reader.predict(vectors[smudge[3:]]) == "smudge").all()
    assert (reader.predict(vectors[codes != 3]) != "smudge").all()


def test_an_own_label_set_reads_from_two_classes_on() -> None:
    vectors, codes = _cells(40, seed=10)
    lessons = _lessons(vectors, None)
    assert lessons.reader() is None
    lessons.teach([0, 4], codes[[0, 4]])
    assert codes[0] == codes[4]
    assert lessons.reader() is None, "one class is no question"
    lessons.teach(np.arange(20), codes[:20])
    reader = lessons.reader()
    assert reader is not None
    assert (reader.predict(vectors[20:]) == np.array(CLASSES)[codes[20:]]).mean() > 0.8


@pytest.mark.parametrize("with_reference", [True, False])
def test_left_out_equals_fitting_without_each_cell(reference: Reference, with_reference: bool) -> None:
    vectors, codes = _cells(12, seed=11, spread=1.6)
    start = reference if with_reference else None
    lessons = _lessons(vectors, start)
    lessons.teach(np.arange(len(codes)), codes)
    left = lessons.left_out(weight=5.0)
    assert left.cells.tolist() == list(range(len(codes)))
    slow = np.empty_like(left.scores)
    total, amount, _ = lessons._total(5.0)
    for cell in range(len(codes)):
        alone = Statistics.of(vectors[[cell]], codes[[cell]], 4, total.origin) * (5.0 if with_reference else 1.0)
        slopes, bias = discriminant.solve(total - alone, amount)
        slow[cell] = vectors[cell].astype(np.float64) @ slopes + bias
    assert (left.read == slow.argmax(axis=1)).mean() > 0.97
    assert np.allclose(_centred(left.scores), _centred(slow), rtol=0.03, atol=0.05 * np.abs(_centred(slow)).mean())
    seen = lessons.reader(5.0)
    assert seen is not None
    assert (left.read == codes).mean() < (seen.predict(vectors) == np.array(CLASSES)[codes]).mean()


def test_the_only_cell_of_its_class_cannot_be_left_out() -> None:
    vectors, codes = _cells(4, seed=12)
    keep = np.array([cell for cell, code in enumerate(codes) if code != 1] + [1])
    lessons = _lessons(vectors, None)
    lessons.teach(keep, codes[keep])
    assert 1 not in lessons.left_out().cells
    assert len(lessons.left_out().cells) == len(keep) - 1


def test_an_own_label_set_is_as_often_right_as_it_says() -> None:
    vectors, codes = _cells(60, seed=13, spread=3.0)
    fresh, truth = _cells(500, seed=14, spread=3.0)
    lessons = _lessons(vectors, None)
    lessons.teach(np.arange(len(codes)), codes)
    reader = lessons.reader()
    assert reader is not None
    right = (reader.predict(fresh) == np.array(CLASSES)[truth]).mean()
    assert 0.4 < right < 0.95
    assert abs(reader.probabilities(fresh).max(axis=1).mean() - right) < 0.08
