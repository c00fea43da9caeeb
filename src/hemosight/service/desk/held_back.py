"""Holding back how sure readings of a foreign case are, until the case is adapted.

Temperatures that were fitted on other scanners say little of one that is unknown, so that no probability of a foreign
case (:mod:`hemosight.service.desk.foreign`) is shown: not by the page, which draws the columns, nor by lists, queues,
searches, second looks and exports. They all look at the snapshot, where the numbers are blanked.

Other label sets that the bundle reads were calibrated on those scanners too: they are held back with the cell types
(:func:`.snapshot.held_back_as`). A label set of the project's own learnt from labels of the project alone, and is not.

A case becomes foreign, or ceases to be, by what happens to other cells of it. Whoever follows by deltas has to be sent
its rows then, so that these rows' stamps are renewed. Which case is foreign follows from labels and embeddings alone
and not from what a classifier has learnt: every process finds the same after the same event.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from hemosight.engine.bundle import Bundle
from hemosight.service.desk import foreign
from hemosight.service.desk.snapshot import Snapshot


class HeldBack:
    """What of a project's cell types is held back, and since which event; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: tuple[Snapshot, Snapshot] | None = None
        self._event = -1
        self._foreign: frozenset[int] = frozenset()
        self._changed: dict[int, int] = {}
        self._all_since = -1

    def of(self, taken: Snapshot, event: int, bundle: Bundle) -> Snapshot:
        """The snapshot with the probabilities of foreign cases held back; the same answer to the same one.

        Parameters
        ----------
        taken
            The cell types as they were read.
        event
            The event of the project up to which labels and embeddings are in it.
        bundle
            What its cells were embedded with.
        """
        with self._lock:
            if self._done is None or self._done[0] is not taken:
                now = frozenset(foreign.foreign_cases(taken, bundle))
                if event >= self._event:
                    self._note(now, event, taken.floor)
                self._done = (taken, self._blanked(taken, now))
            return self._done[1]

    @property
    def kept(self) -> tuple[Snapshot, ...]:
        """The snapshots that are held: the last one, as it was given and as it was answered."""
        return self._done or ()

    def _note(self, now: frozenset[int], event: int, floor: int) -> None:
        """Note which cases changed; nothing is known of those before the first answer, so that all might have."""
        if self._event >= 0:
            self._changed |= dict.fromkeys(now ^ self._foreign, event)
        elif event > floor:
            self._all_since = event
        self._event, self._foreign = event, now

    def _blanked(self, taken: Snapshot, now: frozenset[int]) -> Snapshot:
        if not now and not self._changed and self._all_since < 0:
            return taken
        stamp: NDArray[np.int64] = np.maximum(taken.stamp, self._all_since)
        if self._changed:
            cases = np.array(sorted(self._changed), np.int64)
            since = np.array([self._changed[case] for case in cases.tolist()], np.int64)
            at = np.minimum(np.searchsorted(cases, taken.case), len(cases) - 1)
            stamp = np.where(cases[at] == taken.case, np.maximum(stamp, since[at]), stamp)
        return taken.holding_back(np.isin(taken.case, list(now)), stamp)
