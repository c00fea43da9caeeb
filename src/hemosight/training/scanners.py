"""What a laboratory's scanner does to a picture, and a picture as another one would have taken it.

A network that learns from several laboratories finds out which one a cell comes from, and leans on it wherever a type
is more frequent in one of them (Munich's blasts). Where each cell is now and then taken as another laboratory's scanner
would have, the scanner tells nothing of the type. Two things are exchanged, both measured on cells of one type that all
laboratories have (neutrophils), so that they describe scanners and not cells:

- *stain*: mean and covariance of optical density in and about the cell (as Reinhard et al. 2001 match colours, here of
  red, green and blue density together, where stains add up);
- *sharpness*: the radial amplitude spectrum of the density, which lens, sensor and compression shape.

The exchange is done part of the way or beyond it, by random amounts, so that scanners in between and somewhat outside
are met as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from hemosight.errors import TooFewCells

BINS = 48
"""Rings of the radial spectrum, from zero to half a cycle a pixel."""
_DARK = 16.0
"""Added to grey levels before the logarithm: below it, density is the sensor's noise."""
_FULL = 255.0 + _DARK + 1.0
_LEAST = 20
"""Cells of a laboratory that its scanner is measured on, at least."""
_PARTED = 0.75
"""Share of the variance between red cells and nuclei above which the two are told apart."""
_SHARPEST, _BLURREST = 1.2, -2.5
"""Bounds of the logarithm of a ring's gain: noise is not blown up into detail."""


def cell_masks(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where the cell in the middle of each picture lies: 255 within and about it, falling to 0.

    The nucleus is what is darkest in red light, where methylene blue absorbs: two thresholds by Otsu, red cells and
    then nuclei. The mask is the nucleus in the middle and what surrounds it, about a cytoplasm's width; it is not a
    segmentation, only good enough to say what is background.

    Parameters
    ----------
    pictures
        ``[n, S, S, 3]``, ``S`` divisible by four.

    Returns
    -------
    NDArray
        ``[n, S / 4, S / 4]``, uint8.
    """
    count, side = len(pictures), pictures.shape[1] // 4
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    distance = np.hypot(rows, columns)
    masks = np.empty((count, side, side), np.uint8)
    for i, picture in enumerate(pictures):
        red = picture[:, :, 0].reshape(side, 4, side, 4).mean(axis=(1, 3))
        inner = red[distance < 0.45 * side]
        threshold, _ = otsu(inner)
        dark = inner[inner < threshold]
        if len(dark) > 12:
            within, parted = otsu(dark)
            # One group of cells, cut in two, keeps a share of .64 of its variance between the halves.
            threshold = within if parted > _PARTED else threshold
        found: Any = ndimage.label(red < threshold)
        parts = np.asarray(found[0])
        central = np.isin(parts, np.setdiff1d(parts[distance < 0.16 * side], 0))
        if central.sum() < 4:
            central = distance < 0.07 * side
        width = (0.073 if central.sum() > 37 else 0.047) * side
        outside = ndimage.distance_transform_edt(~central)
        masks[i] = 255 * np.clip((width + 0.75 - outside) / 1.5, 0, 1)
    return masks


def otsu(values: NDArray[np.floating]) -> tuple[float, float]:
    """The threshold between two groups of numbers that leaves the least variance within them (Otsu 1979).

    Its second part is the share of the variance that lies between the groups: 0 to 1.
    """
    histogram, edges = np.histogram(values, 64)
    below, weighted = np.cumsum(histogram), np.cumsum(histogram * (edges[:-1] + edges[1:]) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (weighted[-1] * below / below[-1] - weighted) ** 2 / (below * (below[-1] - below))
    between = np.nan_to_num(between, nan=0.0, posinf=0.0)
    best = int(np.argmax(between))
    variance = float(np.var(values))
    return float(edges[best + 1]), float(between[best]) / variance if variance > 0 else 0.0


@dataclass(frozen=True)
class Scanners:
    """What the scanner of each of L laboratories does.

    Parameters
    ----------
    names
        Of the laboratories.
    mean
        Mean optical density of red, green and blue about a cell, ``[L, 3]``.
    whiten, colour
        Inverse and symmetric root of its covariance within a picture, ``[L, 3, 3]``.
    spectrum
        Logarithm of the radial amplitude spectrum, relative to its low frequencies, ``[L, BINS]``.
    """

    names: tuple[str, ...]
    mean: Tensor
    whiten: Tensor
    colour: Tensor
    spectrum: Tensor

    @classmethod
    def fit(
        cls, pictures: NDArray[np.uint8], masks: NDArray[np.uint8], codes: NDArray[np.int64], names: Sequence[str]
    ) -> Scanners:
        """Measure scanners on cells of one type: pictures ``[n, S, S, 3]``, their masks, and whose each is.

        Raises :class:`~hemosight.errors.TooFewCells` where a laboratory has fewer than 20.
        """
        measured = []
        for code, name in enumerate(names):
            rows = np.flatnonzero(codes == code)
            if len(rows) < _LEAST:
                raise TooFewCells(
                    expected=f"at least {_LEAST} cells for telling what the scanner of {name} does",
                    came=len(rows),
                    mend="Add cells.",
                )
            measured.append(_measure(pictures[rows], masks[rows]))
        mean, root, spectrum = (
            torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*measured, strict=True)
        )
        return cls(tuple(names), mean, torch.linalg.inv(root), root, spectrum)

    def to(self, device: torch.device) -> Scanners:
        """The same on a device."""
        parts = (part.to(device) for part in (self.mean, self.whiten, self.colour, self.spectrum))
        return Scanners(self.names, *parts)

    def exchange(
        self,
        pixels: Tensor,
        source: Tensor,
        target: Tensor,
        zoom: Tensor,
        *,
        stain: Tensor,
        sharpness: Tensor,
        full: Tensor,
    ) -> Tensor:
        """Pictures as other laboratories' scanners would have taken them.

        Parameters
        ----------
        pixels
            ``[n, 3, s, s]``, 0 to 255.
        source, target
            Numbers of the laboratories each comes from and goes to, ``[n]``.
        zoom
            Magnification of each against the pictures that scanners were measured on, ``[n]``.
        stain, sharpness
            How far each goes, ``[n]``: 0 stays, 1 arrives, above 1 goes beyond.
        full
            Whether the colours' covariance is exchanged or only each channel's spread, ``[n]``.
        """
        count, _, side, _ = pixels.shape
        amount, identity = stain.view(count, 1, 1), torch.eye(3, device=pixels.device)
        spread = self.colour.square().sum(dim=2).sqrt()
        channels = torch.diag_embed(spread[target] / spread[source])
        matrix = torch.where(full.view(count, 1, 1), self.colour[target] @ self.whiten[source], channels)
        matrix = identity + amount * (matrix - identity)
        start, end = self.mean[source][:, :, None], self.mean[target][:, :, None]
        density = (pixels.flatten(2) + _DARK).log_().neg_().add_(math.log(_FULL))
        density = (matrix @ (density - start) + start + amount * (end - start)).view_as(pixels)
        gain = sharpness[:, None] * (self.spectrum[target] - self.spectrum[source])
        gain = gain.clamp(_BLURREST, _SHARPEST)
        gain[:, :2] = 0.0  # the slowest waves are the colours, exchanged above
        rings = _rings(side, zoom)
        low = rings.long().clamp_max(BINS - 2)
        part = (rings - low).clamp(0.0, 1.0)
        log_gain = gain.gather(1, low.flatten(1)).view_as(rings) * (1 - part)
        log_gain += gain.gather(1, low.flatten(1) + 1).view_as(rings) * part
        density = torch.fft.irfft2(torch.fft.rfft2(density) * log_gain.exp()[:, None], s=(side, side))
        return density.neg_().add_(math.log(_FULL)).exp_().sub_(_DARK).clamp_(0.0, 255.0)


def _rings(side: int, zoom: Tensor) -> Tensor:
    """The ring, with its fraction, that each frequency of magnified pictures was measured in, ``[n, s, s / 2 + 1]``."""
    down, right = torch.fft.fftfreq(side, device=zoom.device), torch.fft.rfftfreq(side, device=zoom.device)
    radius = torch.hypot(down[:, None], right[None])
    return (radius * zoom.view(-1, 1, 1) * (2 * BINS)).clamp_max(BINS - 1.0)


def _measure(
    pictures: NDArray[np.uint8], masks: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, symmetric root of the covariance, and relative log spectrum of one laboratory's pictures."""
    side = pictures.shape[1]
    window = np.hanning(side)[:, None] * np.hanning(side)
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = np.minimum((radius * 2 * BINS).astype(int), BINS - 1)
    cells = np.bincount(ring.ravel(), minlength=BINS)
    means, centred, spectra = [], [], []
    for picture, mask in zip(pictures, masks, strict=True):
        density = math.log(_FULL) - np.log(picture + _DARK)
        about = density[np.kron(mask, np.ones((4, 4), np.uint8)) > 127]
        means.append(about.mean(axis=0))
        centred.append(about - means[-1])
        waves = np.abs(np.fft.rfft2((density - density.mean(axis=(0, 1))) * window[:, :, None], axes=(0, 1))).mean(
            axis=2
        )
        spectra.append(np.log(np.bincount(ring.ravel(), waves.ravel(), minlength=BINS) / cells + 1e-6))
    values, axes = np.linalg.eigh(np.cov(np.concatenate(centred).T) + 1e-6 * np.eye(3))
    spectrum = np.mean(spectra, axis=0)
    return np.mean(means, axis=0), (axes * np.sqrt(values)) @ axes.T, spectrum - spectrum[2:6].mean()
