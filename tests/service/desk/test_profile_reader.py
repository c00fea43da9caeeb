"""What reads a scanner's cells: tempered by novelty, calibrated on its own labels, which cells check it."""

from __future__ import annotations

import numpy as np
import pytest

from hemosight.service.desk import profile_reader
from hemosight.service.desk.case_profiles import CaseProfiles
from hemosight.service.desk.profile_reader import ProfileReader
from hemosight.service.desk.trust import CHECKS, MOST_CHECKS, check_cells
from hemosight.space import classifiers
from hemosight.space.embeddings import Embeddings, EmbeddingSpace
from hemosight.space.familiarity import Familiarity
from hemosight.space.incremental_lda import IncrementalLDA, Reference
from hemosight.space.labels import SupportSet

CLASSES = ("a", "b")
TEMPERS = Familiarity(limit=1.0, base=0.0, growth=1.0, start=0.5)


def cells(count: int, seed: int, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of two classes, and class numbers; the smaller ``apart`` the harder."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(2, size=count)
    vectors = rng.normal(size=(count, 6))
    vectors[:, 0] += apart * (2 * codes - 1)
    return vectors.astype(np.float32), codes


@pytest.fixture
def learner() -> tuple[IncrementalLDA, ProfileReader, np.ndarray, np.ndarray]:
    """What learns cells of another scanner, on which the classes are harder to tell than in the reference."""
    vectors, codes = cells(400, 0, apart=3.0)
    names = np.array(CLASSES)[codes]
    fitted = classifiers.fit(vectors, names, "discriminant")
    space = EmbeddingSpace("e" * 64, "p" * 64)
    support = SupportSet(Embeddings(tuple(map(str, range(400))), vectors, space), {"kind": tuple(names.tolist())})
    reference = Reference.of(support, "kind", fitted)
    away, truth = cells(120, 1, apart=0.3)
    return IncrementalLDA(CLASSES, lambda rows: away[rows], 6, reference), ProfileReader(fitted, TEMPERS), away, truth


def test_a_profile_that_the_bundle_does_not_know_is_calibrated_on_its_own_labels(
    learner: tuple[IncrementalLDA, ProfileReader, np.ndarray, np.ndarray],
) -> None:
    lda, alone, away, truth = learner
    lda.update(np.arange(60), truth[:60])
    foreign, known = np.full(120, 1.4), np.full(120, 0.4)
    at_home = profile_reader.fitted(lda, alone, known, 20.0)
    adapted = profile_reader.fitted(lda, alone, foreign, 20.0)
    assert at_home is not None
    assert adapted is not None
    assert at_home.familiarity is TEMPERS
    assert adapted.familiarity is None
    assert (adapted.classifier.predict(away) == at_home.classifier.predict(away)).all(), "only how sure it is changes"

    def surprise(reader: ProfileReader) -> float:
        said = reader.probabilities(away[60:], np.full(60, 0.4, np.float32))
        return float(-np.log(said[np.arange(60), truth[60:]]).mean())

    assert surprise(adapted) < surprise(at_home) - 0.05
    assert profile_reader.fitted(lda, alone, foreign, 0.0) == ProfileReader(alone.classifier, TEMPERS)


def test_few_labels_leave_the_tempering(
    learner: tuple[IncrementalLDA, ProfileReader, np.ndarray, np.ndarray],
) -> None:
    lda, alone, _, truth = learner
    few = profile_reader.CALIBRATING - 1
    lda.update(np.arange(few), truth[:few])
    reader = profile_reader.fitted(lda, alone, np.full(120, 1.4), 20.0)
    assert reader is not None
    assert reader.familiarity is TEMPERS


def test_unfamiliar_cells_are_read_alike_and_less_surely(
    learner: tuple[IncrementalLDA, ProfileReader, np.ndarray, np.ndarray],
) -> None:
    _, alone, away, _ = learner
    near = alone.probabilities(away, np.full(120, 0.5, np.float32))
    far = alone.probabilities(away, np.full(120, 1.5, np.float32))
    assert (near.argmax(axis=1) == far.argmax(axis=1)).all()
    assert (far.max(axis=1) < near.max(axis=1)).all()
    rows = np.arange(0, 120, 3)
    novelty = np.linspace(0, 2, 120).astype(np.float32)
    assert np.allclose(alone.read(away, novelty, rows), alone.probabilities(away, novelty)[rows], atol=1e-6)


def test_a_classifier_without_some_labels_is_that_of_the_others(
    learner: tuple[IncrementalLDA, ProfileReader, np.ndarray, np.ndarray],
) -> None:
    lda, _, away, truth = learner
    lda.update(np.arange(20), truth[:20])
    expected = lda.classifier()
    lda.update(np.arange(20, 28), truth[20:28])
    whole = lda.classifier()
    without = lda.classifier_without(range(20, 28))
    again = lda.classifier()
    assert expected is not None
    assert without is not None
    assert whole is not None
    assert again is not None
    assert np.allclose(without.scores(away), expected.scores(away))
    assert np.allclose(again.scores(away), whole.scores(away))
    assert len(lda) == 28


def test_cells_are_of_the_profile_of_their_case_else_of_the_oldest() -> None:
    profiles = CaseProfiles((3, 8), {1: 8, 2: None})
    assert profiles.of(np.array([1, 2, -1, 5, 1])).tolist() == [8, 3, 3, 3, 8]


@pytest.mark.parametrize("count", [1, 10, 49, 50, 5000])
def test_check_cells_are_few_fixed_and_drawn_from_all_over(count: int) -> None:
    images = np.arange(100, 100 + count)
    found = check_cells(images)
    assert len(found) == min(MOST_CHECKS, int(CHECKS * count))
    assert check_cells(images[::-1]).tolist() == found.tolist()
    if count == 5000:
        assert 1000 < found.mean() - 100 < 4000, "the order of arrival decides nothing"
        # A cell more takes at most one place.
        assert len(set(found) - set(check_cells(np.arange(100, 101 + count)))) <= 1
