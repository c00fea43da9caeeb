"""Triplet semi-hard loss (Schroff et al. 2015, FaceNet, section 3.2), by the rule of TensorFlow Addons.

For every ordered pair (anchor, positive) one negative is chosen: the nearest of those farther from the anchor than
the positive is; where no negative is farther, the farthest of all. The loss is the mean over pairs of
``max(0, margin + d(anchor, positive) - d(anchor, negative))``. Libraries that average over *all* semi-hard triplets
compute something else.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from hemosight.errors import BadSetting

Metric = Literal["L2", "squared-L2"]


def triplet_semihard(embeddings: Tensor, ids: Tensor, *, margin: float = 0.5, metric: Metric = "L2") -> Tensor:
    """Mean triplet loss over all ordered positive pairs of a batch, each with its semi-hard negative.

    Parameters
    ----------
    embeddings
        ``[B, C]``, unit vectors in the paper, though nothing here needs it.
    ids
        ``[B]`` integers; rows with the same id are views of one image. Any number of views per id.
    margin
        In units of the metric.
    metric
        Euclidean distance, or its square.

    Returns
    -------
    Tensor
        A scalar, float32 (float64 for float64 embeddings).

    Raises
    ------
    BadSetting
        When no id stands twice, or all ids are the same.
    """
    distances = pairwise_distances(embeddings, metric=metric)
    anchors, positives = positive_pairs(ids)
    negatives = semihard_negatives(distances, ids, anchors, positives)
    losses = (margin + distances[anchors, positives] - negatives).clamp_min(0.0)
    return losses.mean().to(torch.promote_types(embeddings.dtype, torch.float32))


def pairwise_distances(embeddings: Tensor, *, metric: Metric = "L2") -> Tensor:
    """Distances between all rows, ``[B, C]`` -> ``[B, B]``; exactly zero, with zero gradient, where rows coincide.

    Computed in double precision where the device has it: the expansion |a|^2 + |b|^2 - 2ab loses half the digits
    of a small distance, and small distances are what the rule compares.
    """
    rows = embeddings.double() if embeddings.device.type != "mps" else embeddings.float()
    squares = rows.square().sum(dim=1)
    squared = (squares[:, None] + squares[None, :] - 2.0 * rows @ rows.T).clamp_min(0.0)
    apart = (squared > 0.0) & ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    # The square root's slope at zero is infinite: rows that coincide take another branch, before the root and after.
    safe = torch.where(apart, squared, 1.0)
    return torch.where(apart, safe if metric == "squared-L2" else safe.sqrt(), 0.0)


def positive_pairs(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Every ordered pair of different rows with the same id: anchors ``[P]`` and positives ``[P]``.

    Raises :class:`~hemosight.errors.BadSetting` when there is none, or when there is nothing but one id.
    """
    same = ids[:, None] == ids[None, :]
    pairs = same & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device)
    anchors, positives = pairs.nonzero(as_tuple=True)
    if not len(anchors) or bool(same.all()):
        raise BadSetting(
            code="no_positive_pairs",
            expected="a batch with at least two ids, and two views of at least one of them",
            came=f"{len(ids)} views of {len(ids.unique())} ids",
            mend="Draw at least two views per image and at least two images per batch.",
        )
    return anchors, positives


def semihard_negatives(distances: Tensor, ids: Tensor, anchors: Tensor, positives: Tensor) -> Tensor:
    """Distance from each pair's anchor to the pair's semi-hard negative, ``[P]``.

    Equal distances share the gradient, as in TensorFlow.
    """
    to_all = distances[anchors]
    other = ids[anchors][:, None] != ids[None, :]
    farther = other & (to_all > distances[anchors, positives][:, None])
    nearest_outside = torch.where(farther, to_all, torch.inf).amin(dim=1)
    farthest = torch.where(other, to_all, -torch.inf).amax(dim=1)
    return torch.where(farther.any(dim=1), nearest_outside, farthest)
