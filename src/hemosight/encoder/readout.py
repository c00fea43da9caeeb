"""From every level of a network to a point: what an embedding is made of once training is over.

The last feature map is what the loss trained; what tells two cells apart is as often granules, chromatin or a smooth
cytoplasm, which earlier levels hold and averaging over 16 positions of the last one loses. A readout describes a crop
by each channel A of each level of the network's body, but the finest (an EfficientNet's last level is that of its last
stage, not the wider map that its head makes of it):

- its mean over positions: how much of it there is;
- its mean absolute deviation from that mean: how unevenly it lies, which is texture. The last level is left out, whose
  few positions are a whole cell each.

(Features of all levels under a linear classifier: Evci et al. 2022, "Head2Toe"; means and deviations of channels as
texture: Huang & Belongie 2017.) Two steps bring them to one scale, learnt from cells without a label:

- *standardising*: each number counts in its standard deviations over cells;
- *forgetting what views change* (nuisance attribute projection, Solomonoff et al. 2005; Hatch et al. 2006): with N half
  the covariance of the difference of two random views of one cell, vectors are multiplied by ``(I + s N)^(-1/2)``, so
  that directions in which a stain, a lens or a turn of the slide moves a cell count for less.

A *surrogate* goes with it: the linear map that, from the average of the last feature map, comes nearest to the point
(ridge regression over the same cells). It reads nothing; :mod:`hemosight.space.explain` follows it back to the last
map, whose channels are what the loss taught.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hemosight.encoder.recipes import nearest_field
from hemosight.errors import TooFewCells, UnreadableImage
from hemosight.images import augment
from hemosight.images.catalog import Catalog, Progress
from hemosight.images.preprocess import Pixels, Preprocessing, decode, read_bytes

if TYPE_CHECKING:
    from hemosight.encoder.backbones import Encoder

STRENGTH = 10.0
"""How much views are forgotten (``s``). Chosen on folds and on Munich's cells read with Barcelona's labels
(docs/ideas/every-level.md): at 0 the same laboratory is read no better, another one better after five labels a class
and worse without any; 100 is better without any alone."""
_FINEST = 4
"""Levels of more than a quarter of the crop's side are left out: they hold edges and colours of single pixels."""
CELLS = 1400
"""Cells it is learnt from, at most."""
_BATCH = 16
_FLOOR = 1e-2
"""Of the median standard deviation: a number that hardly differs between cells is not blown up."""

_PENALTY = 0.1
"""Of the surrogate's regression, in mean variances of what is given."""

Levels = list[Tensor]
"""Maps of a network from fine to coarse, each ``[N, C, h, w]``."""


class Readout(nn.Module):
    """A fitted readout; its parameters are constants.

    Parameters
    ----------
    centre, spread
        Mean and standard deviation of each number over cells, ``[C]``.
    rotation
        What forgets the views, ``[C, C]``, symmetric.
    surrogate
        From the average of the last map's ``L`` channels, and a one, nearly to the point: ``[L + 1, C]``.
    """

    centre: Tensor
    spread: Tensor
    rotation: Tensor
    surrogate: Tensor

    def __init__(self, centre: Tensor, spread: Tensor, rotation: Tensor, surrogate: Tensor) -> None:
        super().__init__()
        self.register_buffer("surrogate", surrogate)
        self.register_buffer("centre", centre)
        self.register_buffer("spread", spread)
        self.register_buffer("rotation", rotation)

    @property
    def dim(self) -> int:
        """Length of a point."""
        return len(self.centre)

    def forward(self, numbers: Tensor) -> Tensor:
        """What :func:`describe` says of crops, ``[N, C]`` -> where they lie, ``[N, C]``, not yet of unit length."""
        return ((numbers - self.centre) / self.spread) @ self.rotation


def levels_of(network: nn.Module, pixels: Tensor) -> tuple[Tensor, Levels]:
    """The last feature map of a timm network, and its levels from a quarter of the crop's side down."""
    if not hasattr(network, "forward_intermediates"):  # a network that tells nothing of its inside
        last = network(pixels)
        return last, [last]
    intermediates: Callable[..., tuple[Tensor, Levels]] = network.forward_intermediates  # pyright: ignore[reportAssignmentType]
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


# --- fitting ----------------------------------------------------------------------------------------------


def fit_on(
    encoder: Encoder,
    catalog: Catalog,
    preprocessing: Preprocessing,
    *,
    turns: int = 1,
    cells: int = CELLS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Readout:
    """Fit a readout on some cells of a catalog, whose labels are not looked at; the other parameters as in :func:`fit`.

    Files that cannot be read are left out.
    """
    pictures = pictures_of(catalog, preprocessing, cells=cells, seed=seed)
    return fit(encoder, pictures, size=preprocessing.size, turns=turns, seed=seed, progress=progress)


def pictures_of(
    catalog: Catalog, preprocessing: Preprocessing, *, cells: int = CELLS, seed: int = 0
) -> NDArray[np.uint8]:
    """Some cells with room around them for views, ``[n, S, S, 3]``; files that cannot be read are left out."""
    distinct = Catalog(catalog.table.unique("id", keep="first", maintain_order=True))
    some = distinct.take(np.sort(np.random.default_rng(seed).permutation(len(distinct))[:cells]))
    crop, size = preprocessing.crop, preprocessing.size
    field = nearest_field(crop, size)
    wide = replace(preprocessing, crop=field, size=field * size // crop)

    def prepared(path: Path, scale: float) -> Pixels | None:
        try:
            return wide(decode(read_bytes(path)), scale)
        except UnreadableImage:
            return None

    with ThreadPoolExecutor() as pool:
        pictures = [seen for seen in pool.map(prepared, some.paths, some.table["scale"]) if seen is not None]
    return np.stack(pictures) if pictures else np.empty((0, wide.size, wide.size, 3), np.uint8)


def fit(
    encoder: Encoder,
    pictures: NDArray[np.uint8],
    *,
    size: int,
    turns: int = 1,
    views: augment.ViewRecipe | None = None,
    strength: float = STRENGTH,
    seed: int = 0,
    progress: Progress | None = None,
) -> Readout:
    """Fit a readout on cells without labels.

    Parameters
    ----------
    encoder
        Trained; it is left as it is.
    pictures
        Cells with room around them for views, ``[n, S, S, 3]`` with ``S`` above ``size``; two at least.
    size
        Side of the encoder's input.
    turns
        Quarter turns that an embedding averages; the numbers are averaged over as many.
    views
        How far two views of a cell may differ; those of the default recipe where None.
    strength
        How much views are forgotten; 0 for standardising alone.
    seed
        Of the views.
    progress
        Told how many cells are done, and how many there are.

    Raises :class:`~hemosight.errors.TooFewCells` with fewer than two cells.
    """
    return solve(
        look(encoder, pictures, size=size, turns=turns, views=views, seed=seed, progress=progress), strength=strength
    )


@dataclass(frozen=True)
class Looked:
    """What a readout is fitted on: ``numbers`` and ``averages`` of cells as they are, and of two views of each.

    Parameters
    ----------
    numbers
        What :func:`describe` says, ``[3, n, C]``.
    averages
        Of the last map's channels, ``[3, n, L]``.
    """

    numbers: Tensor
    averages: Tensor


def look(
    encoder: Encoder,
    pictures: NDArray[np.uint8],
    *,
    size: int,
    turns: int = 1,
    views: augment.ViewRecipe | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Looked:
    """Look at cells as they are and at two views of each; parameters as in :func:`fit`."""
    if len(pictures) < 2:
        raise TooFewCells(least=2, purpose="a readout of every level (--levels last needs none)", came=len(pictures))
    recipe = views or augment.VIEWS["default"]
    generator = torch.Generator().manual_seed(seed)
    numbers, averages = [], []
    for start in range(0, len(pictures), _BATCH):
        batch = torch.from_numpy(np.ascontiguousarray(pictures[start : start + _BATCH])).to(encoder.mean.device)
        pair = augment.views(batch, recipe, size=size, generator=generator)
        seen = [averaged(encoder, side, turns) for side in (augment.centre(batch, size).float(), *pair.chunk(2))]
        numbers.append(torch.stack([side.cpu() for side, _ in seen]))
        averages.append(torch.stack([side.cpu() for _, side in seen]))
        if progress is not None:
            progress(min(start + _BATCH, len(pictures)), len(pictures))
    return Looked(torch.cat(numbers, dim=1), torch.cat(averages, dim=1))


def solve(looked: Looked, strength: float = STRENGTH) -> Readout:
    """The readout of what was looked at, views forgotten with a strength."""
    upright, one, other = looked.numbers.double()
    centre, spread = upright.mean(dim=0), upright.std(dim=0)
    spread = spread.clamp_min(max(_FLOOR * float(spread.median()), 1e-6))
    moved = (one - other) / spread / 2**0.5
    spectrum, axes = torch.linalg.eigh(moved.T @ moved / len(moved))
    rotation = (axes * (1.0 + strength * spectrum.clamp_min(0.0)).rsqrt()) @ axes.T
    points = torch.cat([(side - centre) / spread @ rotation for side in (upright, one, other)])
    surrogate = _ridge(looked.averages.double().flatten(0, 1), points)
    return Readout(centre.float(), spread.float(), rotation.float(), surrogate.float())


def _ridge(given: Tensor, wanted: Tensor) -> Tensor:
    """Linear regression with a constant as its last row; the penalty is a share of the mean variance."""
    centre, level = given.mean(dim=0), wanted.mean(dim=0)
    shifted = given - centre
    products = shifted.T @ shifted / len(given)
    products.diagonal().add_(_PENALTY * products.trace() / len(products) + 1e-12)
    slopes = torch.linalg.solve(products, shifted.T @ (wanted - level) / len(given))
    return torch.cat([slopes, (level - centre @ slopes)[None]])


@torch.inference_mode()
def averaged(encoder: Encoder, pixels: Tensor, turns: int) -> tuple[Tensor, Tensor]:
    """What :func:`describe` says of crops, ``[N, 3, H, W]``, and the last map's average: means over quarter turns."""
    turned = [encoder.levels(torch.rot90(pixels, 4 // turns * k, (2, 3)).contiguous()) for k in range(turns)]
    numbers = torch.stack([describe(levels) for _, levels in turned]).mean(dim=0)
    return numbers, torch.stack([last.mean(dim=(2, 3)) for last, _ in turned]).mean(dim=0)
