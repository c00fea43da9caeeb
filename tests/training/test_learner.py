from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import small, tiny, tiny_without_norm

from hemosight.training.distributed import Processes
from hemosight.training.learner import ContrastiveNetwork, backward, batch_ids, make_loss, make_optimizer

pytestmark = pytest.mark.train
ALONE = Processes()


def gradients(
    learner: ContrastiveNetwork, pictures: torch.Tensor, micro_batches: int
) -> tuple[float, dict[str, torch.Tensor]]:
    config = small()
    learner.zero_grad()
    ids = batch_ids(len(pictures) // 2, 2, ALONE)
    loss = backward(learner, pictures, ids, make_loss(config), ALONE, micro_batches=micro_batches, seed=7)
    return loss.item(), {name: p.grad.clone() for name, p in learner.named_parameters() if p.grad is not None}


@settings(max_examples=8, deadline=None)
@given(micro_batches=st.sampled_from([2, 3, 6]), seed=st.integers(0, 100))
def test_micro_batches_give_the_gradient_of_the_whole_batch(micro_batches: int, seed: int) -> None:
    torch.manual_seed(seed)
    learner = ContrastiveNetwork(tiny_without_norm(small()), small(head=None))
    pictures = torch.rand(12, 3, 32, 32) * 255
    loss, whole = gradients(learner, pictures, 1)
    same, cut = gradients(learner, pictures, micro_batches)
    assert same == pytest.approx(loss, rel=1e-5)
    for name, gradient in whole.items():
        torch.testing.assert_close(cut[name], gradient, rtol=1e-3, atol=1e-5)


def test_both_passes_of_a_micro_batch_drop_the_same_units() -> None:
    torch.manual_seed(0)
    config = small(head=None, dropout=0.5)
    learner = ContrastiveNetwork(tiny_without_norm(config), config).train()
    rows: list[torch.Tensor] = []
    learner.register_forward_hook(lambda _module, _inputs, output: rows.append(output.detach()))
    gradients(learner, torch.rand(12, 3, 32, 32) * 255, 2)
    first, second, first_again, second_again = rows
    assert torch.equal(first, first_again)
    assert torch.equal(second, second_again)
    assert (first == 0).any()


def test_running_statistics_see_each_picture_once() -> None:
    learner = ContrastiveNetwork(tiny(small()), small()).train()
    gradients(learner, torch.rand(12, 3, 32, 32) * 255, 3)
    counts = [int(t) for name, t in learner.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts == [3, 3, 3]  # of the second pass; the head has one too
    assert all(norm.track_running_stats for norm in learner.modules() if isinstance(norm, torch.nn.BatchNorm2d))


def test_without_a_head_rows_are_the_embedding_and_with_one_the_encoder_is_the_same() -> None:
    torch.manual_seed(0)
    encoder = tiny(small())
    pictures = torch.rand(4, 3, 32, 32) * 255
    bare = ContrastiveNetwork(encoder, small(head=None)).eval()
    torch.testing.assert_close(bare(pictures), encoder(pictures))
    topped = ContrastiveNetwork(encoder, small(head=[16, 8])).eval()
    assert topped(pictures).shape == (4, 8)
    assert {name for name, _ in topped.encoder.named_parameters()} == {name for name, _ in encoder.named_parameters()}


def test_biases_and_norms_do_not_decay() -> None:
    learner = ContrastiveNetwork(tiny(small()), small())
    optimizer = make_optimizer(learner, small(weight_decay=0.05))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in learner.named_parameters():
        assert decay[id(parameter)] == (0.05 if parameter.ndim > 1 else 0.0), name
    assert len(decay) == len(list(learner.parameters()))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_ids_pair_the_views_of_a_gathered_batch(count: int) -> None:
    """Each process puts its images' first views before its second ones; ids must follow."""
    images = torch.arange(100, 112)
    gathered: list[Any] = []
    for rank in range(count):
        share = images[Processes(rank, count).share(12)]
        gathered += [share, share]
    ids = batch_ids(12, 2, Processes(0, count))
    assert torch.equal(images[ids], torch.cat(gathered))
