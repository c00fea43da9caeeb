"""What a bundle's familiarity is fitted on: every laboratory read by a classifier that saw none of it, and home.

Laboratories are left out of the labels. Where the encoder was trained on them they are less foreign than a new one will
be, and what is fitted is too sure of itself; readings by encoders that left them out as well
(:class:`UnseenLaboratory`, in each encoder's own space: novelty has a unit in each) can be given instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from hemosight.errors import TooFewLabels
from hemosight.images.splits import Rows
from hemosight.lab.studies.study_data import StudyData
from hemosight.scoring import by_patient, metrics
from hemosight.space import classifiers, familiarity
from hemosight.space.embeddings import Vectors
from hemosight.space.familiarity import Familiarity, LeftOutLaboratory
from hemosight.space.novelty import UNUSUAL, Novelty

FOLDS = 5
LEFT_OUT = "left_out"
"""Of a manifest's figures: laboratories as read by encoders that never met them."""
_SMALLEST = 1e-300


def read(
    known: Vectors,
    known_labels: NDArray[np.str_],
    cells: Vectors,
    labels: NDArray[np.str_],
    classifier: str = classifiers.DEFAULT,
) -> LeftOutLaboratory:
    """Read ``cells`` by a classifier fitted on ``known`` ones; both are cells x dimensions, one label a cell."""
    reader = classifiers.fit(known, known_labels, classifier)
    column = {name: code for code, name in enumerate(reader.classes)}
    return LeftOutLaboratory(
        logits=np.log(reader.probabilities(cells) + _SMALLEST),
        truth=np.array([column.get(label, -1) for label in labels.tolist()], np.int64),
        scores=Novelty.fit(known, labels=known_labels).score(cells),
    )


@dataclass(frozen=True)
class UnseenLaboratory:
    """A laboratory read by the labels of all others, in the space of an encoder that never met it.

    Parameters
    ----------
    name
        Of the laboratory.
    readings
        Its cells' readings.
    classes
        Of the columns of ``readings.logits``.
    labels, patients, ids
        One text a cell; an empty patient is unknown.
    """

    name: str
    readings: LeftOutLaboratory
    classes: tuple[str, ...]
    labels: NDArray[np.str_]
    patients: NDArray[np.str_]
    ids: tuple[str, ...]

    @classmethod
    def read(cls, data: StudyData, name: str, classifier: str = classifiers.DEFAULT) -> UnseenLaboratory:
        """Read one laboratory of this material by the labels of the others.

        Raises :class:`~hemosight.errors.TooFewLabels` where it has no labelled cell, or the others have no two types.
        """
        labels = data.labels()
        own, others = (np.flatnonzero((labels != "") & side) for side in (data.sources == name, data.sources != name))
        if not len(own) or len(set(labels[others].tolist())) < 2:
            raise TooFewLabels(came=f"nothing of {name!r} that labels of other laboratories could read")
        readings = read(data.vectors[others], labels[others], data.vectors[own], labels[own], classifier)
        classes = tuple(np.unique(labels[others]).tolist())
        return cls(name, readings, classes, labels[own], data.patients[own], data.embeddings.take(own).ids)

    def without(self, ids: Collection[str]) -> UnseenLaboratory:
        """The same without these cells."""
        kept = np.array([cell not in ids for cell in self.ids], bool)
        its = self.readings
        return replace(
            self,
            readings=LeftOutLaboratory(its.logits[kept], its.truth[kept], its.scores[kept]),
            labels=self.labels[kept],
            patients=self.patients[kept],
            ids=tuple(cell for cell, keep in zip(self.ids, kept, strict=True) if keep),
        )

    def figures(self) -> dict[str, Any]:
        """How it is read: :func:`hemosight.scoring.by_patient.figures`, and ``calibration_error``.

        That is of plain probabilities over all its cells; the errors that :func:`fit` notes are of the cells that are
        not held out of the bundle, plain and tempered.
        """
        said = np.array(self.classes)[self.readings.logits.argmax(axis=1)]
        sure = np.exp(self.readings.logits.max(axis=1))
        return {
            **by_patient.figures(self.labels, said, self.patients),
            "calibration_error": round(metrics.calibration_error(sure, said == self.labels), 5),
        }


def laboratories(data: StudyData, rows: Rows, classifier: str = classifiers.DEFAULT) -> dict[str, LeftOutLaboratory]:
    """Each laboratory of these rows, read by the others' labels; none where there is but one."""
    labels, sources = data.labels(), data.sources[rows]
    found: dict[str, LeftOutLaboratory] = {}
    for name in np.unique(sources).tolist():
        own, others = rows[sources == name], rows[sources != name]
        if len(set(labels[others].tolist())) > 1:
            found[name] = read(data.vectors[others], labels[others], data.vectors[own], labels[own], classifier)
    return found


def home(data: StudyData, rows: Rows, classifier: str = classifiers.DEFAULT, seed: int = 0) -> LeftOutLaboratory:
    """All of these rows, each read by the other folds: as familiar as cells can be that are not known."""
    labels, parts = data.labels(), []
    for part in data.folds(FOLDS, seed, rows):
        known, cells = part.rest, part.held
        parts.append(read(data.vectors[known], labels[known], data.vectors[cells], labels[cells], classifier))
    widths = {part.logits.shape[1] for part in parts}
    if len(widths) > 1:
        raise TooFewLabels(came="a type with so few cells that a fold knows none of it")
    return LeftOutLaboratory(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "truth", "scores"))
    )


def fit(
    data: StudyData,
    rows: Rows,
    classifier: str = classifiers.DEFAULT,
    also: Mapping[str, LeftOutLaboratory] | None = None,
) -> tuple[Familiarity, dict[str, Any]]:
    """Familiarity from these rows, and facts for the manifest.

    ``also`` are readings of laboratories by encoders that had left them out. Where there are any they alone are
    strangers: a laboratory that the encoder was taught with is read right though its labels were left out, and would
    teach to believe cells that lie far off.

    Raises :class:`~hemosight.errors.TooFewLabels` where no laboratory can be left out.
    """
    away = dict(also) if also else laboratories(data, rows, classifier)
    if not away:
        raise TooFewLabels(came="no laboratory that the others' labels could read")
    at_home = home(data, rows, classifier)
    # Home weighs as much as all laboratories left out: most cells that are read will be like those that are known.
    fitted = familiarity.fit([*away.values(), *[at_home] * len(away)], at_home.scores)
    # Folds keep a laboratory's few slides and patients together, which makes home's last hundredth lie where strangers
    # do; what novelty itself calls unusual is the least that is called unfamiliar.
    fitted = replace(fitted, limit=min(fitted.limit, UNUSUAL))
    facts: dict[str, Any] = {
        "score": "novelty",
        "fitted_on": sorted(away),
        "by_encoders_that_left_them_out": sorted(also or {}),
        "calibration_error": {
            **_errors(away, at_home),
            "home": {
                "plain": round(_error(at_home, np.ones(len(at_home.truth))), 4),
                "tempered": round(_error(at_home, fitted.temperatures(at_home.scores)), 4),
            },
        },
        "share_unfamiliar": {
            name: round(float(fitted.unfamiliar(its.scores).mean()), 4)
            for name, its in [*sorted(away.items()), ("home", at_home)]
        },
    }
    return fitted, facts


def _errors(away: Mapping[str, LeftOutLaboratory], at_home: LeftOutLaboratory) -> dict[str, dict[str, float]]:
    """Calibration error of each laboratory, as it is and tempered as fitted without it; nothing of one alone."""
    found: dict[str, dict[str, float]] = {}
    for name, its in away.items():
        others = [other for key, other in away.items() if key != name]
        if not others:
            continue
        tempering = familiarity.fit([*others, *[at_home] * len(others)], at_home.scores)
        found[name] = {
            "plain": round(_error(its, np.ones(len(its.truth))), 4),
            "tempered": round(_error(its, tempering.temperatures(its.scores)), 4),
        }
    return found


def _error(its: LeftOutLaboratory, temperatures: NDArray[np.float64]) -> float:
    sure = softmax(its.logits / temperatures[:, None], axis=1)
    return metrics.calibration_error(sure.max(axis=1), sure.argmax(axis=1) == its.truth)
