from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemosight.blood.counting import OFFERED, Counting, TypeRule, proposed, rule_of
from hemosight.blood.differential import differential
from hemosight.blood.intervals import wilson
from hemosight.blood.vocabulary import TYPES, Level


def test_wilson_of_a_textbook_case() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(20, 20) == pytest.approx((1 - 0.1611, 1), abs=5e-5)
    assert wilson(0, 0) == (0, 1)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_inverts_the_score_test(case: tuple[int, int]) -> None:
    count, total = case
    for bound in wilson(count, total):
        # At either end the observed share lies exactly 1.96 standard errors away, by the error under that end.
        error = 1.959963984540054 * math.sqrt(bound * (1 - bound) / total)
        assert abs(count / total - bound) == pytest.approx(error, abs=1e-7)


def test_erythroblasts_and_platelets_stand_beside_the_leukocytes() -> None:
    cells = ["neutrophil"] * 6 + ["lymphocyte"] * 2 + ["erythroblast"] * 4 + ["platelet"] * 9
    found = differential(cells, ["basophil"])
    assert found.total == 8
    assert [(share.label, share.count, share.share) for share in found.shares] == [
        ("neutrophil", 6, 0.75),
        ("lymphocyte", 2, 0.25),
        ("basophil", 0, 0.0),
    ]
    assert found.apart == {"erythroblast": 4, "platelet": 9}
    assert found.erythroblasts_per_100 == 50


def test_platelets_have_no_number_for_100_leukocytes() -> None:
    """They lie in crops of white cells by chance: no report of a case says such a number either."""
    rules = {"clump": TypeRule("platelet", Counting.APART)}
    found = differential(["neutrophil"] * 8 + ["platelet", "giant_platelet", "clump", "smudge"], rules=rules)
    assert set(found.apart) == {"platelet", "giant_platelet", "clump", "smudge"}
    assert {name: found.per_100(name) for name in found.apart if found.per_100(name)} == {"smudge": 12.5}


def test_finer_types_are_listed_or_counted_with_their_own_and_smudges_stand_apart() -> None:
    cells = ["segmented_neutrophil"] * 3 + ["band_neutrophil", "neutrophil", "monocyte", "giant_platelet", "smudge"]
    fine = differential(cells)
    assert [(share.label, share.count) for share in fine.shares] == [
        ("neutrophil", 1),
        ("segmented_neutrophil", 3),
        ("band_neutrophil", 1),
        ("monocyte", 1),
    ]
    assert fine.total == 6
    assert fine.apart == {"giant_platelet": 1, "smudge": 1}
    coarse = differential(cells, level=Level.TYPE)
    assert [(share.label, share.count) for share in coarse.shares] == [("neutrophil", 5), ("monocyte", 1)]
    assert coarse.total == 6
    assert coarse.apart == {"platelet": 1, "smudge": 1}


def test_another_label_set_has_nothing_apart() -> None:
    found = differential(["platelet", "round"], label_set="cell_shape")
    assert found.total == 2
    assert found.apart == {}
    assert found.erythroblasts_per_100 is None


def test_no_leukocyte_at_all() -> None:
    found = differential(["platelet", "erythroblast"], ["neutrophil"])
    assert found.total == 0
    assert found.shares[0].share == 0
    assert found.erythroblasts_per_100 is None


def test_a_laboratorys_rules_say_what_counts_where_and_under_which_type() -> None:
    rules = {
        "neutrophil": TypeRule(),
        "toxic": TypeRule("neutrophil"),
        "smudge": TypeRule(None, Counting.APART),
        "artefact": TypeRule(None, Counting.EXCLUDED),
        "platelet": TypeRule(None, Counting.EXCLUDED),
        "lymphocyte": TypeRule(),
        "plasma_cell": TypeRule("lymphocyte", Counting.APART),
    }
    cells = ["neutrophil"] * 5 + ["toxic"] * 3 + ["lymphocyte"] * 2 + ["smudge"] * 4 + ["artefact"] * 7
    cells += ["platelet"] * 9 + ["plasma_cell"]
    fine = differential(cells, rules=rules)
    assert [(share.label, share.count) for share in fine.shares] == [("neutrophil", 5), ("toxic", 3), ("lymphocyte", 2)]
    assert fine.total == 10
    assert fine.apart == {"plasma_cell": 1, "smudge": 4}
    assert fine.excluded == {"platelet": 9, "artefact": 7}
    assert fine.per_100("smudge") == 40
    assert fine.per_100("artefact") is None
    coarse = differential(cells, level=Level.TYPE, rules=rules)
    assert [(share.label, share.count) for share in coarse.shares] == [("neutrophil", 8), ("lymphocyte", 2)]
    assert coarse.apart["plasma_cell"] == 1, "one that counts otherwise than the type above it keeps its own row"


def test_finer_types_that_stand_apart_count_with_their_own_for_100_leukocytes() -> None:
    rules = {
        "erythroblast": TypeRule(None, Counting.APART),
        "orthochromatic": TypeRule("erythroblast", Counting.APART),
        "plasma_cell": TypeRule("lymphocyte", Counting.APART),
    }
    cells = ["neutrophil"] * 98 + ["lymphocyte"] * 2 + ["orthochromatic"] * 15
    found = differential([*cells, *["erythroblast"] * 10, "plasma_cell"], rules=rules)
    assert found.apart == {"erythroblast": 10, "orthochromatic": 15, "plasma_cell": 1}
    assert found.erythroblasts_per_100 == 25
    assert (found.per_100("orthochromatic"), found.per_100("plasma_cell")) == (15, 1)
    assert found.per_100("lymphocyte") is None, "what counts otherwise than the type above it is no part of that"
    assert differential(cells, rules=rules).erythroblasts_per_100 == 15, "none was told as erythroblast alone"
    assert differential(cells, level=Level.TYPE, rules=rules).erythroblasts_per_100 == 15


def test_the_vocabularys_rules_are_those_of_old() -> None:
    assert rule_of("band_neutrophil") == TypeRule("neutrophil", Counting.IN)
    assert rule_of("giant_platelet") == TypeRule("platelet", Counting.APART)
    assert rule_of("smudge") == TypeRule(None, Counting.APART)
    assert rule_of("hairy cell") == TypeRule()
    assert [proposed(name).value for name in ("smudge", "artefact", "double_cell", "plasma_cell")] == [
        "apart",
        "excluded",
        "excluded",
        "in",
    ]
    assert set(OFFERED) <= set(TYPES)
