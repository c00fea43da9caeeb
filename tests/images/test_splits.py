from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemosight.errors import BadSplit
from hemosight.images.catalog import Catalog
from hemosight.images.splits import few_shot, folds, hold_out, support_sample, tied


def make(
    ids: list[int], labels: Sequence[str | None] | None = None, patients: Sequence[str | None] | None = None
) -> Catalog:
    n = len(ids)
    return Catalog(
        pl.DataFrame(
            {
                "id": [hashlib.sha256(str(i).encode()).hexdigest() for i in ids],
                "path": [f"{k}.jpg" for k in range(n)],
                "label": labels or ["a"] * n,
                "patient": patients or [None] * n,
                "source": ["lab"] * n,
            },
            schema_overrides={"label": pl.String, "patient": pl.String},
        )
    )


def slow_components(catalog: Catalog, groups: list[int]) -> list[set[int]]:
    """Merge rows that share anything until nothing changes."""
    rows = catalog.table.select("id", "patient").rows()
    sets = [{k} for k in range(len(rows))]
    for i in range(len(rows)):
        for j in range(i):
            same = rows[i][0] == rows[j][0] or (rows[i][1] and rows[i][1] == rows[j][1]) or groups[i] == groups[j]
            if same and sets[i] is not sets[j]:
                merged = sets[i] | sets[j]
                for k in merged:
                    sets[k] = merged
    return sets


@st.composite
def catalogs(draw: st.DrawFn) -> tuple[Catalog, list[int]]:
    n = draw(st.integers(30, 80))
    ids = draw(st.lists(st.integers(0, 2 * n), min_size=n, max_size=n))
    labels = draw(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=n, max_size=n))
    patients = draw(st.lists(st.sampled_from([None] * 12 + [f"p{k}" for k in range(8)]), min_size=n, max_size=n))
    groups = draw(st.lists(st.integers(0, 6 * n), min_size=n, max_size=n))
    return make(ids, labels, patients), groups


@settings(max_examples=30, deadline=None)
@given(catalogs(), st.integers(0, 5))
def test_what_is_tied_never_straddles_and_every_row_stands_once(case: tuple[Catalog, list[int]], seed: int):
    catalog, groups = case
    components = slow_components(catalog, groups)
    if len({min(c) for c in components}) < 15:
        return  # too few groups for five non-empty folds is another test's matter
    number = tied(catalog, groups)
    assert [min(c) for c in components] == [int(np.nonzero(number == g)[0][0]) for g in number]
    try:
        cut = folds(catalog, 5, seed, groups)
    except BadSplit:
        return
    assert sorted(np.concatenate([fold.held for fold in cut]).tolist()) == list(range(len(catalog)))
    for fold in [*cut, hold_out(catalog, 0.3, seed, groups)]:
        held = set(fold.held.tolist())
        assert held.isdisjoint(fold.rest.tolist())
        assert len(held) + len(fold.rest) == len(catalog)
        for component in components:
            assert component <= held or component.isdisjoint(held)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from("aaaaabbbc"), min_size=40, max_size=150),
    st.integers(0, 10**6),
    st.sampled_from([0.1, 0.25, 0.5]),
)
def test_single_cells_are_stratified_to_within_one(labels: list[str], seed: int, fraction: float):
    catalog = make(list(range(len(labels))), list(labels))
    totals = Counter(labels)
    held = Counter(labels[row] for row in hold_out(catalog, fraction, seed).held)
    for label, total in totals.items():
        assert abs(held[label] - fraction * total) < 1
    for fold in folds(catalog, 5, seed):
        held = Counter(labels[row] for row in fold.held)
        for label, total in totals.items():
            assert abs(held[label] - total / 5) < 1


def test_what_rounding_leaves_is_spread_over_the_folds():
    catalog = make(list(range(60)), [f"rare {k // 2}" for k in range(60)])
    assert [len(fold.held) for fold in folds(catalog, 5)] == [12] * 5


@settings(max_examples=30, deadline=None)
@given(catalogs(), st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(case: tuple[Catalog, list[int]], random):
    catalog, _ = case
    order = list(range(len(catalog)))
    random.shuffle(order)
    shuffled = catalog.take(order)
    try:
        before = hold_out(catalog, 0.2, 3)
    except BadSplit:
        return
    after = hold_out(shuffled, 0.2, 3)
    assert set(catalog.table["path"][before.held]) == set(shuffled.table["path"][after.held])


def test_a_new_cell_moves_few_others():
    small, large = make(list(range(1000))), make(list(range(1001)))
    before, after = set(hold_out(small).held.tolist()), set(hold_out(large).held.tolist())
    assert len(before ^ after) <= 2


def test_seeds_give_other_splits_and_the_same_seed_the_same():
    catalog = make(list(range(500)))
    assert hold_out(catalog, seed=1).held.tolist() == hold_out(catalog, seed=1).held.tolist()
    shared = set(hold_out(catalog, seed=1).held.tolist()) & set(hold_out(catalog, seed=2).held.tolist())
    assert len(shared) < 20  # 5 are expected by chance, of 50


def test_seeds_change_which_patients_are_held():
    catalog = make(list(range(600)), patients=[f"p{k % 30}" for k in range(600)])
    held = {frozenset(k % 30 for k in hold_out(catalog, 0.2, seed).held.tolist()) for seed in range(10)}
    assert len(held) > 5
    assert all(len(patients) == 6 for patients in held)


def test_patients_of_two_laboratories_may_share_a_number():
    catalog = make([0, 1], patients=["1", "1"])
    assert tied(catalog).tolist() == [0, 0]
    apart = Catalog(catalog.table.with_columns(source=pl.Series(["here", "there"])))
    assert tied(apart).tolist() == [0, 1]


def test_ties_reach_through_others():
    # 0 and 1 are copies, 1 and 2 one patient, 2 and 3 near copies; 4 stands alone, and null ties nothing.
    catalog = make([0, 0, 2, 3, 4], patients=[None, "p", "p", None, None])
    assert tied(catalog, [None, None, 7, 7, None]).tolist() == [0, 0, 0, 0, 1]


def test_grouped_patients_still_come_out_stratified():
    rng = np.random.default_rng(0)
    patients = [f"p{k}" for k in rng.integers(0, 200, 4000)]
    labels = rng.choice(["a", "b", "c"], 4000, p=[0.6, 0.3, 0.1]).tolist()
    catalog = make(list(range(4000)), labels, patients)
    held = Counter(labels[row] for row in hold_out(catalog).held)
    for label, total in Counter(labels).items():
        assert held[label] == pytest.approx(0.1 * total, rel=0.15)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction: float):
    with pytest.raises(BadSplit, match="between 0 and 1"):
        hold_out(make(list(range(50))), fraction)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(BadSplit, match="at least two folds"):
        folds(make(list(range(50))), 1)
    with pytest.raises(BadSplit, match="at least 5 independent groups"):
        folds(make([1] * 50), 5)
    with pytest.raises(BadSplit, match="one group for each of 3"):
        hold_out(make([1, 2, 3]), 0.5, groups=[1])
    with pytest.raises(BadSplit, match="cells in every part"):
        hold_out(make([1, 2, 3]), 0.1)


# --- samples of labels ---


def test_few_shot_draws_so_many_of_each_class_and_no_unlabelled_row():
    labels = ["a"] * 10 + ["b"] * 3 + [None] * 5
    rows = few_shot(labels, 4, np.random.default_rng(0))
    assert Counter(labels[row] for row in rows) == {"a": 4, "b": 3}
    assert rows.tolist() == sorted(set(rows.tolist()))


def test_smaller_draws_lie_inside_larger_ones():
    labels = ["a"] * 100 + ["b"] * 100
    small, large = (set(few_shot(labels, n, np.random.default_rng(5)).tolist()) for n in (5, 20))
    assert small < large


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["a"] * 8 + ["b", "b", "c", None]), min_size=20, max_size=200), st.data())
def test_a_support_sample_keeps_the_proportions(labels: list[str | None], data: st.DataObject):
    totals = Counter(label for label in labels if label is not None)
    if not totals:
        return
    n = data.draw(st.integers(1, totals.total()))
    rows = support_sample(labels, n, np.random.default_rng(0))
    drawn = Counter(labels[row] for row in rows)
    assert len(set(rows.tolist())) == n
    if n >= len(totals):
        assert set(drawn) == set(totals)
        for label, total in totals.items():
            share = 1 + (n - len(totals)) * (total - 1) / max(1, totals.total() - len(totals))
            assert abs(drawn[label] - share) < 1


def test_a_sample_larger_than_what_is_labelled_is_refused():
    with pytest.raises(BadSplit, match="1 to 2 labelled"):
        support_sample(["a", "b", None], 3, np.random.default_rng(0))
    with pytest.raises(BadSplit, match="at least one"):
        few_shot(["a"], 0, np.random.default_rng(0))
