"""One label set over a project's images: the labels that stand, and what the classifier reads each image as."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.counting import TypeRule
from hemosight.blood.palette import UNSURE
from hemosight.blood.vocabulary import CELL_TYPE, Level
from hemosight.engine.bundle import Bundle
from hemosight.service.desk.case_profiles import CaseProfiles
from hemosight.service.desk.column_table import Column, ColumnTable
from hemosight.service.desk.image_columns import READ, ImageColumns
from hemosight.service.desk.profile_reader import ProfileReader
from hemosight.service.storage import class_facts

NOTHING, UNDECIDED = -1, -2
"""Values of :attr:`LabelSetState.label` besides class numbers: no label (any more); somebody is unsure."""
TOLERANCE = 0.005
"""A cell whose probability moved less is not sent to browsers again; its type and its label always are."""


@dataclass(frozen=True)
class LabelSetSpec:
    """A label set: number, name, title, ``bundle`` or ``own``, and its classes as the table holds them.

    ``level`` is how finely its differential is told; ``asked_of`` the cell type that is asked, None for every cell.
    """

    id: int
    name: str
    title: str
    kind: str
    classes: tuple[dict[str, Any], ...]
    level: Level = Level.SUBTYPE
    asked_of: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns."""
        return tuple(facts["name"] for facts in self.classes)

    @property
    def teaching(self) -> tuple[object, ...]:
        """What a state has to be made anew for when it changes."""
        places = tuple(rule.parent for rule in self.rules.values())
        return self.names, places, class_facts.merges(self.classes), class_facts.retired(self.classes), self.asked_of

    def upper(self, name: str, read: Collection[str]) -> str:
        """The class by which the bundle, whose classes are ``read``, reads a class; itself where it reads none.

        That is the one it was merged into, or the one above that.
        """
        now = class_facts.merges(self.classes).get(name, name)
        rule = self.rules.get(now)
        above = None if rule is None else rule.parent
        return above if above is not None and above in read and now not in read else now

    def reader_of(self, bundle: Bundle) -> ProfileReader | None:
        """What reads the label set with the bundle alone; None for a label set of the project's own."""
        classifier = bundle.classifiers.get(self.name) if self.kind == "bundle" else None
        # Temperatures were fitted on cell types, and say nothing of other label sets.
        familiarity = bundle.familiarity if self.name == CELL_TYPE else None
        return None if classifier is None else ProfileReader(classifier.over(self.names), familiarity)

    @cached_property
    def rules(self) -> Mapping[str, TypeRule]:
        """Where each class stands and how it counts."""
        return class_facts.rules(self.classes, self.name)


@dataclass(frozen=True)
class CurrentLabel:
    """The label that stands for an image: a class, ``?``, or None where it was withdrawn; its record, its author."""

    label: str | None
    version: int
    by: int


class LabelSetState(ColumnTable):
    """Labels and readings of one label set, row by row with the images. Guarded by its project's lock.

    Parameters
    ----------
    spec
        The label set.
    images
        The project's images.
    alone
        The bundle's classifier over the classes of the label set; None for a label set of the project's own.
    floor
        The event of the project from which on changes are known.
    profiles
        Which scanner profile cells are of.
    """

    COLUMNS: ClassVar = {
        "label": Column(np.int16, NOTHING),
        "version": Column(np.int64),
        "by": Column(np.int64, -1),
        "predicted": Column(np.int16, NOTHING),
        "alone": Column(np.int16, NOTHING),  # what the bundle alone reads
        "probabilities": Column(np.float32, wide=True),
        "stamp": Column(np.int64),  # the event after which the row last changed
        "sent": Column(np.float32),  # the probability when last stamped: small steps in one direction add up
    }
    label: NDArray[np.int16]
    version: NDArray[np.int64]
    by: NDArray[np.int64]
    predicted: NDArray[np.int16]
    alone: NDArray[np.int16]
    probabilities: NDArray[np.float32]
    stamp: NDArray[np.int64]
    sent: NDArray[np.float32]

    def __init__(
        self,
        spec: LabelSetSpec,
        images: ImageColumns,
        alone: ProfileReader | None,
        floor: int,
        profiles: CaseProfiles,
    ) -> None:
        super().__init__(len(images.ids), len(spec.names))
        self.spec = spec
        self.names = spec.names
        self.floor = floor
        self.readers: dict[int, ProfileReader] = {}
        """By profile, those that have learnt something."""
        self.profiles = profiles
        merges = class_facts.merges(spec.classes)
        code_of = {name: code for code, name in enumerate(self.names)}
        self._code_of = {name: code_of[merges.get(name, name)] for name in code_of} | {UNSURE: UNDECIDED}
        self._retired = {code_of[name] for name in class_facts.retired(spec.classes)}
        self._images = images
        self.alone_reader = alone

    def profile_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The profile that each row's labels teach; 0 for all in a label set of the project's own.

        What the bundle cannot read at all takes every label there is.
        """
        if self.spec.kind == "own":
            return np.zeros(len(rows), np.int64)
        return self.profiles.of(self._images.case[rows])

    def reader(self, row: int) -> ProfileReader | None:
        """What reads a row; None where nothing can."""
        return self.readers.get(int(self.profile_of(np.array([row]))[0]), self.alone_reader)

    def set_label(self, row: int, current: CurrentLabel, stamp: int) -> dict[int, int]:
        """Note the label that stands for a row now.

        Returns what there is to learn, row -> class number or -1 for none; nothing while the image has no embedding.
        Raises ``KeyError`` for a label that is not one of the classes.
        """
        self.lengthen(len(self._images.ids))
        code = NOTHING if current.label is None else self._code_of[current.label]
        self.label[row], self.version[row], self.by[row], self.stamp[row] = code, current.version, current.by, stamp
        return {row: self._to_learn(code)} if self._images.status[row] == READ else {}

    def _to_learn(self, code: int) -> int:
        """What a label teaches: nothing where somebody is unsure, nor of a retired class, which is never read so."""
        return NOTHING if code in self._retired else max(code, NOTHING)

    def taught_column(self, name: str) -> int | None:
        """The column that a type teaches: its own, or the one it was merged into; None where it is retired or none."""
        code = self._code_of.get(name, NOTHING)
        return None if code < 0 or code in self._retired else code

    def add_embedded(self, rows: NDArray[np.int64], stamp: int) -> dict[int, int]:
        """Read rows that got an embedding with the classifier as it is.

        Returns what there is to learn of rows that were labelled before, row -> class number.
        """
        self.lengthen(len(self._images.ids))
        rows = rows[self._images.status[rows] == READ]
        if not len(rows):
            return {}
        if self.alone_reader is not None:
            self.alone[rows] = self.alone_reader.classifier.scores(self._images.vectors[rows]).argmax(axis=1)
        self.read_with(rows, stamp)
        self.stamp[rows] = stamp
        labelled = rows[self.label[rows] >= 0].tolist()
        return {row: code for row in labelled if (code := self._to_learn(int(self.label[row]))) >= 0}

    def read_with(self, rows: NDArray[np.int64], stamp: int) -> None:
        """Read rows, each with its profile's reader as it is."""
        profile = self.profile_of(rows)
        for number in np.unique(profile).tolist():
            reader, some = self.readers.get(number, self.alone_reader), rows[profile == number]
            if reader is not None:
                self.put(some, reader.read(self._images.vectors, self._images.novelty, some), stamp)

    def put(self, rows: NDArray[np.int64], probabilities: NDArray[np.float32], stamp: int) -> NDArray[np.int16]:
        """Replace readings; returns the class numbers of before. Stamps rows that differ enough to be sent again."""
        before = self.predicted[rows].copy()
        after = probabilities.argmax(axis=1).astype(np.int16)
        best = probabilities.max(axis=1)
        moved = (before != after) | (np.abs(best - self.sent[rows]) > TOLERANCE)
        self.probabilities[rows], self.predicted[rows] = probabilities, after
        self.stamp[rows[moved]] = stamp
        self.sent[rows[moved]] = best[moved]
        return before

    def clear_readings(self, stamp: int) -> None:
        """There is no classifier any more: fewer than two classes of a label set of one's own have a cell left."""
        self.readers.clear()
        rows = np.flatnonzero(self.predicted[: self._images.count] >= 0)
        self.predicted[rows], self.probabilities[rows], self.stamp[rows] = NOTHING, 0, stamp
        self.sent[rows] = 0
