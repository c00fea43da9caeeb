"""Whether a picture can show a stained cell at all: black, white, grey and single channels cannot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemosight.errors import UnreadableImage

LEAST_CONTRAST = 16
"""Levels of grey of 255 between the darkest and the brightest of a picture below which no cell can be in it. The palest
of 10,000 crops of four laboratories has 38 (a low-cost camera), the next laboratory's 114."""
LEAST_WHITE = 48
"""Level of grey that the brightest part must reach: a smear's ground is bright (119 and more in those crops)."""
LEAST_CHANNEL = 3
"""Levels within each of red, green and blue below which a channel is missing (23 and more in those crops)."""
LEAST_COLOUR = 8
"""Levels between a pixel's channels, once their means are equal, that the most colourful pixels must reach (27 and more
in those crops, 73 where they are drawn)."""
_LEAST = np.array([LEAST_CONTRAST, LEAST_WHITE, LEAST_CHANNEL, LEAST_CHANNEL, LEAST_CHANNEL, LEAST_COLOUR])
_TAIL = 0.25
"""Per cent of the pixels that are left out at either end."""


def require_contrast(pixels: NDArray[np.uint8]) -> None:
    """Raise :class:`~hemosight.errors.UnreadableImage` (``image_blank``) for a picture that cannot show a stained cell.

    That is: black, white or of one brightness, a channel missing, or without colour (an eosinophil without its colours
    is read as another cell). Looks at about 8,000 pixels, spread evenly.
    """
    # Nearly every picture passes by far, as a few pixels tell.
    quick = _spread(pixels, 30)
    if np.all(quick >= 2 * _LEAST):
        return
    contrast, bright, red, green, blue, colour = _spread(pixels, 90)
    if contrast < LEAST_CONTRAST:
        dark = bright - contrast
        raise _blank(f"a picture of one brightness (levels {dark:.0f} to {bright:.0f} of 255)")
    if bright < LEAST_WHITE:
        raise _blank(f"a picture that is black all over (at most level {bright:.0f} of 255)")
    empty = [name for name, span in (("red", red), ("green", green), ("blue", blue)) if span < LEAST_CHANNEL]
    if empty:
        raise _blank(f"nothing in {' and '.join(empty)}, so no picture in colour")
    if colour < LEAST_COLOUR:
        raise _blank("a picture without colour (grey, or shades of one tint)")


def _blank(reason: str) -> UnreadableImage:
    return UnreadableImage(
        reason,
        code="image_blank",
        expected="a crop with a stained cell's contrast and colours",
        mend="Export the crop in colour; leave out single channels, empty fields and failed exports.",
    )


def _spread(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Contrast, brightest level, spans of red, green and blue, and colour, of some ``side`` x ``side`` pixels.

    A few stray pixels at either end are left out.
    """
    step = max(1, min(pixels.shape[:2]) // side)
    seen = np.ascontiguousarray(pixels[::step, ::step].reshape(-1, 3).T).astype(np.float32)
    means = np.maximum(seen.mean(axis=1), 1)
    balanced = seen * (means.mean() / means)[:, None]
    count = seen.shape[1]
    measured = np.empty((5, count), np.float32)
    measured[0] = np.array([0.299, 0.587, 0.114], np.float32) @ seen
    measured[1:4] = seen
    measured[4] = balanced.max(axis=0) - balanced.min(axis=0)
    tail = int(count * _TAIL / 100)
    measured.partition((tail, count - 1 - tail), axis=1)
    low, high = measured[:, tail], measured[:, count - 1 - tail]
    spans = high - low
    return np.array([spans[0], high[0], *spans[1:4], high[4]], np.float32)
