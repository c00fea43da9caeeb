"""Known cells near a cell: of the laboratory's own signed cases, and which types have none.

A cell is known where a person gave it a type and the case that it lies in is signed with that label. What only the
model read in a signed case is no evidence of what the model should read here, and is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.images.synthetic import CELL_TYPES
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.storage.amendments import SignedCase
from hemosight.space.neighbours import nearest

LEAST = 0.05
"""Probability from which a type is a candidate."""
MOST = 4
"""Candidates at most."""


@dataclass(frozen=True)
class KnownCell:
    """A known cell: its type, its case, and how far it lies from the cell in question (Euclidean, 0 to 2)."""

    image: int
    label: str
    case: int
    distance: float
    same_profile: bool


@dataclass(frozen=True)
class KnownCells:
    """The known cells nearest to a cell, and what else could stand beside it.

    Parameters
    ----------
    cells
        Nearest first; those of the cell's own scanner profile before all others.
    among
        Known cells of the project.
    missing
        Candidate types of which the project has no known cell, the most probable first.
    """

    cells: list[KnownCell]
    among: int
    missing: list[str]


def known_rows(snapshot: Snapshot, signed: Mapping[int, SignedCase]) -> NDArray[np.int64]:
    """Rows of cells whose label a signature covers, of cases that nobody amends."""
    until = {case: one.reviewed_until for case, one in signed.items() if one.locked}
    labelled = np.flatnonzero(snapshot.label >= 0)
    covered = [snapshot.version[row] <= until.get(int(snapshot.case[row]), -1) for row in labelled]
    return labelled[np.array(covered, np.bool_)]


def near(
    snapshot: Snapshot,
    signed: Mapping[int, SignedCase],
    image: int,
    count: int,
) -> KnownCells:
    """The known cells nearest to an image."""
    row = int(np.searchsorted(snapshot.ids, image))
    rows = known_rows(snapshot, signed)
    names = snapshot.spec.names
    there = {names[code] for code in np.unique(snapshot.label[rows])}
    missing = [name for name in candidates(snapshot, row) if name not in there]
    others = rows[(rows != row) & snapshot.read[rows]]
    if not snapshot.read[row] or not len(others):
        return KnownCells([], len(rows), missing)
    own = snapshot.profile[others] == snapshot.profile[row]
    found: list[KnownCell] = []
    for part, same in ((others[own], True), (others[~own], False)):
        if not len(part) or len(found) >= count:
            continue
        vectors = snapshot.vectors[snapshot.rows[part]]
        at, distances = nearest(snapshot.vectors[snapshot.rows[row]][None], vectors, count - len(found))
        found += [
            KnownCell(int(snapshot.ids[one]), names[snapshot.label[one]], int(snapshot.case[one]), float(far), same)
            for one, far in zip(part[at[0]], distances[0], strict=True)
        ]
    return KnownCells(found, len(rows), missing)


def candidates(snapshot: Snapshot, row: int) -> list[str]:
    """What a cell may be: a person's label first, then what the model holds probable.

    Where probabilities are held back it may be any type, in the label set's order: another would tell them. Of a cell
    that was not read nothing is known.
    """
    names = snapshot.spec.names
    label = [names[snapshot.label[row]]] if snapshot.label[row] >= 0 else []
    if not snapshot.read[row] or snapshot.predicted[row] < 0:
        return label
    if snapshot.held_back[row]:
        probable = names
    else:
        order = np.argsort(-snapshot.probabilities[row], kind="stable")
        probable = [names[code] for code in order[:MOST] if snapshot.probabilities[row, code] >= LEAST]
    return list(dict.fromkeys([*label, *probable]))


def drawn(names: Collection[str]) -> list[str]:
    """Those types that can be drawn."""
    return [name for name in names if name in CELL_TYPES]
