"""The worklist: what there is to do in every case, counted in one pass over a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.image_columns import UNREADABLE, WAITING
from hemosight.service.desk.label_set_state import UNDECIDED
from hemosight.service.desk.snapshot import Snapshot
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
        newest.tolist(),
        strict=True,
    )
    return {number: CaseNumbers(*row) for number, row in zip(numbers.tolist(), counts, strict=True)}
