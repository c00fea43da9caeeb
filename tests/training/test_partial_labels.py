"""Classes as fine as labels allow: which there are, what coarser labels ask for, and the loss against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from hemosight.training.partial_labels import finest_classes, partial_cross_entropy

pytestmark = pytest.mark.train


def cells(*groups: tuple[str, str, str | None, int]) -> tuple[list[str], list[str | None], list[str]]:
    rows = [(where, kind, fine) for where, kind, fine, count in groups for _ in range(count)]
    return [kind for _, kind, _ in rows], [fine for _, _, fine in rows], [where for where, _, _ in rows]


def test_stages_are_classes_and_the_unstaged_may_be_any_of_them() -> None:
    given = cells(
        ("a", "ig", "promyelocyte", 20), ("a", "ig", "myelocyte", 20), ("b", "ig", None, 5), ("b", "blast", None, 5)
    )
    classes, allowed = finest_classes(*given)
    assert classes == ("blast", "myelocyte", "promyelocyte")
    assert allowed[:20].tolist() == [[False, False, True]] * 20
    assert allowed[40:45].tolist() == [[False, True, True]] * 5
    assert allowed[45:].tolist() == [[True, False, False]] * 5


def test_a_name_that_only_tells_the_laboratory_is_no_class() -> None:
    """Munich writes myeloblast for every blast, another laboratory blast: whoever tells them apart tells scanners."""
    classes, allowed = finest_classes(*cells(("munich", "blast", "myeloblast", 50), ("other", "blast", "blast", 50)))
    assert classes == ("blast",)
    assert allowed.all()


def test_a_plain_name_is_what_is_left_where_finer_ones_are_rarer() -> None:
    given = cells(
        ("a", "lymphocyte", "lymphocyte", 40),
        ("a", "lymphocyte", "variant_lymphocyte", 20),
        ("a", "lymphocyte", "plasma_cell", 3),
    )
    classes, allowed = finest_classes(*given)
    assert classes == ("lymphocyte", "variant_lymphocyte")
    assert allowed[0].tolist() == [True, False]
    assert allowed[-1].tolist() == [True, True], "too rare to be a class: one of its type's"
    # Where most are staged, the plain name only means that nobody looked.
    given = cells(("a", "ig", "ig", 16), ("a", "ig", "myelocyte", 20), ("a", "ig", "metamyelocyte", 20))
    assert finest_classes(*given)[0] == ("metamyelocyte", "myelocyte")


def test_the_loss_is_that_of_the_slow_loop_and_torchs_where_one_class_is_allowed() -> None:
    torch.manual_seed(0)
    logits, allowed = torch.randn(7, 5), torch.rand(7, 5) < 0.4
    allowed[:, 2] |= ~allowed.any(dim=1)
    slow = []
    for row, may in zip(logits.double().tolist(), allowed.tolist(), strict=True):
        total = sum(map(math.exp, row))
        probabilities = [math.exp(value) / total for value in row]
        meant = sum(p for p, yes in zip(probabilities, may, strict=True) if yes)
        slow.append(-(0.9 * math.log(meant) + 0.1 * sum(map(math.log, probabilities)) / 5))
    assert float(partial_cross_entropy(logits, allowed, 0.1)) == pytest.approx(np.mean(slow), rel=1e-5)
    truth = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    single = functional.one_hot(truth, 5).bool()
    expected = functional.cross_entropy(logits, truth, label_smoothing=0.1)
    assert float(partial_cross_entropy(logits, single, 0.1)) == pytest.approx(float(expected), rel=1e-6)


def test_its_gradient_is_finite_where_classes_are_forbidden() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    allowed = torch.tensor([[True, False, False, False], [True, True, False, False], [True] * 4])
    partial_cross_entropy(logits, allowed).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[2].abs().max() < 1e-6, "a cell that may be anything teaches nothing"
