"""How many cells of a rare type a film holds: the bound covers, wherever one stops."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from hemosight.scoring.rare import (
    CONFIDENCE,
    FIRST,
    MOST,
    STREAK,
    SearchCounts,
    bound,
    decided,
    evidence,
    further,
    fused,
    ranking_ends,
)


def search(
    rng: np.random.Generator, rare: int, cells: int, skill: float, share: float, most: int
) -> list[SearchCounts]:
    """A whole search of a film, look by look: by rank until ranking ends, then at random until decided or tired."""
    kind = np.zeros(cells, bool)
    kind[:rare] = True
    score = rng.standard_normal(cells) + skill * kind
    order = np.argsort(-score)
    seen: list[bool] = []
    for cell in order:
        if ranking_ends(seen):
            break
        seen.append(bool(kind[cell]))
    ranked, hits = len(seen), sum(seen)
    drawn = rng.permutation(order[ranked:])[:most]
    found = np.concatenate([[0], kind[drawn].cumsum()])
    steps = [SearchCounts(cells, ranked, hits, number, int(found[number])) for number in range(0, len(drawn) + 1, 20)]
    for at, looks in enumerate(steps):
        if decided(looks, share) is not None:
            return steps[: at + 1]
    return steps


@pytest.mark.slow
def test_the_interval_covers_wherever_one_stops_on_a_thousand_films() -> None:
    rng = np.random.default_rng(7)
    stopped, always = 0, 0
    films = 1000
    for _ in range(films):
        cells = int(rng.integers(300, 6000))
        rare = int(rng.binomial(cells, rng.uniform(0, 0.02)))
        skill = float(rng.choice([0.0, 1.0, 3.0]))
        steps = search(rng, rare, cells, skill, share=float(rng.choice([0.001, 0.005, 0.01])), most=600)
        inside = [(found := bound(looks)).low <= rare <= found.high for looks in steps]
        stopped += inside[-1]
        always += all(inside)
    assert stopped / films >= 0.95
    assert always / films >= 0.93


def test_the_interval_is_no_wider_than_it_need_be() -> None:
    """Against the exact test for a number of looks fixed beforehand: what looking at any time costs."""
    cells, drawn = 4000, 600
    found = bound(SearchCounts(cells, 0, 0, drawn, 0))
    fixed = next(rare for rare in range(cells) if comb(cells - rare, drawn) / comb(cells, drawn) < 0.05)
    assert fixed <= found.high <= 2.1 * fixed
    assert found.low == 0


def test_prior_over_posterior_is_a_martingale_at_the_truth() -> None:
    """Its mean over all samples is one: what makes the bound hold at any time (Ville's inequality)."""
    size, rare, drawn = 8, 3, 4
    samples = [[*draw] for draw in product([0, 1], repeat=size) if sum(draw) == rare]
    mean = np.mean([np.exp(evidence(rare, size, drawn, sum(draw[:drawn]))) for draw in samples])
    assert mean == pytest.approx(1)


def test_a_film_looked_at_to_the_last_cell_leaves_no_doubt() -> None:
    found = bound(SearchCounts(500, 200, 7, 300, 1))
    assert (found.low, found.high, found.estimate) == (8, 8, 8)
    assert bound(SearchCounts(200, 200, 3)).high == 3


def test_the_edges_are_those_of_the_slow_obvious_search() -> None:
    for size, drawn, hits in ((400, 90, 0), (400, 90, 2), (60, 59, 1), (1000, 3, 3), (50, 50, 4)):
        every = range(hits, size - (drawn - hits) + 1)
        kept = [number for number in every if evidence(number, size, drawn, hits) < -np.log(0.05)]
        found = bound(SearchCounts(size, 0, 0, drawn, hits))
        assert (found.low, found.high) == (kept[0], kept[-1])


def test_before_a_random_look_nothing_is_said_of_the_rest() -> None:
    found = bound(SearchCounts(1000, 150, 4))
    assert (found.low, found.high, found.estimate) == (4, 854, None)


def test_more_looks_narrow_and_hits_lift() -> None:
    few, many = bound(SearchCounts(5000, 100, 2, 200, 0)), bound(SearchCounts(5000, 100, 2, 1000, 0))
    assert many.high < few.high
    hit = bound(SearchCounts(5000, 100, 2, 1000, 3))
    assert hit.low >= 5 > many.low
    assert hit.estimate == pytest.approx(5 + 3900 * 3 / 1000)


def test_how_many_more_decide_is_what_it_takes() -> None:
    looks = SearchCounts(4120, 150, 3, 60, 0)
    more = further(looks, 0.01)
    assert more is not None
    assert more > 0
    assert decided(SearchCounts(4120, 150, 3, 60 + more, 0), 0.01) is True
    assert decided(SearchCounts(4120, 150, 3, 60 + more - 1, 0), 0.01) is None
    assert further(SearchCounts(4120, 150, 3, 60 + more, 0), 0.01) == 0
    assert further(SearchCounts(4120, 150, 60), 0.01) is None
    assert decided(SearchCounts(4120, 150, 60), 0.01) is False


def test_ranking_ends_when_it_finds_nothing_more() -> None:
    assert not ranking_ends([False] * (FIRST - 1))
    assert ranking_ends([False] * FIRST)
    found = [False] * (FIRST - 1) + [True]
    assert not ranking_ends(found)
    assert ranking_ends(found + [False] * STREAK)
    assert ranking_ends([True] * MOST)


def test_fused_ranks_put_first_what_both_like() -> None:
    probability, likeness = np.array([0.9, 0.8, 0.1, 0.2]), np.array([0.1, 0.9, 0.8, 0.2])
    assert np.argmax(fused([probability, likeness])) == 1
    assert np.argmin(fused([probability, likeness])) == 3


@pytest.mark.parametrize("wrong", [(10, 3, 4), (10, 5, 0, 6, 0), (10, 2, 0, 2, 3)])
def test_counts_that_cannot_be(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="more cells were"):
        SearchCounts(*wrong)


def test_the_confidence_is_the_one_that_is_said() -> None:
    assert CONFIDENCE == 0.95
    assert bound(SearchCounts(4000, 0, 0, 500, 1), 0.99).high > bound(SearchCounts(4000, 0, 0, 500, 1)).high
