"""Whether a picture can show a stained cell at all: black, white, grey and single channels cannot.

Looked at are the means of some 24 x 24 blocks: weak noise, and what a JPEG's blocks of 8 or 16 pixels leave in an empty
channel, is gone in them, and a cell is not. Strong noise and fine patterns are not blank: their novelty tells. The
bounds lie below all of 11,800 crops of four laboratories, and above what drawn faults reach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hemosight.errors import UnreadableImage

LEAST_CONTRAST = 16
"""Levels of grey of 255 between the darkest and the brightest of a picture below which no cell can be in it. The palest
crop has 31 (a low-cost camera); noise of 20 levels on white leaves 5."""
LEAST_WHITE = 48
"""Level of grey that the brightest part must reach: a smear's ground is bright (108 and more in those crops)."""
BLACK = 24
"""Level of grey below which a block is black."""
MOST_BLACK = 0.95
"""Share of black blocks above which no cell is left: 0.08 and less in 1,600 crops of four laboratories, and far more
where cells were cut out on black (as in C-NMC), which are read."""
TEXTURE = 100
"""Levels of grey between single pixels above which a picture of one brightness is a pattern: noise of 20 levels has
75."""
LEAST_SHARE = 0.16
"""Contrast of the weakest of red, green and blue as a share of the strongest's, below which a channel is missing: 0.20
and more in those crops; what JPEG leaves in an empty channel is 0.13 and less."""
MOST_TINTED = 40.0
"""Levels between a pixel's channels, once their means are equal, above which colours are no tint of grey: 23 and less
in grey that is tinted, or lifted by another amount in each channel."""
LEAST_SCATTER = 5.0
"""Below it, levels between colours and the curve of one tint (along the principal axis of a picture's colours), below
which they follow it, at :data:`_FULL` levels of contrast and in proportion at less: 5.2 and more in those crops; sepia
whose whites are cut off has 4."""
LEAST_TINT = 12.0
"""Levels between a pixel's channels up to which it is grey: what JPEG makes of grey stays below 4."""
LEAST_OWN_TINT = 10.0
"""Levels between a pixel's channels, once their means are equal, from which a tint may be that of the cells: red cells
alone have 15 and more in 40 drawn laboratories, a grey picture that was tinted as a whole stays below 6."""
_FULL = 150.0
_SIDE = 24
_WINDOW = 25
_TAIL = 1.0
"""Per cent of the blocks that are left out at either end."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def require_contrast(picture: NDArray[np.uint8] | Image.Image, *, colours: bool = True) -> None:
    """Raise :class:`~hemosight.errors.UnreadableImage` (``image_blank``) for a picture that cannot show a stained cell.

    That is: black (but for a spot), white or of one brightness, a channel missing, or without colour (an eosinophil
    without its colours is read as another cell). The last is not asked where ``colours`` is false: red cells alone are
    shades of one tint.
    """
    blocks = _blocks(picture)
    grey = _GREY @ blocks
    low, high = _ends(np.stack([grey, *blocks, _colourfulness(blocks)]))
    dark, bright = float(low[0]), float(high[0])
    if (bright - dark < LEAST_CONTRAST or bright < LEAST_WHITE) and _is_texture(np.asarray(picture)):
        return  # no cell, but neither blank: its novelty tells
    if bright - dark < LEAST_CONTRAST:
        raise _blank(f"a picture of one brightness (levels {dark:.0f} to {bright:.0f} of 255)")
    if bright < LEAST_WHITE:
        raise _blank(f"a picture that is black all over (at most level {bright:.0f} of 255)")
    if (black := np.count_nonzero(grey < BLACK) / len(grey)) > MOST_BLACK:
        raise _blank(f"a picture that is black on {black:.0%}")
    spans = (high - low)[1:4].tolist()
    least = LEAST_SHARE * max(spans)
    empty = [name for name, span in zip(("red", "green", "blue"), spans, strict=True) if span < least]
    if empty:
        raise _blank(f"nothing in {' and '.join(empty)}, so no picture in colour")
    if colours and high[4] < MOST_TINTED and _is_one_tint(blocks, bright - dark):
        raise _blank("a picture without colour (grey, or shades of one tint)")


def has_tint(pixels: NDArray[np.uint8]) -> bool:
    """Whether a picture is more than shades of grey: somewhere its channels differ."""
    return float(_ends(_apart(_blocks(pixels)))[1]) > LEAST_TINT


def has_own_tint(pixels: NDArray[np.uint8]) -> bool:
    """Whether what a picture shows has another tint than its ground: red cells have, what a filter tinted has not."""
    return float(_ends(_colourfulness(_blocks(pixels)))[1]) >= LEAST_OWN_TINT


def _blank(reason: str) -> UnreadableImage:
    return UnreadableImage(
        reason,
        code="image_blank",
        expected="a crop with a stained cell's contrast and colours",
        mend="Export the crop in colour; leave out single channels, empty fields and failed exports.",
    )


def _blocks(picture: NDArray[np.uint8] | Image.Image) -> NDArray[np.float32]:
    """Mean red, green and blue of square blocks: 3 x blocks."""
    if not isinstance(picture, Image.Image):
        picture = Image.fromarray(np.ascontiguousarray(picture))
    side = max(1, min(picture.size) // _SIDE)
    # In rows of one channel each: a processor adds up and sorts long rows ten times as fast as rows of three.
    return np.ascontiguousarray(np.asarray(picture.reduce(side)).reshape(-1, 3).T, np.float32)


def _is_texture(pixels: NDArray[np.uint8]) -> bool:
    step = max(1, min(pixels.shape[:2]) // 90)
    low, high = _ends(pixels[::step, ::step].reshape(-1, 3) @ _GREY)
    return float(high - low) > TEXTURE


def _ends(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Low and high end along the last axis, a few stray blocks left out."""
    count = values.shape[-1]
    tail = int(count * _TAIL / 100)
    ordered = np.sort(values, axis=-1)  # which is quicker here than a partition
    return ordered[..., tail], ordered[..., count - 1 - tail]


def _colourfulness(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels between the channels of each block, once the channels' means are equal."""
    means = np.maximum(blocks.mean(axis=1, keepdims=True), 1)
    return _apart(blocks * (means.mean() / means))


def _apart(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels between the strongest and the weakest of three channels (3 x blocks)."""
    red, green, blue = channels
    return np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)


def _is_one_tint(blocks: NDArray[np.float32], contrast: float) -> bool:
    """Whether all colours lie on a curve along their principal axis."""
    return _scatter(_along_tint(blocks)) < LEAST_SCATTER * min(1.0, contrast / _FULL)


def _along_tint(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Second and third principal coordinate of every block's colour, in the order of the first."""
    centred = blocks.T - blocks.mean(axis=1)
    _, axes = np.linalg.eigh(centred.T @ centred)
    turned = centred @ axes[:, ::-1]
    return turned[np.argsort(turned[:, 0]), 1:]


def _scatter(hues: NDArray[np.float32]) -> float:
    """How far colours lie from the mean of those next to them in the order of brightness: the farthest but a few."""
    window = min(_WINDOW, len(hues) | 1)
    padded = np.pad(hues, ((window // 2, window // 2), (0, 0)), "edge")
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0, dtype=np.float64)
    apart = hues - (sums[window:] - sums[:-window])[: len(hues)] / window
    return float(_ends(np.hypot(apart[:, 0], apart[:, 1]))[1])
