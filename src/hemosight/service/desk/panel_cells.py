"""Which cells a panel reads, in which order each reader meets them, and what is planted among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.storage.panels import AGAIN, AIDED, FIRST

Choice = Literal["random", "stratified", "differing"]


def choose(
    snapshot: Snapshot, count: int, choice: Choice, seed: int, *, case: int | None = None, labelled: bool = False
) -> NDArray[np.int64]:
    """Rows of the snapshot for a panel, in a drawn order; fewer than ``count`` where there are no more.

    ``random``: any that were read. ``stratified``: as evenly of each reading as there are cells. ``differing``: cells
    whose label is another than the model's reading come first, the surest readings before others, then random ones.
    ``labelled`` takes cells with a label that is no ``?`` alone. Of a case, only cells that count.
    """
    own = snapshot.of_case(case) if case is None else snapshot.counting(case)
    fit = own & snapshot.read & (snapshot.predicted >= 0)
    if labelled:
        fit &= snapshot.label >= 0
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(fit))
    if choice == "stratified":
        kind = snapshot.label if labelled else snapshot.predicted
        rank = np.zeros(len(rows), np.int64)
        for name in np.unique(kind[rows]):
            own = np.flatnonzero(kind[rows] == name)
            rank[own] = np.arange(len(own))
        rows = rows[np.argsort(rank, kind="stable")]
    elif choice == "differing":
        apart = (snapshot.label[rows] >= 0) & (snapshot.label[rows] != snapshot.predicted[rows])
        sure = np.where(apart, snapshot.probabilities[rows].max(axis=1, initial=0.0), -1.0)
        rows = rows[np.argsort(-sure, kind="stable")]
    return rng.permutation(rows[:count])


def misleading(snapshot: Snapshot, row: int) -> str | None:
    """A wrong reading to plant: the most probable class that is neither the model's reading nor the cell's label.

    Any such class where probabilities are held back: the second likeliest would tell them.
    """
    order = np.argsort(-snapshot.probabilities[row], kind="stable")
    wrong = [int(kind) for kind in order[1:] if kind != snapshot.label[row]]
    if wrong and snapshot.held_back[row]:
        return snapshot.spec.names[sorted(wrong)[int(snapshot.ids[row]) % len(wrong)]]
    return snapshot.spec.names[wrong[0]] if wrong else None


def sequence(cells: Sequence[int], again: Sequence[int], seed: int, user: int, *, aided: bool) -> list[tuple[int, int]]:
    """What a reader meets, in order: (image, turn).

    Shuffled for each reader. A repeated cell comes again at a drawn place, as many cells later as a third of the
    session at least, among cells that have not been read: nothing tells it. In an aided session all cells follow once
    more, shuffled anew.
    """
    rng = np.random.default_rng([seed, user])
    gap = max(len(cells) // 3, 1)
    # Repeated cells come first before the last third, or nothing would lie between their two turns. Where more are
    # repeated than have room there, they take the places next to it and are repeated after all others, in that order.
    twice = set(again)
    early = set(rng.choice(max(len(cells) - gap, len(twice)), len(twice), replace=False).tolist())
    repeated = iter(rng.permutation(np.array(sorted(twice), np.int64)).tolist())
    others = iter(rng.permutation(np.array([image for image in cells if image not in twice], np.int64)).tolist())
    order = [int(next(repeated if place in early else others)) for place in range(len(cells))]
    places = [(place * 1.0, image, FIRST) for place, image in enumerate(order)]
    for place in sorted(early):
        earliest = place + gap
        places.append((float(rng.uniform(earliest, max(earliest, len(order)))), order[place], AGAIN))
    met = [(image, turn) for _, image, turn in sorted(places)]
    if aided:
        met += [(int(image), AIDED) for image in rng.permutation(np.array(cells, np.int64))]
    return met
