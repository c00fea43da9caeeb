"""A view: one label set over a project's images at one moment, as columns in the order of ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.opinions import Opinion, Question
from hemosight.service.desk.roll import READ, Roll
from hemosight.space.embeddings import Vectors


@dataclass(frozen=True)
class View:
    """Columns, row by row; nothing in it changes any more.

    Parameters
    ----------
    question
        The label set; classes are numbered in its order.
    revision
        The event of the project up to which everything is in it.
    taught
        The last fact that the reader had learnt; 0 for the bundle alone.
    ids, case, status, novelty, x, y
        As on the roll; ``case`` is -1 for none, numbers are nan where there is no reading.
    label
        Class number of the label that stands; -1 for none, -2 for unsure.
    version, by
        The fact that stands and its author; 0 and -1 where nobody said anything.
    predicted, alone
        Class number the reader says, and the bundle alone; -1 where there is no reading or no reader.
    probabilities
        Rows x classes; zero where there is no prediction.
    probability, margin
        Of the first class, and its distance from the second; nan where there is no prediction.
    vectors
        Rows x dimensions, in the order of :attr:`rows`, not of the columns.
    rows
        Where each image's vector lies.
    stamp
        The event after which a row last changed.
    floor
        Changes are known from this event on.
    """

    question: Question
    revision: int
    taught: int
    ids: NDArray[np.int64]
    case: NDArray[np.int64]
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
    vectors: Vectors
    rows: NDArray[np.int64]
    stamp: NDArray[np.int64]
    floor: int

    @property
    def read(self) -> NDArray[np.bool_]:
        """Which rows have a vector."""
        return self.status == READ

    def of_case(self, case: int | None) -> NDArray[np.bool_]:
        """Which rows belong to a case; all where None."""
        return np.ones(len(self.ids), np.bool_) if case is None else self.case == case


def view(roll: Roll, opinion: Opinion, revision: int) -> View:
    """Copy the columns; call it with the desk's lock held."""
    opinion.make_room()
    rows = roll.order()
    probabilities, predicted = opinion.probabilities[rows], opinion.predicted[rows]
    first, second = _best_two(probabilities)
    none = predicted < 0
    first[none], second[none] = np.nan, np.nan
    return View(
        question=opinion.question,
        revision=revision,
        taught=opinion.taught,
        ids=roll.ids[rows],
        case=roll.case[rows],
        status=roll.status[rows],
        novelty=roll.novelty[rows],
        x=roll.x[rows],
        y=roll.y[rows],
        label=opinion.label[rows],
        version=opinion.version[rows],
        by=opinion.by[rows],
        predicted=predicted,
        alone=opinion.alone[rows],
        probabilities=probabilities,
        probability=first,
        margin=first - second,
        vectors=roll.vectors,
        rows=rows,
        stamp=np.maximum(roll.stamp[rows], opinion.stamp[rows]),
        floor=opinion.floor,
    )


def _best_two(probabilities: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if probabilities.shape[1] < 2:
        alone = probabilities.max(axis=1, initial=0.0)
        return alone, np.zeros_like(alone)
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return two[:, 1].copy(), two[:, 0].copy()
