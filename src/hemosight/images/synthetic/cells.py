"""Cells with a nucleus, and platelets: from attributes to amounts of stain on a patch of specimen.

The attributes decide what a technologist would call the cell; a type's
:class:`~hemosight.images.synthetic.builds.Build` adds what WBCAtt does not name: how large "big" is, how far off
centre the nucleus lies, how coarse the chromatin clumps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.ndimage import gaussian_filter

from hemosight.images.synthetic.builds import Build
from hemosight.images.synthetic.fields import (
    PIXELS_PER_UM,
    Field,
    balls_distance,
    grid,
    inside,
    noise,
    ramp,
    random_outline,
    star_distance,
)
from hemosight.images.synthetic.nuclei import nucleus_distance
from hemosight.images.synthetic.stain import Layers

HAEMOGLOBIN = (0.40, 0.27, 0.0)
"""Amounts of eosin, azure and complex of a red cell of normal thickness."""
_CYTOPLASM: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {"light blue": (0.22, 0.20, 0.02), "blue": (0.16, 0.78, 0.06), "purple blue": (0.18, 0.52, 0.24)}
)
_GRANULE: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {"pink": (0.30, 0.08, 0.30), "red": (1.08, 0.03, 0.10), "purple": (0.06, 0.14, 0.80)}
)
"""Amounts of eosin, azure and complex."""


@dataclass(frozen=True)
class Patch:
    """A drawn body on its own square of specimen: amounts of stain, and the share of each pixel it covers."""

    layers: Layers
    cover: Field
    radius: float


def draw_nucleated(build: Build, attributes: Mapping[str, str], rng: np.random.Generator) -> Patch:
    """A cell with a nucleus; every attribute of WBCAtt must be given."""
    radius, membrane = _membrane(build, attributes, rng)
    nucleus = nucleus_distance(
        attributes["nucleus_shape"],
        rng.uniform(*build.share[attributes["nuclear_cytoplasmic_ratio"]]),
        radius,
        membrane,
        rng.uniform(*build.eccentricity),
        build.fullness,
        build.roughness,
        rng,
    )
    layers = _cytoplasm(build, attributes, membrane, nucleus, rng)
    layers += inside(nucleus, 0.13) * (_chromatin(build, attributes, nucleus, rng) - layers)
    _add_granules(layers, build, attributes, membrane, nucleus, rng)
    if attributes["cytoplasm_vacuole"] == "yes":
        layers *= 1 - 0.85 * _vacuoles(membrane, nucleus, radius, rng)
    cover = inside(membrane, 0.12)
    return Patch(layers * cover, cover, radius)


def draw_platelet(build: Build, attributes: Mapping[str, str], rng: np.random.Generator) -> Patch:
    """A platelet: a pale hyalomere around a granulomere full of azurophil granules."""
    radius, membrane = _membrane(build, attributes, rng)
    layers = np.empty((3, *membrane.shape), np.float32)
    layers[:] = 0.9 * build.cytoplasm * _amounts(_CYTOPLASM[attributes["cytoplasm_colour"]])
    if attributes["cytoplasm_texture"] == "frosted":
        layers *= 1 + 0.3 * noise(membrane.shape, 0.6, rng)
    if attributes["granularity"] == "yes":
        wavelength = {"small": 0.75, "round": 0.95, "coarse": 1.2}[attributes["granule_type"]]
        grains = noise(membrane.shape, wavelength, rng) - 0.25 * noise(membrane.shape, 2.0, rng)
        middle = ramp(-membrane, -0.05 * radius, 0.35 * radius)
        grains = middle * (0.5 + 0.5 * ramp(grains, -1.0, 1.2))
        layers += grains * rng.uniform(0.6, 1.0) * _amounts(_GRANULE[attributes["granule_colour"]])
    if attributes["cytoplasm_vacuole"] == "yes":
        layers *= 1 - 0.85 * _vacuoles(membrane, np.full_like(membrane, radius), radius, rng)
    cover = inside(membrane, 0.22)
    return Patch(layers * cover, cover, radius)


# --- the parts of a cell ----------------------------------------------------------------------------------


def _amounts(amounts: tuple[float, float, float]) -> Layers:
    return np.array(amounts, np.float32)[:, None, None]


def _membrane(build: Build, attributes: Mapping[str, str], rng: np.random.Generator) -> tuple[float, Field]:
    """Radius of a cell and signed distance to its outline, on a patch with room around it."""
    irregular = attributes["cell_shape"] == "irregular"
    radius = rng.uniform(*build.diameter[attributes["cell_size"]]) / 2
    harmonics = random_outline(0.075, 4, rng) if irregular else random_outline(0.016, 4, rng)
    x, y = grid(radius * (1.45 if irregular else 1.2) + 0.5)
    membrane = star_distance(x, y, radius, harmonics)
    villi = noise(membrane.shape, 0.8, rng) * (0.4 + 0.8 * ramp(noise(membrane.shape, 5.0, rng), -0.5, 1.5))
    membrane += np.float32(build.fringe * (1.4 if irregular else 1.0)) * villi
    if attributes["granule_type"] in ("coarse", "round"):
        bulge = 0.09 if attributes["granule_type"] == "coarse" else 0.04
        membrane += np.float32(bulge) * noise(membrane.shape, 0.95, rng)  # granules push the membrane out
    return radius, membrane


def _cytoplasm(
    build: Build, attributes: Mapping[str, str], membrane: Field, nucleus: Field, rng: np.random.Generator
) -> Layers:
    """Amounts of stain of the ground substance, paler beside the nucleus, darker at the membrane."""
    shape = membrane.shape
    colour = build.cytoplasm * rng.uniform(0.88, 1.12) * np.array(_CYTOPLASM[attributes["cytoplasm_colour"]])
    made = rng.uniform(*build.haemoglobin)
    colour = colour * (1 - 0.45 * made) + made * np.array(HAEMOGLOBIN)
    tone = 1 + 0.07 * noise(shape, 3.0, rng)
    if attributes["cytoplasm_texture"] == "frosted":
        tone += 0.11 * noise(shape, 1.3, rng) + 0.09 * noise(shape, 0.55, rng)
    else:
        tone += 0.06 * noise(shape, 0.6, rng)
    tone -= 0.18 * ramp(-nucleus, -0.9, -0.1)  # perinuclear halo
    tone += 0.20 * ramp(membrane, -0.7, -0.1)
    tone = np.maximum(tone, 0.1)
    return tone * _amounts(tuple(colour))


def _chromatin(build: Build, attributes: Mapping[str, str], nucleus: Field, rng: np.random.Generator) -> Layers:
    """Amounts of stain in the nucleus: dense chromatin has few light gaps, loose chromatin is a fine lacework."""
    shape = nucleus.shape
    pattern = noise(shape, build.clumps, rng) + 0.45 * noise(shape, 0.5 * build.clumps, rng)
    contrast = build.contrast * rng.uniform(0.6, 1.25)
    slow = noise(shape, 2.4, rng)
    dense = attributes["chromatin_density"] == "densely"
    if dense:
        complex_ = 1.04 - contrast * ramp(pattern + 0.3 * slow, 0.2, 2.2)
    else:
        complex_ = 0.84 - 0.42 * contrast * np.tanh(0.8 * pattern + 0.3) + 0.04 * slow
    complex_ += 0.16 * ramp(nucleus, -0.45, -0.15)  # the membrane, where chromatin condenses
    azure = np.full_like(complex_, 0.10 if dense else 0.02)
    if build.nucleoli and not dense:
        spots = _nucleoli(build.nucleoli, nucleus, rng)
        complex_ -= 0.34 * spots
        azure += 0.30 * spots
    complex_ *= build.darkness
    # Open chromatin shows red-violet, packed chromatin blue-black.
    eosin = np.full_like(complex_, 0.02 if dense else 0.16)
    return np.stack([eosin, azure, complex_])


def _nucleoli(most: int, nucleus: Field, rng: np.random.Generator) -> Field:
    """One to ``most`` round paler spots well inside the nucleus."""
    x, y = _coordinates(nucleus)
    places = _places(nucleus < -1.3, int(rng.integers(1, most + 1)), rng)
    if not len(places):
        return np.zeros_like(nucleus)
    balls = np.column_stack([places, rng.uniform(0.6, 1.15, len(places))])
    return inside(balls_distance(x, y, balls), 0.3)


def _vacuoles(membrane: Field, nucleus: Field, radius: float, rng: np.random.Generator) -> Field:
    """Round holes in the cytoplasm."""
    x, y = _coordinates(membrane)
    places = _places((membrane < -0.35) & (nucleus > -0.15), int(rng.integers(4, 12)), rng)
    if not len(places):
        return np.zeros_like(membrane)
    balls = np.column_stack([places, rng.uniform(0.035, 0.105, len(places)) * radius])
    return inside(balls_distance(x, y, balls), 0.12)


def _add_granules(
    layers: Layers,
    build: Build,
    attributes: Mapping[str, str],
    membrane: Field,
    nucleus: Field,
    rng: np.random.Generator,
) -> None:
    """Lay granules over cytoplasm and nucleus, in place."""
    kind = attributes["granule_type"]
    if kind == "nil":
        return
    shape = membrane.shape
    colour = _amounts(_GRANULE[attributes["granule_colour"]])
    outside = 1 - inside(nucleus, 0.2)
    if kind == "small":
        # Dust: fine points of two kinds, most barely seen, some distinct.
        haze = ramp(noise(shape, 0.5, rng) + 0.8 * noise(shape, 1.6, rng), -0.6, 2.2)
        points = (rng.random(shape, np.float32) < build.dust / PIXELS_PER_UM**2).astype(np.float32)
        points *= 1.3 * rng.random(shape, np.float32) ** 2 + 0.1
        points = 1 - np.exp(-7 * gaussian_filter(points, 0.11 * PIXELS_PER_UM, truncate=3.0))
        layers += 0.24 * haze * outside * colour
        layers += points * (0.35 + 0.65 * outside) * (0.45 * _amounts(_GRANULE["purple"]) + 0.45 * colour)
    elif kind == "round":
        # Packed like pebbles: each granule lighter in its middle, clear streaks of cytoplasm left between some.
        pebbles = 0.74 + 0.30 * np.tanh(noise(shape, 0.75, rng)) + 0.08 * noise(shape, 2.5, rng)
        streaks = ramp(noise(shape, 3.5, rng) + 0.5 * noise(shape, 1.0, rng), -2.4, -1.2)
        amount = pebbles * streaks * outside
        layers += amount * colour
        layers[1:] += 0.10 * ramp(membrane, -0.45, -0.1) * outside  # granules on edge look darker
    else:
        # Large and dark, over the nucleus too, which they hide.
        grains = noise(shape, 0.95, rng) + 0.35 * noise(shape, 0.55, rng) + 0.5 * noise(shape, 3.2, rng)
        grains = ramp(grains - 0.5 * outside, -1.5, 0.3)  # stacked where the cell is thick
        layers += 0.25 * colour * outside  # those out of focus
        layers -= (1 - outside) * (1 - grains) * 0.30 * layers
        layers += (0.22 * (1 - outside) + outside) * grains * colour


def _coordinates(field: Field) -> tuple[Field, Field]:
    return grid(field.shape[0] / 2 / PIXELS_PER_UM)


def _places(allowed: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Coordinates in µm of at most ``count`` random pixels where ``allowed`` holds; shape (n, 2)."""
    rows, columns = np.nonzero(allowed)
    if not len(rows):
        return np.empty((0, 2))
    chosen = rng.integers(len(rows), size=count)
    x, y = _coordinates(allowed)
    return np.column_stack([x[0, columns[chosen]], y[rows[chosen], 0]])
