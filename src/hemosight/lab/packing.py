"""From an exported encoder and labelled crops to a bundle, with figures measured on cells it never saw.

A part of every source is held out (seeded; a tenth of the cells, or a quarter of the patients where they are known)
and never becomes support, so that whoever has the data can measure the shipped bundle again on the same cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.engine.network import Network
from hemosight.errors import BadSplit, TooFewLabels
from hemosight.images.catalog import Catalog, Progress
from hemosight.images.laboratory_splits import described, units
from hemosight.images.preprocess import Preprocessing
from hemosight.images.sources import sources_of
from hemosight.lab import left_out
from hemosight.lab.left_out import LEFT_OUT, UnseenLaboratory
from hemosight.lab.studies.label_efficiency import label_efficiency
from hemosight.lab.studies.scanner import scanner_control
from hemosight.lab.studies.study_data import OFFICIAL_TEST, StudyData, undisputed
from hemosight.lab.studies.tables import FOLD
from hemosight.scoring import by_patient, metrics
from hemosight.space import classifiers
from hemosight.space import landscape as maps
from hemosight.space.embeddings import Embeddings
from hemosight.space.labels import SupportSet


def pack(
    embedded: StudyData,
    *,
    name: str,
    version: str,
    network: bytes,
    backbone: str,
    preprocessing: Preprocessing,
    provenance: dict[str, Any],
    classifier: str = classifiers.DEFAULT,
    attributes: str = classifiers.STANDARDISED,
    commands: Sequence[str] = (),
    with_familiarity: bool = False,
    unseen: Sequence[UnseenLaboratory] = (),
) -> Bundle:
    """Make a bundle whose support is everything that was not held out, and measure it on what was.

    Parameters
    ----------
    embedded
        Labelled cells, and which of them are held out.
    with_familiarity
        Whether its readings are tempered for foreign cells and say ``unfamiliar``; fitted over laboratories left out
        (:mod:`hemosight.lab.left_out`), for which there must be two.
    unseen
        Laboratories as read by encoders that never met them: familiarity is fitted on them, and their figures are
        kept.

    The other parameters are the manifest's (:class:`hemosight.engine.bundle.Manifest`).
    """
    support = support_of(embedded.catalog.take(embedded.split.rest), embedded.embeddings.take(embedded.split.rest))
    bundle = Bundle.pack(
        name=name,
        version=version,
        encoder=network,
        backbone=backbone,
        encoder_provenance=provenance,
        preprocessing=preprocessing,
        support=support,
        classifier=classifier,
        attributes=attributes,
        sources=_provenance(embedded.catalog),
        commands=list(commands),
    )
    if with_familiarity:
        held = set(embedded.embeddings.take(embedded.split.held).ids)
        also = {its.name: its.without(held).readings for its in unseen}
        familiarity, facts = left_out.fit(embedded, embedded.split.rest, classifier, also)
        bundle = bundle.with_familiarity(familiarity, **facts)
    made = measured(bundle, embedded)
    if not unseen:
        return made
    return made.with_figures({**made.manifest.figures, LEFT_OUT: {its.name: its.figures() for its in unseen}})


def measured(bundle: Bundle, embedded: StudyData) -> Bundle:
    """The same bundle with its figures measured anew: on the held-out cells, and on folds of the rest.

    Raises :class:`~hemosight.errors.BadSplit` where the bundle has labels of held-out cells, and
    :class:`~hemosight.errors.EncoderMismatch` where another encoder placed the cells.
    """
    bundle.space.require(embedded.embeddings.space)
    held = embedded.catalog.take(embedded.split.held)
    known = sum(cell in bundle.support for cell in held.ids)
    if known:
        raise BadSplit(
            expected="held-out cells that the bundle has no label of",
            came=f"{known:,} of {len(held):,} that are among its labelled cells",
            mend="Give the data, the share and the seed that it was packed with.",
        )
    figures = measure(bundle, held, embedded.embeddings.take(embedded.split.held))
    figures["attributes"] = measure_attributes(bundle, embedded)
    facts = bundle.manifest.label_sets[CELL_TYPE]
    figures["label_efficiency"] = measure_label_efficiency(embedded, facts.classifier)
    if LEFT_OUT in bundle.manifest.figures:  # measured with other encoders, which are not at hand
        figures[LEFT_OUT] = bundle.manifest.figures[LEFT_OUT]
    return bundle.with_figures(figures)


def with_landscape(
    bundle: Bundle, held: Embeddings | None = None, labels: Sequence[str | None] = (), *, seed: int = 0
) -> Bundle:
    """Lay the bundle's labelled cells out on a map that travels with it.

    With ``held``, cells that are not among them, and their cell types, the map's facts say how pure the places of
    cells it never saw are. Raises :class:`~hemosight.errors.ExtraMissing` where openTSNE is not installed.
    """
    known = bundle.support.labels.get(CELL_TYPE)
    landscape = maps.fit(bundle.support.embeddings.vectors, known, seed=seed)
    if held is not None and len(held) and known is not None:
        bundle.space.require(held.space)
        placed = landscape.place(held.vectors)
        purity = maps.purity(placed, labels, among=landscape.positions, among_labels=known)
        landscape.facts["placed"] = {"cells": len(held), "purity": round(purity, 5)}
    return bundle.with_landscape(landscape)


def unseen(bundle: Bundle, catalog: Catalog, progress: Progress | None = None) -> tuple[Embeddings, list[str | None]]:
    """A catalog's undisputed labelled cells that are not among the bundle's, embedded, and their cell types.

    Raises :class:`~hemosight.errors.TooFewLabels` where there is none that can be read.
    """
    cells = undisputed(catalog.readable())
    cells = cells.take([row for row, cell in enumerate(cells.ids) if cell not in bundle.support])
    embedded, _ = Network(bundle.encoder, bundle.preprocessing).embed(cells, progress)
    if not len(embedded):
        raise TooFewLabels(came="no readable labelled cell that the bundle does not know")
    label_of = dict(zip(cells.ids, cells.labels(), strict=True))
    return embedded, [label_of[cell] for cell in embedded.ids]


def support_of(catalog: Catalog, embeddings: Embeddings) -> SupportSet:
    """Cell types and attributes as a support set; attributes of a source's official test rows stay unknown to it."""
    labels: dict[str, tuple[str | None, ...]] = {CELL_TYPE: tuple(catalog.labels(CELL_TYPE))}
    official = catalog.table["official_split"].to_list()
    for attribute in catalog.attributes:
        column = catalog.labels(attribute)
        labels[attribute] = tuple(
            None if split == OFFICIAL_TEST else label for split, label in zip(official, column, strict=True)
        )
    return SupportSet(embeddings, labels, tuple(catalog.table["source"]))


def measure(bundle: Bundle, catalog: Catalog, embeddings: Embeddings) -> dict[str, Any]:
    """Figures on cells that are not in the bundle's support: rows of ``catalog`` and ``embeddings`` agree."""
    truth = [str(label) for label in catalog.labels()]
    readings = Engine(bundle).read(embeddings)
    read = [str(reading.label) for reading in readings]
    sure = np.array([reading.probability for reading in readings], np.float64)
    right = np.array([t == r for t, r in zip(truth, read, strict=True)])
    scores = metrics.scores(truth, read, confidence=sure)
    return {
        "held_out": {
            "cells": scores.cells,
            "split": described(units(catalog)),
            "macro_f1": scores.macro_f1.to_json(),
            "accuracy": scores.accuracy.to_json(),
            "calibration_error": round(float(scores.calibration_error or 0.0), 5),
            "reliability": [
                {"cells": one.cells, "confidence": round(one.confidence, 5), "accuracy": round(one.accuracy, 5)}
                for one in metrics.reliability(sure, right)
            ],
            "classes": list(scores.classes),
            "f1": [round(float(value), 5) for value in scores.f1],
            "precision": [round(float(value), 5) for value in scores.precision],
            "recall": [round(float(value), 5) for value in scores.recall],
            "confusion": scores.confusion.tolist(),
            "by_source": by_source(catalog, read, sure),
        },
        "scanner_control": scanner_control(truth, read, catalog.table["source"].to_list()),
    }


def by_source(catalog: Catalog, read: Sequence[str], sure: NDArray[np.float64]) -> dict[str, Any]:
    """Figures of each source's cells, with intervals over patients where they are known.

    ``read`` is a label a row, ``sure`` its probability. Source -> ``split`` (by patient or by image),
    ``calibration_error`` and what :func:`hemosight.scoring.by_patient.figures` says.
    """
    source = np.array(catalog.table["source"].fill_null("").to_list(), np.str_)
    patient = np.array(catalog.table["patient"].fill_null("").to_list(), np.str_)
    truth, said = np.array(catalog.labels(), np.str_), np.array(read, np.str_)
    facts: dict[str, Any] = {}
    for name, split in units(catalog).items():
        rows = source == name
        facts[name] = {
            "split": split,
            **by_patient.figures(truth[rows], said[rows], patient[rows]),
            "calibration_error": round(metrics.calibration_error(sure[rows], (truth == said)[rows]), 5),
        }
    return facts


def measure_attributes(bundle: Bundle, embedded: StudyData) -> dict[str, Any]:
    """Macro-F1 of each attribute on the official test rows that have an image; the mean over attributes.

    Those rows' cell types may be in the support, their attributes are not.
    """
    official = np.array([split == OFFICIAL_TEST for split in embedded.catalog.table["official_split"]])
    by_name: dict[str, Any] = {}
    for attribute in embedded.catalog.attributes:
        labels = embedded.catalog.labels(attribute)
        rows = np.flatnonzero(official & np.array([label is not None for label in labels]))
        if attribute in bundle.classifiers and len(rows):
            read = bundle.classifiers[attribute].predict(embedded.embeddings.vectors[rows])
            scores = metrics.scores([str(labels[row]) for row in rows], read)
            by_name[attribute] = {"cells": len(rows), "macro_f1": scores.macro_f1.to_json()}
    if not by_name:
        return {}
    mean = float(np.mean([facts["macro_f1"]["value"] for facts in by_name.values()]))
    return {"rows": "the authors' test split, as far as images are present", "mean_macro_f1": round(mean, 5), **by_name}


def measure_label_efficiency(embedded: StudyData, classifier: str = classifiers.DEFAULT) -> list[dict[str, Any]]:
    """Macro-F1 by number of labels, on folds of what is not held out: mean over the folds, and one sd about it.

    Empty with fewer than two classes.
    """
    try:
        table = label_efficiency(embedded, classifier=classifier, repeats=1)
    except TooFewLabels:
        return []
    scores = table.filter((pl.col("metric") == "macro_f1") & (pl.col("on") == FOLD))
    return [
        {
            "labels": round(labels),
            "macro_f1": round(mean, 5),
            "low": round(mean - (sd or 0.0), 5),
            "high": round(min(1.0, mean + (sd or 0.0)), 5),
        }
        for labels, mean, sd in scores.group_by("per_class")
        .agg(pl.col("labels").mean(), pl.col("value").mean(), sd=pl.col("value").std())
        .sort("labels")
        .select("labels", "value", "sd")
        .iter_rows()
    ]


def _provenance(catalog: Catalog) -> list[dict[str, Any]]:
    counts = dict(catalog.table.group_by("source").len().iter_rows())
    return [
        {
            "name": known.name,
            "title": known.title,
            "licence": known.licence,
            "citation": known.citation,
            "page": known.page,
            "cells": counts.get(known.name, 0),
        }
        for known in sources_of(catalog)
    ]
