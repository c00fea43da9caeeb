from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from hemosight.errors import BadSetting
from hemosight.training.contrastive import ntxent

pytestmark = pytest.mark.train


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    views=st.lists(st.integers(1, 4), min_size=2, max_size=6).filter(lambda views: max(views) > 1),
    temperature=st.sampled_from([0.05, 0.5]),
)
def test_equals_the_sum_written_out(seed: int, views: list[int], temperature: float) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.repeat(np.arange(len(views)), views))
    rows = rng.normal(size=(len(ids), 4))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    terms = []
    for i in range(len(ids)):
        for p in range(len(ids)):
            if i != p and ids[i] == ids[p]:
                others = sum(np.exp(unit[i] @ unit[k] / temperature) for k in range(len(ids)) if k != i)
                terms.append(-np.log(np.exp(unit[i] @ unit[p] / temperature) / others))
    loss = ntxent(torch.tensor(rows), torch.tensor(ids), temperature=temperature)
    assert loss.item() == pytest.approx(np.mean(terms), rel=1e-9)


def test_two_views_are_simclr_as_a_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 5, 8, generator=generator)
    rows = functional.normalize(torch.cat([first, second]), dim=1)
    logits = (rows @ rows.T / 0.1).fill_diagonal_(-torch.inf)
    expected = functional.cross_entropy(logits, torch.arange(10).roll(5))
    ids = torch.arange(5).repeat(2)
    torch.testing.assert_close(ntxent(rows, ids, temperature=0.1), expected)


def test_half_precision_embeddings_give_a_single_precision_loss() -> None:
    rows = torch.randn(8, 16, generator=torch.Generator().manual_seed(1))
    ids = torch.arange(4).repeat(2)
    half = ntxent(rows.bfloat16(), ids)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, ntxent(rows.bfloat16().float(), ids))


def test_a_batch_without_pairs_is_an_error() -> None:
    with pytest.raises(BadSetting, check=lambda fault: fault.code == "no_positive_pairs"):
        ntxent(torch.rand(4, 3), torch.arange(4))
