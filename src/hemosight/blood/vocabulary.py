"""The vocabulary: label sets, and a tree of cell types with their names, abbreviations and synonyms.

Nine types are what a bundle reads and a differential lists. Under them stand the finer types that laboratories and
analyzers write down (band and segmented under neutrophil, three stages under immature granulocyte, and so on); what
is on a smear but is no cell to be counted (smudge cell, artefact, double cell, unidentified) has no type above it.
Abbreviations and synonyms are those of the manual differential and of CellaVision's exports, as the public sets use
them.
Promonocytes stand under blast: Liu et al. 2024 count them as blast equivalents, as WHO 2022 does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

CELL_TYPE = "cell_type"
"""The label set every bundle answers."""
FINE_TYPE = "fine_type"
"""The finest type that is known of a cell, as a label set of a catalog."""


class Level(StrEnum):
    """How finely a cell's type is told."""

    TYPE = "type"
    """One of the nine."""
    SUBTYPE = "subtype"
    """The finest that is known."""


@dataclass(frozen=True)
class CellType:
    """One type of the tree.

    Parameters
    ----------
    name
        As catalogs, bundles and tables write it.
    title
        As people write it.
    abbreviations
        Codes of differentials and file names, in capitals; the first is the usual one.
    synonyms
        Other names, in lower case and the singular.
    parent
        The type above it; None for the nine, and for what is not counted.
    counted
        Whether a differential counts it at all.
    """

    name: str
    title: str
    abbreviations: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    parent: str | None = None
    counted: bool = True


def _type(name: str, title: str, codes: str = "", synonyms: str = "", parent: str | None = None) -> CellType:
    split = [tuple(filter(None, text.split(", "))) for text in (codes, synonyms)]
    return CellType(name, title, split[0], split[1], parent)


def _not_counted(name: str, title: str, codes: str, synonyms: str) -> CellType:
    return CellType(name, title, tuple(codes.split(", ")), tuple(synonyms.split(", ")), counted=False)


_TREE = (
    _type("basophil", "Basophil", "BA, BAS", "baso"),
    _type("blast", "Blast", "BL", "blast no lineage spec, blast cell"),
    _type("myeloblast", "Myeloblast", "MYO", parent="blast"),
    _type("lymphoblast", "Lymphoblast", parent="blast"),
    _type("monoblast", "Monoblast", "MOB", parent="blast"),
    _type("promonocyte", "Promonocyte", "PMO", "promono", "blast"),
    _type("eosinophil", "Eosinophil", "EO, EOS", "eosino"),
    _type("erythroblast", "Erythroblast", "ERB, NRBC", "erythroblast nrbc, normoblast, nucleated red blood cell"),
    _type("ig", "Immature granulocyte", "IG", "immature granulocyte"),
    _type("promyelocyte", "Promyelocyte", "PMY", "promyelo, promy", "ig"),
    _type("bilobed_promyelocyte", "Bilobed promyelocyte", "PMB", parent="ig"),
    _type("myelocyte", "Myelocyte", "MY", "myelo", "ig"),
    _type("metamyelocyte", "Metamyelocyte", "MMY", "meta", "ig"),
    _type("lymphocyte", "Lymphocyte", "LY, LYM", "lymph"),
    _type(
        "variant_lymphocyte",
        "Variant lymphocyte",
        "VLY",
        "reactive lymphocyte, atypical lymphocyte, abnormal lymphocyte, variant lymph",
        "lymphocyte",
    ),
    _type("large_granular_lymphocyte", "Large granular lymphocyte", "LGL", parent="lymphocyte"),
    _type("plasma_cell", "Plasma cell", "PC", "plasma", "lymphocyte"),
    _type("monocyte", "Monocyte", "MO, MON", "mono"),
    _type("neutrophil", "Neutrophil", "NEU", "neut, polymorphonuclear, pmn"),
    _type("segmented_neutrophil", "Segmented neutrophil", "SNE", "seg neutrophil, segmented, seg", "neutrophil"),
    _type("band_neutrophil", "Band neutrophil", "BNE", "band, stab", "neutrophil"),
    _type("platelet", "Platelet", "PLT", "thrombocyte"),
    _type("giant_platelet", "Giant platelet", "GT", "giant thrombocyte", "platelet"),
    _type(
        "platelet_clump",
        "Platelet clump",
        "ERC",
        "platelet aggregate, platelet aggregation, thrombocyte aggregation, thrombocyte aggregate",
        "platelet",
    ),
    _not_counted("smudge", "Smudge cell", "SMU, KSC", "smudge cell, basket cell"),
    _not_counted("artefact", "Artefact", "ART", "artifact"),
    _not_counted("double_cell", "Double cell", "DBL", "two cells, doublet, overlapping cell, touching cell"),
    _not_counted("unidentified", "Unidentified", "UI, UID", "unclassified, unknown, not classed, other"),
)
TYPES: Mapping[str, CellType] = {known.name: known for known in _TREE}
"""Every known type by name, a type before its finer ones."""
NINE: tuple[str, ...] = tuple(known.name for known in _TREE if known.parent is None and known.counted)
"""The types that a bundle reads, by name in alphabetical order."""
NOT_COUNTED: tuple[str, ...] = tuple(known.name for known in _TREE if not known.counted)
"""What lies on a smear and is not counted."""
TITLES: Mapping[str, str] = {known.name: known.title for known in _TREE}
"""How known types are written for people; any other class is written as it is."""

_SPELLINGS: Mapping[str, str] = {
    spelling: known.name
    for known in _TREE
    for spelling in (known.name.replace("_", " "), *known.synonyms, *(code.lower() for code in known.abbreviations))
}
_NUMBERING = re.compile(r"^\d+\s*[._-]?\s*(?=[A-Za-z])")


def title(label: str) -> str:
    """A class as people write it."""
    return TITLES.get(label, label)


def parent_of(name: str) -> str | None:
    """The type above a finer one; None for the nine, for what is not counted and for an unknown name.

    >>> parent_of("band_neutrophil")
    'neutrophil'
    """
    return TYPES[name].parent if name in TYPES else None


def children_of(name: str) -> tuple[str, ...]:
    """The finer types of a type, in the order of :data:`TYPES`; empty where there are none."""
    return tuple(known.name for known in _TREE if known.parent == name)


def counted(name: str) -> bool:
    """Whether a differential counts a type; a laboratory's own types are counted."""
    return TYPES[name].counted if name in TYPES else True


def at_level(name: str, level: Level = Level.TYPE) -> str | None:
    """A type told at a level: one of the nine, or as finely as it is given.

    None for what is not counted, read as one of the nine. A laboratory's own type is one at either level.

    >>> at_level("band_neutrophil"), at_level("smudge"), at_level("smudge", Level.SUBTYPE)
    ('neutrophil', None, 'smudge')
    """
    if level is Level.SUBTYPE or name not in TYPES:
        return name
    return (TYPES[name].parent or name) if TYPES[name].counted else None


def label_and_subtype(name: str) -> tuple[str | None, str | None]:
    """A type as the two columns of a catalog: one of the nine (None if not counted), and the finer type if it is one.

    >>> label_and_subtype("plasma_cell"), label_and_subtype("smudge"), label_and_subtype("monocyte")
    (('lymphocyte', 'plasma_cell'), (None, 'smudge'), ('monocyte', None))
    """
    label = at_level(name)
    return label, name if name != label else None


def named(text: str) -> str | None:
    """The type that a laboratory, analyzer or file name means, or None when the vocabulary does not know it.

    Case, numbering (``01_Lymphocytes``), plurals, brackets and separators make no difference.

    >>> named("Segmented neutrophils"), named("SNE"), named("hairy cell")
    ('segmented_neutrophil', 'segmented_neutrophil', None)
    """
    words = re.sub(r"[^a-z]+", " ", _NUMBERING.sub("", text).lower()).strip()
    singular = " ".join(word.removesuffix("s") for word in words.split())
    return _SPELLINGS.get(words, _SPELLINGS.get(singular))
