"""What reads the cells of one scanner profile, and how sure its readings may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hemosight.engine.readings import FOREIGN_SHARE
from hemosight.space import lda
from hemosight.space.embeddings import Vectors
from hemosight.space.familiarity import Familiarity
from hemosight.space.finer_types import FinerSplit
from hemosight.space.incremental_lda import IncrementalLDA
from hemosight.space.leave_one_out import LeftOut
from hemosight.space.linear_classifier import LinearClassifier

CALIBRATING = 10
"""Labels of a scanner profile from which its readings are calibrated on them, where the bundle does not know it."""
MOST_CALIBRATING = 300
"""Labels that take part in that, at most: more would cost time and move nothing."""
_BLOCK = 4096


@dataclass(frozen=True)
class ProfileReader:
    """What reads the cells of one scanner profile.

    Parameters
    ----------
    classifier
        Fitted on the bundle's labels and the profile's own.
    familiarity
        Lowers the probabilities of cells unlike the bundle's; None where the profile's own labels have calibrated the
        classifier, and for other label sets than that which the familiarity was fitted on.
    splits
        How the probability of a type is shared among the finer ones that the laboratory has labelled.
    """

    classifier: LinearClassifier
    familiarity: Familiarity | None = None
    splits: tuple[FinerSplit, ...] = ()

    def probabilities(self, vectors: Vectors, novelty: NDArray[np.float32]) -> NDArray[np.float64]:
        """Cells x classes; rows sum to one. ``novelty`` is one number a cell."""
        temperatures = None
        if self.familiarity is not None:
            temperatures = self.familiarity.temperatures(novelty.astype(np.float64))
        found = self.classifier.probabilities(vectors, temperatures)
        for split in self.splits:
            split.share(found, vectors)
        return found

    def read(self, vectors: Vectors, novelty: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Probabilities of some rows of all vectors, computed in blocks; rows x classes."""
        parts = [
            self.probabilities(vectors[some], novelty[some]).astype(np.float32)
            for some in (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))
        ]
        return np.concatenate([*parts, np.zeros((0, len(self.classifier.classes)), np.float32)])


def fitted(
    labels: IncrementalLDA, alone: ProfileReader | None, novelty: NDArray[np.float64], weight: float
) -> ProfileReader | None:
    """What reads a profile's cells with its labels; None where nothing can.

    Parameters
    ----------
    labels
        What has learnt the profile's labels.
    alone
        What reads them with the bundle alone; None for a label set of a project's own.
    novelty
        Of each of the profile's cells, against the bundle.
    weight
        How many reference cells one label counts for; 0 where labels do not teach.
    """
    classifier = labels.classifier(weight)
    if classifier is None or alone is None:
        return None if classifier is None else ProfileReader(classifier)
    familiarity = alone.familiarity
    known = familiarity is None or not len(novelty) or familiarity.unfamiliar(novelty).mean() < FOREIGN_SHARE
    if familiarity is None or known or weight <= 0 or len(labels) < CALIBRATING:
        return ProfileReader(classifier, familiarity)
    # Of a scanner that the bundle does not know the profile's own labels say how sure readings may be; few of them
    # lean on what unfamiliar cells of other scanners needed.
    left = labels.leave_one_out(weight, MOST_CALIBRATING)
    expected = float(np.median(familiarity.temperatures(novelty))) / classifier.slope
    return ProfileReader(replace(classifier, slope=1.0 / lda.calibrate(left.scores, left.truth, expected)))


def together(parts: Sequence[LeftOut]) -> LeftOut:
    """Labelled cells of several classifiers as if they were of one."""
    return LeftOut(
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
