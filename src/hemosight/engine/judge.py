"""From embeddings to readings: label, probabilities, novelty, and whether the cell is unfamiliar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.engine.network import CropEmbedding
from hemosight.engine.readings import OK, UNFAMILIAR, Reading
from hemosight.space.embeddings import Vectors
from hemosight.space.familiarity import Familiarity
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.novelty import Novelty
from hemosight.space.one_thread import one_thread

BLAST = "blast"


@dataclass(frozen=True)
class Judge:
    """Turns embeddings into readings.

    Parameters
    ----------
    reader
        Of the label set that is asked for.
    novelty
        Measures distance from the labelled cells.
    familiarity
        Names unfamiliar cells; None names none.
    tempers
        Whether the familiarity's temperatures, which were fitted on cell types, are those of this label set.
    """

    reader: LinearClassifier
    novelty: Novelty
    familiarity: Familiarity | None
    tempers: bool

    def readings(self, names: Sequence[str | None], points: Sequence[CropEmbedding]) -> Iterator[Reading]:
        """One reading a crop, in order; ``names`` are the crops' paths, where they have one."""
        vectors = [point.vector for point in points if point.vector is not None]
        with one_thread():  # others read meanwhile
            rows = self._rows(np.stack(vectors)) if vectors else iter(())
        classes = self.reader.classes
        for name, point in zip(names, points, strict=True):
            if point.vector is None:
                yield Reading(name, point.id, None, None, {}, None, str(point.fault))
                continue
            probabilities, far, unfamiliar, suspicion = next(rows)
            best = int(probabilities.argmax())
            by_class = dict(zip(classes, (float(value) for value in probabilities), strict=True))
            status = UNFAMILIAR if unfamiliar else OK
            yield Reading(
                name, point.id, classes[best], float(probabilities[best]), by_class, float(far), status, suspicion
            )

    def _rows(self, vectors: Vectors) -> Iterator[tuple[NDArray[np.float64], np.float64, np.bool_, float | None]]:
        far, probabilities = self.novelty.score(vectors), self.reader.probabilities(vectors)
        blast = self.reader.classes.index(BLAST) if BLAST in self.reader.classes else None
        suspicion = [None] * len(vectors) if blast is None else probabilities[:, blast].tolist()
        unfamiliar = np.zeros(len(vectors), bool)
        if self.familiarity is not None:
            unfamiliar = self.familiarity.unfamiliar(far)
            if self.tempers:
                probabilities = self.reader.probabilities(vectors, self.familiarity.temperatures(far))
        return iter(zip(probabilities, far, unfamiliar, suspicion, strict=True))
