"""LOINC codes of a differential and of what is seen beside it, and a system of our own where LOINC has none.

The codes are those of LOINC's panel 24318-8, *Manual Differential panel - Blood*, and of its morphology panels 58408-6
and 58406-0 (LOINC 2.78), which name no method: here a model reads and people review, which is neither an automated
count nor a manual one. Immature granulocytes as one type are 38518-7 and 51584-1, erythroblasts for 100
leukocytes 19048-8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hemosight.blood.morphology import Grade

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
OWN = "urn:hemosight:code"
"""The system of codes that are ours: FHIR's name for it. HL7 v2 calls it :data:`OWN_V2`."""
OWN_V2 = "99HEMOSIGHT"
"""HL7 table 0396: a local system is ``99`` and a name."""


@dataclass(frozen=True)
class Code:
    """A code with its display name; of LOINC, or else ours."""

    code: str
    display: str
    loinc: bool = True

    @property
    def system(self) -> str:
        """As FHIR names the system."""
        return LOINC if self.loinc else OWN

    @property
    def system_v2(self) -> str:
        """As HL7 v2 names the system."""
        return "LN" if self.loinc else OWN_V2


PANEL = Code("24318-8", "Manual Differential panel - Blood")
LEUKOCYTES = Code("26464-8", "Leukocytes [#/volume] in Blood")
COUNTED = Code("leukocytes-counted", "Leukocytes counted for the differential", loinc=False)
REMARK = Code("58445-8", "Manual differential comment [Interpretation] in Blood Narrative")
PLATELETS = Code("9317-9", "Platelet adequacy [Presence] in Blood by Light microscopy")

_SHARES: Mapping[str, tuple[str, str, str]] = {
    "neutrophil": ("26511-6", "26499-4", "Neutrophils"),
    "segmented_neutrophil": ("26505-8", "30451-9", "Segmented neutrophils"),
    "band_neutrophil": ("26508-2", "26507-4", "Band form neutrophils"),
    "lymphocyte": ("26478-8", "26474-7", "Lymphocytes"),
    "variant_lymphocyte": ("13046-8", "26477-0", "Variant lymphocytes"),
    "large_granular_lymphocyte": ("30420-4", "35082-7", "Large granular lymphocytes"),
    "plasma_cell": ("13047-6", "30458-4", "Plasma cells"),
    "monocyte": ("26485-3", "26484-6", "Monocytes"),
    "eosinophil": ("26450-7", "26449-9", "Eosinophils"),
    "basophil": ("30180-4", "26444-0", "Basophils"),
    "ig": ("38518-7", "51584-1", "Immature granulocytes"),
    "promyelocyte": ("26524-9", "26523-1", "Promyelocytes"),
    "myelocyte": ("26498-6", "30446-9", "Myelocytes"),
    "metamyelocyte": ("28541-1", "30433-7", "Metamyelocytes"),
    "blast": ("26446-5", "30376-8", "Blasts"),
    "myeloblast": ("30445-1", "30444-4", "Myeloblasts"),
    "lymphoblast": ("34922-5", "35050-4", "Lymphoblasts"),
    "monoblast": ("34923-3", "35029-8", "Monoblasts"),
    "promonocyte": ("30466-7", "34926-6", "Promonocytes"),
}
"""Of each type of leukocyte the code of its share, of its absolute count, and the component's name."""
_BESIDE: Mapping[str, Code] = {
    "erythroblast": Code("19048-8", "Nucleated erythrocytes/100 leukocytes [Ratio] in Blood"),
    "smudge": Code("34992-8", "Smudge cells/100 leukocytes in Blood"),
}
"""What is counted beside the leukocytes, for every 100 of them."""
_FINDINGS: Mapping[str, tuple[str, str]] = {
    "anisocytosis": ("702-1", "Anisocytosis"),
    "microcytes": ("741-9", "Microcytes"),
    "macrocytes": ("738-5", "Macrocytes"),
    "hypochromia": ("728-6", "Hypochromia"),
    "polychromasia": ("10378-8", "Polychromasia"),
    "poikilocytosis": ("779-9", "Poikilocytosis"),
    "schistocytes": ("800-3", "Schistocytes"),
    "spherocytes": ("802-9", "Spherocytes"),
    "elliptocytes": ("11274-8", "Elliptocytes"),
    "ovalocytes": ("774-0", "Ovalocytes"),
    "dacrocytes": ("7791-7", "Dacrocytes"),
    "target_cells": ("10381-2", "Target cells"),
    "stomatocytes": ("10380-4", "Stomatocytes"),
    "acanthocytes": ("7789-1", "Acanthocytes"),
    "burr_cells": ("7790-9", "Burr cells"),
    "sickle_cells": ("801-1", "Sickle cells"),
    "bite_cells": ("10371-3", "Bite cells"),
    "rouleaux": ("7797-4", "Rouleaux"),
    "basophilic_stippling": ("703-9", "Basophilic stippling"),
    "howell_jolly_bodies": ("7793-3", "Howell-Jolly bodies"),
    "pappenheimer_bodies": ("7795-8", "Pappenheimer bodies"),
    "large_platelets": ("32146-3", "Platelets Large"),
    "giant_platelets": ("5908-9", "Giant platelets"),
    "platelet_clumps": ("7796-6", "Platelet clump"),
}
GRADE: Mapping[Grade, Code] = {
    "0": Code("LA6111-4", "0"),
    "+": Code("LA11841-6", "1+"),
    "++": Code("LA11842-4", "2+"),
    "+++": Code("LA11843-2", "3+"),
}
"""LOINC's answers for grades."""


def share(name: str, title: str) -> Code:
    """The code of a type's share of the leukocytes, in percent."""
    if name in _SHARES:
        return Code(_SHARES[name][0], f"{_SHARES[name][2]}/100 leukocytes in Blood")
    return Code(f"{name}/100-leukocytes", f"{title}, share of leukocytes", loinc=False)


def absolute(name: str, title: str) -> Code:
    """The code of a type's count in a volume of blood."""
    if name in _SHARES:
        return Code(_SHARES[name][1], f"{_SHARES[name][2]} [#/volume] in Blood")
    return Code(f"{name}/volume", f"{title}, count in a volume of blood", loinc=False)


def beside(name: str, title: str) -> Code:
    """The code of what is counted beside the leukocytes, for every 100 of them."""
    return _BESIDE.get(name) or Code(f"{name}/100-leukocytes", f"{title} for 100 leukocytes", loinc=False)


def finding(name: str) -> Code:
    """The code of a finding of red cells or platelets."""
    code, component = _FINDINGS[name]
    return Code(code, f"{component} [Presence] in Blood by Light microscopy")


def estimate(name: str, title: str) -> Code:
    """The code of an estimate of platelets, as an answer."""
    return Code(f"platelets-{name}", title, loinc=False)
