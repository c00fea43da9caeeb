"""The worklist: what there is to do in every case, counted in one pass over a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.counting import Counting
from hemosight.service.desk.image_columns import UNREADABLE, WAITING
from hemosight.service.desk.label_set_state import NOTHING, UNDECIDED
from hemosight.service.desk.signing_checks import RuleCounts
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.tally import families
from hemosight.service.storage import class_facts
from hemosight.space.novelty import UNUSUAL

BLAST = "blast"


@dataclass(frozen=True)
class CaseNumbers:
    """Cells of a case.

    Parameters
    ----------
    images, read
        All, and those that the model has read (the unreadable ones included).
    counted
        Those that count: all, unless some were drawn. All that follows is of these.
    labelled, unsure
        With a person's label; left undecided by a person.
    unusual
        Without a label and beyond the novelty limit.
    unreadable
        Files that cannot be read, and that nobody named.
    blasts
        Labelled as blasts or a finer type of them, or without a label and read so; 0 in a label set without that class.
    held_back
        Whether it is of a scanner that the model does not know, so that no probability of it is shown.
    newest
        The newest label record; 0 where nobody gave a label.
    """

    images: int = 0
    read: int = 0
    counted: int = 0
    labelled: int = 0
    unsure: int = 0
    unusual: int = 0
    unreadable: int = 0
    blasts: int = 0
    held_back: bool = False
    newest: int = 0


def worklist(snapshot: Snapshot) -> dict[int, CaseNumbers]:
    """The numbers of every case that has cells, by the case's number; those of cells without a case under 0."""
    numbers, at = np.unique(np.maximum(snapshot.case, 0), return_inverse=True)
    label = snapshot.label
    unlabelled = label == -1
    names = snapshot.spec.names
    blasts = class_facts.family(snapshot.spec.classes, snapshot.spec.name, BLAST)
    blast = [code for code, name in enumerate(names) if name in blasts]
    final = np.where(unlabelled, snapshot.predicted, label)
    with np.errstate(invalid="ignore"):  # what was not read has no novelty
        unusual = unlabelled & (snapshot.novelty > UNUSUAL)

    def count(rows: NDArray[np.bool_]) -> list[int]:
        return np.bincount(at[rows], minlength=len(numbers)).tolist()

    inside = ~snapshot.outside

    newest = np.zeros(len(numbers), np.int64)
    np.maximum.at(newest, at, snapshot.version)
    everything = np.ones(len(label), np.bool_)
    counts = zip(
        count(everything),
        count(snapshot.status != WAITING),
        count(inside),
        count(inside & (label >= 0)),
        count(inside & (label == UNDECIDED)),
        count(inside & unusual),
        count(inside & (label < 0) & (snapshot.status == UNREADABLE)),
        count(inside & np.isin(final, blast)),
        (np.bincount(at[snapshot.held_back], minlength=len(numbers)) > 0).tolist(),
        newest.tolist(),
        strict=True,
    )
    return {number: CaseNumbers(*row) for number, row in zip(numbers.tolist(), counts, strict=True)}


def rule_counts(snapshot: Snapshot) -> dict[int, RuleCounts]:
    """What the rules of signing look at, of every case that has cells; as a tally of each would count, in one pass."""
    numbers, at = np.unique(np.maximum(snapshot.case, 0), return_inverse=True)
    spec, label, read = snapshot.spec, snapshot.label, snapshot.read
    final = np.where(label >= 0, label, np.where((label == NOTHING) & read, snapshot.predicted, NOTHING))
    inside = ~snapshot.outside
    counts = (final >= 0) & snapshot.asked & inside
    width = len(spec.names)
    table = np.bincount(at[counts] * width + final[counts], minlength=len(numbers) * width).reshape(-1, width)
    with np.errstate(invalid="ignore"):
        unusual = (label == NOTHING) & read & (snapshot.novelty > UNUSUAL)
    cells, odd, unsure = (
        np.bincount(at[rows & inside], minlength=len(numbers)).tolist()
        for rows in (inside, unusual, label == UNDECIDED)
    )
    family = families(spec)
    kinds = {name: spec.rules[name].counts for name in spec.names}

    def among(row: list[int], kind: Counting) -> dict[str, int]:
        return {name: count for name, count in zip(spec.names, row, strict=True) if kinds[name] is kind}

    return {
        number: RuleCounts(
            cells[place], among(row, Counting.IN), among(row, Counting.APART), family, odd[place], unsure[place]
        )
        for place, (number, row) in enumerate(zip(numbers.tolist(), table.tolist(), strict=True))
    }
