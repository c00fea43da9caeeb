from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from hemosight.training.probe import knn_accuracy, probe_cells

pytestmark = pytest.mark.train


@settings(max_examples=60, deadline=None)
@example(seed=0, count=25, k=6)  # equal votes, equal ranks
@given(seed=st.integers(0, 2**31), count=st.integers(3, 30), k=st.integers(1, 40))
def test_equals_a_vote_counted_by_hand(seed: int, count: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    points = functional.normalize(torch.tensor(rng.normal(size=(count, 4)) + 1), dim=1)
    labels = [f"type {label}" for label in rng.integers(0, 3, count)]
    right = 0
    for cell in range(count):
        others = sorted(
            (other for other in range(count) if other != cell), key=lambda o: -float(points[cell] @ points[o])
        )
        neighbours = [labels[other] for other in others[:k]]
        # Votes first, then how near the voters are, then the alphabet.
        right += labels[cell] == max(
            sorted(set(neighbours)),
            key=lambda label: (
                neighbours.count(label),
                -sum(place for place, other in enumerate(neighbours) if other == label),
            ),
        )
    assert knn_accuracy(points, labels, k) == pytest.approx(right / count)


def test_clusters_are_right_and_shuffled_labels_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = functional.normalize(torch.randn(4, 16, generator=generator), dim=1).repeat_interleave(30, dim=0)
    points = functional.normalize(centres + 0.05 * torch.randn(120, 16, generator=generator), dim=1)
    labels = np.repeat(["a", "b", "c", "d"], 30)
    assert knn_accuracy(points, labels.tolist()) == 1.0
    assert knn_accuracy(points, np.random.default_rng(0).permutation(labels).tolist()) < 0.5


def test_only_labelled_cells_are_probed_and_one_class_is_none() -> None:
    rng = np.random.default_rng(0)
    cells = np.arange(4)
    assert probe_cells(["a", None, "b", "a"], cells, rng).tolist() == [0, 2, 3]
    assert probe_cells(["a", None, None, "a"], cells, rng).tolist() == []
    many = probe_cells(["a", "b"] * 2000, np.arange(4000), rng)
    assert len(np.unique(many)) == 2000
