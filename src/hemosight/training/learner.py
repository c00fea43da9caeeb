"""What trains: an encoder, the head its loss needs, the views it is shown, and one step of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # the only class that all batch norms share
from torch.nn.parallel import DistributedDataParallel

from hemosight.training import augment
from hemosight.training.backbones import Encoder
from hemosight.training.contrastive import ntxent
from hemosight.training.distributed import Processes
from hemosight.training.recipes import PretrainConfig
from hemosight.training.triplet import triplet_semihard

Loss = Callable[[Tensor, Tensor], Tensor]
"""Rows ``[B, C]`` and ids ``[B]`` -> a scalar."""
Create = Callable[[PretrainConfig], Encoder]
"""Makes the encoder of a recipe."""


class ContrastiveNetwork(nn.Module):
    """An encoder with a projection head, or without: pixels -> the rows that the loss compares.

    Parameters
    ----------
    encoder
        What remains after training.
    config
        Its ``head``, ``freeze_batch_norm`` and ``precision``.
    """

    def __init__(self, encoder: Encoder, config: PretrainConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = None if config.head is None else _projection(encoder.dim, *config.head)
        self.frozen = config.freeze_batch_norm
        self.autocast = config.precision == "bf16"
        if self.frozen:
            for norm in batch_norms(self.encoder):
                norm.requires_grad_(False)

    def train(self, mode: bool = True) -> ContrastiveNetwork:
        """Set the mode; frozen batch norms stay in evaluation, so that their statistics stand still."""
        super().train(mode)
        if self.frozen:
            for norm in batch_norms(self.encoder):
                norm.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels ``[N, 3, H, W]`` in 0-255 -> rows ``[N, C]``, float32; unit vectors where there is no head."""
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.autocast):
            maps = self.encoder.features(pixels)
        # From here on in single precision: a distance of neighbours has no digits left in bfloat16.
        maps = maps.float()
        if self.head is None:
            return self.encoder.pool(maps)
        return self.head(self.encoder.dropout(maps.mean(dim=(2, 3))))


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """All batch norms in a network."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


def _projection(dim: int, hidden: int, out: int) -> nn.Module:
    """The head of SimCLR: without it, the loss would take from the embedding what views do not share."""
    return nn.Sequential(
        nn.Linear(dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out)
    )


def make_loss(config: PretrainConfig) -> Loss:
    """The loss of a recipe."""
    if config.loss == "triplet":
        return lambda rows, ids: triplet_semihard(rows, ids, margin=config.margin, metric=config.metric)
    return lambda rows, ids: ntxent(rows, ids, temperature=config.temperature)


def make_optimizer(learner: ContrastiveNetwork, config: PretrainConfig) -> torch.optim.Optimizer:
    """Adam or AdamW; biases and norms, the parameters of one dimension, do not decay."""
    trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind([group for group in groups if group["params"]], lr=config.lr, betas=config.betas, eps=config.eps)


def views_of(
    pixels: NDArray[np.uint8],
    config: PretrainConfig,
    *,
    device: torch.device,
    seed: int,
    images: int | None = None,
    share: slice = slice(None),
    count: int = 1,
) -> Tensor:
    """Random views of a batch, ``[count * n, 3, size, size]``: all first views, then all second ones.

    Parameters
    ----------
    pixels
        Of this process' share of the batch, wide enough to cut views from: ``[n, 3, S, S]``, uint8.
    config
        Its views, size and memory format.
    images, share
        Images of the whole batch, and which of them these are; all of them where not given. The whole batch is drawn
        for, so that views do not depend on who shares it.
    count
        Views of each image.
    """
    images = len(pixels) if images is None else images
    draws = augment.draw(config.views, count * images, torch.Generator().manual_seed(seed))
    own = torch.arange(images)[share]
    rows = (images * torch.arange(count)[:, None] + own).flatten()
    pictures = augment.apply(torch.from_numpy(pixels).to(device).repeat(count, 1, 1, 1), draws.rows(rows), config.size)
    return pictures.contiguous(memory_format=torch.channels_last) if config.channels_last else pictures


def batch_ids(images: int, views: int, processes: Processes) -> Tensor:
    """Ids of the rows of a gathered batch: process by process, view by view, image by image."""
    parts = [torch.arange(images)[Processes(rank, processes.count).share(images)] for rank in range(processes.count)]
    return torch.cat([part.repeat(views) for part in parts])


def backward(
    module: nn.Module, pictures: Tensor, ids: Tensor, loss: Loss, processes: Processes, *, micro_batches: int, seed: int
) -> Tensor:
    """Add the gradient of the whole batch's loss to the parameters; returns the loss, without gradient.

    Where the batch is cut into micro-batches, a first pass without gradient gives all rows, the loss of all rows
    gives each row's gradient, and a second pass carries it into the parameters, one micro-batch at a time (Gao et
    al. 2021, "GradCache"). Pairs are mined in the whole batch, and memory is that of one micro-batch.

    Parameters
    ----------
    module
        A :class:`ContrastiveNetwork`, or one wrapped for several processes.
    pictures
        The views of this process, ``[n, 3, H, W]``.
    ids
        Of the rows of all processes, see :func:`batch_ids`.
    seed
        Of the dropout, the same in both passes.
    """
    # Gradients are averaged over processes, and each holds only the part that went through its own rows.
    share = float(processes.count)
    if micro_batches == 1:
        torch.manual_seed(seed)
        value = loss(processes.gather(module(pictures)), ids)
        (value * share).backward()
        return value.detach()
    parts = pictures.chunk(micro_batches)
    learner = module.module if isinstance(module, DistributedDataParallel) else module
    with torch.no_grad(), _statistics_at_rest(learner):
        rows = torch.cat([_seeded(learner, part, seed + i) for i, part in enumerate(parts)])
    rows.requires_grad_()
    value = loss(processes.gather(rows), ids)
    (gradient,) = torch.autograd.grad(value * share, rows)
    for i, (part, slope) in enumerate(zip(parts, gradient.split([len(part) for part in parts]), strict=True)):
        last = i == len(parts) - 1
        waiting = module.no_sync() if isinstance(module, DistributedDataParallel) and not last else nullcontext()
        with waiting:
            _seeded(module, part, seed + i).backward(slope)
    return value.detach()


def _seeded(module: nn.Module, pictures: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return module(pictures)


@contextmanager
def _statistics_at_rest(module: nn.Module) -> Iterator[None]:
    """Batch norms use the batch's statistics, as in training, but do not add them to the running ones."""
    norms = [norm for norm in batch_norms(module) if isinstance(norm, _BatchNorm) and norm.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
