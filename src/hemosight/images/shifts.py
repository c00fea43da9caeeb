"""What another laboratory does to the same cells, simulated: stain, focus, scale, compression.

They show robustness to what they simulate and no more.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter

from hemosight.images.decode import Pixels, decode
from hemosight.images.preprocess import resize


def bluer(pixels: Pixels) -> Pixels:
    """Another stain and lamp: optical density of red up, of blue down; grey world undoes only its mean."""
    density = -np.log((pixels.astype(np.float64) + 1) / 256) * np.array([1.3, 1.1, 0.8])
    return np.clip(256 * np.exp(-density) - 1, 0, 255).astype(np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    """Out of focus: a Gaussian of 1.5 pixels."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1.5)))


def larger(pixels: Pixels) -> Pixels:
    """A scanner with 1.3 times the pixels, of which nobody has told."""
    height, width, _ = pixels.shape
    return resize(pixels, round(width * 1.3), round(height * 1.3))


def compressed(pixels: Pixels) -> Pixels:
    """JPEG of quality 30."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=30)
    return decode(buffer.getvalue())


SHIFTS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "in another stain": bluer,
    "out of focus (sigma 1.5 px)": blurred,
    "1.3 times as large": larger,
    "as JPEG of quality 30": compressed,
}
"""Every shift by what it does: decoded RGB of any size in, another out."""
