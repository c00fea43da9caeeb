"""Near copies among pictures: one cell re-encoded, resized, turned, mirrored, or photographed twice.

They are looked for among all pairs by a perceptual hash: the signs of the 63 lowest frequencies of a 32 x 32 grey
miniature's cosine transform. Turning or mirroring a picture only permutes and flips these signs, so that all eight
positions cost no more than eight comparisons of 64-bit numbers. White cells are all dark discs on a pale ground and
their hashes lie close together, so every candidate is then compared by the pixels of its miniature, in the position
that fits best.

The two bounds were measured on 8,000 crops of two laboratories: copies re-encoded at quality 40, halved, turned,
brightened or cut by 3 pixels differ by at most 8 signs and 7 grey levels; one cell photographed twice with another
focus by 4 signs and 9.3 levels; the closest pair of different cells by 15.7 levels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from hemosight.images.catalog import Progress
from hemosight.images.decode import Pixels

NEAR_SIGNS = 12
"""Signs of 63 that may differ between near copies."""
NEAR_LEVELS = 12.0
"""Root mean square difference of the miniatures, in grey levels of 255, up to which a candidate is a copy."""
NEAR_CONTRAST = 0.3
"""The same as a share of the miniatures' own contrast: pale pictures differ little whatever they show."""
SIDE = 32
"""Pixels of a miniature's sides."""
_LOW = 8
BLOCK = 1024
ROWS = 128
"""Rows compared with all others at once: their distances should fit the processor's cache."""

Miniatures = NDArray[np.uint8]
"""n x 32 x 32 x 3."""

POSITIONS = (
    "as it is",
    "mirrored",
    "upside down",
    "turned by 180",
    "transposed",
    "turned by 90 clockwise",
    "turned by 90 anticlockwise",
    "transposed along the other diagonal",
)
"""How the second picture of a near pair must be moved to lie on the first."""


def near_pairs(
    miniatures: Miniatures, progress: Progress | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Near copies among all pairs.

    Parameters
    ----------
    miniatures
        uint8, n x 32 x 32 x 3.

    Returns
    -------
    one, other
        Row numbers with ``one < other``, shape (pairs,), sorted.
    position
        Which of :data:`POSITIONS` brings ``other`` onto ``one``.
    difference
        Root mean square difference in that position, grey levels.
    """
    hashes = perceptual_hashes(miniatures)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []
    for start in range(0, len(hashes), ROWS):
        block, rest = hashes[start : start + ROWS, 0, None], hashes[start:]
        nearest = np.bitwise_count(block ^ rest[:, 0])
        for position in range(1, len(POSITIONS)):
            np.minimum(nearest, np.bitwise_count(block ^ rest[:, position]), out=nearest)
        i, j = np.nonzero(nearest <= NEAR_SIGNS)
        i, j = i[j > i], j[j > i]
        position = np.bitwise_count(block[i] ^ rest[j]).argmin(axis=1)
        one, other = i + start, j + start
        difference = differences(miniatures, one, other, position)
        contrast = np.minimum(_contrast(miniatures[one]), _contrast(miniatures[other]))
        near = difference <= np.minimum(NEAR_LEVELS, NEAR_CONTRAST * contrast)
        found.append((one[near], other[near], position[near], difference[near]))
        if progress is not None:
            progress(min(start + ROWS, len(hashes)), len(hashes))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    one, other, position, difference = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((other, one))
    return one[order], other[order], position[order], difference[order]


def perceptual_hashes(miniatures: Miniatures) -> NDArray[np.uint64]:
    """The hash of each picture in each of its eight positions; uint64, n x 8.

    Bit 8r + c is the sign of the cosine transform's coefficient (r, c); the mean, (0, 0), is left out.
    """
    powers = np.left_shift(np.uint64(1), np.arange(64, dtype=np.uint64))
    flips = np.where(np.arange(_LOW) % 2, -1.0, 1.0).astype(np.float32)
    hashes = np.empty((len(miniatures), len(POSITIONS)), np.uint64)
    for start in range(0, len(miniatures), BLOCK):
        grey = miniatures[start : start + BLOCK].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        low = np.asarray(dctn(grey, axes=(1, 2), norm="ortho"))[:, :_LOW, :_LOW]
        for position in range(len(POSITIONS)):
            moved = low.transpose(0, 2, 1) if position & 4 else low
            moved = moved * (flips[:, None] if position & 2 else 1.0) * (flips if position & 1 else 1.0)
            signs = moved > 0
            signs[:, 0, 0] = False
            hashes[start : start + BLOCK, position] = (signs.reshape(-1, 64) * powers).sum(axis=1, dtype=np.uint64)
    return hashes


def moved(pictures: NDArray[Any], position: int) -> NDArray[Any]:
    """Pictures (n x side x side x channels) in one of the eight :data:`POSITIONS`."""
    if position & 4:
        pictures = pictures.transpose(0, 2, 1, 3)
    return pictures[:, :: -1 if position & 2 else 1, :: -1 if position & 1 else 1]


def differences(
    miniatures: Miniatures, one: NDArray[np.int64], other: NDArray[np.int64], position: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Root mean square difference of pairs, each channel's mean brought to the same level; shape (pairs,)."""
    result = np.empty(len(one), np.float32)
    for which in range(len(POSITIONS)):
        pairs = np.nonzero(position == which)[0]
        for part in np.array_split(pairs, len(pairs) // BLOCK + 1):
            gap = miniatures[one[part]].astype(np.float32) - moved(miniatures[other[part]], which)
            gap -= gap.mean(axis=(1, 2), keepdims=True)
            result[part] = np.sqrt(np.square(gap).mean(axis=(1, 2, 3)))
    return result


def miniature(pixels: Pixels) -> Miniatures:
    """The whole picture as 32 x 32 x 3 pixels, whatever its shape; each is the mean of what it covers."""
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX))


def _contrast(miniatures: Miniatures) -> NDArray[np.float32]:
    return miniatures.astype(np.float32).std(axis=(1, 2)).mean(axis=1)
