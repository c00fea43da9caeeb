"""Counting a project or a case: the differential before and after review, and what the review changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.roll import UNREADABLE, WAITING
from hemosight.service.desk.views import View
from hemosight.sheet.differential import Differential, differential
from hemosight.sheet.palette import UNSURE


@dataclass(frozen=True)
class Tally:
    """What was counted.

    Parameters
    ----------
    before
        As the bundle alone reads every cell; a label set of the project's own has no bundle, and its reader counts.
    after
        A person's label where there is one, the taught reader elsewhere; cells somebody is unsure of do not count.
    unsure, unreviewed, waiting, unreadable
        Cells: left undecided; read and without a person's word; not read yet, or unreadable, and no person named them.
    reclassified
        From what the bundle alone reads to what counts after review (``?`` for unsure), most frequent first.
    reviewed_until
        The newest fact among these cells; 0 where nobody said anything.
    """

    before: Differential
    after: Differential
    unsure: int
    unreviewed: int
    waiting: int
    unreadable: int
    reclassified: list[tuple[str, str, int]]
    reviewed_until: int


def tally(view: View, case: int | None = None) -> Tally:
    """Count one label set, over a case or all images."""
    mine = view.of_case(case)
    names = np.array([*view.question.names, ""], np.str_)  # -1 is the last
    first = view.alone if view.question.kind == "bundle" else view.predicted
    read, label = view.read[mine], view.label[mine]
    alone = np.where(read, first[mine], -1)
    final = np.where(label >= 0, label, np.where(label == -2, -1, np.where(read, view.predicted[mine], -1)))
    unsure, open_ = label == -2, label < 0
    moved = Counter(
        (str(names[one]), UNSURE if doubt else str(names[other]))
        for one, other, doubt in zip(alone.tolist(), final.tolist(), unsure.tolist(), strict=True)
        if one >= 0 and (doubt or other not in (one, -1))
    )
    name, types = view.question.name, view.question.names
    return Tally(
        before=differential(names[alone[alone >= 0]].tolist(), types, name),
        after=differential(names[final[final >= 0]].tolist(), types, name),
        unsure=int(unsure.sum()),
        unreviewed=int((read & (label == -1)).sum()),
        waiting=int((open_ & (view.status[mine] == WAITING)).sum()),
        unreadable=int((open_ & (view.status[mine] == UNREADABLE)).sum()),
        reclassified=[
            (one, other, n) for (one, other), n in sorted(moved.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
        reviewed_until=int(view.version[mine].max(initial=0)),
    )


def final_labels(view: View) -> NDArray[np.str_]:
    """What counts for each row: a person's label, ``?`` for unsure, else the reading; empty where there is neither."""
    names = np.array([*view.question.names, UNSURE, ""], np.str_)
    reading = np.where(view.predicted >= 0, view.predicted, len(names) - 1)
    chosen = np.where(view.label == -1, reading, np.where(view.label == -2, len(names) - 2, view.label))
    return names[chosen]
