"""Fitting the classifiers of a project to its labels, in one thread beside the requests.

Each scanner profile has a classifier of its own, fitted on the bundle's labels and the profile's: labels of another
scanner were measured to help at no weight and to mislead at a full one (docs/decisions/0012-scanner-profiles.md).

Labels are in the columns at once; readings follow when the thread has fitted the classifier again, each time with
whatever has come together since it last looked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.scoring.metrics import Scores, scores
from hemosight.service.desk import profile_reader
from hemosight.service.desk.image_columns import ImageColumns
from hemosight.service.desk.label_set_fit import FitProgress, Moment
from hemosight.service.desk.label_set_state import NOTHING, LabelSetState
from hemosight.service.desk.notifier import Notifier
from hemosight.service.desk.panel_teaching import TeachingPanel
from hemosight.service.desk.profile_reader import ProfileReader
from hemosight.service.desk.references import References
from hemosight.service.desk.settling import Settling
from hemosight.space.leave_one_out import LeftOut
from hemosight.space.one_thread import one_thread

log = structlog.get_logger()
PATIENCE = 30.0
"""Seconds that who looks waits for a fit that is due."""


class Learner:
    """The classifiers of a project's label sets. Guarded by the project's lock; :meth:`score` and :meth:`join` take no
    lock that the caller holds.

    Parameters
    ----------
    project
        Its number.
    lock
        The project's.
    moment
        Gives what to fit on now; called with the lock held.
    failed
        Called with the lock held when a fit failed: states are to be made anew.
    references
        Support sets of bundles.
    notifier
        Notes what moved, and tells browsers.
    """

    def __init__(
        self,
        project: int,
        lock: threading.RLock,
        moment: Callable[[], Moment],
        failed: Callable[[], None],
        references: References,
        notifier: Notifier,
    ) -> None:
        self._project = project
        self._lock = lock
        self._moment = moment
        self._failed = failed
        self._references = references
        self._notifier = notifier
        self._fits: dict[int, FitProgress] = {}
        self._thread: threading.Thread | None = None
        self._fitted = threading.Condition(lock)

    # --- what there is to learn ---

    def start(self, state: LabelSetState, labels: Mapping[int, int], event: int) -> None:
        """Learn a label set from now on; ``labels`` are those that stand, row -> class number."""
        self._drop((state.spec.id,))
        fit = FitProgress(state, self._references)
        fit.settled.set()
        self._fits[state.spec.id] = fit
        if labels:
            fit.worth_waiting = True
            self.add(state.spec.id, labels, event)
        elif state.spec.name == CELL_TYPE and self._moment().settings.consensus:
            self._mark_stale(fit, event)

    def keep(self, label_sets: Iterable[int]) -> None:
        """Forget every label set but these."""
        self._drop(self._fits.keys() - set(label_sets))

    def _drop(self, label_sets: Iterable[int]) -> None:
        """Forget label sets; whoever waits for the fit of one waits for the one that takes its place."""
        with self._fitted:
            for number in label_sets:
                fit = self._fits.pop(number, None)
                if fit is not None:
                    fit.settled.drop()
            self._fitted.notify_all()

    def add(self, label_set: int, labels: Mapping[int, int], event: int) -> None:
        """Labels to learn, row -> class number or -1; ``event`` is the one up to which readings were complete."""
        if labels:
            fit = self._fits[label_set]
            fit.pending |= labels
            self._mark_pending(fit, event)

    def refit_all(self, event: int) -> None:
        """Settings have changed, and whoever looks should see what comes of it."""
        for fit in self._fits.values():
            self._mark_stale(fit, event)

    def embedded(self, images: Iterable[int], event: int) -> None:
        """Images have got an embedding: what panels said of them can be learnt now."""
        if not self._moment().settings.consensus.keys().isdisjoint(images):
            for fit in self._fits.values():
                if fit.state.spec.name == CELL_TYPE:
                    self._mark_stale(fit, event)

    def others_taught(self, label_set: int, until: int) -> None:
        """Another process has learnt this far: browsers are about to ask for what moved."""
        fit = self._fits[label_set]
        if fit.known < until:
            fit.worth_waiting = fit.complete_until is not None

    def wake(self) -> None:
        """Begin to learn, unless that is going on or there is nothing to learn."""
        if self._thread is None and any(fit.pending or fit.stale for fit in self._fits.values()):
            self._thread = threading.Thread(target=self._work, name=f"learner {self._project}", daemon=True)
            self._thread.start()

    def _mark_stale(self, fit: FitProgress, event: int) -> None:
        fit.stale = fit.worth_waiting = True
        self._mark_pending(fit, event)

    @staticmethod
    def _mark_pending(fit: FitProgress, event: int) -> None:
        if fit.complete_until is None:
            fit.complete_until = event
        fit.settled.clear()

    # --- how far it is ---

    def settled(self, label_set: int) -> Settling:
        """Set while the readings of a label set have followed every label."""
        return self._fits[label_set].settled

    def follow(self, begun: Callable[[], int], until: int, patience: float) -> bool:
        """Wait until readings have followed the labels up to a record, whatever is labelled meanwhile; False where it
        took too long. Call it without the lock.

        ``begun`` gives the number of a label set that is being learnt; it is called with the lock held, again where
        that is dropped meanwhile.
        """
        with self._fitted:
            fit = self._fits[begun()]

            def followed() -> bool:
                nonlocal fit
                if fit.settled.dropped:
                    fit = self._fits[begun()]
                return fit.settled.is_set() or fit.known >= until

            return self._fitted.wait_for(followed, patience)

    def worth_waiting(self, label_set: int) -> bool:
        """Whether whoever looks should wait for :meth:`settled`."""
        return self._fits[label_set].worth_waiting

    def complete_until(self, label_set: int, event: int) -> int:
        """The event up to which labels and readings are complete; ``event`` where no fit is due."""
        until = self._fits[label_set].complete_until
        return event if until is None else until

    def taught_until(self, label_set: int) -> int:
        """The newest label record that the classifier has learnt; 0 where none: see :meth:`taught_by_panels` too."""
        return self._fits[label_set].taught_until

    def taught_by_panels(self, label_set: int) -> Mapping[int, tuple[TeachingPanel, ...]]:
        """The panels whose consensus each scanner profile's classifier has learnt."""
        return self._fits[label_set].taught_by_panels

    def known(self, label_set: int) -> int:
        """The newest label record that was known when the classifier was last fitted."""
        return self._fits[label_set].known

    def count(self, label_set: int) -> int:
        """How often it was fitted."""
        return self._fits[label_set].count

    def score(self, label_set: int, weight: float) -> tuple[Scores | None, int]:
        """How well labelled cells are read by classifiers fitted on all others, and the newest label learnt.

        None where there are fewer than two classes of two cells. It is computed once after every fit.
        """
        with self._lock:
            fit = self._fits.get(label_set)
            if fit is None:  # loaded anew this very moment
                return None, 0
            count, until = fit.count, fit.taught_until
            if not fit.ldas or (fit.score is not None and fit.score[0] == count):
                return (None if fit.score is None else fit.score[1]), until
        with fit.in_use:
            left = profile_reader.together([lda.leave_one_out(weight) for lda in fit.ldas.values()])
        names = np.array(fit.state.names, np.str_)
        found = scores(names[left.truth], names[left.read]) if len(np.unique(left.truth)) >= 2 else None
        with self._lock:
            fit.score = (count, found, left)
        return found, until

    def left_out(self, label_set: int, weight: float) -> LeftOut | None:
        """What labelled cells (rows) are read as by classifiers fitted on all others; None where nothing was learnt."""
        self.score(label_set, weight)
        with self._lock:
            fit = self._fits.get(label_set)
            return None if fit is None or fit.score is None else fit.score[2]

    def moved_by(self, label_set: int, rows: Sequence[int], case: NDArray[np.int64], weight: float) -> int:
        """How many of the rows ``case``, which nobody labelled, are read otherwise than without the labels of ``rows``.

        All are of one scanner profile. Zero where nothing has been learnt there.
        """
        with self._lock:
            fit = self._fits.get(label_set)
            if fit is None or not len(case) or not len(rows):
                return 0
            lda = fit.ldas.get(int(fit.state.profile_of(case[:1])[0]))
            now, vectors = fit.state.predicted[case], self._moment().images.vectors[case]
            profile = int(fit.state.profile_of(case[:1])[0])
            if (finer := fit.finer.get(profile)) is not None:
                now = finer.upper[now]
        if lda is None:
            return 0
        with fit.in_use, one_thread():
            without = lda.classifier_without(rows, weight)
        return 0 if without is None else int((without.scores(vectors).argmax(axis=1) != now).sum())

    def join(self, timeout: float) -> bool:
        """Wait until the thread has ended; False where it took too long."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(lda.size for fit in self._fits.values() for lda in fit.ldas.values())

    # --- the thread ---

    def _work(self) -> None:
        while True:
            with self._lock:
                due = [fit for fit in self._fits.values() if fit.pending or fit.stale]
                if not due:
                    self._thread = None
                    return
            try:
                self._fit(due[0])
            except Exception:
                log.exception("learning_failed", project=self._project)
                with self._lock:
                    due[0].settled.set()  # whoever waits for this one goes on without it
                    self._drop([number for number, fit in self._fits.items() if fit is not due[0]])
                    self._fits.clear()
                    self._failed()
                    self._thread = None
                return

    def _fit(self, fit: FitProgress) -> None:
        spec = fit.state.spec
        with self._lock:
            pending, fit.pending = fit.pending, {}
            everything, fit.stale = fit.stale or not fit.count, False
            now = self._moment()
            read = now.images.embedded()
            profile, open_ = fit.state.profile_of(read), fit.state.label[read] == NOTHING
            to_learn = np.array(list(pending), np.int64)
            teaches = fit.state.profile_of(to_learn)
            # Older than the floor where this is the first fit: whoever has seen that event has seen all of this.
            stamp = now.event if now.event > fit.state.floor or fit.count else now.event - 1
        learns = now.settings.teaching or spec.kind == "own"
        with fit.in_use, one_thread():
            for number in np.unique(teaches).tolist():
                fit.learn(number, {row: pending[row] for row in to_learn[teaches == number].tolist()}, now)
            changed, panels = fit.learn_consensus(now, read[open_], learns)
            due = {*np.unique(teaches).tolist(), *changed}
            readers: dict[int, ProfileReader | None] = {}
            found: list[tuple[NDArray[np.int64], NDArray[np.float32] | None]] = []
            for number in fit.ldas if everything else sorted(due):
                rows = read[profile == number]
                readers[number] = reader = fit.reader(number, now, rows, open_[profile == number], learns)
                found.append(
                    (rows, None if reader is None else reader.read(now.images.vectors, now.images.novelty, rows))
                )
        with self._lock:
            if self._fits.get(spec.id) is not fit:
                return  # dropped meanwhile, and whoever waits for it was told
            self._install(fit.state, now.images, readers, found, stamp, read)
            fit.known = now.label
            fit.taught_until = now.label if any(len(lda) for lda in fit.ldas.values()) and learns else 0
            fit.taught_by_panels = panels
            fit.count += 1
            if not fit.pending and not fit.stale:
                fit.complete_until, fit.worth_waiting = None, False
                fit.settled.set()
            self._fitted.notify_all()
            news = self._notifier.news(fit.state.spec, fit.known)
        if news is not None:
            self._notifier.send(news)

    def _install(
        self,
        state: LabelSetState,
        images: ImageColumns,
        readers: Mapping[int, ProfileReader | None],
        found: Sequence[tuple[NDArray[np.int64], NDArray[np.float32] | None]],
        stamp: int,
        read: NDArray[np.int64],
    ) -> None:
        """Put new readings in place, and note which cells moved."""
        for number, reader in readers.items():
            if reader is None:
                state.clear_readings(stamp)
                return
            state.readers[number] = reader
        moves = [(rows, state.put(rows, values, stamp)) for rows, values in found if values is not None]
        now = images.embedded()
        late = now[~np.isin(now, read)]  # embedded while the classifier was being fitted
        if len(late):
            state.read_with(late, self._moment().event)
        for rows, before in moves:
            after = state.predicted[rows]
            moved = np.flatnonzero((before != after) & (state.label[rows] == NOTHING))
            self._notifier.moved(state.spec.id, images.ids[rows[moved]], before[moved], after[moved])
