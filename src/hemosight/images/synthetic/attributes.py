"""What a drawn cell may look like: nine cell types, the eleven WBCAtt attributes, how often each value occurs.

The frequencies of basophil, eosinophil, lymphocyte, monocyte and neutrophil are those of the annotations of
Tsutsui et al. 2023 (WBCAtt, 10,298 cells), rounded to per cent, values below one per cent left out. WBCAtt does
not annotate the other four types: their numbers condense textbook morphology.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from hemosight.errors import UnknownName

CELL_TYPES: tuple[str, ...] = (
    "basophil",
    "blast",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
"""Label ids; ``ig`` is an immature granulocyte (promyelocyte, myelocyte or metamyelocyte)."""

ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cell_size": ("big", "small"),
        "cell_shape": ("round", "irregular"),
        "nucleus_shape": (
            "unsegmented-band",
            "unsegmented-indented",
            "unsegmented-round",
            "segmented-bilobed",
            "segmented-multilobed",
            "irregular",
        ),
        "nuclear_cytoplasmic_ratio": ("low", "high"),
        "chromatin_density": ("densely", "loosely"),
        "cytoplasm_vacuole": ("no", "yes"),
        "cytoplasm_texture": ("clear", "frosted"),
        "cytoplasm_colour": ("light blue", "blue", "purple blue"),
        "granule_type": ("small", "round", "coarse", "nil"),
        "granule_colour": ("pink", "red", "purple", "nil"),
        "granularity": ("yes", "no"),
    }
)
"""The attributes of WBCAtt and their values, as spelled in its tables."""

NUCLEAR: tuple[str, ...] = ("nucleus_shape", "nuclear_cytoplasmic_ratio", "chromatin_density")
"""Attributes that a platelet, having no nucleus, has not."""
GRANULAR: tuple[str, ...] = ("granule_type", "granule_colour")
"""Attributes that are ``nil`` exactly where ``granularity`` is ``no``."""

Weights = Mapping[str, float]

_DENSE: Weights = {"densely": 1}
_LOW: Weights = {"low": 1}
_CLEAR: Weights = {"clear": 1}
_NONE: Weights = {"no": 1}
_ALL: Weights = {"yes": 1}
_NIL: Weights = {"nil": 1}
_PALE: Weights = {"light blue": 1}

TYPICAL: Mapping[str, Mapping[str, Weights]] = MappingProxyType(
    {
        "basophil": {
            "cell_size": {"big": 27, "small": 73},
            "cell_shape": {"round": 89, "irregular": 11},
            "nucleus_shape": {
                "irregular": 42,
                "segmented-bilobed": 29,
                "segmented-multilobed": 19,
                "unsegmented-band": 6,
                "unsegmented-indented": 2,
                "unsegmented-round": 2,
            },
            "nuclear_cytoplasmic_ratio": _LOW,
            "chromatin_density": _DENSE,
            "cytoplasm_vacuole": _NONE,
            "cytoplasm_texture": _CLEAR,
            "cytoplasm_colour": _PALE,
            "granule_type": {"coarse": 99, "small": 1},
            "granule_colour": {"purple": 1},
            "granularity": _ALL,
        },
        "blast": {
            "cell_size": {"big": 85, "small": 15},
            "cell_shape": {"round": 75, "irregular": 25},
            "nucleus_shape": {"unsegmented-round": 80, "unsegmented-indented": 15, "irregular": 5},
            "nuclear_cytoplasmic_ratio": {"high": 1},
            "chromatin_density": {"loosely": 1},
            "cytoplasm_vacuole": _NONE,
            "cytoplasm_texture": _CLEAR,
            "cytoplasm_colour": {"blue": 85, "purple blue": 15},
            "granule_type": {"nil": 92, "small": 8},
            "granule_colour": {"nil": 92, "purple": 8},
            "granularity": {"no": 92, "yes": 8},
        },
        "eosinophil": {
            "cell_size": {"big": 63, "small": 37},
            "cell_shape": {"round": 92, "irregular": 8},
            "nucleus_shape": {
                "segmented-bilobed": 69,
                "segmented-multilobed": 20,
                "unsegmented-band": 10,
                "unsegmented-indented": 1,
            },
            "nuclear_cytoplasmic_ratio": _LOW,
            "chromatin_density": {"densely": 99, "loosely": 1},
            "cytoplasm_vacuole": _NONE,
            "cytoplasm_texture": _CLEAR,
            "cytoplasm_colour": _PALE,
            "granule_type": {"round": 1},
            "granule_colour": {"red": 1},
            "granularity": _ALL,
        },
        "erythroblast": {
            "cell_size": {"small": 85, "big": 15},
            "cell_shape": {"round": 65, "irregular": 35},
            "nucleus_shape": {"unsegmented-round": 97, "irregular": 3},
            "nuclear_cytoplasmic_ratio": {"low": 85, "high": 15},
            "chromatin_density": _DENSE,
            "cytoplasm_vacuole": _NONE,
            "cytoplasm_texture": {"clear": 80, "frosted": 20},
            "cytoplasm_colour": {"blue": 60, "purple blue": 15, "light blue": 25},
            "granule_type": _NIL,
            "granule_colour": _NIL,
            "granularity": {"no": 1},
        },
        "ig": {
            "cell_size": {"big": 75, "small": 25},
            "cell_shape": {"round": 80, "irregular": 20},
            "nucleus_shape": {"unsegmented-round": 45, "unsegmented-indented": 50, "irregular": 5},
            "nuclear_cytoplasmic_ratio": {"low": 85, "high": 15},
            "chromatin_density": {"densely": 70, "loosely": 30},
            "cytoplasm_vacuole": {"no": 95, "yes": 5},
            "cytoplasm_texture": {"clear": 75, "frosted": 25},
            "cytoplasm_colour": {"light blue": 45, "blue": 25, "purple blue": 30},
            "granule_type": {"small": 1},
            "granule_colour": {"purple": 85, "pink": 15},
            "granularity": _ALL,
        },
        "lymphocyte": {
            "cell_size": {"small": 99, "big": 1},
            "cell_shape": {"round": 67, "irregular": 33},
            "nucleus_shape": {"unsegmented-round": 77, "unsegmented-indented": 19, "irregular": 4},
            "nuclear_cytoplasmic_ratio": {"high": 93, "low": 7},
            "chromatin_density": {"densely": 98, "loosely": 2},
            "cytoplasm_vacuole": _NONE,
            "cytoplasm_texture": {"frosted": 65, "clear": 35},
            "cytoplasm_colour": {"blue": 61, "purple blue": 36, "light blue": 3},
            "granule_type": {"nil": 99, "small": 1},
            "granule_colour": {"nil": 99, "purple": 1},
            "granularity": {"no": 99, "yes": 1},
        },
        "monocyte": {
            "cell_size": {"big": 86, "small": 14},
            "cell_shape": {"irregular": 55, "round": 45},
            "nucleus_shape": {"unsegmented-indented": 75, "irregular": 19, "unsegmented-round": 6},
            "nuclear_cytoplasmic_ratio": {"low": 93, "high": 7},
            "chromatin_density": {"loosely": 60, "densely": 40},
            "cytoplasm_vacuole": {"no": 54, "yes": 46},
            "cytoplasm_texture": {"frosted": 89, "clear": 11},
            "cytoplasm_colour": {"purple blue": 46, "blue": 46, "light blue": 8},
            "granule_type": {"nil": 99.8, "small": 0.2},
            "granule_colour": {"nil": 99.8, "pink": 0.2},
            "granularity": {"no": 99.8, "yes": 0.2},
        },
        "neutrophil": {
            "cell_size": {"big": 61, "small": 39},
            "cell_shape": {"round": 77, "irregular": 23},
            "nucleus_shape": {
                "unsegmented-band": 67,
                "segmented-bilobed": 19,
                "segmented-multilobed": 13,
                "irregular": 1,
            },
            "nuclear_cytoplasmic_ratio": _LOW,
            "chromatin_density": {"densely": 99, "loosely": 1},
            "cytoplasm_vacuole": {"no": 96, "yes": 4},
            "cytoplasm_texture": _CLEAR,
            "cytoplasm_colour": _PALE,
            "granule_type": {"small": 1},
            "granule_colour": {"pink": 97, "purple": 3},
            "granularity": _ALL,
        },
        "platelet": {
            "cell_size": {"small": 85, "big": 15},
            "cell_shape": {"round": 60, "irregular": 40},
            "cytoplasm_vacuole": _NONE,
            "cytoplasm_texture": {"clear": 50, "frosted": 50},
            "cytoplasm_colour": {"light blue": 60, "purple blue": 40},
            "granule_type": {"small": 1},
            "granule_colour": {"purple": 1},
            "granularity": _ALL,
        },
    }
)
"""How often each value of each attribute occurs in each cell type; weights need not sum to anything."""


def choose_attributes(
    label: str, rng: np.random.Generator, overrides: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """Draw the attributes of one cell from its type's frequencies; what ``overrides`` names is taken as given.

    Granularity and the two granule attributes stay consistent: overriding one moves the others. Every call takes
    the same number of draws from ``rng``, so that overriding one attribute leaves the others as they were.

    Raises :class:`~hemosight.errors.UnknownName` for a label, attribute or value that is not one of the choices,
    for a nuclear attribute of a platelet, and for granule attributes that contradict each other.
    """
    check_label(label)
    typical = TYPICAL[label]
    overrides = dict(overrides or {})
    for name, value in overrides.items():
        if name not in typical:
            raise UnknownName(kind=f"an attribute of a {label}", choices=", ".join(typical), name=name)
        if value not in ATTRIBUTES[name]:
            raise UnknownName(kind=name, choices=", ".join(ATTRIBUTES[name]), name=value)
    granular = _granularity(overrides)
    draws = dict(zip(ATTRIBUTES, rng.random(len(ATTRIBUTES)), strict=True))
    if granular is None:
        granular = _pick(typical["granularity"], draws["granularity"])

    chosen: dict[str, str] = {}
    for name, weights in typical.items():
        if name == "granularity":
            chosen[name] = granular
        elif name in GRANULAR and granular == "no":
            chosen[name] = "nil"
        elif name in GRANULAR:
            present = {value: weight for value, weight in weights.items() if value != "nil"}
            # A type that never has granules gets the commonest kind when it is asked to have some.
            fallback = "small" if name == "granule_type" else "purple"
            chosen[name] = overrides.get(name) or _pick(present or {fallback: 1}, draws[name])
        else:
            chosen[name] = overrides.get(name) or _pick(weights, draws[name])
    return MappingProxyType(chosen)


def check_label(label: str) -> None:
    """Raise :class:`~hemosight.errors.UnknownName` unless ``label`` is a cell type that can be drawn."""
    if label not in CELL_TYPES:
        raise UnknownName(kind="a cell type", choices=", ".join(CELL_TYPES), name=label)


def _granularity(overrides: Mapping[str, str]) -> str | None:
    """What the overrides say about granules; None where they say nothing."""
    wanted = overrides.get("granularity")
    for name in GRANULAR:
        if name not in overrides:
            continue
        implied = "no" if overrides[name] == "nil" else "yes"
        if wanted not in (None, implied):
            choices = ["nil"] if wanted == "no" else [value for value in ATTRIBUTES[name] if value != "nil"]
            raise UnknownName(
                kind=f"{name} of a cell with granularity {wanted!r}", choices=", ".join(choices), name=overrides[name]
            )
        wanted = implied
    return wanted


def _pick(weights: Weights, draw: float) -> str:
    """The value at which the cumulated weights pass ``draw``, a number in [0, 1)."""
    values = list(weights)
    edges = np.cumsum(list(weights.values()))
    return values[int(np.searchsorted(edges, draw * edges[-1], side="right"))]
