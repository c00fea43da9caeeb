"""NT-Xent, the normalised temperature-scaled cross entropy of SimCLR (Chen et al. 2020, equation 1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hemosight.training.triplet import positive_pairs


def ntxent(embeddings: Tensor, ids: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Mean over ordered positive pairs of the cross entropy of finding the positive among all other rows.

    With two views per id this is SimCLR's loss; with more, every other view is a positive in turn while the rest
    stay in the denominator (Khosla et al. 2020, equation 2, the sum outside the logarithm).

    Parameters
    ----------
    embeddings
        ``[B, C]``; made unit vectors here.
    ids
        ``[B]`` integers; rows with the same id are views of one image.
    temperature
        Divides the cosine similarities.

    Raises
    ------
    BadSetting
        When no id stands twice, or all ids are the same.
    """
    anchors, positives = positive_pairs(ids)
    # Half precision would round similarities of 0.99 before they are divided by a small temperature.
    rows = functional.normalize(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)), dim=1)
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    logits = (rows @ rows.T / temperature).masked_fill(itself, -torch.inf)
    return (torch.logsumexp(logits, dim=1)[anchors] - logits[anchors, positives]).mean()
