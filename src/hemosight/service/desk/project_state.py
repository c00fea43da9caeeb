"""A project in memory, following the database event by event.

What it says follows from the label records alone, so that every process that holds the same project says the same (up
to rounding). Whoever asks first lets it catch up: one small query tells whether anything happened. The labels are then
in the columns at once; readings follow when the :class:`~hemosight.service.desk.learner.Learner` has fitted the
classifier again, and the :class:`~hemosight.service.desk.notifier.Notifier` tells browsers what moved. What the project
says at a moment is asked of its :class:`~hemosight.service.desk.project_readings.ProjectReadings`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from hemosight.engine.bundle import Bundle
from hemosight.service.desk import loading
from hemosight.service.desk.case_profiles import CaseProfiles
from hemosight.service.desk.image_columns import READ, ImageColumns
from hemosight.service.desk.label_set_fit import Moment
from hemosight.service.desk.label_set_state import LabelSetSpec, LabelSetState
from hemosight.service.desk.learner import PATIENCE, Learner
from hemosight.service.desk.notifier import Notifier
from hemosight.service.desk.project_readings import ProjectReadings
from hemosight.service.desk.references import References
from hemosight.service.desk.settling import Settling, settle
from hemosight.service.errors import NothingThere
from hemosight.service.storage import counting, events, freshness
from hemosight.service.storage.counting import CaseCounting
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import Event

_AWAY = 12 * 3600.0
"""Seconds after which a project that nobody looked at is loaded anew: older events may be forgotten."""
_NEWS = 10_000


class ProjectState:
    """A project in memory; safe to use from several threads.

    :attr:`readings` says what the project looks like now, and is what nearly everybody wants. The columns themselves
    (:attr:`specs`, :attr:`labels`, :attr:`states` by number of the label set, and what :meth:`moment`, :meth:`named`,
    :meth:`label_set` and :meth:`row` give) are looked at with :attr:`lock` held. Who writes labels holds
    :attr:`writing` before they take a connection: the project's turn is for one.

    Parameters
    ----------
    project
        Its number.
    database
        Where its records are.
    bundle_of
        A session and a bundle's number -> the bundle; raises where this process has another one.
    references
        Support sets of bundles.

    Raises :class:`~hemosight.service.errors.NothingThere` where there is no such project.
    """

    def __init__(
        self,
        project: int,
        database: Database,
        bundle_of: Callable[[Session, int], Bundle],
        references: References,
    ) -> None:
        self.project = project
        self._database = database
        self._bundle_of = bundle_of
        self.lock = threading.RLock()
        self._looking = threading.Lock()
        self.writing = threading.Lock()
        self._began = -1.0
        self._whole = False
        self.states: dict[int, LabelSetState] = {}
        self.readings = ProjectReadings(self)
        self._notifier = Notifier(project, database)
        self.learner = Learner(project, self.lock, self.moment, self._states_failed, references, self._notifier)
        self._load()

    # --- following the database ---

    def _load(self) -> None:
        with self._database.session() as session:
            # One moment for all queries, or an event could lie between two of them.
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            settings = loading.settings(session, self.project)
            # First: where this process has another bundle by now, all stays as it was, and whoever asks next is told.
            self.bundle = self._bundle_of(session, settings.bundle_id)
            self._whole = False  # what fails from here on is loaded anew by whoever asks next
            self._settings = settings
            self._event = events.newest(session, self.project)
            self._profiles = loading.case_profiles(session, self.project)
            self.specs = loading.label_sets(session, self.project, self.bundle.classifiers)
            self.labels = loading.current_labels(session, self.project)
            self._last_label = loading.last_label(session, self.project)
            self._images = ImageColumns(self.bundle.support.embeddings.dim)
            self.states.clear()
            self.readings.forget()
            self.learner.keep(())
            known = loading.images(session, self.project)
            self._images.add([number for number, _ in known], [case for _, case in known], self._event - 1)
            self._counting = counting.of_project(session, self.project)
            self._images.set_counted(self._chosen(), self._event - 1)
            self._take_embeddings(session, self._event - 1)
        self._whole, self._looked = True, time.monotonic()
        for number in self._notifier.pending():
            if number in self.specs:
                self.label_set(number)

    def catch_up(self, since: float | None = None) -> None:
        """Take in whatever happened until now; in a request, at least until it came. Call it without the lock.

        Of many who ask at once one looks, and the lock is taken where something has happened alone. What was taken in
        after ``since`` (``time.monotonic``; as :mod:`~hemosight.service.storage.freshness` says where None) will do.
        """
        asked = freshness.new_enough() if since is None else since
        if self._began > asked:
            return
        with self._looking:
            if self._began <= asked:
                began = time.monotonic()
                self._look()
                self._began = began

    def _look(self) -> None:
        now = time.monotonic()
        if not self._whole or now - self._looked > _AWAY:
            with self.lock:
                self._load()
            return
        with ExitStack() as held:
            with self._database.session() as session:
                # The event is changed by whoever looks alone.
                news = events.since(session, self.project, self._event, _NEWS)
                self._looked = now
                if not news:
                    return
                held.enter_context(self.lock)  # kept beyond the session: nobody sees what was followed half way
                self._whole = False
                if len(news) < _NEWS and self._follow(session, news):
                    self._event, self._whole = news[-1].id, True
            if not self._whole:
                self._load()
            self.learner.wake()

    def _follow(self, session: Session, news: Sequence[Event]) -> bool:
        """Take in events; False where the project has to be loaded anew."""
        kinds = {event.kind for event in news}
        stamp = news[-1].id if news else self._event
        moved = any(event.kind == "images" and event.data.get("moved") for event in news)
        profile = any(event.kind == "profile" and not event.data.get("measured") for event in news)
        if profile or (moved and len(self._profiles.known) > 1):
            return False  # who learns from whom has changed, and cells may be read again
        if "settings" in kinds:
            now = loading.settings(session, self.project)
            if now.bundle_id != self._settings.bundle_id:
                return False
            before, self._settings = self._settings, now
            if before != self._settings:
                self.learner.refit_all(self._event)
        if "label_set" in kinds:
            self._take_label_sets(session)
        if "images" in kinds and not self._take_images(session, stamp):
            return False
        if moved:
            self._images.set_cases(dict(loading.images(session, self.project)), stamp)
        for case in {event.data["case"] for event in news if event.kind == "case"}:
            self._counting.pop(case, None)
            self._counting |= counting.of_project(session, self.project, case)
        if kinds & {"case", "images"}:
            self._images.set_counted(self._chosen(), stamp)
        if kinds & {"images", "readings"}:
            for rows in self._take_embeddings(session, stamp):
                for number, state in self.states.items():
                    self.learner.add(number, state.add_embedded(rows, stamp), self._event)
                self.learner.embedded(self._images.ids[rows].tolist(), self._event)
        if "labels" in kinds and not self._take_labels(session, stamp):
            return False
        for event in news:
            if event.kind == "taught":
                self._others_taught(event)
        return True

    def _take_label_sets(self, session: Session) -> None:
        self.specs = loading.label_sets(session, self.project, self.bundle.classifiers)
        for number, state in list(self.states.items()):
            if number in self.specs and self.specs[number].teaching == state.spec.teaching:
                state.spec = self.specs[number]
            else:
                del self.states[number]
        self.learner.keep(self.states)
        self.readings.forget()

    def _take_images(self, session: Session, stamp: int) -> bool:
        images = self._images
        more = loading.new_images(session, self.project, images.row_of)
        if more is None:
            return False
        images.add([number for number, _ in more], [case for _, case in more], stamp)
        return True

    def _take_embeddings(self, session: Session, stamp: int) -> list[NDArray[np.int64]]:
        taken = []
        for part in loading.embeddings(session, self._settings.bundle_id, self._images.waiting()):
            rows = self._images.rows(part.images)
            self._images.embed(rows, part.vectors, part.novelty, part.positions, stamp)
            taken.append(rows)
        return taken

    def _take_labels(self, session: Session, stamp: int) -> bool:
        for new in loading.labels(session, self.project, self._last_label):
            self.labels.setdefault(new.label_set, {})[new.image] = new.current
            self._last_label = new.current.version
            row = self._images.row_of.get(new.image)
            if row is None:
                return False
            state = self.states.get(new.label_set)
            if state is None:
                continue
            try:
                self.learner.add(new.label_set, state.set_label(row, new.current, stamp), self._event)
            except KeyError:  # a class that was added meanwhile
                self.specs = loading.label_sets(session, self.project, self.bundle.classifiers)
                del self.states[new.label_set]
                self.learner.keep(self.states)
        return True

    def _others_taught(self, event: Event) -> None:
        for number, state in self.states.items():
            if state.spec.name == event.data["label_set"]:
                self.learner.others_taught(number, event.data["taught_until"])
                self._notifier.announced_elsewhere(number)

    def _chosen(self) -> dict[int, list[int]]:
        return {case: one.drawn.images for case, one in self._counting.items() if one.drawn is not None}

    # --- label sets ---

    def label_set(self, number: int) -> LabelSetState:
        """The state of a label set, made at first need."""
        if number not in self.states:
            spec = self.specs[number]
            state = LabelSetState(spec, self._images, spec.reader_of(self.bundle), self._event, self._profiles)
            # Older than the floor: whoever has seen this event has seen all of this.
            old = self._event - 1
            state.add_embedded(np.arange(self._images.count), old)
            to_learn: dict[int, int] = {}
            for image, current in self.labels.get(number, {}).items():
                if image in self._images.row_of:
                    to_learn |= state.set_label(self._images.row_of[image], current, old)
            self.states[number] = state
            self._notifier.begin(number)
            self.learner.start(state, {row: code for row, code in to_learn.items() if code >= 0}, self._event)
            self.learner.wake()
        return self.states[number]

    def moment(self) -> Moment:
        """What has been taken in so far."""
        return Moment(self.bundle, self._settings, self._images, self._event, self._last_label)

    def _states_failed(self) -> None:
        """A fit failed: states are made anew from the records when somebody looks."""
        self.states.clear()

    def labels_written(self, label_set: str, version: int) -> None:
        """Take in label records that this process has written, up to ``version``.

        When the classifier has followed, browsers are told what moved: by the process that wrote, so that it is said
        once.
        """
        self.catch_up(since=time.monotonic())
        with self.lock:
            spec = self.named(label_set)
            self.label_set(spec.id)
            self._notifier.wrote(spec.id, version)
            # Whoever looked in between has let the classifier follow already.
            news = self._notifier.news(spec, self.learner.known(spec.id))
        if news is not None:
            self._notifier.send(news)

    # --- looking ---

    def spec(self, label_set: str) -> LabelSetSpec:
        """A label set by name. Raises :class:`~hemosight.service.errors.NothingThere`."""
        self.catch_up()
        with self.lock:
            return self.named(label_set)

    def named(self, label_set: str) -> LabelSetSpec:
        """A label set by name, as far as events were followed. Raises as :meth:`spec`."""
        for spec in self.specs.values():
            if spec.name == label_set:
                return spec
        raise NothingThere(kind="a label set of this project")

    def first_label_set(self) -> str:
        """Name of the project's first label set: cell types, where the bundle reads them."""
        self.catch_up()
        with self.lock:
            return self.specs[min(self.specs)].name

    def settle(self, label_set: str, patience: float = PATIENCE) -> bool:
        """Wait until readings have followed every label known so far; False where it took too long."""
        self.catch_up()

        def due() -> list[Settling]:
            with self.lock:
                return [self.learner.settled(self._begun(label_set))]

        return settle(due, patience)

    def follow(self, label_set: str, patience: float = PATIENCE) -> bool:
        """Wait until readings have followed every label that is there now, whatever others label meanwhile; False
        where it took too long. :meth:`settle` also waits for theirs, and so for a pause in the work.
        """
        self.catch_up()
        with self.lock:
            until = self._last_label
        return self.learner.follow(lambda: self._begun(label_set), until, patience)

    def _begun(self, label_set: str) -> int:
        """The number of a label set, which is being learnt from now on. Call it with the lock held."""
        return self.label_set(self.named(label_set).id).spec.id

    def counting(self, case: int | None) -> CaseCounting:
        """Which cells of a case were drawn to be counted. Ask before the counts of a case: who signs compares both
        with the case's row.
        """
        self.catch_up()
        with self.lock:
            return CaseCounting() if case is None else self._counting.get(case, CaseCounting())

    @property
    def profiles(self) -> CaseProfiles:
        """Which scanner profile each case is of."""
        self.catch_up()
        with self.lock:
            return self._profiles

    def vector(self, image: int) -> NDArray[np.float32] | None:
        """An image's embedding; None where there is none. Raises :class:`~hemosight.service.errors.NothingThere`."""
        self.catch_up()
        with self.lock:
            row = self.row(image)
            return self._images.vectors[row].copy() if self._images.status[row] == READ else None

    def row(self, image: int) -> int:
        """Where an image is in the columns. Raises :class:`~hemosight.service.errors.NothingThere`."""
        if image not in self._images.row_of:
            raise NothingThere(kind="an image of this project")
        return self._images.row_of[image]

    @property
    def size(self) -> int:
        """Bytes held."""
        with self.lock:
            states = sum(state.size for state in self.states.values())
            return self._images.size + states + self.learner.size + self.readings.size

    @property
    def bundle_id(self) -> int:
        """The number of the project's bundle."""
        return self._settings.bundle_id
