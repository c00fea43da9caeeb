"""From stained matter to the bytes a scanner delivers.

A Romanowsky stain (Wright, May-Grünwald-Giemsa) colours with two dyes but shows three hues: eosin on haemoglobin
and eosinophil granules, azure B on RNA, and the purple azure-eosin complex on DNA and azurophil granules (the
Romanowsky effect). By Beer and Lambert their optical densities add up, so matter is drawn as three amounts per
pixel and becomes colour in one place only, here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from hemosight.images.decode import Pixels
from hemosight.images.synthetic.fields import PIXELS_PER_UM

Layers = NDArray[np.floating]
"""Amounts of eosin, azure B and azure-eosin complex; 3 x height x width, 1 = a heavily stained structure."""

_EOSIN = (0.060, 0.220, 0.160)
_AZURE = (0.260, 0.215, 0.060)
_COMPLEX = (0.510, 0.850, 0.170)
"""Optical densities of unit amounts in red, green and blue light."""


@dataclass(frozen=True)
class Stain:
    """How strongly a slide was stained, relative to a good day in a good laboratory.

    Parameters
    ----------
    eosin, azure, complex
        Factors on the optical density of the three colours; 1 is the reference.
    hue
        Turns the complex: positive towards eosin (red-violet: acid buffer), negative towards azure (blue: alkaline
        buffer); a share from -1 to 1.
    """

    eosin: float = 1.0
    azure: float = 1.0
    complex: float = 1.0
    hue: float = 0.0

    @classmethod
    def reference(cls) -> Self:
        """The stain of the public Barcelona crops."""
        return cls()

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """The stain of some slide: day-to-day variation of one laboratory and a little more."""
        eosin, azure, complex_ = np.exp(rng.normal(0.0, (0.14, 0.14, 0.07)))
        return cls(float(eosin), float(azure), float(complex_), float(np.clip(rng.normal(0.0, 0.07), -0.25, 0.25)))

    def optical_density(self, layers: Layers) -> NDArray[np.floating]:
        """Optical density in red, green and blue, 3 x height x width, of the amounts in ``layers``."""
        eosin, azure, complex_ = (np.array(vector) for vector in (_EOSIN, _AZURE, _COMPLEX))
        towards = eosin if self.hue > 0 else azure
        # The neighbour's direction at the complex's strength: hue changes colour, not darkness.
        towards = towards * (complex_.sum() / towards.sum())
        complex_ = complex_ + abs(self.hue) * (towards - complex_)
        vectors = np.stack([eosin * self.eosin, azure * self.azure, complex_ * self.complex], axis=1)
        density = vectors.astype(np.float32) @ layers.reshape(3, -1)
        return density.reshape(3, *layers.shape[1:])


@dataclass(frozen=True)
class Scanner:
    """A microscope with its camera and software.

    Parameters
    ----------
    pixels_per_um
        Pixels per micrometre of specimen; the reference shows a red cell of 7.5 µm on 77 pixels.
    white
        What empty glass looks like in red, green and blue, 0 to 1: lamp, camera and white balance.
    contrast
        Factor on the optical density: the exponent of the camera's tone curve.
    blur
        Standard deviation of the point spread, in pixels.
    sharpening
        Weight of the software's unsharp mask; 0 leaves the picture alone.
    noise
        Standard deviation of the camera's noise, in grey levels of 255.
    jpeg_quality
        Quality at which crops are exported, 1 to 95.
    """

    pixels_per_um: float = PIXELS_PER_UM
    white: tuple[float, float, float] = (1.0, 0.896, 0.798)
    contrast: float = 1.0
    blur: float = 0.8
    sharpening: float = 0.45
    noise: float = 0.8
    jpeg_quality: int = 92

    @classmethod
    def reference(cls) -> Self:
        """The scanner of the public Barcelona crops (CellaVision DM96)."""
        return cls()

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """Some other laboratory's scanner: 0.7 to 1.4 times the reference's scale, its own white and sharpness."""
        red, green, blue = rng.uniform((0.90, 0.86, 0.76), (1.0, 0.97, 0.97))
        return cls(
            pixels_per_um=float(PIXELS_PER_UM * np.exp(rng.uniform(np.log(0.7), np.log(1.4)))),
            white=(float(red), float(green), float(blue)),
            contrast=float(rng.uniform(0.85, 1.3)),
            blur=float(rng.uniform(0.6, 1.5)),
            sharpening=float(rng.uniform(0.0, 0.9)),
            noise=float(rng.uniform(0.5, 3.0)),
            jpeg_quality=int(rng.integers(78, 96)),
        )

    @property
    def scale(self) -> float:
        """Factor that resizes this scanner's pixels to the reference scale: a catalog's ``scale``."""
        return PIXELS_PER_UM / self.pixels_per_um

    def with_scale(self, scale: float) -> Self:
        """The same scanner with pixels such that :attr:`scale` is ``scale``."""
        return replace(self, pixels_per_um=PIXELS_PER_UM / scale)

    def field_side(self, size: int) -> int:
        """Side of the specimen, in pixels of :data:`PIXELS_PER_UM`, that a picture of ``size`` pixels shows."""
        return int(np.ceil(size * self.scale))

    def photograph(self, density: NDArray[np.floating], size: int, rng: np.random.Generator) -> Pixels:
        """The picture, ``size`` x ``size`` pixels, of a specimen's middle, given its optical density.

        ``density`` is 3 x height x width at :data:`PIXELS_PER_UM`; :meth:`field_side` is how much the picture needs.
        """
        light = np.exp(density * np.float32(-self.contrast * np.log(10.0)))
        light *= 255.0 * np.array(self.white, np.float32)[:, None, None]
        image = Image.merge("RGB", [Image.fromarray(channel) for channel in light.astype(np.uint8)])
        if self.scale != 1 or image.size != (size, size):
            # The box keeps the specimen's centre at the picture's centre whatever the rounding of its edges.
            half = size * self.scale / 2
            x, y = image.width / 2, image.height / 2
            box = (max(x - half, 0), max(y - half, 0), min(x + half, image.width), min(y + half, image.height))
            image = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
        if self.blur > 0:
            image = image.filter(ImageFilter.GaussianBlur(self.blur))
        if self.sharpening > 0:
            image = image.filter(ImageFilter.UnsharpMask(radius=1.6, percent=round(100 * self.sharpening), threshold=0))
        pixels = np.asarray(image).astype(np.float32)
        # One draw for the three channels: JPEG halves chroma, which would swallow noise of its own there.
        pixels += rng.standard_normal((size, size, 1), np.float32) * np.float32(self.noise)
        return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)

    def export(self, pixels: Pixels, comment: str = "") -> bytes:
        """JPEG bytes at this scanner's quality; ``comment`` travels in the file's header."""
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=self.jpeg_quality, comment=comment.encode())
        return out.getvalue()
