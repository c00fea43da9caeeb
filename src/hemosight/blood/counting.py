"""How a laboratory's types count: in the hundred, apart for every hundred leukocytes, or not at all.

A type without a rule of its own counts as the vocabulary has it: erythroblasts, platelets and what lies on a smear
without being a cell to be counted stand apart, everything else counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hemosight.blood.vocabulary import at_level, counted, parent_of

APART = ("erythroblast", "platelet")
"""Types that a differential counts beside the leukocytes, not among them; their finer types go with them."""
OFFERED = (
    "band_neutrophil",
    "segmented_neutrophil",
    "promyelocyte",
    "myelocyte",
    "metamyelocyte",
    "variant_lymphocyte",
    "plasma_cell",
    "promonocyte",
    "giant_platelet",
    "platelet_clump",
    "smudge",
    "artefact",
    "double_cell",
)
"""Types that every laboratory is offered beside the nine; off until they are used."""


class Counting(StrEnum):
    """How a type counts."""

    IN = "in"
    """Among the cells that shares are shares of."""
    APART = "apart"
    """Beside them, for every 100 of them, as erythroblasts (ICSH's NRBC/100 WBC) and smudge cells are."""
    EXCLUDED = "excluded"
    """Nowhere: artefacts, two cells in one crop."""


@dataclass(frozen=True)
class TypeRule:
    """Where a type stands in the tree (None at its top), and how it counts."""

    parent: str | None = None
    counts: Counting = Counting.IN


def rule_of(name: str) -> TypeRule:
    """The vocabulary's rule of a cell type; a laboratory's own types count.

    >>> rule_of("band_neutrophil").parent, rule_of("giant_platelet").counts.value
    ('neutrophil', 'apart')
    """
    apart = not counted(name) or at_level(name) in APART
    return TypeRule(parent_of(name), Counting.APART if apart else Counting.IN)


def proposed(name: str) -> Counting:
    """How a type that is added counts, unless its laboratory says otherwise: what is no cell counts nowhere.

    Smudge cells are counted for every 100 leukocytes (ICSH 2015: they are cells that burst, and their number is told).
    """
    if counted(name) or name == "smudge":
        return rule_of(name).counts
    return Counting.EXCLUDED
