"""Fitting a readout (:mod:`hemosight.training.readout`) on cells without their labels.

The readout describes a crop by means and deviations of channels. Two steps bring them to one scale, learnt from cells
without a label:

- *standardising*: each number counts in its standard deviations over cells;
- *forgetting what views change* (nuisance attribute projection, Solomonoff et al. 2005; Hatch et al. 2006): with N half
  the covariance of the difference of two random views of one cell, vectors are multiplied by ``(I + s N)^(-1/2)``, so
  that directions in which a stain, a lens or a turn of the slide moves a cell count for less.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hemosight.errors import TooFewCells, UnreadableImage
from hemosight.images.catalog import Catalog, Progress
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.preprocess import Preprocessing
from hemosight.training import augment
from hemosight.training.backbones import Encoder
from hemosight.training.readout import Readout, describe
from hemosight.training.recipes import nearest_field

STRENGTH = 10.0
"""How much views are forgotten (``s``). Chosen on folds and on Munich's cells read with Barcelona's labels
(docs/decisions/0005-every-level.md): at 0 the same laboratory is read no better, another one better after five labels
a class and worse without any; 100 is better without any alone."""
LEVEL_DIRECTIONS, LAST_DIRECTIONS = 640, 256
"""Principal directions that a mixed readout keeps of the levels and of the last map's average."""
SHARE = 0.5
"""Of the last map's average in the mean squared length of a mixed point."""
CELLS = 1400
"""Cells it is learnt from, at most."""
_BATCH = 16
_FLOOR = 1e-2
"""Of the median standard deviation: a number that hardly differs between cells is not blown up."""

_PENALTY = 0.1
"""Of the surrogate's regression, in mean variances of what is given."""


def fit_on(
    encoder: Encoder,
    catalog: Catalog,
    preprocessing: Preprocessing,
    *,
    turns: int = 1,
    share: float = 0.0,
    cells: int = CELLS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Readout:
    """Fit a readout on some cells of a catalog, whose labels are not looked at; the other parameters as in :func:`fit`.

    Files that cannot be read are left out.
    """
    pictures = pictures_of(catalog, preprocessing, cells=cells, seed=seed)
    return fit(encoder, pictures, size=preprocessing.size, turns=turns, share=share, seed=seed, progress=progress)


def pictures_of(
    catalog: Catalog, preprocessing: Preprocessing, *, cells: int = CELLS, seed: int = 0
) -> NDArray[np.uint8]:
    """Some cells with room around them for views, ``[n, S, S, 3]``; files that cannot be read are left out."""
    distinct = Catalog(catalog.table.unique("id", keep="first", maintain_order=True))
    some = distinct.take(np.sort(np.random.default_rng(seed).permutation(len(distinct))[:cells]))
    crop, size = preprocessing.crop, preprocessing.size
    field = nearest_field(crop, size)
    wide = replace(preprocessing, crop=field, size=field * size // crop)

    def prepared(path: Path, scale: float, bits: int | None) -> Pixels | None:
        try:
            return wide(decode(read_bytes(path), bits), scale)
        except UnreadableImage:
            return None

    with ThreadPoolExecutor() as pool:
        pictures = [
            seen for seen in pool.map(prepared, some.paths, some.table["scale"], some.table["bits"]) if seen is not None
        ]
    return np.stack(pictures) if pictures else np.empty((0, wide.size, wide.size, 3), np.uint8)


def fit(
    encoder: Encoder,
    pictures: NDArray[np.uint8],
    *,
    size: int,
    turns: int = 1,
    views: augment.ViewRecipe | None = None,
    strength: float = STRENGTH,
    share: float = 0.0,
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
    share
        As in :func:`solve`.
    seed
        Of the views.
    progress
        Called with the number of cells that are done, and of all cells.

    Raises :class:`~hemosight.errors.TooFewCells` with fewer than two cells.
    """
    return solve(
        look(encoder, pictures, size=size, turns=turns, views=views, seed=seed, progress=progress), strength, share
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
        raise TooFewCells(
            expected="at least 2 cells for a readout of every level (--levels last needs none)",
            came=len(pictures),
            mend="Add cells.",
        )
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


def solve(looked: Looked, strength: float = STRENGTH, share: float = 0.0) -> Readout:
    """The readout of what was looked at, views forgotten with a strength.

    With a ``share`` above 0 it is mixed: so much of the mean squared length of a point is the last map's average's.
    """
    upright, one, other = looked.numbers.double()
    centre, spread = upright.mean(dim=0), upright.std(dim=0)
    spread = spread.clamp_min(max(_FLOOR * float(spread.median()), 1e-6))
    rotation = _forgetting((one - other) / spread / 2**0.5, strength)
    last = looked.averages.double()
    last_centre, last_rotation = last[0].mean(dim=0), torch.zeros(last.shape[2], 0, dtype=torch.float64)
    if share:
        scale = (last[0] - last_centre).square().mean().sqrt()  # forgetting has no unit: spreads are about 1 there
        forgetting = _forgetting((last[1] - last[2]) / scale / 2**0.5, strength) / scale
        rotation = _principal((upright - centre) / spread, rotation, LEVEL_DIRECTIONS) * (1 - share) ** 0.5
        last_rotation = _principal(last[0] - last_centre, forgetting, LAST_DIRECTIONS) * share**0.5
    levels = torch.stack([(side - centre) / spread @ rotation for side in (upright, one, other)])
    points = torch.cat([levels, (last - last_centre) @ last_rotation], dim=2).flatten(0, 1)
    surrogate = _ridge(last.flatten(0, 1), points)
    constants = (centre, spread, rotation, surrogate, last_centre, last_rotation)
    return Readout(*(constant.float() for constant in constants))


def _forgetting(moved: Tensor, strength: float) -> Tensor:
    """``(I + s N)^(-1/2)`` for the differences of two views of cells, ``[n, C]``."""
    spectrum, axes = torch.linalg.eigh(moved.T @ moved / len(moved))
    return (axes * (1.0 + strength * spectrum.clamp_min(0.0)).rsqrt()) @ axes.T


def _principal(centred: Tensor, rotation: Tensor, most: int) -> Tensor:
    """A rotation cut to its principal directions over cells, at most so many; a mean squared length of 1 comes out."""
    points = centred @ rotation
    spectrum, axes = torch.linalg.eigh(points.T @ points / len(points))
    kept = axes[:, -most:]
    return rotation @ kept / spectrum[-most:].sum().clamp_min(1e-12).sqrt()


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
    layout = torch.channels_last  # on a processor half as quick again
    quarters = [torch.rot90(pixels, 4 // turns * k, (2, 3)) for k in range(turns)]
    turned = [encoder.levels(quarter.contiguous(memory_format=layout)) for quarter in quarters]
    numbers = torch.stack([describe(levels) for _, levels in turned]).mean(dim=0)
    return numbers, torch.stack([last.mean(dim=(2, 3)) for last, _ in turned]).mean(dim=0)
