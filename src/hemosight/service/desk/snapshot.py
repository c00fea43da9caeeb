"""A snapshot: one label set over a project's images at one moment, as columns in the order of ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.image_columns import READ, ImageColumns
from hemosight.service.desk.label_set_state import NOTHING, LabelSetSpec, LabelSetState
from hemosight.service.desk.panel_teaching import TeachingPanel
from hemosight.service.storage import class_facts
from hemosight.space.embeddings import Vectors

_SAID = ("ids", "profile", "status", "label", "version", "by", "predicted", "held_back", "asked", "outside")
"""What of a row is counted and signed."""


@dataclass(frozen=True)
class Snapshot:
    """Columns, row by row; nothing in it changes any more.

    Parameters
    ----------
    spec
        The label set; classes are numbered in its order.
    event
        The event of the project up to which everything is in it.
    taught_until
        The newest label record that the classifier has learnt; 0 where none.
    taught_by_panels
        The panels whose consensus it has learnt, by scanner profile.
    profile
        Number of the scanner profile.
    ids, case, status, novelty, x, y, outside
        As in :class:`~hemosight.service.desk.image_columns.ImageColumns`; ``case`` is -1 for none, numbers are nan
        where there is no embedding.
    label
        Class number of the label that stands; -1 for none, -2 for unsure.
    version, by
        The label record that stands and its author; 0 and -1 where nobody labelled the image.
    predicted, alone
        Class number that the classifier reads, and the bundle alone; -1 where there is no embedding or no classifier.
    probabilities
        Rows x classes; zero where there is no reading. What is chosen and ordered by; where they are held back nobody
        is shown them.
    probability, margin
        Of the most probable class, and its distance from the second; nan where there is no reading, and where it is
        held back.
    held_back
        Cells of a foreign case: what is read is shown, how sure that is is not (:mod:`.held_back`). None
        in a label set of the project's own, which learns from labels alone.
    vectors
        Rows x dimensions, in the order of :attr:`rows`, not of the columns.
    rows
        Where each image's vector lies.
    stamp
        The event after which a row last changed.
    floor
        Changes are known from this event on.
    asked
        Which rows the label set is asked of; the others have no reading in it, and count nowhere.
    """

    spec: LabelSetSpec
    event: int
    taught_until: int
    taught_by_panels: Mapping[int, tuple[TeachingPanel, ...]]
    ids: NDArray[np.int64]
    case: NDArray[np.int64]
    profile: NDArray[np.int64]
    status: NDArray[np.uint8]
    novelty: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    label: NDArray[np.int16]
    version: NDArray[np.int64]
    by: NDArray[np.int64]
    predicted: NDArray[np.int16]
    alone: NDArray[np.int16]
    probabilities: NDArray[np.float32]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]
    held_back: NDArray[np.bool_]
    vectors: Vectors
    rows: NDArray[np.int64]
    stamp: NDArray[np.int64]
    floor: int
    asked: NDArray[np.bool_]
    outside: NDArray[np.bool_]

    @property
    def read(self) -> NDArray[np.bool_]:
        """Which rows have a vector."""
        return self.status == READ

    @property
    def columns(self) -> list[NDArray[Any]]:
        """Every array of it; several snapshots may share one."""
        return [column for column in vars(self).values() if isinstance(column, np.ndarray)]

    def of_case(self, case: int | None) -> NDArray[np.bool_]:
        """Which rows belong to a case; all where None, those without a case where 0."""
        return np.ones(len(self.ids), np.bool_) if case is None else self.case == (case or -1)

    def counting(self, case: int | None) -> NDArray[np.bool_]:
        """As :meth:`of_case`, of the cells that count: all, unless some were drawn (:mod:`.counting_area`)."""
        return self.of_case(case) & ~self.outside

    def says_as(self, other: Snapshot, case: int) -> bool:
        """Whether a case's cells are there, labelled and read as in another snapshot.

        How surely they are read may differ, and what was learnt meanwhile of other cases: while many label, the model
        moves with every label, and what is counted hardly ever.
        """
        if list(self.spec.classes) != list(other.spec.classes):
            return False
        own, theirs = self.of_case(case), other.of_case(case)
        return all(np.array_equal(getattr(self, name)[own], getattr(other, name)[theirs]) for name in _SAID)

    def panels_of(self, case: int | None) -> tuple[TeachingPanel, ...]:
        """The panels that taught the classifier of a case's scanner profile; of every profile where None."""
        # A label set of the project's own has one classifier, whatever the profile.
        profiles = [0] if self.spec.kind == "own" else np.unique(self.profile[self.of_case(case)]).tolist()
        found = {panel for profile in profiles for panel in self.taught_by_panels.get(profile, ())}
        return tuple(sorted(found, key=lambda one: one.number))

    def holding_back(self, rows: NDArray[np.bool_], stamp: NDArray[np.int64]) -> Snapshot:
        """The same with the probabilities of these rows held back; ``stamp`` is one event a row, as :attr:`stamp`."""
        return replace(
            self,
            probability=np.where(rows, np.float32(np.nan), self.probability),
            margin=np.where(rows, np.float32(np.nan), self.margin),
            held_back=rows,
            stamp=stamp,
        )


def snapshot(
    images: ImageColumns,
    state: LabelSetState,
    event: int,
    taught_until: int,
    taught_by_panels: Mapping[int, tuple[TeachingPanel, ...]] | None = None,
) -> Snapshot:
    """Copy the columns; call it with the project's lock held."""
    state.lengthen(len(images.ids))
    rows = images.order()
    labelled = state.taken(rows, "label", "version", "by", "predicted", "alone", "probabilities")
    first, second = _best_two(labelled["probabilities"])
    none = labelled["predicted"] < 0
    first[none], second[none] = np.nan, np.nan
    return Snapshot(
        spec=state.spec,
        event=event,
        taught_until=taught_until,
        taught_by_panels=taught_by_panels or {},
        **images.taken(rows, "ids", "case", "status", "novelty", "x", "y", "outside"),
        **labelled,
        profile=state.profiles.of(images.case[rows]),
        probability=first,
        margin=first - second,
        held_back=np.zeros(len(rows), np.bool_),
        vectors=images.vectors,
        rows=rows,
        stamp=np.maximum(images.stamp[rows], state.stamp[rows]),
        floor=state.floor,
        asked=np.ones(len(rows), np.bool_),
    )


def asked_of(now: Snapshot, types: Snapshot, parent: str) -> Snapshot:
    """A label set that is asked of one cell type alone: its rows elsewhere lose their readings.

    ``types`` is the cell types' snapshot of the same moment: a person's label there decides, else the reading. Cells
    of a finer type are of the type above it.
    """
    own = class_facts.family(types.spec.classes, types.spec.name, parent)
    codes = [code for code, name in enumerate(types.spec.names) if name in own]
    asked = np.isin(np.where(types.label == NOTHING, types.predicted, types.label), codes)
    return replace(
        now,
        event=min(now.event, types.event),
        predicted=np.where(asked, now.predicted, NOTHING).astype(np.int16),
        alone=np.where(asked, now.alone, NOTHING).astype(np.int16),
        probabilities=np.where(asked[:, None], now.probabilities, np.float32(0)),
        probability=np.where(asked, now.probability, np.float32(np.nan)),
        margin=np.where(asked, now.margin, np.float32(np.nan)),
        stamp=np.maximum(now.stamp, types.stamp),
        floor=max(now.floor, types.floor),
        asked=asked,
    )


def held_back_as(now: Snapshot, types: Snapshot) -> Snapshot:
    """Another label set that the bundle reads: where its cell types are held back, so are its probabilities.

    ``types`` is the cell types' snapshot of the same moment, with the probabilities of foreign cases held back.
    """
    held = now.holding_back(types.held_back, np.maximum(now.stamp, types.stamp))
    return replace(held, event=min(now.event, types.event), floor=max(now.floor, types.floor))


def _best_two(probabilities: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if probabilities.shape[1] < 2:
        alone = probabilities.max(axis=1, initial=0.0)
        return alone, np.zeros_like(alone)
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return two[:, 1].copy(), two[:, 0].copy()
