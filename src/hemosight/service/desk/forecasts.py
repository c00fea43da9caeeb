"""How many more labels a project needs: worked out beside the requests, from its own labels alone.

What is forecast is a reader taught by nothing but the labels that stand in the project
(:mod:`hemosight.scoring.planner`), each cell read by fits that never saw its label. The project's reader knows the
bundle's cells besides and reads better while labels are few: where the bundle has the label set, this is what the
labels are worth by themselves, and mostly more than are needed. Cells of the queue were chosen for being hard, which
makes the forecast more careful still.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from hemosight.errors import HemoSightError
from hemosight.scoring import planner
from hemosight.service.desk.snapshot import Snapshot
from hemosight.space.one_thread import one_thread

log = structlog.get_logger()

LEAST = 20
"""Labels a forecast needs, in at least two classes of at least :data:`hemosight.scoring.planner.LEAST`."""
MOST = 500
"""Labels it is made from; of more, a random sample that keeps the classes' shares. It bounds the time."""
EVERY = 10
"""New labels, or changed ones, after which it is made again; a tenth of the labels where that is more."""
DRAWS, SAMPLES = 3, 100


@dataclass(frozen=True)
class Forecast:
    """What more labels would bring; numbers are of labels, at most nine times those there are.

    Parameters
    ----------
    target
        The macro-F1 to go for next: one of :data:`hemosight.scoring.planner.RUNGS`.
    score
        The macro-F1 that the labels reach now.
    labels
        Labels it was made from.
    more, low, high
        How many more reach the target, and the 95 % interval.
    by_class
        How they are best shared out.
    """

    target: float
    score: float
    labels: int
    more: int
    low: int
    high: int
    by_class: dict[str, int]


@dataclass
class _Known:
    version: int = 0
    """The newest label that went into :attr:`forecast`; 0 before the first."""
    forecast: Forecast | None = None
    at_work: bool = False


class Forecasts:
    """Forecasts by project and label set; safe to use from several threads.

    Who asks gets what is known, at once; where that is too old, a thread begins to make it anew. One is made at a
    time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._known: dict[tuple[int, int, int], _Known] = {}

    def get(self, project: int, snapshot: Snapshot, in_bulk: Collection[int] = (), bundle: int = 0) -> Forecast | None:
        """What is known of a label set; None where labels are too few, no higher score is in reach, or it is at work.

        Parameters
        ----------
        project
            The number of the snapshot's project.
        snapshot
            A label set as it is now.
        in_bulk
            Images whose label was given to many at once: left out.
        bundle
            The number of the bundle that reads the project: a forecast is of its embeddings.
        """
        rows = labelled(snapshot, in_bulk)
        with self._lock:
            known = self._known.setdefault((project, bundle, snapshot.spec.id), _Known())
            if not len(rows):
                known.version, known.forecast = 0, None
                return None
            news = int((snapshot.version > known.version).sum())
            if not known.at_work and (not known.version or news >= max(EVERY, len(rows) // 10)):
                known.at_work = True
                threading.Thread(
                    target=self._make, args=(known, snapshot, rows), name=f"forecast {project}", daemon=True
                ).start()
            return known.forecast

    def busy(self) -> bool:
        """Whether a forecast is being made."""
        with self._lock:
            return any(known.at_work for known in self._known.values())

    def _make(self, known: _Known, snapshot: Snapshot, rows: NDArray[np.int64]) -> None:
        made = None
        try:
            with self._turn:
                made = forecast(snapshot, rows)
        except Exception:
            log.exception("forecast_failed", label_set=snapshot.spec.id)
        with self._lock:
            # What failed is tried again when there are new labels, like what succeeded.
            known.version, known.forecast, known.at_work = int(snapshot.version.max()), made, False


def labelled(snapshot: Snapshot, in_bulk: Collection[int] = ()) -> NDArray[np.int64]:
    """Rows of a snapshot that a forecast is made from: of classes with enough labels; none where they are too few."""
    single = ~np.isin(snapshot.ids, list(in_bulk))
    rows = np.flatnonzero((snapshot.label >= 0) & snapshot.read & single)
    counts = np.bincount(snapshot.label[rows], minlength=len(snapshot.spec.names))
    rows = rows[counts[snapshot.label[rows]] >= planner.LEAST]
    return rows if len(rows) >= LEAST and (counts >= planner.LEAST).sum() >= 2 else rows[:0]


def forecast(snapshot: Snapshot, rows: NDArray[np.int64]) -> Forecast | None:
    """The forecast from these rows; None where no higher target is within ten times the labels there are."""
    chosen = _sample(snapshot.label[rows], MOST)
    names = np.array(snapshot.spec.names)[snapshot.label[rows[chosen]]]
    try:
        with one_thread():
            vectors = snapshot.vectors[snapshot.rows[rows[chosen]]]
            made = planner.plan(vectors, names, draws=DRAWS, samples=SAMPLES, of=len(rows))
    except HemoSightError as fault:
        log.info("no_forecast", label_set=snapshot.spec.id, why=type(fault).__name__)
        return None
    if not made.reachable:
        return None
    most = (planner.BEYOND - 1) * len(rows)
    more, low, high = (round(min(value, most)) for value in (made.more, made.low, made.high))
    by_class = dict(made.by_class.select("class", "more").iter_rows())
    return Forecast(made.target, made.score, len(rows), more, low, high, by_class)


def _sample(codes: NDArray[np.int16], most: int) -> NDArray[np.int64]:
    """At most so many cells, each class by its share and with what a forecast needs; the same ones every time."""
    if len(codes) <= most:
        return np.arange(len(codes))
    rng = np.random.default_rng(0)
    parts = []
    for code in np.unique(codes):
        cells = rng.permutation(np.flatnonzero(codes == code))
        parts.append(cells[: max(planner.LEAST, len(cells) * most // len(codes))])
    return np.sort(np.concatenate(parts))
