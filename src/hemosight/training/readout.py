"""From every level of a network to a point: what an embedding is made of once training is over.

The last feature map is what the loss trained; what tells two cells apart is as often granules, chromatin or a smooth
cytoplasm, which earlier levels hold and averaging over 16 positions of the last one loses. A readout describes a crop
by each channel A of each level of the network's body, but the finest (an EfficientNet's last level is that of its last
stage, not the wider map that its head makes of it):

- its mean over positions: how much of it there is;
- its mean absolute deviation from that mean: how unevenly it lies, which is texture. The last level is left out, whose
  few positions are a whole cell each.

(Features of all levels under a linear classifier: Evci et al. 2022, "Head2Toe"; means and deviations of channels as
texture: Huang & Belongie 2017.) How it is fitted: :mod:`hemosight.training.readout_fit`.

Of an encoder that was taught with labels the last map's own average says what earlier levels cannot: what the labels
said is the same in all laboratories. A *mixed* readout puts both side by side, each in its principal directions: the
average of the last map, views forgotten as well, with a share of the length of a point, and the levels with the rest.

A *surrogate* goes with it: the linear map that, from the average of the last feature map, comes nearest to the point
(ridge regression over the same cells). It reads nothing; :mod:`hemosight.space.explain` follows it back to the last
map, whose channels are what the loss taught.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

_FINEST = 4
"""Levels of more than a quarter of the crop's side are left out: they hold edges and colours of single pixels."""

Levels = list[Tensor]
"""Maps of a network from fine to coarse, each ``[N, C, h, w]``."""


class Readout(nn.Module):
    """A fitted readout; its parameters are constants.

    Parameters
    ----------
    centre, spread
        Mean and standard deviation of each number over cells, ``[C]``.
    rotation
        What forgets the views, ``[C, D]``: symmetric, or cut to its principal directions.
    surrogate
        From the average of the last map's ``L`` channels, and a one, nearly to the point: ``[L + 1, D + K]``.
    last_centre, last_rotation
        Of a mixed readout: mean of the last map's averages, ``[L]``, and their directions, ``[L, K]``; K is 0 without.
    """

    centre: Tensor
    spread: Tensor
    rotation: Tensor
    surrogate: Tensor
    last_centre: Tensor
    last_rotation: Tensor

    def __init__(
        self,
        centre: Tensor,
        spread: Tensor,
        rotation: Tensor,
        surrogate: Tensor,
        last_centre: Tensor | None = None,
        last_rotation: Tensor | None = None,
    ) -> None:
        super().__init__()
        channels = len(surrogate) - 1
        self.register_buffer("surrogate", surrogate)
        self.register_buffer("centre", centre)
        self.register_buffer("spread", spread)
        self.register_buffer("rotation", rotation)
        self.register_buffer("last_centre", torch.zeros(channels) if last_centre is None else last_centre)
        self.register_buffer("last_rotation", torch.zeros(channels, 0) if last_rotation is None else last_rotation)

    @property
    def dim(self) -> int:
        """Length of a point."""
        return self.rotation.shape[1] + self.last_rotation.shape[1]

    def forward(self, numbers: Tensor, averages: Tensor | None = None) -> Tensor:
        """Where crops lie, ``[N, D + K]``, not yet of unit length.

        From what :func:`describe` says of them, ``[N, C]``, and, where it is mixed, the averages of their last maps,
        ``[N, L]``.
        """
        point = ((numbers - self.centre) / self.spread) @ self.rotation
        if averages is None or not self.last_rotation.shape[1]:
            return point
        return torch.cat([point, (averages - self.last_centre) @ self.last_rotation], dim=1)


def levels_of(network: nn.Module, pixels: Tensor) -> tuple[Tensor, Levels]:
    """The last feature map of a timm network, and its levels from a quarter of the crop's side down."""
    if not hasattr(network, "forward_intermediates"):  # a network that tells nothing of its inside
        last = network(pixels)
        return last, [last]
    intermediates: Callable[..., tuple[Tensor, Levels]] = network.forward_intermediates  # pyright: ignore[reportAssignmentType] -- a module's attributes are tensors to torch
    # EfficientNets have more levels than changes of scale, and hand them out when asked.
    every = {"extra_blocks": True} if "extra_blocks" in inspect.signature(intermediates).parameters else {}
    last, found = intermediates(pixels, **every)
    side = pixels.shape[-1]
    return last, [level for level in found if level.shape[-1] * _FINEST <= side] or [found[-1]]


def describe(levels: Levels) -> Tensor:
    """The numbers a readout starts from, ``[N, C]``: means and deviations, level by level, the last's means."""
    numbers = []
    for level in levels[:-1]:
        mean = level.mean(dim=(2, 3), keepdim=True)
        numbers += [mean[:, :, 0, 0], (level - mean).abs().mean(dim=(2, 3))]
    return torch.cat([*numbers, levels[-1].mean(dim=(2, 3))], dim=1)
