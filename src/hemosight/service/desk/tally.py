"""Counting a project or a case: the differential before and after review, and what the review changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.differential import Differential, differential, listed_as
from hemosight.blood.palette import UNSURE
from hemosight.blood.vocabulary import Level
from hemosight.service.desk.image_columns import UNREADABLE, WAITING
from hemosight.service.desk.label_set_state import LabelSetSpec
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.storage import class_facts
from hemosight.space.novelty import UNUSUAL


@dataclass(frozen=True)
class Tally:
    """What was counted.

    Parameters
    ----------
    before
        As the bundle alone reads every cell; a label set of the project's own has no bundle, and its classifier counts.
    after
        A person's label where there is one, the taught classifier elsewhere; cells somebody is unsure of do not count.
    reviewed
        Of the cells counted in ``after``, those with a person's label, by type; the others are as the model reads them.
    unsure, unreviewed, waiting, unreadable
        Cells: left undecided; read and without a person's label; not read yet, or unreadable, and no person named them.
    unusual
        Of the unreviewed cells, those beyond the novelty limit.
    reclassified
        Where people changed the type: from what the bundle alone reads to their label (``?`` for unsure), most
        frequent first.
    moved_by_model
        Where nobody labelled the cell and the taught classifier reads it otherwise than the bundle alone.
    cases
        How many cases the cells are of; those without a case are one more.
    reviewed_until
        The newest label among these cells; 0 where nobody gave one.
    level
        How finely types are told, in all of these.
    families
        Each type, and with it its finer ones.
    """

    before: Differential
    after: Differential
    reviewed: dict[str, int]
    unsure: int
    unreviewed: int
    unusual: int
    waiting: int
    unreadable: int
    reclassified: list[tuple[str, str, int]]
    moved_by_model: list[tuple[str, str, int]]
    cases: int
    reviewed_until: int
    level: Level = Level.SUBTYPE
    families: Mapping[str, frozenset[str]] = field(default_factory=dict)


def tally(snapshot: Snapshot, case: int | None = None, level: Level | None = None) -> Tally:
    """Count one label set, over a case or all images that it is asked of; at its own level where none is given.

    Of a case of which cells were drawn only those count.
    """
    own = snapshot.counting(case) & snapshot.asked
    spec = snapshot.spec
    level, rules = level or spec.level, spec.rules
    # What counts is counted under the name of its level; -1 is the last.
    names = np.array([*(listed_as(name, level, rules[name], rules.__getitem__) for name in spec.names), ""], np.str_)
    first = snapshot.alone if snapshot.spec.kind == "bundle" else snapshot.predicted
    read, label = snapshot.read[own], snapshot.label[own]
    alone = np.where(read, first[own], -1)
    final = np.where(label >= 0, label, np.where(label == -2, -1, np.where(read, snapshot.predicted[own], -1)))
    unsure, open_ = label == -2, label < 0
    unreviewed = read & (label == -1)
    moved = (alone >= 0) & (unsure | ((final >= 0) & (names[final] != names[alone])))

    def moves(rows: NDArray[np.bool_]) -> list[tuple[str, str, int]]:
        pairs = Counter(
            (str(names[one]), UNSURE if doubt else str(names[other]))
            for one, other, doubt in zip(alone[rows], final[rows], unsure[rows], strict=True)
        )
        return [(one, other, n) for (one, other), n in sorted(pairs.items(), key=lambda entry: (-entry[1], entry[0]))]

    before, after = names[alone[alone >= 0]].tolist(), names[final[final >= 0]].tolist()
    # A type that was retired is listed as long as a cell has it.
    types = {*class_facts.in_use(spec.classes), *before, *after}
    return Tally(
        before=differential(before, types, spec.name, level, rules),
        after=differential(after, types, spec.name, level, rules),
        reviewed=dict(Counter(names[label[label >= 0]].tolist())),
        unsure=int(unsure.sum()),
        unreviewed=int(unreviewed.sum()),
        unusual=int((unreviewed & (snapshot.novelty[own] > UNUSUAL)).sum()),
        waiting=int((open_ & (snapshot.status[own] == WAITING)).sum()),
        unreadable=int((open_ & (snapshot.status[own] == UNREADABLE)).sum()),
        reclassified=moves(moved & (label != -1)),
        moved_by_model=moves(moved & (label == -1)),
        cases=len(np.unique(snapshot.case[own])),
        # Of the whole case, as who signs compares it with every label record of it.
        reviewed_until=int(snapshot.version[snapshot.of_case(case) & snapshot.asked].max(initial=0)),
        level=level,
        families=families(spec),
    )


def families(spec: LabelSetSpec) -> dict[str, frozenset[str]]:
    """Each type of a label set, and with it its finer ones."""
    rules = spec.rules
    return {
        name: frozenset({name, *(one for one, rule in rules.items() if rule.parent == name)}) for name in spec.names
    }


def final_labels(snapshot: Snapshot) -> NDArray[np.str_]:
    """What counts for each row: a person's label, ``?`` for unsure, else the reading; empty where there is neither."""
    names = np.array([*snapshot.spec.names, UNSURE, ""], np.str_)
    reading = np.where(snapshot.predicted >= 0, snapshot.predicted, len(names) - 1)
    chosen = np.where(snapshot.label == -1, reading, np.where(snapshot.label == -2, len(names) - 2, snapshot.label))
    return names[chosen]
