"""Random views of labelled cells of several laboratories: what another slide, stain, lamp, lens and sensor change.

Stronger than the views of :mod:`hemosight.training.augment`, and of more kinds: beside position, stain, blur and
noise there are another laboratory's scanner and background (:mod:`hemosight.training.scanners`), stray light, light
that falls off, loss of resolution, colour fringes, and crops cut close. Lengths are fractions of the view's side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hemosight.training.augment import blurred, density_jitter
from hemosight.training.scanners import Scanners


@dataclass(frozen=True)
class ScannerViews:
    """How far views may differ, and how often; chances are between 0 and 1.

    Parameters
    ----------
    background
        Chance of another cell's surroundings: its picture, its halves exchanged so that its own cell goes to the edge.
    zoom, wide_zoom, wide_chance
        Magnification is drawn from ``1 / zoom`` to ``zoom`` evenly in its logarithm, now and then from the wide range:
        how well a scale is known, and a scale that is wrong.
    stretch, shift
        Largest stretch of one axis against the other (logarithm), largest shift either way.
    scanner
        Chance of another laboratory's stain and sharpness.
    statistics
        Chance of the mean and spread of another picture's density in place of a jitter of stains.
    stain_gain, stain_bias, contrast, brightness, channel_gain
        As in :class:`hemosight.training.augment.ViewRecipe`.
    veil_chance, veil
        Stray light: how often, and the largest share of it.
    resolution, blur_chance, blur, sharpen
        Chance of a loss of resolution (to a third at most), of a Gaussian blur and its largest deviation, chance of
        sharpening; at most one of the three happens.
    falloff, fringes, close
        Chances of light that falls off, of colour fringes, and of a crop cut close, the rest of one colour.
    noise_chance, noise
        Sensor noise: how often, and its largest deviation in grey levels.
    """

    background: float = 0.3
    zoom: float = 1.28
    wide_zoom: tuple[float, float] = (0.55, 1.7)
    wide_chance: float = 0.35
    stretch: float = 0.08
    shift: float = 0.1
    scanner: float = 0.6
    statistics: float = 0.25
    stain_gain: float = 0.5
    stain_bias: float = 0.12
    contrast: float = 0.35
    brightness: float = 0.3
    channel_gain: float = 0.15
    veil_chance: float = 0.4
    veil: float = 0.55
    resolution: float = 0.3
    blur_chance: float = 0.4
    blur: float = 0.02
    sharpen: float = 0.1
    falloff: float = 0.3
    fringes: float = 0.15
    close: float = 0.1
    noise_chance: float = 0.4
    noise: float = 10.0


class DeviceRandom:
    """Random numbers, drawn by one generator on the CPU and handed to the device that views are made on.

    So the views of a step are the same on every device but for the grain of noise, and no device is waited for.
    """

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self.generator, self.device = generator, device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Evenly from ``low`` to ``high``."""
        return (low + (high - low) * torch.rand(*shape, generator=self.generator)).to(self.device)

    def number(self, low: float, high: float) -> float:
        """One number, evenly from ``low`` to ``high``."""
        return low + (high - low) * float(torch.rand(1, generator=self.generator))

    def whole(self, below: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to ``below`` - 1."""
        return torch.randint(below, shape, generator=self.generator).to(self.device)

    def chosen(self, chance: float, count: int) -> Tensor:
        """Rows to which something happens."""
        return (torch.rand(count, generator=self.generator) < chance).nonzero().squeeze(1).to(self.device)

    def grain(self, *shape: int) -> Tensor:
        """Independent normal numbers, too many to be drawn elsewhere than on the device."""
        seed = int(torch.randint(2**62, (1,), generator=self.generator))
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(*shape, generator=generator, device=self.device)


@torch.no_grad()
def scanner_views(
    images: Tensor,
    masks: Tensor,
    laboratories: Tensor,
    scanners: Scanners | None,
    recipe: ScannerViews,
    *,
    size: int,
    generator: torch.Generator,
) -> Tensor:
    """One view of each image; the generator lives on the CPU.

    Parameters
    ----------
    images
        ``[n, S, S, 3]``, uint8, larger than the views, on the device where views are made; ``masks``,
        ``laboratories`` and ``scanners`` on the same one.
    masks
        Of :func:`hemosight.training.scanners.cell_masks`, ``[n, S / 4, S / 4]``, uint8.
    laboratories
        Which scanner took each, ``[n]``.
    scanners
        None exchanges no scanner.
    size
        Side of a view, in the images' pixels.

    Returns
    -------
    Tensor
        ``[n, 3, size, size]``, float32 in 0-255.
    """
    rng = DeviceRandom(generator, images.device)
    pixels = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    _exchange_background(pixels, masks, recipe, rng)
    pixels, zoom = _place(pixels, recipe, rng, size)
    if scanners is not None and len(scanners.names) > 1:
        rows = rng.chosen(recipe.scanner, len(pixels))
        count = len(rows)
        pixels[rows] = scanners.exchange(
            pixels[rows],
            laboratories[rows],
            rng.whole(len(scanners.names), count),
            zoom[rows],
            stain=rng.uniform(0.25, 1.2, count),
            sharpness=rng.uniform(0.0, 1.2, count),
            full=rng.uniform(0, 1, count) < 0.5,
        )
    pixels = _recolour(pixels, recipe, rng)
    _fringe(pixels, recipe, rng)
    _focus(pixels, recipe, rng)
    _shade(pixels, recipe, rng)
    _cut_close(pixels, recipe, rng)
    rows = rng.chosen(recipe.noise_chance, len(pixels))
    grain = rng.grain(len(rows), 3, size, size)
    pixels[rows] += grain * rng.uniform(0.0, recipe.noise, len(rows), 1, 1, 1)
    return pixels.clamp_(0.0, 255.0)


def _exchange_background(pixels: Tensor, masks: Tensor, recipe: ScannerViews, rng: DeviceRandom) -> None:
    rows = rng.chosen(recipe.background, len(pixels))
    if not len(rows):
        return
    side = pixels.shape[-1]
    others = torch.roll(pixels[rng.whole(len(pixels), len(rows))], (side // 2, side // 2), (2, 3))
    cell = functional.interpolate(masks[rows, None].float() / 255, size=side, mode="bilinear", align_corners=False)
    pixels[rows] = cell * pixels[rows] + (1 - cell) * others


def _place(pixels: Tensor, recipe: ScannerViews, rng: DeviceRandom, size: int) -> tuple[Tensor, Tensor]:
    """Turn, mirror, magnify, stretch, shift; the views and their magnification."""
    count, side = len(pixels), pixels.shape[-1]
    near = rng.uniform(-math.log(recipe.zoom), math.log(recipe.zoom), count)
    far = rng.uniform(math.log(recipe.wide_zoom[0]), math.log(recipe.wide_zoom[1]), count)
    zoom = torch.where(rng.uniform(0, 1, count) < recipe.wide_chance, far, near).exp()
    angle = rng.uniform(-math.pi, math.pi, count)
    stretch = rng.uniform(-recipe.stretch, recipe.stretch, count).exp()
    mirror = torch.where(rng.uniform(0, 1, count, 2) < 0.5, -1.0, 1.0)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(count, 2, 2)
    linear = torch.stack([stretch, 1 / stretch], dim=1)[:, :, None] * turn * mirror[:, None] / zoom.view(count, 1, 1)
    shift = rng.uniform(-recipe.shift, recipe.shift, count, 2) / zoom[:, None]
    theta = torch.cat([linear, 2 * shift[:, :, None]], dim=2) * (size / side)
    grid = functional.affine_grid(theta, [count, 3, size, size], align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False), zoom


def _recolour(pixels: Tensor, recipe: ScannerViews, rng: DeviceRandom) -> Tensor:
    """Stains in optical density, by jitter or by another picture's statistics, and stray light."""
    count = len(pixels)
    density = pixels.flatten(2).add_(1.0).log_().neg_().add_(math.log(256.0))
    mean = density.mean(dim=2, keepdim=True)
    matrix, pivot, offset = density_jitter(
        rng.uniform(1 - recipe.stain_gain, 1 + recipe.stain_gain, count, 3),
        rng.uniform(-recipe.stain_bias, recipe.stain_bias, count, 3),
        rng.uniform(1 - recipe.contrast, 1 + recipe.contrast, count),
        rng.uniform(-recipe.brightness, recipe.brightness, count, 1)
        + rng.uniform(-recipe.channel_gain, recipe.channel_gain, count, 3),
    )
    constant = pivot @ mean + offset[:, :, None]
    spread = density.std(dim=2, keepdim=True) + 1e-3
    other, part = rng.whole(count, count), rng.uniform(0.3, 1.1, count, 1, 1)
    gain = (spread + part * (spread[other] - spread)).clamp_min(0.02) / spread
    wanted = mean + part * (mean[other] - mean)
    light = rng.uniform(-0.15, 0.15, count, 1, 1) + rng.uniform(-0.08, 0.08, count, 3, 1)
    matched = rng.uniform(0, 1, count, 1, 1) < recipe.statistics
    matrix = torch.where(matched, torch.diag_embed(gain[:, :, 0]), matrix)
    constant = torch.where(matched, wanted - gain * mean + light, constant)
    colours = torch.baddbmm(constant, matrix, density).neg_().add_(math.log(256.0)).exp_().sub_(1.0).clamp_(0.0, 255.0)
    share = torch.zeros(count, 1, 1, device=pixels.device)
    rows = rng.chosen(recipe.veil_chance, count)
    share[rows] = rng.uniform(0.0, recipe.veil, len(rows), 1, 1)
    veil = (
        colours.mean(dim=2, keepdim=True) * rng.uniform(0.6, 1.15, count, 1, 1) * rng.uniform(0.88, 1.12, count, 3, 1)
    )
    return torch.lerp(colours, veil.expand_as(colours), share).view_as(pixels)


def _fringe(pixels: Tensor, recipe: ScannerViews, rng: DeviceRandom) -> None:
    """Red and blue a pixel or two beside green, as lenses of one glass leave them."""
    rows, size = rng.chosen(recipe.fringes, len(pixels)), pixels.shape[-1]
    shift = rng.whole(5, len(rows), 2, 2) - 2
    place = torch.arange(size, device=pixels.device)
    for i, channel in enumerate((0, 2)):
        down = (place - shift[:, i, :1]) % size
        right = (place - shift[:, i, 1:]) % size
        pixels[rows, channel] = pixels[rows[:, None, None], channel, down[:, :, None], right[:, None, :]]


def _focus(pixels: Tensor, recipe: ScannerViews, rng: DeviceRandom) -> None:
    """Lost resolution, or a blur, or sharpening, or none of them."""
    size, device = pixels.shape[-1], pixels.device
    lot = torch.rand(len(pixels), generator=rng.generator)
    blurring = recipe.resolution + recipe.blur_chance
    for part in (lot < recipe.resolution).nonzero().squeeze(1).chunk(4):
        rows = part.to(device)
        if len(rows):
            fewer = int(rng.number(0.33, 0.8) * size)
            small = functional.interpolate(
                pixels[rows], size=fewer, mode="bilinear", antialias=True, align_corners=False
            )
            back = "bicubic" if rng.number(0, 1) < 0.5 else "bilinear"
            pixels[rows] = functional.interpolate(small, size=size, mode=back, align_corners=False)
    rows = ((lot >= recipe.resolution) & (lot < blurring)).nonzero().squeeze(1).to(device)
    if len(rows):
        pixels[rows] = blurred(pixels[rows], rng.uniform(0.002, recipe.blur, len(rows)) * size)
    rows = (lot >= max(blurring, 1 - recipe.sharpen)).nonzero().squeeze(1).to(device)
    if len(rows):
        plain = pixels[rows]
        soft = blurred(plain, torch.full((len(rows),), 0.011 * size, device=device))
        pixels[rows] = plain + rng.uniform(0.3, 1.5, len(rows), 1, 1, 1) * (plain - soft)


def _shade(pixels: Tensor, recipe: ScannerViews, rng: DeviceRandom) -> None:
    """Light that falls off from some point, and is not of one colour."""
    rows, size = rng.chosen(recipe.falloff, len(pixels)), pixels.shape[-1]
    count = len(rows)
    line = torch.linspace(-1, 1, size, device=pixels.device)
    down, right = torch.meshgrid(line, line, indexing="ij")
    centre = rng.uniform(-1.2, 1.2, count, 2, 1, 1)
    far = (down - centre[:, 0]) ** 2 + (right - centre[:, 1]) ** 2
    slope = (down * centre[:, 0] + right * centre[:, 1])[:, None]
    light = (1 - rng.uniform(0.0, 0.35, count, 1, 1) * far / 4)[:, None]
    pixels[rows] *= light * (1 + rng.uniform(-0.1, 0.1, count, 3, 1, 1) * slope)


def _cut_close(pixels: Tensor, recipe: ScannerViews, rng: DeviceRandom) -> None:
    """All but a rectangle in the middle of one colour: the border's, or any."""
    rows, size = rng.chosen(recipe.close, len(pixels)), pixels.shape[-1]
    count = len(rows)
    margin = (rng.uniform(0.02, 0.22, count, 2) * size).long()
    border = pixels[rows, :, margin[:, 0]].median(dim=2).values
    bordered = rng.uniform(0, 1, count, 1) < 0.6
    colour = torch.where(bordered, border, rng.uniform(0, 255, count, 3))
    place = torch.arange(size, device=pixels.device)
    within = (place >= margin[:, :, None]) & (place < size - margin[:, :, None])
    middle = (within[:, 0, :, None] & within[:, 1, None, :])[:, None]
    pixels[rows] = torch.where(middle, pixels[rows], colour[:, :, None, None])
