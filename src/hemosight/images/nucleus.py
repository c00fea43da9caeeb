"""Where the nucleus of a white cell lies in a crop, by its stain alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

DENSITY = -np.log((np.arange(256) + 4) / 260).astype(np.float32)
"""Optical density of a grey level."""
_SIDE = 96
"""A centre needs no more pixels than this on the longer side."""
_LEAST_AREA = 0.004
"""Share of the picture that a nucleus covers at least; less is dirt."""
_SOLID = 5
"""Side of the square that is averaged over, in pixels of the small picture."""
_LEAST_STAIN = 0.15
"""Density that a nucleus has at least in red, above two thirds of that in blue."""
_AROUND = 0.25
"""How far from the middle of the picture the cell that was meant usually lies: a share of its longer side."""


def densities(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Optical density of each channel above that of the brightest fifth, which is glass; same shape, float32."""
    coarse = pixels[::2, ::2]
    green = coarse[..., 1]
    glass = np.median(coarse[green >= np.percentile(green, 80)], axis=0)
    return DENSITY[pixels] - DENSITY[glass.astype(np.uint8)]


def nucleus_mask(density: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where nuclei lie, given :func:`densities`: height x width.

    A nucleus holds back red light and lets blue through; the haemoglobin of red cells does the opposite, and red cells
    of a greyish stain hold back both.
    """
    red, blue = density[..., 0], density[..., 2]
    return (red > 0.3) & (red - blue > 0.12) & (blue < 0.65 * red)


def _even(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the slope of an uneven lamp: each channel less the plane through the lighter half of the picture."""
    height, width, _ = density.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    plane = np.stack([np.ones(height * width), y.ravel(), x.ravel()], axis=1)
    flat = density.reshape(-1, 3)
    light = flat[:, 1] <= np.median(flat[:, 1])
    rest = flat
    for _ in range(2):
        slope = np.linalg.lstsq(plane[light], flat[light], rcond=None)[0]
        rest = flat - plane @ slope
        light = rest[:, 1] <= np.median(rest[:, 1])
    return rest.reshape(density.shape).astype(np.float32)


def nucleus_centre(pixels: NDArray[np.uint8]) -> tuple[float, float] | None:
    """Centre (y, x) of the nucleus in a decoded crop's pixels, or None where no nucleus is seen.

    The lobes of one nucleus count as one. Of several nuclei it is the one that is large and near the middle; its centre
    is that of its bounding box, since the centroid of a horseshoe or of unequal lobes lies off the cell's.
    """
    height, width, _ = pixels.shape
    factor = min(1.0, _SIDE / max(height, width))
    if factor < 1:
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    density = _even(densities(pixels))
    # Averaged over a few pixels, so that a solid nucleus stands out over the thin bluish rims that a simple lens draws;
    # against the best one near the middle, because stains differ.
    stain = ndimage.uniform_filter(density[..., 0] - 0.65 * np.maximum(density[..., 2], 0), _SOLID)
    middle, reach = (np.array(stain.shape) - 1) / 2, _AROUND * max(stain.shape)
    rows, columns = density.shape[:2]
    y, x = np.ogrid[:rows, :columns]
    central = np.exp(-0.5 * ((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / (2 * reach) ** 2)
    best = stain.flat[(stain * central).argmax()]
    if best < _LEAST_STAIN:
        return None
    mask = stain > 0.6 * best
    joined = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=max(1, round(0.04 * max(mask.shape))))
    labels = np.zeros(mask.shape, np.int32)
    ndimage.label(joined, output=labels)
    number = int(labels.max())
    if not number:
        return None
    labels = labels * mask
    most, centre = 0.0, None
    for name, box in enumerate(ndimage.find_objects(labels, number), start=1):
        if box is None:
            continue
        area = int((labels[box] == name).sum())
        place = np.array([(part.start + part.stop - 1) / 2 for part in box])
        worth = area * float(np.exp(-0.5 * (np.hypot(*(place - middle)) / reach) ** 2))
        if area >= _LEAST_AREA * mask.size and worth > most:
            most, centre = worth, place
    if centre is None:
        return None
    # Pixel centres of the small picture -> of the large one.
    y, x = ((centre + 0.5) * np.array([height, width]) / np.array(mask.shape)) - 0.5
    return float(y), float(x)
