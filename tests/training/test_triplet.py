from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hemosight.errors import BadSetting
from hemosight.training.triplet import Metric, pairwise_distances, triplet_semihard

pytestmark = pytest.mark.train
CASES = json.loads((Path(__file__).parent / "triplet_semihard_tfa.json").read_text())["cases"]


def brute_force(embeddings: torch.Tensor, ids: list[int], margin: float, metric: str) -> torch.Tensor:
    """The rule as one would say it, one pair at a time."""

    def distance(i: int, j: int) -> torch.Tensor:
        squared = (embeddings[i] - embeddings[j]).square().sum()
        return squared if metric == "squared-L2" else squared.sqrt()

    losses = []
    for anchor in range(len(ids)):
        for positive in range(len(ids)):
            if anchor == positive or ids[anchor] != ids[positive]:
                continue
            to_positive = distance(anchor, positive)
            to_negatives = [distance(anchor, k) for k in range(len(ids)) if ids[k] != ids[anchor]]
            farther = [d for d in to_negatives if d > to_positive]
            negative = min(farther) if farther else max(to_negatives)
            losses.append(torch.clamp(margin + to_positive - negative, min=0.0))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed{case['seed']}-{case['metric']}")
def test_value_and_gradient_are_those_of_tensorflow_addons(case: dict) -> None:
    embeddings = torch.tensor(case["embeddings"], dtype=torch.float32, requires_grad=True)
    loss = triplet_semihard(embeddings, torch.tensor(case["labels"]), margin=case["margin"], metric=case["metric"])
    (gradient,) = torch.autograd.grad(loss, embeddings)
    expected = torch.tensor(case["grad"], dtype=torch.float32)
    assert loss.item() == pytest.approx(case["loss"], rel=1e-5)
    assert (gradient - expected).norm() <= 1e-5 * expected.norm()
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    views=st.lists(st.integers(1, 4), min_size=2, max_size=6).filter(lambda views: max(views) > 1),
    margin=st.sampled_from([0.1, 0.5, 2.0]),
    metric=st.sampled_from(["L2", "squared-L2"]),
)
def test_equals_the_brute_force_loop(seed: int, views: list[int], margin: float, metric: Metric) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.repeat(np.arange(len(views)), views)).tolist()
    embeddings = torch.tensor(rng.normal(size=(len(ids), 3)), requires_grad=True)
    ours = triplet_semihard(embeddings, torch.tensor(ids), margin=margin, metric=metric)
    theirs = brute_force(embeddings, ids, margin, metric)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
    (ours_gradient,) = torch.autograd.grad(ours, embeddings)
    (theirs_gradient,) = torch.autograd.grad(theirs, embeddings)
    torch.testing.assert_close(ours_gradient, theirs_gradient, rtol=1e-5, atol=1e-7)


def test_views_that_coincide_have_a_finite_gradient() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    loss = triplet_semihard(embeddings, torch.tensor([0, 0, 1, 1]), margin=2.0)
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert loss.item() == pytest.approx(2.0 - 2.0**0.5)
    assert torch.isfinite(gradient).all()
    assert gradient.norm() > 0


def test_small_distances_survive_single_precision() -> None:
    a = torch.tensor([[0.6, 0.8], [0.6 + 1e-5, 0.8]])
    assert pairwise_distances(a)[0, 1].item() == pytest.approx((a[1, 0] - a[0, 0]).item(), rel=1e-3)


def test_one_rule_per_pair_not_a_mean_over_all_semihard_triplets() -> None:
    # One anchor at 0, positive at 1, negatives at 1.2 and 1.4: only 1.2 counts for the pair (0, 1).
    line = torch.tensor([[0.0], [1.0], [1.2], [-1.4]], dtype=torch.float64)
    loss = triplet_semihard(line, torch.tensor([0, 0, 1, 2]), margin=0.5)
    # Pair (1 -> 0): distance 1, negatives 0.2 and 2.4; the nearest farther one is 2.4, hinge 0.
    assert loss.item() == pytest.approx((0.5 + 1.0 - 1.2) / 2)


@pytest.mark.parametrize("ids", [[0, 1, 2, 3], [0, 0, 0, 0], [0], []])
def test_a_batch_without_pairs_is_an_error_and_not_nan(ids: list[int]) -> None:
    with pytest.raises(
        BadSetting,
        match=f"{len(ids)} views of {len(set(ids))} ids",
        check=lambda fault: fault.code == "no_positive_pairs",
    ):
        triplet_semihard(torch.rand(len(ids), 3), torch.tensor(ids, dtype=torch.long))
