"""A group of cells that is to get one label: its order, its random sample, and what the sample warrants."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from hemosight.blood.intervals import at_least
from hemosight.service.desk.label_set_state import NOTHING
from hemosight.service.desk.snapshot import Snapshot


def by_likeness(snapshot: Snapshot, images: Sequence[int]) -> list[int]:
    """Those of the images that were read and that nobody labelled, what is most like the group's middle first.

    The middle is the mean of the unit vectors, likeness the cosine to it; of equals the older image comes first.
    """
    there = np.isin(snapshot.ids, list(images)) & snapshot.read & snapshot.asked
    rows = np.flatnonzero(there & (snapshot.label == NOTHING))
    if not len(rows):
        return []
    vectors = snapshot.vectors[snapshot.rows[rows]]
    return snapshot.ids[rows[typical(vectors)]].tolist()


def typical(vectors: np.ndarray) -> np.ndarray:
    """Rows of cells x dimensions in order of likeness to their middle, the most alike first."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.argsort(-(units @ units.mean(axis=0)), kind="stable")


def sampled(images: Sequence[int], count: int, seed: int) -> list[int]:
    """A random sample of a group, in the order in which it is asked.

    It is those with the least SHA-256 of ``<seed> <image>``: whoever knows the seed can draw it again, in any
    language, and the order in which the group was given changes nothing.
    """
    return sorted(images, key=lambda image: hashlib.sha256(f"{seed} {image}".encode()).digest())[:count]


def bound(group: int, sample: int, right: int, unseen: int) -> float:
    """The least share of right labels among those that an accepted group gets, with 95 % confidence.

    Parameters
    ----------
    group, sample, right
        Cells that the sample was drawn from, cells in it, and those of them that a person called as the group.
    unseen
        Cells outside the sample that get the group's label. Where some were labelled meanwhile and are left alone,
        all that may be wrong in the group is taken to be among the others.
    """
    wrong = group - at_least(right, sample, group) - (sample - right)  # those found have their own label
    labelled = unseen + right
    return max(0.0, 1 - wrong / labelled) if labelled else 0.0
