"""Morphology: what a report says of red cells and platelets beside the counts, in coded grades.

Findings and the order in which a report lists them follow ICSH's recommendations on grading (Palmer et al. 2015, *Int J
Lab Hematol* 37, 287): a finding is graded where it was looked for, and 0 says that it was not seen. What share of the
cells a grade stands for is the laboratory's own rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Grade = Literal["0", "+", "++", "+++"]
GRADES: Mapping[Grade, str] = {"0": "not seen", "+": "slight", "++": "moderate", "+++": "marked"}
"""The grades, from the least to the most, and each in a word."""

PlateletEstimate = Literal["decreased", "adequate", "increased", "not_assessable"]
ESTIMATES: Mapping[PlateletEstimate, str] = {
    "decreased": "decreased",
    "adequate": "adequate",
    "increased": "increased",
    "not_assessable": "cannot be estimated",
}
"""How many platelets a film seems to have."""


@dataclass(frozen=True)
class Finding:
    """Something that is graded on a film.

    Parameters
    ----------
    name
        As records write it.
    title
        As people write it.
    of
        ``red_cells`` or ``platelets``.
    """

    name: str
    title: str
    of: Literal["red_cells", "platelets"] = "red_cells"


FINDINGS: tuple[Finding, ...] = (
    Finding("anisocytosis", "Anisocytosis"),
    Finding("microcytes", "Microcytes"),
    Finding("macrocytes", "Macrocytes"),
    Finding("hypochromia", "Hypochromia"),
    Finding("polychromasia", "Polychromasia"),
    Finding("poikilocytosis", "Poikilocytosis"),
    Finding("schistocytes", "Schistocytes"),
    Finding("spherocytes", "Spherocytes"),
    Finding("elliptocytes", "Elliptocytes"),
    Finding("ovalocytes", "Ovalocytes"),
    Finding("dacrocytes", "Teardrop cells"),
    Finding("target_cells", "Target cells"),
    Finding("stomatocytes", "Stomatocytes"),
    Finding("acanthocytes", "Acanthocytes"),
    Finding("burr_cells", "Burr cells"),
    Finding("sickle_cells", "Sickle cells"),
    Finding("bite_cells", "Bite cells"),
    Finding("rouleaux", "Rouleaux"),
    Finding("basophilic_stippling", "Basophilic stippling"),
    Finding("howell_jolly_bodies", "Howell-Jolly bodies"),
    Finding("pappenheimer_bodies", "Pappenheimer bodies"),
    Finding("large_platelets", "Large platelets", "platelets"),
    Finding("giant_platelets", "Giant platelets", "platelets"),
    Finding("platelet_clumps", "Platelet clumps", "platelets"),
)
"""Every finding, in the order of a report."""
FINDING: Mapping[str, Finding] = {finding.name: finding for finding in FINDINGS}
"""Findings by name."""
