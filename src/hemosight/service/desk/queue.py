"""What to review next: strategies of active learning over a snapshot, each choice with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.label_set_state import NOTHING
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.trust import EVERY, START, check_cells
from hemosight.space.queries import query

POOL = 20_000
"""Cells that the slower strategies choose from, at most: a seeded sample where a project has more."""
REASONS: Mapping[str, Callable[[Snapshot, int], str]] = {
    "uncertainty": lambda snapshot, row: (
        "least sure" + ("" if snapshot.held_back[row] else f": {snapshot.probability[row]:.0%}")
    ),
    "margin": lambda snapshot, row: f"between {_two(snapshot, row)}",
    "diversity": lambda snapshot, row: f"unlike the others in doubt, between {_two(snapshot, row)}",
    "novelty": lambda snapshot, row: f"unlike anything known: novelty {snapshot.novelty[row]:.2f}",
    "typical": lambda _view, _row: "typical of cells nobody has labelled yet",
}
"""Every strategy, and what it says of its choice."""
CHECK = "drawn at random, to check how well the model reads"


@dataclass(frozen=True)
class QueuedImage:
    """An image worth a look, and why; ``row`` is its place in the snapshot."""

    image: int
    row: int
    reason: str


def choose(
    snapshot: Snapshot,
    strategy: str,
    n: int,
    case: int | None = None,
    skip: Sequence[int] = (),
    *,
    by_novelty: bool = False,
) -> list[QueuedImage]:
    """The ``n`` images to look at next: read, not labelled, not skipped; best first.

    ``strategy`` is one of :data:`REASONS`, or ``adapt``: what teaches the model a case of an unknown scanner. The same
    snapshot gives the same choice. Without a classifier, strategies that need one give typical cells instead.
    ``by_novelty`` is for ``adapt``, where labels of cells unlike anything known are all that is missing: it asks these.
    """
    free = snapshot.read & (snapshot.label == NOTHING) & snapshot.of_case(case) & snapshot.asked
    free &= ~np.isin(snapshot.ids, list(skip))
    if case is not None and strategy != "adapt":  # what teaches may lie anywhere; what is asked for the case counts
        free &= ~snapshot.outside
    rows = np.flatnonzero(free)
    if strategy == "adapt":
        answered = int((snapshot.of_case(case) & (snapshot.label != NOTHING)).sum()) + len(skip)
        return _adapt(snapshot, rows, n, answered, by_novelty=by_novelty)
    if strategy == "novelty":
        best = rows[np.argsort(-snapshot.novelty[rows], kind="stable")[:n]]
    else:
        if strategy != "typical" and not (snapshot.predicted[rows] >= 0).all():
            strategy = "typical"
        best = _query(snapshot, strategy, rows, n)
    return [
        QueuedImage(int(snapshot.ids[row]), int(row), REASONS[strategy](snapshot, int(row))) for row in best.tolist()
    ]


def _adapt(
    snapshot: Snapshot, free: NDArray[np.int64], n: int, answered: int, *, by_novelty: bool
) -> list[QueuedImage]:
    """Cells that teach the model a scanner: typical ones first, then the least sure; every fourth is a check.

    ``answered`` is how many were asked before. Check cells (:mod:`hemosight.service.desk.trust`) are asked in their own
    order and never for being typical or hard: what they say of the model would be no sample otherwise.
    """
    in_order = [image for images in _by_case(snapshot, free) for image in check_cells(images).tolist()]
    at_row = dict(zip(snapshot.ids[free].tolist(), free.tolist(), strict=True))
    checks = np.array([at_row[image] for image in in_order if image in at_row], np.int64)
    others = free[~np.isin(free, checks)]
    beginning = max(START - answered, 0)
    typical = choose_rows(snapshot, "typical", others, min(n, beginning))
    rest = np.setdiff1d(others, typical)
    if by_novelty:
        hard, reason = rest[np.argsort(-snapshot.novelty[rest], kind="stable")[:n]], "novelty"
    else:
        hard, reason = choose_rows(snapshot, "uncertainty", rest, n), "uncertainty"
    kinds: list[tuple[str, Iterator[int]]] = [
        ("typical", iter(typical.tolist())),
        (reason, iter(hard.tolist())),
        ("check", iter(checks.tolist())),
    ]
    chosen: list[QueuedImage] = []
    for at in range(answered, answered + n):
        first = "typical" if at < START else ("check" if at % EVERY == 0 else reason)
        # Where one kind has run out the others go on.
        for name, rows in sorted(kinds, key=lambda kind: kind[0] != first):
            if (row := next(rows, None)) is not None:
                why = CHECK if name == "check" else REASONS[name](snapshot, row)
                chosen.append(QueuedImage(int(snapshot.ids[row]), row, why))
                break
    return chosen


def _by_case(snapshot: Snapshot, free: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """All images of each case that has free cells, answered ones too: which are checks must not depend on answers."""
    return [snapshot.ids[snapshot.case == case] for case in np.unique(snapshot.case[free]).tolist()]


def choose_rows(snapshot: Snapshot, strategy: str, rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The ``n`` best of these rows; typical ones where there is no classifier yet."""
    if strategy != "typical" and not (snapshot.predicted[rows] >= 0).all():
        strategy = "typical"
    return _query(snapshot, strategy, rows, n) if n and len(rows) else rows[:0]


def _query(snapshot: Snapshot, strategy: str, free: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(0)
    if len(free) > POOL:
        free = np.sort(rng.choice(free, POOL, replace=False))
    known = np.flatnonzero(snapshot.read & (snapshot.label >= 0))
    pool = np.concatenate([free, known])
    labelled = np.arange(len(free), len(pool))
    vectors = snapshot.vectors[snapshot.rows[pool]]
    return pool[query(strategy, snapshot.probabilities[pool].astype(np.float64), vectors, labelled, n, rng)]


def _two(snapshot: Snapshot, row: int) -> str:
    """The two likeliest types; none is named where probabilities are held back, as that would tell them."""
    if snapshot.held_back[row]:
        return "two types"
    titles = [str(facts["title"]) for facts in snapshot.spec.classes]
    best = np.argsort(-snapshot.probabilities[row], kind="stable")[:2]
    return " and ".join(titles[at] for at in best)
