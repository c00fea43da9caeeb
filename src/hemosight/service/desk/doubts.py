"""Labels that look wrong: what a classifier that learnt every other label reads of each labelled cell.

A label that its neighbours contradict is a slip of the hand, a hard cell, or the one right label among wrong ones: the
list says where to look again, not who is right. Cells that are the only one of their type cannot be doubted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Doubt:
    """A labelled image that reads otherwise without its own label.

    Parameters
    ----------
    image, label
        The image and the label that stands.
    read
        What it reads as.
    own, other
        How probable the label is, and what it reads as: 0 to 1, without the label of this image.
    """

    image: int
    label: str
    read: str
    own: float
    other: float


def doubts(
    images: NDArray[np.int64], truth: NDArray[np.int64], probabilities: NDArray[np.float64], names: Sequence[str]
) -> list[Doubt]:
    """Those that read otherwise than they are labelled, the least probable label first.

    Parameters
    ----------
    images, truth
        Labelled images, and the columns of their labels.
    probabilities
        Images x classes, each row without the image's own label.
    names
        The classes, in the order of the columns.
    """
    rows = np.arange(len(truth))
    read = probabilities.argmax(axis=1)
    own, other = probabilities[rows, truth], probabilities[rows, read]
    wrong = np.flatnonzero(read != truth)
    order = wrong[np.lexsort((images[wrong], own[wrong] - other[wrong]))]
    return [
        Doubt(int(images[row]), names[int(truth[row])], names[int(read[row])], float(own[row]), float(other[row]))
        for row in order.tolist()
    ]
