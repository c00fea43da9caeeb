"""Figures whose interval is drawn over patients, and blasts by patient.

Cells of one patient resemble one another and were read by the same eyes, so that cells are not independent: a
bootstrap that draws whole patients gives the interval a new patient's figures will fall into (Efron and Tibshirani
1993, ch. 8). Where no patient is known every cell stands for itself, and the interval is that of cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.intervals import wilson
from hemosight.scoring import metrics
from hemosight.scoring.metrics import BOOTSTRAPS, Interval

Texts = Sequence[str] | NDArray[np.str_]
COMMON_TYPES = ("blast", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil")
"""Types that leukemia patients' smears have many of; labels of the rarer ones are fewer and worse."""


@dataclass(frozen=True)
class PatientScores:
    """How well cells were read, with intervals over patients.

    Parameters
    ----------
    cells, patients
        How many; ``patients`` is 0 where none is known, and intervals are then over cells.
    macro_f1
        Over the types that occur in truth.
    accuracy
        Share of cells read right.
    """

    cells: int
    patients: int
    macro_f1: Interval
    accuracy: Interval

    def to_json(self) -> dict[str, Any]:
        """For a manifest."""
        return {
            "cells": self.cells,
            "patients": self.patients,
            "macro_f1": self.macro_f1.to_json(),
            "accuracy": self.accuracy.to_json(),
        }


@dataclass(frozen=True)
class BlastFigures:
    """One type against all others, by cell and by patient.

    Parameters
    ----------
    cells, others
        Cells of the type, and of other types.
    found
        Share of the type's cells that were read as it (sensitivity).
    false
        Share of other types' cells that were read as it (one minus specificity).
    patients, patients_found
        Patients who have a cell of the type, and of these those in whom at least one cell of it was read as it; 0
        where no patient is known.
    """

    cells: int
    others: int
    found: Interval
    false: Interval
    patients: int
    patients_found: int

    def to_json(self) -> dict[str, Any]:
        """For a manifest."""
        low, high = wilson(self.patients_found, self.patients)
        return {
            "cells": self.cells,
            "others": self.others,
            "found": self.found.to_json(),
            "false": self.false.to_json(),
            "patients": self.patients,
            "patients_found": self.patients_found,
            "patients_found_low": round(low, 5),
            "patients_found_high": round(high, 5),
        }


def clusters(patients: Texts) -> NDArray[np.int64]:
    """A number for each cell: equal for cells of one patient, its own where the patient's name is empty."""
    names = np.asarray(patients, np.str_)
    _, codes = np.unique(names, return_inverse=True)
    alone = np.flatnonzero(names == "")
    codes = codes.astype(np.int64)
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def scores(truth: Texts, read: Texts, patients: Texts, *, bootstraps: int = BOOTSTRAPS, seed: int = 0) -> PatientScores:
    """Macro-F1 and accuracy of cells with intervals over patients; one text a cell, an empty patient is unknown."""
    truth, read = np.asarray(truth, np.str_), np.asarray(read, np.str_)
    names = np.unique(np.concatenate([truth, read]))
    k, who = len(names), clusters(patients)
    by_patient = np.zeros((int(who.max(initial=-1)) + 1, k * k), np.int64)
    np.add.at(by_patient, (who, np.searchsorted(names, truth) * k + np.searchsorted(names, read)), 1)
    drawn = (draws(len(by_patient), bootstraps, seed) @ by_patient).reshape(-1, k, k)
    whole = by_patient.sum(axis=0).reshape(1, k, k)
    return PatientScores(
        cells=len(truth),
        patients=_known(patients),
        macro_f1=_interval(metrics.macros(whole)[0], metrics.macros(drawn)),
        accuracy=_interval(metrics.accuracies(whole)[0], metrics.accuracies(drawn)),
    )


def common_types(truth: Texts, read: Texts, patients: Texts, **how: int) -> PatientScores | None:
    """:func:`scores` of the cells of :data:`COMMON_TYPES` alone; None where there is none."""
    rows = np.isin(np.asarray(truth, np.str_), COMMON_TYPES)
    if not rows.any():
        return None
    return scores(*(np.asarray(texts, np.str_)[rows] for texts in (truth, read, patients)), **how)


def figures(truth: Texts, read: Texts, patients: Texts) -> dict[str, Any]:
    """What is said of one laboratory's cells in a manifest.

    :meth:`PatientScores.to_json`, ``common_types`` (the macro-F1 of :func:`common_types`) where there are any, and
    ``blasts`` (:meth:`BlastFigures.to_json`) where there are any.
    """
    facts = scores(truth, read, patients).to_json()
    if (common := common_types(truth, read, patients)) is not None:
        facts["common_types"] = common.macro_f1.to_json()
    if (np.asarray(truth, np.str_) == "blast").any():
        facts["blasts"] = blasts(truth, read, patients).to_json()
    return facts


def blasts(
    truth: Texts,
    read: Texts | None,
    patients: Texts,
    *,
    wanted: str = "blast",
    called: NDArray[np.bool_] | None = None,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> BlastFigures:
    """How many cells of a type are found, and how many others are called so.

    Parameters
    ----------
    truth, read, patients
        One text a cell; an empty patient is unknown.
    called
        Which cells are called, instead of those that ``read`` says are ``wanted``: for another threshold.
    """
    is_wanted = np.asarray(truth, np.str_) == wanted
    calls = np.asarray(read, np.str_) == wanted if called is None else called
    who = clusters(patients)
    counts = np.zeros((int(who.max(initial=-1)) + 1, 4), np.int64)
    for column, flag in enumerate((is_wanted & calls, is_wanted, ~is_wanted & calls, ~is_wanted)):
        counts[:, column] = np.bincount(who, flag, minlength=len(counts))
    drawn, whole = draws(len(counts), bootstraps, seed) @ counts, counts.sum(axis=0)
    named = np.zeros(len(counts), bool)
    named[who[np.asarray(patients, np.str_) != ""]] = True
    having = named & (counts[:, 1] > 0)
    return BlastFigures(
        cells=int(whole[1]),
        others=int(whole[3]),
        found=_share(whole[0], whole[1], drawn[:, 0], drawn[:, 1]),
        false=_share(whole[2], whole[3], drawn[:, 2], drawn[:, 3]),
        patients=int(having.sum()),
        patients_found=int((having & (counts[:, 0] > 0)).sum()),
    )


def blast_curve(
    truth: Texts, suspicion: NDArray[np.float64], patients: Texts, *, wanted: str = "blast"
) -> list[dict[str, float]]:
    """Sensitivity against false calls, from none to half of the other cells, and the share of patients who are found.

    ``suspicion`` is higher for cells more like ``wanted``. Rows: ``threshold``, ``found``, ``false``,
    ``patients_found`` (share of the patients who have one); thresholds descend.
    """
    others = suspicion[np.asarray(truth, np.str_) != wanted]
    if not len(others):
        return []
    rows = []
    for share in (0.0, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5):
        threshold = float(np.quantile(others, 1 - share))
        its = blasts(truth, None, patients, wanted=wanted, called=suspicion > threshold, bootstraps=1)
        rows.append(
            {
                "threshold": threshold,
                "found": its.found.value,
                "false": its.false.value,
                "patients_found": its.patients_found / its.patients if its.patients else float("nan"),
            }
        )
    return rows


def _known(patients: Texts) -> int:
    return len(set(np.asarray(patients, np.str_).tolist()) - {""})


def draws(units: int, bootstraps: int, seed: int) -> NDArray[np.int64]:
    """The bootstrap over whole units (patients, cases): how often each is drawn, bootstraps x units."""
    if not units:
        return np.zeros((bootstraps, 0), np.int64)
    return np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=bootstraps)


def _share(part: int, whole: int, parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> Interval:
    drawn = wholes > 0
    if not whole:
        return Interval(float("nan"), 0.0, 1.0)
    return _interval(part / whole, parts[drawn] / wholes[drawn])


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))
