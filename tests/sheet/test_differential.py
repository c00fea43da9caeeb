from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemosight.sheet.differential import differential, wilson


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
