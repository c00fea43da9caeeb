"""What one label set has learnt: a classifier and finer types for every scanner profile, labels and panels in them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.scoring.metrics import Scores
from hemosight.service.desk import profile_reader
from hemosight.service.desk.image_columns import ImageColumns
from hemosight.service.desk.label_set_state import LabelSetState
from hemosight.service.desk.loading import ProjectSettings
from hemosight.service.desk.panel_teaching import Shares, TeachingPanel, panels_of, shares_by_profile
from hemosight.service.desk.profile_reader import ProfileReader
from hemosight.service.desk.references import References
from hemosight.service.desk.settling import Settling
from hemosight.space.finer_types import FinerTypes
from hemosight.space.incremental_lda import IncrementalLDA
from hemosight.space.leave_one_out import LeftOut

_LOOKED_AT = 2000
"""Unlabelled cells, about, among which some are sought that are read as a type."""


@dataclass(frozen=True)
class Moment:
    """What a fit is made from: taken with the project's lock held, used without it.

    ``event`` and ``label`` are the newest event and label record that are in the columns.
    """

    bundle: Bundle
    settings: ProjectSettings
    images: ImageColumns
    event: int
    label: int


@dataclass
class LabelSetFit:
    """Classifiers of one label set. Whoever works with them holds :attr:`in_use`, which takes longer than the project
    may be locked.
    """

    state: LabelSetState
    references: References
    ldas: dict[int, IncrementalLDA] = field(default_factory=dict)
    """By scanner profile, of those that have labels."""
    finer: dict[int, FinerTypes] = field(default_factory=dict)
    """By scanner profile as well, where the label set has finer types than the bundle reads."""
    in_use: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, number: int, codes: Mapping[int, int], now: Moment) -> None:
        """Teach labels of one scanner profile, row -> class number, -1 for one that was withdrawn."""
        if number not in self.ldas:
            self.ldas[number] = self._begin(now)
        rows, taught = list(codes), list(codes.values())
        finer = self.finer.get(number) or self._begin_finer(now)
        if finer is not None:
            finer.update(rows, taught)
            taught = [int(finer.upper[code]) if code >= 0 else code for code in taught]
            self.finer[number] = finer
        self.ldas[number].update(rows, taught)

    def learn_consensus(
        self, now: Moment, unlabelled: NDArray[np.int64], learns: bool
    ) -> tuple[list[int], dict[int, tuple[TeachingPanel, ...]]]:
        """Teach what panels agreed on of cells that nobody labelled.

        Gives the scanner profiles of which anything changed, and the panels that teach each profile.
        """
        state, settings = self.state, now.settings
        wanted: dict[int, dict[int, Shares]] = {}
        if learns and state.spec.name == CELL_TYPE and settings.consensus:
            parents = self._parents(now)
            wanted = shares_by_profile(settings.consensus, state, now.images, unlabelled, parents)
        changed = []
        for number in sorted({*wanted, *self.ldas}):
            if number not in self.ldas:
                self.ldas[number] = self._begin(now)
            if self.ldas[number].set_soft_labels(wanted.get(number, {})):
                changed.append(number)
        return changed, panels_of(wanted, now.images, settings.panel_of)

    def reader(
        self, number: int, now: Moment, rows: NDArray[np.int64], open_: NDArray[np.bool_], learns: bool
    ) -> ProfileReader | None:
        """What reads a profile's cells (``rows``) now; None where nothing can. ``open_`` are those without a label."""
        weight = now.settings.weight if learns else 0.0
        novelty = now.images.novelty[rows].astype(np.float64)
        reader = profile_reader.fitted(self.ldas[number], self.state.alone_reader, novelty, weight)
        finer = self.finer.get(number)
        if reader is None or finer is None or weight <= 0:
            return reader
        unlabelled, classifier, vectors = rows[open_], reader.classifier, now.images.vectors

        def stand_ins(parent: int, count: int) -> NDArray[np.int64]:
            some = unlabelled[:: max(len(unlabelled) // _LOOKED_AT, 1)]
            alike = some[classifier.scores(vectors[some]).argmax(axis=1) == parent]
            return alike[np.linspace(0, len(alike) - 1, min(count, len(alike))).astype(np.int64)]

        return replace(reader, splits=finer.splits(stand_ins))

    def _begin(self, now: Moment) -> IncrementalLDA:
        """What learns the labels of one profile."""
        state = self.state
        reference = None if state.spec.kind == "own" else self.references.get(now.bundle, state.spec.name)
        images = now.images
        return IncrementalLDA(state.names, lambda cells: images.vectors[cells], images.vectors.shape[1], reference)

    def _begin_finer(self, now: Moment) -> FinerTypes | None:
        """What tells a profile's finer types; None where the label set has none below those that the bundle reads."""
        images, parents = now.images, self._parents(now)
        if not parents:
            return None
        return FinerTypes(
            self.state.names,
            parents,
            lambda cells: images.vectors[cells],
            images.vectors.shape[1],
        )

    def _parents(self, now: Moment) -> dict[int, int]:
        """The columns of finer types, and of those that the bundle reads in their place."""
        state, spec = self.state, self.state.spec
        read = now.bundle.classifiers[spec.name].classes if spec.kind == "bundle" else ()
        return {
            code: state.names.index(rule.parent)
            for code, (name, rule) in enumerate(spec.rules.items())
            if name not in read and rule.parent in read
        }


@dataclass
class FitProgress(LabelSetFit):
    """How far one label set has been learnt."""

    pending: dict[int, int] = field(default_factory=dict)
    """Labels not learnt yet: row -> class number, -1 for one that was withdrawn."""
    stale: bool = False
    """Whether to fit again although no label is pending."""
    complete_until: int | None = None
    """The event up to which labels *and* readings are complete; None where no fit is due."""
    worth_waiting: bool = False
    """Whether whoever looks should wait for the fit that is due."""
    known: int = 0
    """The newest label record that was known when it was last fitted, of whatever label set."""
    taught_until: int = 0
    """The newest label record that the classifier has learnt; 0 where none."""
    taught_by_panels: Mapping[int, tuple[TeachingPanel, ...]] = field(default_factory=dict)
    """The panels whose consensus it has learnt beside labels, by scanner profile."""
    count: int = 0
    """How often it was fitted."""
    score: tuple[int, Scores | None, LeftOut] | None = None
    """After which fit, how well labelled cells are read when left out, and what each is read as."""
    settled: Settling = field(default_factory=Settling)
