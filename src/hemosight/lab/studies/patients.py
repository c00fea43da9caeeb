"""Figures by patient and by laboratory: what a laboratory would see, before what a random split of crops shows.

Two conditions. *Other patients*: cells held out of everything, each laboratory's by itself, read by a fit to all other
labels; where patients are known none of theirs was learnt. *Another laboratory*: every laboratory read by a fit to the
labels of the others. Both with intervals over patients; where the files name no patient, over cells.
"""

from __future__ import annotations

import polars as pl

from hemosight.errors import TooFewLabels
from hemosight.images.splits import Rows
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.scoring import by_patient, metrics
from hemosight.space import classifiers

OTHER_PATIENTS, OTHER_LABORATORY = "other patients", "another laboratory"


def patients(
    data: StudyData, *, classifier: str = classifiers.DEFAULT, seed: int = 0, steps: Steps | None = None
) -> pl.DataFrame:
    """One row a condition and laboratory.

    Columns: ``condition``, ``source``, ``cells``, ``patients`` (0 where the files name none), ``split`` (by patient or
    by image), ``macro_f1`` and ``accuracy`` with ``_low`` and ``_high``, ``calibration_error``, ``blasts`` (cells),
    ``blasts_found`` and ``others_called_blast`` with bounds (null where there is no blast).

    Raises :class:`~hemosight.errors.TooFewLabels` where nothing is held out and there is but one laboratory.
    """
    labels, sources = data.labels(), data.sources
    named = sorted(set(sources.tolist()))
    wanted: dict[tuple[str, str], tuple[Rows, Rows]] = {}
    for name in named:
        held = data.split.held[sources[data.split.held] == name]
        if len(held):
            wanted[OTHER_PATIENTS, name] = (data.split.rest, held)
        own = (sources == name).nonzero()[0]
        others = (sources != name).nonzero()[0]
        if len(set(labels[others].tolist())) > 1:
            wanted[OTHER_LABORATORY, name] = (others, own)
    if not wanted:
        raise TooFewLabels(came="nothing held out, and one laboratory alone")

    def work() -> pl.DataFrame:
        rows, fits = [], {}
        for (condition, name), (known, cells) in wanted.items():
            key = known.tobytes()
            if key not in fits:  # all laboratories' held-out parts are read by one fit
                fits[key] = classifiers.fit(data.vectors[known], labels[known], classifier)
            rows.append(_row(data, fits[key], cells, condition, name))
        return pl.DataFrame(rows, infer_schema_length=None)

    decided_by = {"material": data.hash, "classifier": classifier, "seed": seed}
    return (steps or Steps()).run("patients", decided_by, {"all": work})


def _row(
    data: StudyData, reader: classifiers.LinearClassifier, cells: Rows, condition: str, name: str
) -> dict[str, object]:
    truth, who = data.labels()[cells], data.patients[cells]
    probabilities = reader.probabilities(data.vectors[cells])
    read = reader.predict(data.vectors[cells])
    found, blasts = by_patient.scores(truth, read, who), by_patient.blasts(truth, read, who)
    row: dict[str, object] = {
        "condition": condition,
        "source": name,
        "cells": len(cells),
        "patients": found.patients,
        "split": data.split_by.get(name, "by image"),
    }
    for measure, its in (("macro_f1", found.macro_f1), ("accuracy", found.accuracy)):
        row |= {measure: its.value, f"{measure}_low": its.low, f"{measure}_high": its.high}
    row |= {
        "calibration_error": metrics.calibration_error(probabilities.max(axis=1), read == truth),
        "blasts": blasts.cells,
    }
    for measure, its in (("blasts_found", blasts.found), ("others_called_blast", blasts.false)):
        there = blasts.cells > 0
        row |= {
            measure: its.value if there else None,
            f"{measure}_low": its.low if there else None,
            f"{measure}_high": its.high if there else None,
        }
    return row
