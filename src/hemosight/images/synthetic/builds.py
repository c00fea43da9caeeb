"""What is typical of each cell type beyond the attributes of WBCAtt.

Diameters, nuclear shares and textures were set by eye and ruler beside real crops of each type, on smears where a
red cell of 7.5 µm is 77 pixels wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Range = tuple[float, float]


@dataclass(frozen=True)
class Build:
    """What is typical of a cell type beyond its attributes. Lengths are µm.

    Parameters
    ----------
    diameter
        Range for each value of ``cell_size``.
    share
        Nuclear area over cell area, for each value of ``nuclear_cytoplasmic_ratio``.
    eccentricity
        0: nucleus in the middle of the cell, 1: against its membrane.
    darkness
        Amount of azure-eosin complex in the chromatin.
    clumps
        Wavelength of the chromatin's pattern.
    contrast
        Depth of the chromatin's pattern, 0 to 1.
    fullness
        How much thicker, and so less deeply notched, an indented nucleus is than a monocyte's.
    roughness
        How far the nuclear outline strays from the ideal shape.
    cytoplasm
        Factor on the cytoplasm's amounts: how deep its colour is.
    haemoglobin
        Range of what a red cell's precursor has already made, 1 being a red cell's own.
    fringe
        Height of the membrane's fine villi.
    nucleoli
        Greatest number of nucleoli.
    dust
        Granules per µm², where granules are small.
    """

    diameter: Mapping[str, Range]
    share: Mapping[str, Range] = field(default_factory=lambda: _shares((0.26, 0.36), (0.60, 0.72)))
    eccentricity: Range = (0.1, 0.6)
    darkness: float = 1.0
    clumps: float = 1.05
    contrast: float = 0.60
    fullness: float = 0.0
    roughness: float = 0.16
    cytoplasm: float = 1.0
    haemoglobin: Range = (0.0, 0.0)
    fringe: float = 0.03
    nucleoli: int = 0
    dust: float = 1.2


def _sizes(small: Range, big: Range) -> Mapping[str, Range]:
    return MappingProxyType({"small": small, "big": big})


def _shares(low: Range, high: Range) -> Mapping[str, Range]:
    return MappingProxyType({"low": low, "high": high})


BUILDS: Mapping[str, Build] = MappingProxyType(
    {
        "basophil": Build(_sizes((9.8, 11.6), (11.6, 13.4)), _shares((0.36, 0.5), (0.6, 0.7)), darkness=1.0),
        "blast": Build(
            _sizes((11.0, 12.8), (12.8, 15.2)),
            _shares((0.45, 0.58), (0.66, 0.82)),
            eccentricity=(0.6, 1.0),
            darkness=1.0,
            clumps=0.6,
            contrast=0.32,
            fullness=0.15,
            roughness=0.22,
            cytoplasm=1.25,
            fringe=0.02,
            nucleoli=3,
        ),
        "eosinophil": Build(
            _sizes((10.6, 12.4), (12.4, 15.0)),
            _shares((0.28, 0.38), (0.6, 0.7)),
            eccentricity=(0.3, 0.9),
            cytoplasm=0.7,
        ),
        "erythroblast": Build(
            _sizes((7.8, 10.0), (10.0, 12.4)),
            _shares((0.26, 0.48), (0.58, 0.7)),
            eccentricity=(0.1, 0.7),
            darkness=1.06,
            clumps=1.25,
            contrast=0.6,
            roughness=0.06,
            cytoplasm=1.05,
            haemoglobin=(0.05, 0.65),
            fringe=0.04,
        ),
        "ig": Build(
            _sizes((11.0, 12.8), (12.8, 16.0)),
            _shares((0.36, 0.5), (0.6, 0.72)),
            eccentricity=(0.7, 1.0),
            darkness=0.88,
            clumps=0.85,
            contrast=0.5,
            fullness=0.08,
            cytoplasm=0.85,
            dust=3.6,
        ),
        "lymphocyte": Build(
            _sizes((8.4, 10.8), (10.8, 13.0)),
            _shares((0.46, 0.58), (0.68, 0.86)),
            eccentricity=(0.3, 1.0),
            darkness=1.0,
            clumps=0.9,
            contrast=0.40,
            fullness=0.28,
            roughness=0.12,
            fringe=0.10,
        ),
        "monocyte": Build(
            _sizes((11.0, 12.8), (13.0, 16.6)),
            _shares((0.40, 0.56), (0.62, 0.72)),
            eccentricity=(0.1, 0.6),
            darkness=0.92,
            clumps=0.78,
            contrast=0.78,
            roughness=0.28,
            cytoplasm=0.9,
            fringe=0.07,
        ),
        "neutrophil": Build(_sizes((10.4, 12.2), (12.2, 15.2)), eccentricity=(0.2, 0.9), dust=1.5),
        "platelet": Build(_sizes((3.0, 4.2), (4.2, 5.2)), cytoplasm=0.9, fringe=0.09),
    }
)

STRAY_PLATELET = Build(_sizes((1.5, 2.6), (2.6, 3.4)), cytoplasm=0.9, fringe=0.08)
"""A platelet that lies about; the crops *of* platelets are of the larger ones."""
