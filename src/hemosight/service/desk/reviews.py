"""The review of reviews: what each person labelled, and what became of it.

The unit is a *turn*: labels of one person on one cell that follow one another and say the same. What is undone or
taken back counts for nothing. A turn is *overturned* where the next other label of its cell is another person's,
*revised* where it is its own author's (in a second look, most often), and *confirmed* where another person gave the
same label after it and nobody another. A panel overturns what stands where it decided on another type later.
"""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from hemosight.blood.intervals import wilson
from hemosight.blood.palette import UNSURE
from hemosight.scoring.agreement import Agreement, agreement
from hemosight.service.storage.judgements import alone, standing
from hemosight.service.storage.reviews import BlindReading, Decision

Fate = Literal["stands", "confirmed", "overturned", "revised", "by_panel"]


@dataclass(frozen=True)
class Turn:
    """What one person said of one cell, and what became of it.

    Parameters
    ----------
    image, user, label, at
        The cell, who said it, the type (or ``?``), and when first.
    predicted
        What the model read at that moment; None where it read nothing.
    bulk
        Whether it was given to many cells at once.
    fate
        See the module.
    other, other_by, other_at
        The label that overturned or revised it, whose it is (None: a panel's) and when.
    """

    image: int
    user: int
    label: str
    at: datetime.datetime
    predicted: str | None
    bulk: bool
    fate: Fate = "stands"
    other: str | None = None
    other_by: int | None = None
    other_at: datetime.datetime | None = None


@dataclass(frozen=True)
class TurnFilter:
    """Which turns: of a person, of a case (0: of no case), given from one moment on and before another; None: any."""

    user: int | None = None
    case: int | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None

    def fits(self, user: int, case: int | None, at: datetime.datetime) -> bool:
        """Whether something that a person said of a cell of a case is wanted."""
        return (
            (self.user is None or user == self.user)
            and (self.case is None or (case or 0) == self.case)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


@dataclass(frozen=True)
class Reviewed:
    """The turns of a group, counted.

    ``read`` are sure labels of cells that the model had read, ``changed`` those of them that say otherwise.
    ``second`` is how many were confirmed or overturned by another person, ``agreed`` the confirmed share of these with
    its 95% interval (Wilson); None where nobody looked a second time.
    """

    cells: int
    labels: int
    unsure: int
    bulk: int
    read: int
    changed: int
    confirmed: int
    overturned: int
    revised: int
    by_panel: int
    second: int
    agreed: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class BlindPair:
    """Two readers of closed panels, and how far they agree on the cells that both read blind."""

    one: int
    other: int
    agreement: Agreement


def turns(records: Sequence[Any], decisions: Mapping[int, Decision]) -> list[Turn]:
    """Turns of label records in order (as :func:`hemosight.service.storage.reviews.records` gives them)."""
    sizes = Counter(row.request for row in records)
    counted = standing(records)
    given: dict[int, list[Turn]] = defaultdict(list)
    for row in records:
        if row.id not in counted:
            continue
        of_cell = given[row.image_id]
        if not of_cell or (of_cell[-1].user, of_cell[-1].label) != (row.user_id, row.label):
            bulk = not alone(row, sizes)
            of_cell.append(Turn(row.image_id, row.user_id, row.label, row.at, row.predicted, bulk))
    return [
        _with_fate(turn, of_cell[place + 1 :], decisions.get(image))
        for image, of_cell in given.items()
        for place, turn in enumerate(of_cell)
    ]


def _with_fate(turn: Turn, later: Sequence[Turn], decision: Decision | None) -> Turn:
    if turn.label == UNSURE:
        return turn  # nothing was claimed
    confirmed = False
    for next_one in later:
        if next_one.label == turn.label:
            confirmed = confirmed or next_one.user != turn.user
            continue
        fate: Fate = "revised" if next_one.user == turn.user else "overturned"
        return _ended(turn, fate, next_one.label, next_one.user, next_one.at)
    if decision is not None and decision.at > turn.at and decision.label not in (turn.label, UNSURE):
        return _ended(turn, "by_panel", decision.label, None, decision.at)
    return Turn(**{**vars(turn), "fate": "confirmed" if confirmed else "stands"})


def _ended(turn: Turn, fate: Fate, other: str, by: int | None, at: datetime.datetime) -> Turn:
    return Turn(**{**vars(turn), "fate": fate, "other": other, "other_by": by, "other_at": at})


def grouped(found: Iterable[Turn], key: Callable[[Turn], Any]) -> dict[Any, Reviewed]:
    """Turns counted by what ``key`` gives."""
    groups: dict[Any, list[Turn]] = defaultdict(list)
    for turn in found:
        groups[key(turn)].append(turn)
    return {name: count(group) for name, group in groups.items()}


def count(group: Sequence[Turn]) -> Reviewed:
    """Turns counted."""
    fates = Counter(turn.fate for turn in group)
    read = [turn for turn in group if turn.label != UNSURE and turn.predicted is not None]
    second = fates["confirmed"] + fates["overturned"]
    low, high = wilson(fates["confirmed"], second) if second else (None, None)
    return Reviewed(
        cells=len({turn.image for turn in group}),
        labels=len(group),
        unsure=sum(turn.label == UNSURE for turn in group),
        bulk=sum(turn.bulk for turn in group),
        read=len(read),
        changed=sum(turn.label != turn.predicted for turn in read),
        confirmed=fates["confirmed"],
        overturned=fates["overturned"],
        revised=fates["revised"],
        by_panel=fates["by_panel"],
        second=second,
        agreed=fates["confirmed"] / second if second else None,
        low=low,
        high=high,
    )


def blind_pairs(readings: Sequence[BlindReading]) -> list[BlindPair]:
    """Every two readers with cells that both read in one panel and gave a type."""
    said: dict[int, dict[tuple[int, int], str]] = defaultdict(dict)
    for one in readings:
        if one.label != UNSURE:
            said[one.user][one.panel, one.image] = one.label
    found = []
    for one, other in combinations(sorted(said), 2):
        common = sorted(said[one].keys() & said[other].keys())
        if common:
            found.append(BlindPair(one, other, agreement([(said[one][cell], said[other][cell]) for cell in common])))
    return found
