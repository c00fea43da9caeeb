"""How well neighbours agree, while an encoder trains: the only place where pretraining looks at labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hemosight.training.augment import centre
from hemosight.training.pixel_cache import PixelCache

_LIMIT = 2000
"""Cells the probe looks at, at most: an accuracy to about one percent, in seconds."""


@torch.no_grad()
def embed(
    encoder: nn.Module, pixels: PixelCache, cells: NDArray[np.int64], size: int, device: torch.device, batch: int = 128
) -> Tensor:
    """Embeddings of cells as they are, without views: ``[n, C]``, on the CPU. Leaves the encoder's mode as it was."""
    training = encoder.training
    encoder.eval()
    parts = []
    for start in range(0, len(cells), batch):
        images = torch.from_numpy(pixels[cells[start : start + batch]]).to(device)
        parts.append(encoder(centre(images, size)).float().cpu())
    encoder.train(training)
    return torch.cat(parts)


def knn_accuracy(embeddings: Tensor, labels: Sequence[str], k: int = 20) -> float:
    """Share of cells whose label most of their k nearest other cells have, by cosine; leave-one-out.

    Parameters
    ----------
    embeddings
        ``[n, C]`` unit vectors.
    labels
        ``n`` of them. Of labels with as many neighbours, the one whose neighbours rank nearer wins.
    k
        At most ``n - 1`` are used.
    """
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    similarities = embeddings @ embeddings.T
    similarities.fill_diagonal_(-torch.inf)
    nearest = similarities.topk(min(k, len(labels) - 1), dim=1).indices.numpy()
    k = nearest.shape[1]
    # In whole numbers: a vote counts more than all ranks together, and ranks break ties between votes.
    weights = (k + 1) ** 2 + np.arange(k, 0, -1)
    scores = (np.eye(len(classes), dtype=np.int64)[codes[nearest]] * weights[:, None]).sum(axis=1)
    return float((scores.argmax(axis=1) == codes).mean())


def probe_cells(labels: Sequence[str | None], cells: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """The labelled ones among cells, at most 2,000 of them; empty where fewer than two classes are labelled."""
    labelled = np.array([cell for cell in cells if labels[cell] is not None], dtype=np.int64)
    if len({labels[cell] for cell in labelled}) < 2:
        return labelled[:0]
    return labelled if len(labelled) <= _LIMIT else np.sort(rng.choice(labelled, _LIMIT, replace=False))
