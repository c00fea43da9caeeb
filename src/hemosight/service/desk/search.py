"""Searching a case for a rare type: what to look at next, and what the looks say of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.scoring.rare import Bound, SearchCounts, bound, decided, further, fused, ranking_ends
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.trust import draws
from hemosight.service.storage.looks import DRAWN, RANKED

AHEAD = 50
"""A random look is one of the next so many of the seeded order: what a page may have fetched before it was answered."""


@dataclass(frozen=True)
class Seen:
    """One look of a search, in the order of looks."""

    image: int
    way: str
    found: bool


@dataclass(frozen=True)
class NextCell:
    """A cell to look at: how it was drawn, and the model's probability of the type; nan where it has none or it is held
    back.
    """

    image: int
    row: int
    way: str
    probability: float


@dataclass(frozen=True)
class Search:
    """Where a search stands.

    Parameters
    ----------
    looks
        Counts of what was looked at.
    bound
        How many cells of the type there may be.
    way
        How the next cells are drawn.
    coming
        Cells to look at next, in order.
    """

    looks: SearchCounts
    bound: Bound
    way: str
    coming: list[NextCell]

    def below(self, share: float) -> bool | None:
        """Whether there is less than this share, by 95%; None where that is open."""
        return decided(self.looks, share)

    def further(self, share: float) -> int | None:
        """How many more random looks decide that there is less, if they find none."""
        return further(self.looks, share)


def search(snapshot: Snapshot, target: str, case: int | None, seen: Sequence[Seen], like: Sequence[int] = ()) -> Search:
    """Where the search of a case for a class stands, and what comes next.

    Cells are ranked by probability and likeness to known cells of the type together (reciprocal rank fusion); known
    are those that people labelled so, those that this search found, and the teaching cells ``like``. When ranking ends
    (:func:`~hemosight.scoring.rare.ranking_ends`) the rest is drawn in an order fixed by the cells' numbers alone,
    which no label can bend.
    """
    rows = np.flatnonzero(snapshot.read & snapshot.of_case(case))
    here = set(snapshot.ids[rows].tolist())
    looked = [one for one in seen if one.image in here]
    ranked = [one.found for one in looked if one.way == RANKED]
    drawn = [one.found for one in looked if one.way == DRAWN]
    looks = SearchCounts(len(rows), len(ranked), sum(ranked), len(drawn), sum(drawn))
    way = DRAWN if drawn or ranking_ends(ranked) else RANKED
    done = {one.image for one in looked}
    left = rows[[int(image) not in done for image in snapshot.ids[rows]]] if len(rows) else rows
    probability = _probability(snapshot, target)
    if way == DRAWN:
        order = np.argsort(draws(snapshot.ids[left]), kind="stable")
    else:
        known = set(like) | {one.image for one in looked if one.found}
        order = np.argsort(-ranking(snapshot, target, known, probability)[left], kind="stable")
    shown = np.where(snapshot.held_back, np.nan, probability)
    coming = [NextCell(int(snapshot.ids[row]), int(row), way, float(shown[row])) for row in left[order].tolist()]
    return Search(looks, bound(looks), way, coming)


def ranking(snapshot: Snapshot, target: str, known: set[int], probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """A score for each row of a snapshot, higher where a cell is likelier of the type."""
    orders: list[NDArray[np.floating]] = []
    if not np.isnan(probability).all():
        orders.append(np.nan_to_num(probability, nan=-1.0))
    number = snapshot.spec.names.index(target)
    taught = np.isin(snapshot.ids, list(known)) | (snapshot.label == number)
    taught &= snapshot.read
    if taught.any():
        vectors = snapshot.vectors[snapshot.rows]
        # To the nearest known cell: a rare type may look in several ways.
        orders.append((vectors @ vectors[taught].T).max(axis=1))
    return fused(orders) if orders else np.zeros(len(snapshot.ids))


def _probability(snapshot: Snapshot, target: str) -> NDArray[np.float64]:
    """What the model says of the type; nan where it says nothing."""
    values = snapshot.probabilities[:, snapshot.spec.names.index(target)].astype(np.float64)
    return np.where(snapshot.predicted >= 0, values, np.nan)


def summary(found: Search, title: str, share: float) -> str:
    """Where the search stands, in a sentence for the screen."""
    looks, interval = found.looks, found.bound
    if not looks.cells:
        return "No cell has been read yet."
    parts = [f"{looks.cells:,} cells ranked, {looks.looked:,} looked at: "]
    if interval.estimate is None:
        parts.append(f"{looks.found:,} {title} found; how many were missed is estimated by random looks, which follow")
        return "".join(parts) + "."
    low, high = (100 * count / looks.cells for count in (interval.low, interval.high))
    parts.append(f"{title} {100 * interval.estimate / looks.cells:.2f}% ({low:.2f} to {high:.2f})")
    sure, more = found.below(share), found.further(share)
    if sure is True:
        parts.append(f", below {100 * share:g}% with 95%")
    elif sure is False:
        parts.append(f", at least {100 * share:g}% with 95%")
    elif more is None:
        parts.append(f"; whether that is below {100 * share:g}% only a look at every cell tells")
    else:
        parts.append(f"; below {100 * share:g}% with 95%: {more:,} more decide if none is one")
    return "".join(parts) + "."


def way_of(found: Search, image: int, before: Mapping[int, str]) -> str | None:
    """How a cell that is being looked at was drawn; None where it is not its turn.

    While ranking goes on any cell may be looked at; a random look must be one of the next of the seeded order.
    """
    if image in before:
        return before[image]
    if found.way == RANKED:
        return RANKED if any(one.image == image for one in found.coming) else None
    return DRAWN if any(one.image == image for one in found.coming[:AHEAD]) else None
