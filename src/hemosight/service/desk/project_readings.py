"""What a project in memory says at a moment: snapshots, counts, readings of an image, doubts, scores.

Everything here looks and changes nothing: :class:`~hemosight.service.desk.project_state.ProjectState` takes in what
happened, its learner fits the classifiers. What costs more than a look is kept until the snapshot is another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from hemosight.blood.vocabulary import CELL_TYPE, Level
from hemosight.scoring.metrics import Scores
from hemosight.service.desk import foreign
from hemosight.service.desk.doubts import Doubt, doubts
from hemosight.service.desk.first_judgements import FirstJudgements
from hemosight.service.desk.foreign import ProjectFamiliarity
from hemosight.service.desk.held_back import HeldBack
from hemosight.service.desk.image_columns import READ
from hemosight.service.desk.label_set_state import NOTHING, CurrentLabel, LabelSetSpec, LabelSetState
from hemosight.service.desk.learner import PATIENCE
from hemosight.service.desk.profile_reader import ProfileReader
from hemosight.service.desk.settling import Settling, settle
from hemosight.service.desk.snapshot import Snapshot, asked_of, held_back_as, snapshot
from hemosight.service.desk.tally import Tally, tally
from hemosight.service.storage import class_facts
from hemosight.space.linear_classifier import LinearClassifier

if TYPE_CHECKING:  # the state makes its readings
    from hemosight.service.desk.project_state import ProjectState

_TALLIES = 100
"""Counts of cases that are kept until the project changes: all of one snapshot for each label set."""


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


@dataclass(frozen=True)
class _Taken:
    """A snapshot of a label set, of which state it was taken, and when: after which event, label, image and fit."""

    state: LabelSetState
    when: tuple[int, int, int, int]
    snapshot: Snapshot

    @property
    def event(self) -> int:
        """The newest event that was known."""
        return self.when[0]


class ProjectReadings:
    """What a project says now; safe to use from several threads.

    Who looks waits a little for a fit that is due, and raises :class:`~hemosight.service.errors.NothingThere` for a
    label set or an image that the project does not have.

    Parameters
    ----------
    project
        The project in memory. Whoever looks lets it catch up first.
    """

    def __init__(self, project: ProjectState) -> None:
        self._project = project
        self._lock = project.lock
        self._snapshots: dict[int, _Taken] = {}
        self._asked: dict[tuple[int, str], tuple[Snapshot, Snapshot, Snapshot]] = {}
        self._tallies: dict[tuple[str, int | None, Level | None], tuple[Snapshot, Tally]] = {}
        self._familiarity: tuple[Snapshot, ProjectFamiliarity] | None = None
        self._comparing = threading.Lock()
        self._held_back = HeldBack()
        self._judgements: dict[int, FirstJudgements] = {}

    def forget(self) -> None:
        """Take snapshots anew: label sets have changed, or the project was loaded again. Call it with the lock held."""
        self._snapshots.clear()
        self._asked.clear()
        self._tallies.clear()

    # --- all cells ---

    def snapshot(self, label_set: str) -> Snapshot:
        """The project as it is now."""
        self._project.catch_up()
        self._wait(lambda: [spec.id for spec in self._with_types(self._project.named(label_set))])
        with self._lock:
            specs = self._with_types(self._project.named(label_set))
            first, *types = (self._take(spec.id) for spec in specs)
            now, bundle, parent = first.snapshot, self._project.bundle, specs[0].asked_of
            if parent is not None and types:
                of_types = types[0].snapshot
                now = self._joined("asked", now, of_types, lambda: asked_of(first.snapshot, of_types, parent))
        if label_set == CELL_TYPE:
            return self._held_back.of(now, first.event, bundle)
        if specs[0].kind != "bundle" or not types:
            return now
        types_held = self._held_back.of(types[0].snapshot, types[0].event, bundle)
        if types_held is types[0].snapshot:
            return now
        with self._lock:
            return self._joined("held back", now, types_held, lambda: held_back_as(now, types_held))

    def _joined(self, how: str, now: Snapshot, types: Snapshot, make: Callable[[], Snapshot]) -> Snapshot:
        """A label set as the cell types of the same moment have it, made once. Call it with the lock held."""
        found = self._asked.get((now.spec.id, how))
        if found is None or found[0] is not now or found[1] is not types:
            found = self._asked[now.spec.id, how] = (now, types, make())
        return found[2]

    def _wait(self, label_sets: Callable[[], Iterable[int]]) -> None:
        """Let fits end that are worth waiting for; ``label_sets`` gives numbers, and is called with the lock held."""
        learner = self._project.learner

        def due() -> list[Settling]:
            with self._lock:
                known = [self._project.label_set(number).spec.id for number in label_sets()]
                return [learner.settled(number) for number in known if learner.worth_waiting(number)]

        settle(due, PATIENCE)

    def _with_types(self, spec: LabelSetSpec) -> list[LabelSetSpec]:
        """A label set, and the cell types where these say which cells it is asked of, or what of it is held back."""
        types = [one for one in self._project.specs.values() if one.name == CELL_TYPE and one is not spec]
        return [spec, *types] if spec.asked_of is not None or spec.kind == "bundle" else [spec]

    def _take(self, number: int) -> _Taken:
        """Every row of a label set as it is now. Call it with the lock held."""
        state, learner, moment = self._project.label_set(number), self._project.learner, self._project.moment()
        when = (moment.event, moment.label, moment.images.count, learner.count(number))
        last = self._snapshots.get(number)
        if last is None or last.state is not state or last.when != when:
            until = learner.complete_until(number, moment.event)
            taught = learner.taught_until(number), learner.taught_by_panels(number)
            taken = snapshot(moment.images, state, until, *taught)
            last = self._snapshots[number] = _Taken(state, when, taken)
        return last

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
            # Each holds its snapshot, and so every column of the moment: one of another moment is of no use to anybody.
            self._tallies = {
                asked: one for asked, one in self._tallies.items() if asked[0] != label_set or one[0] is now
            }
            if len(self._tallies) >= _TALLIES:
                self._tallies.clear()
            self._tallies[label_set, case, level] = counted
        return counted

    def familiarity(self) -> ProjectFamiliarity:
        """What of the project's cell types the model knows; worked out once for each snapshot."""
        now = self.snapshot(CELL_TYPE)
        with self._comparing:  # of many who ask after a label, one works it out
            if self._familiarity is None or self._familiarity[0] is not now:
                self._familiarity = (now, foreign.of_project(now, self._project.bundle))
            return self._familiarity[1]

    def first_judgements(self, label_set: str) -> FirstJudgements:
        """What the review in a label set is measured by, as far as it was taken in."""
        with self._lock:
            number = self._project.named(label_set).id
            return self._judgements.setdefault(number, FirstJudgements(self._project.project, number))

    @property
    def size(self) -> int:
        """Bytes held. Snapshots are copies; what several of them share counts once, and vectors that are still the
        columns' own do not.
        """
        with self._lock:
            held = [one.snapshot for one in self._snapshots.values()]
            held += [one for kept in self._asked.values() for one in kept]
            held += [one for one, _ in self._tallies.values()]
            vectors = self._project.moment().images.vectors
        held += [*self._held_back.kept, *(() if self._familiarity is None else self._familiarity[:1])]
        columns = {id(column): column.nbytes for one in held for column in one.columns if column is not vectors}
        return sum(columns.values()) + sum(one.size for one in self._judgements.values())

    # --- some cells ---

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

    def of_image(self, image: int) -> dict[str, ImageReading]:
        """What every label set says of an image."""
        self._project.catch_up()
        self._wait(lambda: [number for number in self._project.specs if self._project.labels.get(number)])
        with self._lock:
            row = self._project.row(image)
            found = {spec.name: self._reading(spec, image, row) for spec in self._project.specs.values()}
            return {
                name: one if self._is_asked(name, found) else replace(one, predicted=None, probabilities={})
                for name, one in found.items()
            }

    def _is_asked(self, label_set: str, readings: Mapping[str, ImageReading]) -> bool:
        """Whether a label set is asked of a cell, by what is said and read of its type."""
        parent, types = self._project.named(label_set).asked_of, readings.get(CELL_TYPE)
        if parent is None or types is None:
            return True
        classes = self._project.named(CELL_TYPE).classes
        return (types.label or types.predicted) in class_facts.family(classes, CELL_TYPE, parent)

    def _reading(self, spec: LabelSetSpec, image: int, row: int) -> ImageReading:
        current = self._project.labels.get(spec.id, {}).get(image, CurrentLabel(None, 0, -1))
        state, images = self._project.states.get(spec.id), self._project.moment().images
        reader = spec.reader_of(self._project.bundle) if state is None else state.reader(row)
        probabilities: dict[str, float] = {}
        if reader is not None and images.status[row] == READ:
            values = reader.probabilities(images.vectors[row : row + 1], images.novelty[row : row + 1])[0]
            probabilities = dict(zip(reader.classifier.classes, (float(value) for value in values), strict=True))
        return ImageReading(
            label=current.label,
            version=current.version,
            by=current.by if current.by >= 0 else None,
            predicted=max(probabilities, key=lambda name: probabilities[name]) if probabilities else None,
            probabilities=probabilities,
            taught_until=0 if state is None else self._project.learner.taught_until(spec.id),
        )

    def classifier(self, label_set: str, image: int) -> LinearClassifier | None:
        """What reads an image in a label set now; None where nothing has been learnt of it."""
        self._project.settle(label_set)
        with self._lock:
            reader = self._label_set(label_set).reader(self._project.row(image))
            return None if reader is None else reader.classifier

    def profile_readers(self, label_set: str) -> dict[int, ProfileReader]:
        """What reads the cells of each scanner profile that has taught something, by the profile's number."""
        self._project.catch_up()
        with self._lock:
            return dict(self._label_set(label_set).readers)

    def _label_set(self, name: str) -> LabelSetState:
        return self._project.label_set(self._project.named(name).id)

    # --- cells read without their own labels ---

    def score(self, label_set: str) -> tuple[Scores | None, int]:
        """How well labelled cells are read by classifiers fitted on all others, and the newest label record learnt.

        No score where there are fewer than two classes of two cells. It is computed once after every fit.
        """
        self._project.settle(label_set)
        with self._lock:
            number, weight = self._label_set(label_set).spec.id, self._project.moment().settings.weight
        return self._project.learner.score(number, weight)

    def left_out(self, label_set: str) -> dict[int, str]:
        """Image -> what a classifier reads that learnt every label but this one."""
        self._project.settle(label_set)
        with self._lock:
            state, weight = self._label_set(label_set), self._project.moment().settings.weight
        found = self._project.learner.left_out(state.spec.id, weight)
        if found is None:
            return {}
        with self._lock:
            images = self._project.moment().images.ids[found.cells].tolist()
        return {image: state.names[code] for image, code in zip(images, found.read.tolist(), strict=True)}

    def doubts(self, label_set: str) -> list[Doubt]:
        """Labels that a classifier contradicts which learnt every other, the surest first."""
        self._project.settle(label_set)
        with self._lock:
            state, weight = self._label_set(label_set), self._project.moment().settings.weight
        found = self._project.learner.left_out(state.spec.id, weight)
        if found is None or not len(found.cells):
            return []
        with self._lock:
            readers = [state.reader(row) for row in found.cells.tolist()]
            slopes = np.array([1.0 if reader is None else reader.classifier.slope for reader in readers])
            images = self._project.moment().images.ids[found.cells]
            codes = state.label[found.cells].tolist()
            said = {image: state.names[code] for image, code in zip(images.tolist(), codes, strict=True) if code >= 0}
        probabilities = softmax(slopes[:, None] * found.scores, axis=1)
        # Types are doubted, not the finer ones below them; the label is shown as it was given.
        wrong = doubts(images, found.truth, probabilities, state.names)
        return [replace(one, label=said.get(one.image, one.label)) for one in wrong]

    def moved_by(self, label_set: str, case: int, images: Sequence[int]) -> int:
        """How many open cells of a case are read otherwise than they would be without the labels of some images."""
        self._project.settle(label_set)
        with self._lock:
            state, moment = self._label_set(label_set), self._project.moment()
            rows = moment.images.embedded()
            open_ = rows[(moment.images.case[rows] == (case or -1)) & (state.label[rows] == NOTHING)]
            labelled = [moment.images.row_of[image] for image in images if image in moment.images.row_of]
            weight = moment.settings.weight if moment.settings.teaching else 0.0
        return self._project.learner.moved_by(state.spec.id, labelled, open_, weight)
