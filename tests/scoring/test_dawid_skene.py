"""Consensus of readers: the paper's anaesthetists, another program's fit, and readers of known skill."""

import numpy as np
import pytest

from hemosight.scoring.dawid_skene import counts_of, dawid_skene, reader_intervals, suspects

# Dawid and Skene 1979, table 1: 45 patients, five anaesthetists, the first of whom judged each three times.
PATIENTS = """111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3
222 2 2 2 3|232 2 2 2 3|444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1
111 1 1 1 1|222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|111 1 1 1 1|111 1 1 1 1
232 2 2 2 2|111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2
433 4 3 4 3|221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1|111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1
222 2 2 2 2""".replace("\n", "|").split("|")


def anaesthetists() -> np.ndarray:
    said = [
        (patient, reader, int(label) - 1)
        for patient, row in enumerate(PATIENTS)
        for reader, group in enumerate(row.split())
        for label in group
    ]
    return counts_of(said, 45, 5, 4)


def test_the_papers_anaesthetists() -> None:
    found = dawid_skene(anaesthetists(), tolerance=1e-12)
    # Table 2: shares of the classes, and the matrix of the first anaesthetist.
    assert found.shares == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    first = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert found.skill[0] == pytest.approx(np.array(first), abs=0.006)
    # Table 4: patients 2, 3 and 36 as the paper decides them.
    assert found.labels[[1, 2, 35]].tolist() == [3, 1, 3]


def drawn(cells: int, skills: list[float], seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Readers who know a cell with probability ``skill`` and guess else; and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, cells, p=np.arange(classes, 0, -1) / (classes * (classes + 1) / 2))
    said = [
        (cell, reader, int(truth[cell]) if rng.random() < skill else int(rng.integers(0, classes)))
        for cell in range(cells)
        for reader, skill in enumerate(skills)
    ]
    return counts_of(said, cells, len(skills), classes), truth


def test_another_program_comes_to_the_same() -> None:
    # crowd-kit 1.4.2, DawidSkene(n_iter=5000, tol=1e-13), on the triples that this draws.
    rng = np.random.default_rng(21)
    truth = rng.choice(3, 120, p=[0.5, 0.3, 0.2])
    said = [
        (cell, reader, int(truth[cell]) if rng.random() < skill else int(rng.integers(0, 3)))
        for cell in range(120)
        for reader, skill in enumerate([0.9, 0.75, 0.6])
    ]
    found = dawid_skene(counts_of(said, 120, 3, 3), rounds=20_000, tolerance=1e-12)
    theirs = """1 1 1 0 1 2 0 0 2 1 0 1 2 0 2 1 0 0 2 0 0 1 0 0 0 0 1 1 0 0 1 0 1 0 1 0 0 0 1 0 1 0 2 1 1 0 2 0 1 0 1 2
    2 0 1 0 2 0 0 0 0 2 1 1 0 0 0 1 1 1 0 0 0 0 1 1 2 0 1 0 0 1 0 1 1 1 1 2 2 0 2 0 0 2 2 1 1 0 0 2 2 0 1 0 1 0 0 0 1 1
    1 0 1 0 1 0 1 1 0 1"""
    assert found.labels.tolist() == [int(label) for label in theirs.split()]
    assert found.shares == pytest.approx([0.47719, 0.36816, 0.15465], abs=0.005)
    best = [[0.94609, 0.01137, 0.04254], [0.00001, 0.91331, 0.08669], [0.04438, 0.00001, 0.95561]]
    assert found.skill[0] == pytest.approx(np.array(best), abs=0.01)
    assert found.posterior[5] == pytest.approx([0.01113, 0.11186, 0.87701], abs=0.005)


def test_readers_of_known_skill_are_recovered() -> None:
    skills = [0.95, 0.8, 0.6, 0.3]
    counts, truth = drawn(600, skills, seed=1)
    found = dawid_skene(counts, prior=0.01)
    for reader, skill in enumerate(skills):
        assert found.accuracy[reader] == pytest.approx(skill + (1 - skill) / 3, abs=0.05)
    majority = counts.sum(axis=1).argmax(axis=1)
    assert (found.labels == truth).mean() > (majority == truth).mean()


@pytest.mark.slow
def test_intervals_of_readers_hold_their_skill() -> None:
    skills, held, rounds = [0.9, 0.75, 0.6], 0, 10
    for seed in range(rounds):
        counts, _ = drawn(120, skills, seed=100 + seed)
        for skill, found in zip(skills, reader_intervals(counts, draws=40, seed=seed), strict=True):
            held += found.low <= skill + (1 - skill) / 3 <= found.high
    assert held / (rounds * len(skills)) >= 0.8


def test_a_planted_wrong_label_is_suspect() -> None:
    counts, truth = drawn(300, [0.97, 0.97, 0.97, 0.97], seed=3)
    right = np.flatnonzero((counts[np.arange(300), :, truth] == 1).all(axis=1))
    wrong = (int(truth[right[0]]) + 1) % 3
    counts[right[0], 2] = 0
    counts[right[0], 2, wrong] = 1
    named = {(cell, reader, label) for cell, reader, label, _ in suspects(counts, dawid_skene(counts, prior=0.01))}
    assert (int(right[0]), 2, wrong) in named
    # And nothing is suspect that the consensus agrees with.
    assert not any(dawid_skene(counts, prior=0.01).labels[cell] == label for cell, _, label in named)


def test_a_cell_that_nobody_read_is_refused() -> None:
    with pytest.raises(ValueError, match="every cell read"):
        dawid_skene(np.zeros((2, 3, 2)))
