"""A project in memory, following the database event by event.

What it says follows from the label records alone, so that every process that holds the same project says the same (up
to rounding). Whoever asks first lets it catch up: one small query tells whether anything happened. The labels are then
in the columns at once; readings follow when the :class:`~hemosight.service.desk.learner.Learner` has fitted the
classifier again, and the :class:`~hemosight.service.desk.notifier.Notifier` tells browsers what moved.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE, Level
from hemosight.engine.bundle import Bundle
from hemosight.scoring.metrics import Scores
from hemosight.service.desk import foreign, loading
from hemosight.service.desk.case_profiles import CaseProfiles
from hemosight.service.desk.doubts import Doubt, doubts
from hemosight.service.desk.foreign import ProjectFamiliarity
from hemosight.service.desk.held_back import HeldBack
from hemosight.service.desk.image_columns import READ, ImageColumns
from hemosight.service.desk.label_set_state import NOTHING, CurrentLabel, LabelSetSpec, LabelSetState
from hemosight.service.desk.learner import Learner, Moment
from hemosight.service.desk.notifier import Notifier
from hemosight.service.desk.profile_reader import ProfileReader
from hemosight.service.desk.references import References
from hemosight.service.desk.snapshot import Snapshot, asked_of, snapshot
from hemosight.service.desk.tally import Tally, tally
from hemosight.service.errors import NothingThere
from hemosight.service.storage import class_facts, events
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import Event
from hemosight.space.linear_classifier import LinearClassifier

PATIENCE = 30.0
"""Seconds that who looks waits for a fit that is due."""
_AWAY = 12 * 3600.0
"""Seconds after which a project that nobody looked at is loaded anew: older events may be forgotten."""
_NEWS = 10_000
_TALLIES = 100
"""Counts of cases that are kept until the project changes."""


@dataclass(frozen=True)
class SeenPrediction:
    """What a person saw when they gave a label: the predicted class and its probability; None where there was none, or
    where it was held back.
    """

    predicted: str | None
    probability: float | None


@dataclass(frozen=True)
class ImageReading:
    """One label set of one image: the label that stands, and what the classifier reads."""

    label: str | None
    version: int
    by: int | None
    predicted: str | None
    probabilities: dict[str, float]
    taught_until: int


class ProjectState:
    """A project in memory; safe to use from several threads.

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
        self._lock = threading.RLock()
        self._began = -1.0
        self._states: dict[int, LabelSetState] = {}
        self._familiarity: tuple[Snapshot, ProjectFamiliarity] | None = None
        self._tallies: dict[tuple[str, int | None, Level | None], tuple[Snapshot, Tally]] = {}
        self._snapshots: dict[int, tuple[tuple[int, ...], Snapshot]] = {}
        self._held_back = HeldBack()
        self._asked: dict[int, tuple[Snapshot, Snapshot, Snapshot]] = {}
        self._notifier = Notifier(project, database)
        self.learner = Learner(project, self._lock, self._moment, self._states_failed, references, self._notifier)
        self._load()

    # --- following the database ---

    def _load(self) -> None:
        with self._database.session() as session:
            # One moment for all queries, or an event could lie between two of them.
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            self._event = events.newest(session, self.project)
            self._settings = loading.settings(session, self.project)
            self._profiles = loading.case_profiles(session, self.project)
            self.bundle = self._bundle_of(session, self._settings.bundle_id)
            self._specs = loading.label_sets(session, self.project)
            self._labels = loading.current_labels(session, self.project)
            self._last_label = loading.last_label(session, self.project)
            self._images = ImageColumns(self.bundle.support.embeddings.dim)
            self._states.clear()
            self._snapshots.clear()
            self.learner.keep(())
            known = loading.images(session, self.project)
            self._images.add([number for number, _ in known], [case for _, case in known], self._event - 1)
            self._take_embeddings(session, self._event - 1)
        self._looked = time.monotonic()
        for number in self._notifier.pending():
            if number in self._specs:
                self._state(number)

    def catch_up(self) -> None:
        """Take in whatever happened until now.

        Of many who ask at once one looks: whoever waited for the lock while another began to look has nothing to add.
        """
        asked = time.monotonic()
        with self._lock:
            if self._began <= asked:
                began = time.monotonic()
                self._look()
                self._began = began

    def _look(self) -> None:
        away = time.monotonic() - self._looked > _AWAY
        self._looked = time.monotonic()
        if away:
            self._load()
            return
        with self._database.session() as session:
            newest = events.newest(session, self.project)
            if newest <= self._event:
                return
            news = events.since(session, self.project, self._event, _NEWS)
            complete = len(news) < _NEWS and self._follow(session, news)
        if not complete:
            self._load()
        elif news:
            self._event = max(self._event, news[-1].id)
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
            before, self._settings = self._settings, loading.settings(session, self.project)
            if before != self._settings:
                self.learner.refit_all(self._event)
        if "label_set" in kinds:
            self._take_label_sets(session)
        if "images" in kinds and not self._take_images(session, stamp):
            return False
        if moved:
            self._images.set_cases(dict(loading.images(session, self.project)), stamp)
        if kinds & {"images", "readings"}:
            for rows in self._take_embeddings(session, stamp):
                for number, state in self._states.items():
                    self.learner.add(number, state.add_embedded(rows, stamp), self._event)
        if "labels" in kinds and not self._take_labels(session, stamp):
            return False
        for event in news:
            if event.kind == "taught":
                self._others_taught(event)
        return True

    def _take_label_sets(self, session: Session) -> None:
        self._specs = loading.label_sets(session, self.project)
        for number, state in list(self._states.items()):
            if number in self._specs and self._specs[number].teaching == state.spec.teaching:
                state.spec = self._specs[number]
            else:
                del self._states[number]
        self.learner.keep(self._states)
        self._snapshots.clear()
        self._asked.clear()

    def _take_images(self, session: Session, stamp: int) -> bool:
        images = self._images
        newest = int(images.ids[: images.count].max(initial=0))
        more = loading.images(session, self.project, newest)
        if loading.count(session, self.project) != images.count + len(more):
            # Uploads side by side commit out of order, or a cancelled one took images back.
            everything = loading.images(session, self.project)
            if len({number for number, _ in everything} & images.row_of.keys()) < images.count:
                return False
            more = [(number, case) for number, case in everything if number not in images.row_of]
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
            self._labels.setdefault(new.label_set, {})[new.image] = new.current
            self._last_label = new.current.version
            row = self._images.row_of.get(new.image)
            if row is None:
                return False
            state = self._states.get(new.label_set)
            if state is None:
                continue
            try:
                self.learner.add(new.label_set, state.set_label(row, new.current, stamp), self._event)
            except KeyError:  # a class that was added meanwhile
                self._specs = loading.label_sets(session, self.project)
                del self._states[new.label_set]
                self.learner.keep(self._states)
        return True

    def _others_taught(self, event: Event) -> None:
        for number, state in self._states.items():
            if state.spec.name == event.data["label_set"]:
                self.learner.others_taught(number, event.data["taught_until"])
                self._notifier.announced_elsewhere(number)

    # --- label sets ---

    def _state(self, number: int) -> LabelSetState:
        """The state of a label set, made at first need. Call it with the lock held."""
        if number not in self._states:
            state = LabelSetState(
                self._specs[number], self._images, self._alone(self._specs[number]), self._event, self._profiles
            )
            # Older than the floor: whoever has seen this event has seen all of this.
            old = self._event - 1
            state.add_embedded(np.arange(self._images.count), old)
            to_learn: dict[int, int] = {}
            for image, current in self._labels.get(number, {}).items():
                if image in self._images.row_of:
                    to_learn |= state.set_label(self._images.row_of[image], current, old)
            self._states[number] = state
            self._notifier.begin(number)
            self.learner.start(state, {row: code for row, code in to_learn.items() if code >= 0}, self._event)
            self.learner.wake()
        return self._states[number]

    def _alone(self, spec: LabelSetSpec) -> ProfileReader | None:
        """What reads a label set with the bundle alone; None for a label set of the project's own."""
        classifier = self.bundle.classifiers.get(spec.name) if spec.kind == "bundle" else None
        # Temperatures were fitted on cell types, and say nothing of other label sets.
        familiarity = self.bundle.familiarity if spec.name == CELL_TYPE else None
        return None if classifier is None else ProfileReader(classifier.over(spec.names), familiarity)

    def _moment(self) -> Moment:
        return Moment(self.bundle, self._settings, self._images, self._event, self._last_label)

    def _states_failed(self) -> None:
        """A fit failed: states are made anew from the records when somebody looks."""
        self._states.clear()

    def labels_written(self, label_set: str, version: int) -> None:
        """Take in label records that this process has written, up to ``version``.

        When the classifier has followed, browsers are told what moved: by the process that wrote, so that it is said
        once.
        """
        with self._lock:
            self.catch_up()
            spec = self._spec(label_set)
            self._state(spec.id)
            self._notifier.wrote(spec.id, version)
            # Whoever looked in between has let the classifier follow already.
            news = self._notifier.news(spec, self.learner.known(spec.id))
        if news is not None:
            self._notifier.send(news)

    # --- looking ---

    def spec(self, label_set: str) -> LabelSetSpec:
        """A label set by name. Raises :class:`~hemosight.service.errors.NothingThere`."""
        self.catch_up()
        with self._lock:
            return self._spec(label_set)

    def _spec(self, label_set: str) -> LabelSetSpec:
        for spec in self._specs.values():
            if spec.name == label_set:
                return spec
        raise NothingThere(kind="a label set of this project")

    def first_label_set(self) -> str:
        """Name of the project's first label set: cell types, where the bundle reads them."""
        self.catch_up()
        with self._lock:
            return self._specs[min(self._specs)].name

    def settle(self, label_set: str, patience: float = PATIENCE) -> bool:
        """Wait until readings have followed every label known so far; False where it took too long."""
        self.catch_up()
        with self._lock:
            number = self._state(self._spec(label_set).id).spec.id
            settled = self.learner.settled(number)
        return settled.wait(patience)

    def follow(self, label_set: str, patience: float = PATIENCE) -> bool:
        """Wait until readings have followed every label that is there now, whatever others label meanwhile; False
        where it took too long. :meth:`settle` also waits for theirs, and so for a pause in the work.
        """
        self.catch_up()
        with self._lock:
            number, until = self._state(self._spec(label_set).id).spec.id, self._last_label
        return self.learner.follow(number, until, patience)

    def tally(self, label_set: str, case: int | None, level: Level | None = None) -> tuple[Snapshot, Tally]:
        """The count of a case or the project as it is now; counted once for each snapshot.

        ``level`` is how finely types are told; as the label set has it where None.
        """
        now = self.snapshot(label_set)
        with self._lock:
            found = self._tallies.get((label_set, case, level))
        if found is not None and found[0] is now:
            return found
        counted = (now, tally(now, case, level))
        with self._lock:
            if len(self._tallies) >= _TALLIES:
                self._tallies.clear()  # each keeps a snapshot
            self._tallies[label_set, case, level] = counted
        return counted

    def snapshot(self, label_set: str) -> Snapshot:
        """The project as it is now. Raises :class:`~hemosight.service.errors.NothingThere` for an unknown label set."""
        self.catch_up()
        with self._lock:
            specs = self._with_types(self._spec(label_set))
            numbers = [self._state(spec.id).spec.id for spec in specs]
            waits = [self.learner.settled(number) for number in numbers if self.learner.worth_waiting(number)]
        for settled in waits:
            settled.wait(PATIENCE)
        with self._lock:
            specs = self._with_types(self._spec(label_set))
            now, *types = (self._taken(spec.id) for spec in specs)
            event, bundle = self._snapshots[specs[0].id][0][0], self.bundle
            parent = specs[0].asked_of
            if parent is not None and types:
                found = self._asked.get(specs[0].id)
                if found is None or found[0] is not now or found[1] is not types[0]:
                    found = self._asked[specs[0].id] = (now, types[0], asked_of(now, types[0], parent))
                now = found[2]
        return self._held_back.of(now, event, bundle) if label_set == CELL_TYPE else now

    def _with_types(self, spec: LabelSetSpec) -> list[LabelSetSpec]:
        """A label set, and the cell types where these say which cells it is asked of."""
        types = [one for one in self._specs.values() if one.name == CELL_TYPE and one is not spec]
        return [spec, *types] if spec.asked_of is not None else [spec]

    def _taken(self, number: int) -> Snapshot:
        """Every row of a label set as it is now. Call it with the lock held."""
        state = self._state(number)
        moment = (self._event, self._last_label, self._images.count, self.learner.count(number), id(state))
        if number not in self._snapshots or self._snapshots[number][0] != moment:
            event = self.learner.complete_until(number, self._event)
            taken = snapshot(self._images, state, event, self.learner.taught_until(number))
            self._snapshots[number] = (moment, taken)
        return self._snapshots[number][1]

    def seen_predictions(self, label_set: str, images: Sequence[int]) -> tuple[list[SeenPrediction], int]:
        """What each image is read as now, and the newest label record that the classifier had learnt."""
        now = self.snapshot(label_set)
        at = np.minimum(np.searchsorted(now.ids, images), max(len(now.ids) - 1, 0))
        names, found = now.spec.names, []
        for image, row in zip(images, at.tolist(), strict=True):
            known = len(now.ids) and now.ids[row] == image and now.predicted[row] >= 0
            if not known:
                found.append(SeenPrediction(None, None))
                continue
            shown = None if now.held_back[row] else float(now.probability[row])
            found.append(SeenPrediction(names[now.predicted[row]], shown))
        return found, now.taught_until

    def all_predictions(self, label_set: str) -> tuple[dict[int, SeenPrediction], int]:
        """What every image is read as now, and the newest label record that the classifier had learnt."""
        images = self.snapshot(label_set).ids.tolist()
        found, taught_until = self.seen_predictions(label_set, images)
        return dict(zip(images, found, strict=True)), taught_until

    def readings(self, image: int) -> dict[str, ImageReading]:
        """What every label set says of an image. Raises :class:`~hemosight.service.errors.NothingThere`."""
        self.catch_up()
        with self._lock:
            labelled = [number for number in self._specs if self._labels.get(number)]
            waits = []
            for number in labelled:
                self._state(number)
                if self.learner.worth_waiting(number):
                    waits.append(self.learner.settled(number))
        for settled in waits:
            settled.wait(PATIENCE)
        with self._lock:
            row = self._row(image)
            found = {spec.name: self._reading(spec, image, row) for spec in self._specs.values()}
            return {
                name: one if self._is_asked(name, found) else replace(one, predicted=None, probabilities={})
                for name, one in found.items()
            }

    def _is_asked(self, label_set: str, readings: Mapping[str, ImageReading]) -> bool:
        """Whether a label set is asked of a cell, by what is said and read of its type."""
        parent, types = self._spec(label_set).asked_of, readings.get(CELL_TYPE)
        if parent is None or types is None:
            return True
        return (types.label or types.predicted) in class_facts.family(self._spec(CELL_TYPE).classes, CELL_TYPE, parent)

    def _reading(self, spec: LabelSetSpec, image: int, row: int) -> ImageReading:
        current = self._labels.get(spec.id, {}).get(image, CurrentLabel(None, 0, -1))
        state = self._states.get(spec.id)
        reader = self._alone(spec) if state is None else state.reader(row)
        probabilities: dict[str, float] = {}
        if reader is not None and self._images.status[row] == READ:
            values = reader.probabilities(self._images.vectors[row : row + 1], self._images.novelty[row : row + 1])[0]
            probabilities = dict(zip(reader.classifier.classes, (float(value) for value in values), strict=True))
        return ImageReading(
            label=current.label,
            version=current.version,
            by=current.by if current.by >= 0 else None,
            predicted=max(probabilities, key=lambda name: probabilities[name]) if probabilities else None,
            probabilities=probabilities,
            taught_until=0 if state is None else self.learner.taught_until(spec.id),
        )

    def classifier(self, label_set: str, image: int) -> LinearClassifier | None:
        """What reads an image in a label set now; None where nothing has been learnt of it. Raises as :meth:`spec`."""
        self.settle(label_set)
        with self._lock:
            reader = self._state(self._spec(label_set).id).reader(self._row(image))
            return None if reader is None else reader.classifier

    @property
    def profiles(self) -> CaseProfiles:
        """Which scanner profile each case is of."""
        self.catch_up()
        with self._lock:
            return self._profiles

    def vector(self, image: int) -> NDArray[np.float32] | None:
        """An image's embedding; None where there is none. Raises :class:`~hemosight.service.errors.NothingThere`."""
        self.catch_up()
        with self._lock:
            row = self._row(image)
            return self._images.vectors[row].copy() if self._images.status[row] == READ else None

    def _row(self, image: int) -> int:
        if image not in self._images.row_of:
            raise NothingThere(kind="an image of this project")
        return self._images.row_of[image]

    def score(self, label_set: str) -> tuple[Scores | None, int]:
        """How well labelled cells are read by classifiers fitted on all others, and the newest label record learnt.

        No score where there are fewer than two classes of two cells. It is computed once after every fit.
        """
        self.settle(label_set)
        with self._lock:
            number, weight = self._state(self._spec(label_set).id).spec.id, self._settings.weight
        return self.learner.score(number, weight)

    def left_out(self, label_set: str) -> dict[int, str]:
        """Image -> what a classifier reads that learnt every label but this one. Raises as :meth:`spec`."""
        self.settle(label_set)
        with self._lock:
            state, weight = self._state(self._spec(label_set).id), self._settings.weight
        found = self.learner.left_out(state.spec.id, weight)
        if found is None:
            return {}
        with self._lock:
            images = self._images.ids[found.cells].tolist()
        return {image: state.names[code] for image, code in zip(images, found.read.tolist(), strict=True)}

    def profile_readers(self, label_set: str) -> dict[int, ProfileReader]:
        """What reads the cells of each scanner profile that has taught something, by the profile's number."""
        self.catch_up()
        with self._lock:
            return dict(self._state(self._spec(label_set).id).readers)

    def familiarity(self) -> ProjectFamiliarity:
        """What of the project's cell types the model knows; worked out once for each snapshot."""
        now = self.snapshot(CELL_TYPE)
        with self._lock:
            known = self._familiarity
        if known is None or known[0] is not now:
            known = (now, foreign.of_project(now, self.bundle))
            with self._lock:
                self._familiarity = known
        return known[1]

    def moved_by(self, label_set: str, case: int, images: Sequence[int]) -> int:
        """How many open cells of a case are read otherwise than they would be without the labels of some images."""
        self.settle(label_set)
        with self._lock:
            state = self._state(self._spec(label_set).id)
            all_images = self._images
            rows = all_images.embedded()
            open_ = rows[(all_images.case[rows] == (case or -1)) & (state.label[rows] == NOTHING)]
            labelled = [all_images.row_of[image] for image in images if image in all_images.row_of]
            weight = self._settings.weight if self._settings.teaching else 0.0
        return self.learner.moved_by(state.spec.id, labelled, open_, weight)

    def doubts(self, label_set: str) -> list[Doubt]:
        """Labels that a classifier contradicts which learnt every other, the surest first. Raises as :meth:`spec`."""
        self.settle(label_set)
        with self._lock:
            state, weight = self._state(self._spec(label_set).id), self._settings.weight
        found = self.learner.left_out(state.spec.id, weight)
        if found is None or not len(found.cells):
            return []
        with self._lock:
            readers = [state.reader(row) for row in found.cells.tolist()]
            slopes = np.array([1.0 if reader is None else reader.classifier.slope for reader in readers])
            images = self._images.ids[found.cells]
            codes = state.label[found.cells].tolist()
            said = {image: state.names[code] for image, code in zip(images.tolist(), codes, strict=True) if code >= 0}
        probabilities = softmax(slopes[:, None] * found.scores, axis=1)
        # Types are doubted, not the finer ones below them; the label is shown as it was given.
        wrong = doubts(images, found.truth, probabilities, state.names)
        return [replace(one, label=said.get(one.image, one.label)) for one in wrong]

    @property
    def size(self) -> int:
        """Bytes held."""
        with self._lock:
            return self._images.size + sum(state.size for state in self._states.values()) + self.learner.size

    @property
    def bundle_id(self) -> int:
        """The number of the project's bundle."""
        with self._lock:
            return self._settings.bundle_id
