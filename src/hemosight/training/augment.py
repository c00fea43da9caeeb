"""Random views of cells, a batch at a time: what may change without the cell becoming another cell.

A view is drawn, then applied. :func:`draw` takes every random number from one generator on the CPU and returns a few
numbers per view; :func:`apply` is arithmetic on whole batches, on any device. So the same seed gives the same views on
a CPU and on an accelerator, and processes that share a batch can draw all of it and apply their part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class ViewRecipe:
    """How far views may differ. Lengths are fractions of the final side, so that a recipe fits any input size.

    Parameters
    ----------
    flip
        Mirror left-right and top-bottom, each with probability one half.
    rotation
        Largest angle either way, degrees; 180 is any angle.
    zoom
        Least and greatest magnification, drawn evenly.
    translation
        Largest shift either way and on each axis, as a fraction of the side.
    colour
        Space of the colour jitter: ``rgb`` (brightness, contrast, saturation, hue) or ``density`` (stain jitter in
        optical density, where stains add up: Beer-Lambert).
    brightness, contrast, saturation
        Factors are drawn evenly from 1 - x to 1 + x (``rgb``). In ``density``, brightness is a factor from
        exp(-x) to exp(x) on intensity, contrast is about each channel's mean density, and saturation is not used.
    hue
        Largest rotation either way about the grey axis of YIQ, in turns (``rgb``).
    stain_gain, stain_bias
        Each stain's amount is multiplied by 1 - x to 1 + x and shifted by -x to x (``density``).
    channel_gain
        Factors from exp(-x) to exp(x) on each channel (``density``): another lamp, another white balance.
    blur, blur_chance
        Largest standard deviation of a Gaussian blur, as a fraction of the side, and how often there is any.
    noise, noise_chance
        Largest standard deviation of sensor noise, in grey levels of 255, and how often there is any.
    """

    flip: bool = True
    rotation: float = 180.0
    zoom: tuple[float, float] = (0.7, 1.3)
    translation: float = 0.05
    colour: Literal["rgb", "density"] = "density"
    brightness: float = 0.15
    contrast: float = 0.2
    saturation: float = 0.0
    hue: float = 0.0
    stain_gain: float = 0.25
    stain_bias: float = 0.05
    channel_gain: float = 0.08
    blur: float = 0.01
    blur_chance: float = 0.4
    noise: float = 8.0
    noise_chance: float = 0.4


VIEWS: Mapping[str, ViewRecipe] = MappingProxyType(
    {
        # Liu et al. 2024, Methods: flips, rotation +-90 degrees, zoom +-0.1, translation +-20 of 224 px, colour 0.2.
        "paper": ViewRecipe(
            rotation=90.0,
            zoom=(0.9, 1.1),
            translation=20 / 224,
            colour="rgb",
            brightness=0.2,
            contrast=0.2,
            saturation=0.2,
            hue=0.2,
            stain_gain=0.0,
            stain_bias=0.0,
            channel_gain=0.0,
            blur_chance=0.0,
            noise_chance=0.0,
        ),
        "default": ViewRecipe(),
    }
)


@dataclass(frozen=True)
class Draws:
    """The random numbers of N views.

    Parameters
    ----------
    linear, shift
        From an offset in the view to an offset in the picture: ``[N, 2, 2]``, and ``[N, 2]`` in sides of the view.
    matrix, pivot, offset
        Colour: ``matrix @ c + pivot @ mean(c) + offset``; ``[N, 3, 3]``, ``[N, 3, 3]``, ``[N, 3]``.
    blur, noise
        Standard deviations, ``[N]``; zero for none.
    window
        Where each view cuts its noise out of one shared field, ``[N, 2]``, 0 to 1.
    field
        Seed of that field.
    """

    linear: Tensor
    shift: Tensor
    matrix: Tensor
    pivot: Tensor
    offset: Tensor
    blur: Tensor
    noise: Tensor
    window: Tensor
    field: int
    colour: Literal["rgb", "density"]

    def rows(self, rows: Tensor) -> Draws:
        """The draws of some of the views."""
        return _map(self, lambda part: part[rows])

    def to(self, device: torch.device) -> Draws:
        """The draws on another device."""
        return _map(self, lambda part: part.to(device))


def _map(draws: Draws, change: Callable[[Tensor], Tensor]) -> Draws:
    parts = ((part.name, getattr(draws, part.name)) for part in fields(draws))
    return replace(draws, **{name: change(value) for name, value in parts if isinstance(value, Tensor)})


# --- drawing ----------------------------------------------------------------------------------------------


def draw(recipe: ViewRecipe, count: int, generator: torch.Generator) -> Draws:
    """Draw ``count`` views. The generator lives on the CPU."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    def sometimes(chance: float, greatest: float) -> Tensor:
        happens = torch.rand(count, generator=generator) < chance
        return torch.where(happens, uniform(0.0, greatest), 0.0)

    angle = uniform(-math.radians(recipe.rotation), math.radians(recipe.rotation))
    zoom = uniform(*recipe.zoom)
    mirror = torch.where(torch.rand(count, 2, generator=generator) < (0.5 if recipe.flip else 0.0), -1.0, 1.0)
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(count, 2, 2)
    shift = uniform(-recipe.translation, recipe.translation, 2)
    if recipe.colour == "rgb":
        matrix, pivot, offset = _jitter_rgb(
            uniform(1 - recipe.brightness, 1 + recipe.brightness),
            uniform(1 - recipe.contrast, 1 + recipe.contrast),
            uniform(1 - recipe.saturation, 1 + recipe.saturation),
            uniform(-recipe.hue, recipe.hue),
        )
    else:
        matrix, pivot, offset = density_jitter(
            uniform(1 - recipe.stain_gain, 1 + recipe.stain_gain, 3),
            uniform(-recipe.stain_bias, recipe.stain_bias, 3),
            uniform(1 - recipe.contrast, 1 + recipe.contrast),
            uniform(-recipe.brightness, recipe.brightness, 1) + uniform(-recipe.channel_gain, recipe.channel_gain, 3),
        )
    return Draws(
        linear=rotation * mirror[:, None, :] / zoom[:, None, None],
        shift=shift,
        matrix=matrix,
        pivot=pivot,
        offset=offset,
        blur=sometimes(recipe.blur_chance, recipe.blur),
        noise=sometimes(recipe.noise_chance, recipe.noise),
        window=torch.rand(count, 2, generator=generator),
        field=int(torch.randint(2**62, (1,), generator=generator)),
        colour=recipe.colour,
    )


_LUMA = torch.tensor([0.299, 0.587, 0.114])
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_GIEMSA = torch.tensor([[0.83475, 0.51356, 0.19633], [0.09279, 0.95411, 0.28311]])
"""Absorbance of methylene blue and eosin in red, green, blue (the Giemsa vectors of Ruifrok's colour deconvolution)."""


def _jitter_rgb(brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Brightness, then contrast about the mean grey, saturation about each pixel's grey, hue: one affine map."""
    count = len(hue)
    grey = _LUMA.expand(3, 3)
    turn = torch.zeros(count, 3, 3)
    turn[:, 0, 0] = 1.0
    turn[:, 1, 1] = turn[:, 2, 2] = torch.cos(2 * math.pi * hue)
    turn[:, 1, 2] = -torch.sin(2 * math.pi * hue)
    turn[:, 2, 1] = torch.sin(2 * math.pi * hue)
    rotate = torch.linalg.inv(_YIQ) @ turn @ _YIQ
    saturate = saturation.view(-1, 1, 1) * torch.eye(3) + (1 - saturation).view(-1, 1, 1) * grey
    matrix = rotate @ saturate * (brightness * contrast).view(-1, 1, 1)
    # Saturation and hue leave greys where they are, so the contrast's pivot passes through them unchanged.
    pivot = ((1 - contrast) * brightness).view(-1, 1, 1) * grey
    return matrix, pivot, torch.zeros(count, 3)


def density_jitter(gain: Tensor, bias: Tensor, contrast: Tensor, log_gain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each stain's amount times its gain plus its bias, contrast about the mean, channel gains: one affine map.

    ``gain`` and ``bias`` are ``[N, 3]``, ``contrast`` is ``[N]``, ``log_gain`` ``[N, 3]``; the map is that of
    :class:`Draws`.
    """
    residual = torch.linalg.cross(_GIEMSA[0], _GIEMSA[1])
    stains = functional.normalize(torch.cat([_GIEMSA, residual[None]]), dim=1).T
    unstained = torch.linalg.inv(stains).to(gain.device)
    stains = stains.to(gain.device)
    stained = stains @ torch.diag_embed(gain) @ unstained
    spread = contrast.view(-1, 1, 1)
    return spread * stained, (1 - spread) * stained, bias @ stains.T - log_gain


# --- applying ---------------------------------------------------------------------------------------------


def views(images: Tensor, recipe: ViewRecipe, *, size: int, generator: torch.Generator, count: int = 2) -> Tensor:
    """``count`` views of each image: all first views in the order of the images, then all second ones.

    Parameters
    ----------
    images
        ``[N, S, S, 3]``, uint8, larger than the views so that a rotated one finds its corners.
    size
        Side of a view, in the images' pixels.
    generator
        On the CPU, whatever device the images are on.

    Returns
    -------
    Tensor
        ``[count * N, 3, size, size]``, float32 in 0-255, on the images' device.
    """
    return apply(images.repeat(count, 1, 1, 1), draw(recipe, count * len(images), generator), size)


def apply(images: Tensor, draws: Draws, size: int) -> Tensor:
    """One view of each image: ``[N, S, S, 3]`` uint8 -> ``[N, 3, size, size]`` float32 in 0-255."""
    draws = draws.to(images.device)
    pixels = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    pixels = _place(pixels, draws, size)
    pixels = _recolour(pixels, draws)
    pixels = _blur(pixels, draws.blur * size)
    _add_noise(pixels, draws)
    return pixels.clamp_(0.0, 255.0)


def centre(images: Tensor, size: int) -> Tensor:
    """The middle of each image as it is: ``[N, S, S, 3]`` uint8 -> ``[N, 3, size, size]`` uint8."""
    start = (images.shape[1] - size) // 2
    return images[:, start : start + size, start : start + size].permute(0, 3, 1, 2).contiguous()


def _place(pixels: Tensor, draws: Draws, size: int) -> Tensor:
    side = pixels.shape[-1]
    # Offsets are normalised by half a side: the view's on the way in, the picture's on the way out.
    theta = torch.cat([draws.linear, 2 * draws.shift[:, :, None]], dim=2) * (size / side)
    grid = functional.affine_grid(theta, [len(pixels), 3, size, size], align_corners=False)
    # Reflection: a scanner's edge is no feature of the cell.
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _recolour(pixels: Tensor, draws: Draws) -> Tensor:
    colours = pixels.flatten(2)
    if draws.colour == "density":
        colours = colours.add_(1.0).log_().neg_().add_(math.log(256.0))
    mean = colours.mean(dim=2, keepdim=True)
    colours = torch.baddbmm(draws.pivot @ mean + draws.offset[:, :, None], draws.matrix, colours)
    if draws.colour == "density":
        colours = colours.neg_().add_(math.log(256.0)).exp_().sub_(1.0)
    return colours.clamp_(0.0, 255.0).view_as(pixels)


def _blur(pixels: Tensor, sigma: Tensor) -> Tensor:
    rows = (sigma > 0.1).nonzero().squeeze(1)  # a narrower Gaussian is the pixel itself
    if not len(rows):
        return pixels
    return pixels.index_copy_(0, rows, blurred(pixels[rows], sigma[rows]))


def blurred(pixels: Tensor, sigma: Tensor) -> Tensor:
    """Pictures ``[N, C, H, W]`` under Gaussian blurs of standard deviations ``sigma``, ``[N]``, in pixels."""
    count, channels, height, width = pixels.shape
    radius = max(1, math.ceil(2.5 * float(sigma.max())))
    offsets = torch.arange(-radius, radius + 1, device=pixels.device)
    kernel = torch.exp(-0.5 * (offsets / sigma[:, None]).square())
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None]
    planes = functional.pad(pixels.reshape(1, count * channels, height, width), [radius] * 4, mode="reflect")
    planes = functional.conv2d(planes, kernel[:, :, None, :], groups=count * channels)
    planes = functional.conv2d(planes, kernel[:, :, :, None], groups=count * channels)
    return planes.view(count, channels, height, width)


_ROAM = 64
"""How far, in pixels, a view's window may roam over the shared field of noise: 4,225 different cuts."""


def _add_noise(pixels: Tensor, draws: Draws) -> None:
    rows = (draws.noise > 0).nonzero().squeeze(1)
    if not len(rows):
        return
    # Fresh normal numbers for every pixel would cost as much as all the rest; cuts from one field look alike.
    size = pixels.shape[-1]
    generator = torch.Generator().manual_seed(draws.field)
    field = torch.randn(3, size + _ROAM, size + _ROAM, generator=generator).to(pixels.device)
    top, left = (draws.window[rows] * (_ROAM + 1)).long().clamp_max_(_ROAM).unbind(1)
    cuts = field.unfold(1, size, 1).unfold(2, size, 1)[:, top, left].transpose(0, 1)
    pixels.index_add_(0, rows, cuts * draws.noise[rows].view(-1, 1, 1, 1))
