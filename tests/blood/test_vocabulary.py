from __future__ import annotations

from itertools import chain

import pytest

from hemosight.blood import vocabulary
from hemosight.blood.vocabulary import NINE, NOT_COUNTED, TITLES, TYPES, Level, at_level, children_of, parent_of

PAPER = ("basophil", "blast", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil", "platelet")


def test_the_nine_types_are_the_papers_in_the_order_of_its_classes() -> None:
    assert NINE == PAPER


def test_the_tree_has_two_levels_and_what_is_not_counted_stands_outside() -> None:
    assert {name: parent_of(name) for name in TYPES if parent_of(name)} == {
        "segmented_neutrophil": "neutrophil",
        "band_neutrophil": "neutrophil",
        "promyelocyte": "ig",
        "bilobed_promyelocyte": "ig",
        "myelocyte": "ig",
        "metamyelocyte": "ig",
        "variant_lymphocyte": "lymphocyte",
        "large_granular_lymphocyte": "lymphocyte",
        "plasma_cell": "lymphocyte",
        "promonocyte": "blast",
        "myeloblast": "blast",
        "lymphoblast": "blast",
        "monoblast": "blast",
        "giant_platelet": "platelet",
        "platelet_clump": "platelet",
    }
    assert NOT_COUNTED == ("smudge", "artefact", "double_cell", "unidentified")
    assert sorted(chain(NINE, *map(children_of, NINE), NOT_COUNTED)) == sorted(TYPES)


@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_read_at_either_level(name: str) -> None:
    assert at_level(name, Level.SUBTYPE) == name
    assert at_level(name) == (None if name in NOT_COUNTED else parent_of(name) or name)
    label, subtype = vocabulary.label_and_subtype(name)
    # The two columns of a catalog say the type again, at the finest level.
    assert (subtype or label) == name
    assert label == at_level(name)


def test_a_laboratorys_own_type_is_one_at_either_level_and_is_counted() -> None:
    assert at_level("hairy cell") == at_level("hairy cell", Level.SUBTYPE) == "hairy cell"
    assert vocabulary.counted("hairy cell")
    assert vocabulary.label_and_subtype("hairy cell") == ("hairy cell", None)


@pytest.mark.parametrize("name", TYPES)
def test_every_name_code_and_synonym_is_understood_in_any_spelling(name: str) -> None:
    known = TYPES[name]
    assert TITLES[name] == known.title
    for spelling in (name, known.title, *known.abbreviations, *known.synonyms):
        for written in (spelling, spelling.upper().replace(" ", "_"), f"07 - {spelling.title()}s"):
            assert vocabulary.named(written) == name, written


def test_no_spelling_means_two_types() -> None:
    spellings = [
        spelling.lower()
        for known in TYPES.values()
        for spelling in {known.name.replace("_", " "), *known.synonyms, *(c.lower() for c in known.abbreviations)}
    ]
    assert len(spellings) == len(set(spellings))


def test_codes_of_the_public_sets() -> None:
    codes = {
        "BA": "basophil",
        "BL": "blast",
        "BNE": "band_neutrophil",
        "EO": "eosinophil",
        "ERB": "erythroblast",
        "ERC": "platelet_clump",
        "GT": "giant_platelet",
        "LY": "lymphocyte",
        "MMY": "metamyelocyte",
        "MO": "monocyte",
        "MY": "myelocyte",
        "PC": "plasma_cell",
        "PMO": "promonocyte",
        "PMY": "promyelocyte",
        "SMU": "smudge",
        "SNE": "segmented_neutrophil",
        "UI": "unidentified",
        "VLY": "variant_lymphocyte",
    }
    assert {code: vocabulary.named(code) for code in codes} == codes


def test_a_name_outside_the_vocabulary_means_nothing() -> None:
    for text in ("24-1093", "Hairy cells", "", "seg lymph"):
        assert vocabulary.named(text) is None
