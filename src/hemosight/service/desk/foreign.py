"""Whether a case is of a scanner or stain that the model does not know.

A cell is unfamiliar while it lies beyond the limit of what the bundle knows (:mod:`hemosight.space.familiarity`;
novelty above :data:`~hemosight.space.novelty.UNUSUAL` where the bundle has no such limit), nobody has labelled it,
and it lies as far from the cells of its scanner profile that people have labelled. Labelling therefore adapts a case:
its share falls. Cells of one poor camera look so much alike that five labels make all of them familiar while half are
read wrong: a foreign scanner also takes :data:`WANTED` such labels, or, of a case that has its share of familiar cells,
as many labels as its queue asks at most, of which nearly as many lie beyond the bundle as chance would have drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.engine.bundle import Bundle
from hemosight.engine.readings import FOREIGN_SHARE
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.trust import MOST
from hemosight.space.neighbours import nearest
from hemosight.space.novelty import UNUSUAL

WANTED = 25
"""Labels of cells beyond the bundle, of this case or like its cells, before a case is adapted."""
_NEARLY = 0.75
"""Share of the labels beyond the bundle that chance would have drawn which is asked for."""


@dataclass(frozen=True)
class CaseFamiliarity:
    """How far the cells of a case look like what is known.

    Parameters
    ----------
    cells
        Cells with a reading.
    unfamiliar
        Of these, cells beyond everything known: the bundle's cells and those of its profile that people labelled.
    to_bundle
        Cells beyond the bundle's alone, before anybody labelled any.
    median
        Median novelty against the bundle; 0 where no cell is read.
    open
        Cells without a person's label.
    taught
        Cells beyond the bundle that people have labelled: of this case, or of another of its profile and near one of
        its cells. Those of a second unknown scanner say nothing of this one.
    """

    cells: int
    unfamiliar: int
    to_bundle: int
    median: float
    open: int
    taught: int
    labelled: int = 0
    """Cells of the case that people have given a type."""
    open_beyond: int = 0
    """Cells beyond the bundle that nobody has said anything of."""

    @property
    def share(self) -> float:
        """Share of the cells that are unfamiliar."""
        return self.unfamiliar / self.cells if self.cells else 0.0

    @property
    def foreign(self) -> bool:
        """Whether the readings are not usable yet.

        The share decides of a few cells as of many, and one cell beyond among five is enough: a foreign case could be
        signed in small pieces else, each with a familiar cell beside its own. Of a known laboratory a handful has such
        a cell now and then; labels of these few open it.
        """
        if not self.open or self.to_bundle < max(FOREIGN_SHARE * self.cells, 1):
            return False
        return self.share >= FOREIGN_SHARE or self.taught < self.wanted

    @property
    def missing(self) -> int:
        """Labels of cells beyond the bundle that are missing after as many answers as a queue asks, and can come."""
        if not self.foreign or self.labelled < MOST:
            return 0
        return min(max(self.wanted - self.taught, 0), self.open_beyond)

    @property
    def wanted(self) -> int:
        """Labels of cells beyond the bundle that open the case.

        The queue ends after :data:`~hemosight.service.desk.trust.MOST` answers. Where only a part of the case lies
        beyond the bundle fewer than :data:`WANTED` of them may be of that part, and need not be more.
        """
        if self.labelled < MOST:
            return WANTED
        return min(WANTED, math.ceil(_NEARLY * MOST * self.to_bundle / self.cells))


@dataclass(frozen=True)
class ProjectFamiliarity:
    """What of a project the model knows.

    Parameters
    ----------
    cases
        By the case's number; -1 stands for cells without one.
    unfamiliar
        Images beyond everything known, while nobody has labelled them.
    """

    cases: Mapping[int, CaseFamiliarity]
    unfamiliar: frozenset[int]


def of_project(snapshot: Snapshot, bundle: Bundle) -> ProjectFamiliarity:
    """All cases of a project, by its cell types."""
    cases = by_case(snapshot, bundle)
    return ProjectFamiliarity(cases, frozenset(snapshot.ids[unknown(snapshot, bundle)].tolist()))


def foreign_cases(snapshot: Snapshot, bundle: Bundle) -> list[int]:
    """Numbers of the cases that are foreign, as :func:`by_case` says; quick where there is none."""
    cases, place = np.unique(snapshot.case, return_inverse=True)
    counts = [
        np.bincount(place[rows], minlength=len(cases))
        for rows in (snapshot.read, beyond_bundle(snapshot, bundle), snapshot.read & (snapshot.label == -1))
    ]
    candidates = cases[(counts[1] >= np.maximum(FOREIGN_SHARE * counts[0], 1)) & (counts[2] > 0)]
    if not len(candidates):
        return []
    found = by_case(snapshot, bundle, candidates)
    return [case for case, one in found.items() if one.foreign]


def by_case(
    snapshot: Snapshot, bundle: Bundle, among: NDArray[np.int64] | None = None
) -> Mapping[int, CaseFamiliarity]:
    """Every case of a project, by number; -1 stands for cells without a case.

    Parameters
    ----------
    snapshot
        The cell types: other label sets ask other questions of the same cells.
    bundle
        What the snapshot's cells were embedded with.
    among
        These cases alone.
    """
    beyond = beyond_bundle(snapshot, bundle)
    unfamiliar = unknown(snapshot, bundle, among)
    found = {}
    for case in np.unique(snapshot.case if among is None else among).tolist():
        rows = snapshot.read & (snapshot.case == case)
        count = int(rows.sum())
        labelled = np.flatnonzero(beyond & (snapshot.label >= 0) & np.isin(snapshot.profile, snapshot.profile[rows]))
        found[case] = CaseFamiliarity(
            cells=count,
            unfamiliar=int((unfamiliar & rows).sum()),
            to_bundle=int((beyond & rows).sum()),
            median=float(np.median(snapshot.novelty[rows])) if count else 0.0,
            open=int((rows & (snapshot.label == -1)).sum()),
            taught=_taught(snapshot, bundle, labelled, np.flatnonzero(rows)),
            labelled=int((rows & (snapshot.label >= 0)).sum()),
            open_beyond=int((rows & beyond & (snapshot.label == -1)).sum()),
        )
    return found


def unknown(snapshot: Snapshot, bundle: Bundle, among: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
    """Which cells lie beyond everything known: the bundle's cells, and the labelled ones of their own profile.

    With ``among``, of these cases' cells alone.
    """
    unfamiliar = beyond_bundle(snapshot, bundle) & (snapshot.label == -1)
    if among is not None:
        unfamiliar &= np.isin(snapshot.case, among)
    for profile in np.unique(snapshot.profile[unfamiliar]).tolist():
        rows = np.flatnonzero(unfamiliar & (snapshot.profile == profile))
        unfamiliar[rows] = ~_near_labelled(snapshot, bundle, rows, profile)
    return unfamiliar


def _taught(snapshot: Snapshot, bundle: Bundle, labelled: NDArray[np.int64], cells: NDArray[np.int64]) -> int:
    """How many of the labelled cells are of these cells, or as near to one of them as known cells to one another."""
    elsewhere = labelled[~np.isin(labelled, cells)]
    own = len(labelled) - len(elsewhere)
    if own >= WANTED or not len(elsewhere) or not len(cells):
        return own
    vectors = snapshot.vectors
    _, distance = nearest(vectors[snapshot.rows[elsewhere]], vectors[snapshot.rows[cells]], 1)
    return own + int((distance[:, 0] <= bundle.novelty.unit).sum())


def beyond_bundle(snapshot: Snapshot, bundle: Bundle) -> NDArray[np.bool_]:
    """Which cells lie beyond what the bundle knows."""
    limit = bundle.familiarity.limit if bundle.familiarity is not None else UNUSUAL
    return snapshot.read & (snapshot.novelty > limit)


def _near_labelled(snapshot: Snapshot, bundle: Bundle, rows: NDArray[np.int64], profile: int) -> NDArray[np.bool_]:
    """Which of these rows have a labelled cell of the profile as near as known cells lie to one another.

    One is enough: of a rare type there is no second among the first few labels.
    """
    known = np.flatnonzero(snapshot.read & (snapshot.label >= 0) & (snapshot.profile == profile))
    if not len(rows) or not len(known):
        return np.zeros(len(rows), np.bool_)
    vectors = snapshot.vectors
    _, distance = nearest(vectors[snapshot.rows[rows]], vectors[snapshot.rows[known]], 1)
    return distance[:, 0] <= bundle.novelty.unit
