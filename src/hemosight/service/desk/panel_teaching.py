"""What panels teach of a project's cells, as numbers that a classifier is fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.image_columns import ImageColumns
from hemosight.service.desk.label_set_state import LabelSetState


@dataclass(frozen=True)
class TeachingPanel:
    """A panel that teaches: its number and its title."""

    number: int
    title: str


Shares = NDArray[np.float64]
"""One number a column of the label set, their sum at most 1: how much a cell counts for each."""


def shares_by_profile(
    consensus: Mapping[int, Mapping[str, float]],
    state: LabelSetState,
    images: ImageColumns,
    unlabelled: NDArray[np.int64],
    parents: Mapping[int, int],
) -> dict[int, dict[int, Shares]]:
    """What each scanner profile is taught: profile -> row -> shares.

    Parameters
    ----------
    consensus
        Image -> type -> probability.
    state, images
        The label set's columns and the images'.
    unlabelled
        Rows with an embedding that nobody labelled: whoever labelled a cell, if only as unsure, has the last word.
    parents
        Columns of finer types, and of those that the bundle reads in their place.
    """
    open_rows, found = set(unlabelled.tolist()), dict[int, dict[int, Shares]]()
    for image, probable in consensus.items():
        row = images.row_of.get(image)
        if row is None or row not in open_rows:
            continue
        shares = np.zeros(len(state.names))
        for name, share in probable.items():
            if (column := state.taught_column(name)) is not None:
                shares[parents.get(column, column)] += share
        if shares.any():
            profile = int(state.profile_of(np.array([row], np.int64))[0])
            found.setdefault(profile, {})[row] = shares
    return found


def panels_of(
    taught: Mapping[int, Iterable[int]], images: ImageColumns, panel_of: Mapping[int, TeachingPanel]
) -> dict[int, tuple[TeachingPanel, ...]]:
    """The panels that taught each scanner profile, in order; ``taught`` is profile -> rows, ``panel_of`` of images."""
    found = {profile: {panel_of[int(images.ids[row])] for row in rows} for profile, rows in taught.items()}
    return {profile: tuple(sorted(panels, key=lambda one: one.number)) for profile, panels in found.items() if panels}
