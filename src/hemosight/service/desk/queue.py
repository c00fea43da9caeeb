"""What to review next: strategies of active learning over a view, each choice with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.opinions import NOTHING
from hemosight.service.desk.views import View
from hemosight.space.queries import query

POOL = 20_000
"""Cells that the slower strategies choose from, at most: a seeded sample where a project has more."""
REASONS: Mapping[str, Callable[[View, int], str]] = {
    "uncertainty": lambda view, row: f"least sure: {view.probability[row]:.0%}",
    "margin": lambda view, row: f"between {_two(view, row)}",
    "diversity": lambda view, row: f"unlike the others in doubt, between {_two(view, row)}",
    "novelty": lambda view, row: f"unlike anything known: novelty {view.novelty[row]:.2f}",
    "typical": lambda _view, _row: "typical of cells nobody has labelled yet",
}
"""Every strategy, and what it says of its choice."""


@dataclass(frozen=True)
class Choice:
    """An image worth a look, and why; ``row`` is its place in the view."""

    image: int
    row: int
    reason: str


def choose(view: View, strategy: str, n: int, case: int | None = None, skip: Sequence[int] = ()) -> list[Choice]:
    """The ``n`` images to look at next: read, said nothing of, not skipped; best first.

    ``strategy`` is one of :data:`REASONS`. The same view gives the same choice. Without a reader, strategies that need
    one give typical cells instead.
    """
    free = view.read & (view.label == NOTHING) & view.of_case(case) & ~np.isin(view.ids, list(skip))
    rows = np.flatnonzero(free)
    if strategy == "novelty":
        best = rows[np.argsort(-view.novelty[rows], kind="stable")[:n]]
    else:
        if strategy != "typical" and not (view.predicted[rows] >= 0).all():
            strategy = "typical"
        best = _query(view, strategy, rows, n)
    return [Choice(int(view.ids[row]), int(row), REASONS[strategy](view, int(row))) for row in best.tolist()]


def _query(view: View, strategy: str, free: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(0)
    if len(free) > POOL:
        free = np.sort(rng.choice(free, POOL, replace=False))
    known = np.flatnonzero(view.read & (view.label >= 0))
    pool = np.concatenate([free, known])
    labelled = np.arange(len(free), len(pool))
    vectors = view.vectors[view.rows[pool]]
    return pool[query(strategy, view.probabilities[pool].astype(np.float64), vectors, labelled, n, rng)]


def _two(view: View, row: int) -> str:
    titles = [str(facts["title"]) for facts in view.question.classes]
    best = np.argsort(-view.probabilities[row], kind="stable")[:2]
    return " and ".join(titles[at] for at in best)
