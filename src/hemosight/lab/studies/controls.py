"""Controls for shortcuts: what is read where the cell is cut out, and what the scanner alone would tell.

A reader that reads a background as well as a cell has learnt the slide and not the cell (one public pair of sets is
told apart by its background with an area under the curve of 0.87). Two controls:

- :func:`background_only`: a disc in the middle, large enough for the cell, is filled with the colour around it, and the
  rest is read like a crop. Types should come out as by chance.
- :func:`scanner_only`: a reader is taught which laboratory a cell is from, and each cell is called what is commonest in
  the laboratory that is read. What it reaches is what scanners give away in these data; it needs no type at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.engine.network import Network
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.splits import Rows
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.scoring import by_patient
from hemosight.space import classifiers
from hemosight.space.embeddings import Vectors

RADIUS = 75.0
"""Of the disc, pixels at the reference scale: red cells are 77 wide there, the largest white cells twice that."""
FOLDS = 5
AS_THEY_ARE, BACKGROUND = "as they are", "background only"


def cut_out(pixels: Pixels, scale: float = 1.0) -> Pixels:
    """A crop without its cell: a disc around the middle has the median colour of what lies around it.

    ``pixels`` is uint8, height x width x 3; ``scale`` brings it to the reference scale. The disc reaches the edge of a
    crop at most.
    """
    height, width, _ = pixels.shape
    radius = min(RADIUS / scale, min(height, width) / 2 - 1)
    y, x = np.mgrid[:height, :width]
    inside = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= radius**2
    empty = pixels.copy()
    empty[inside] = np.median(pixels[~inside], axis=0).astype(np.uint8)
    return empty


def background_only(data: StudyData, network: Network, *, steps: Steps | None = None) -> pl.DataFrame:
    """Read the held-out cells, and the same crops with their cells cut out, by all other labels.

    Returns a row for each laboratory and ``crops`` (``as they are``, ``background only``): ``cells``, ``patients``,
    ``macro_f1`` with ``low`` and ``high``, ``commonest`` (macro-F1 of calling everything by the commonest type),
    ``blasts_found`` and ``blasts_false`` (null where it has none). Empty where nothing is held out.
    """
    held, labels = data.split.held, data.labels()
    if not len(held):
        return pl.DataFrame()

    def work() -> pl.DataFrame:
        reader = classifiers.fit(data.vectors[data.split.rest], labels[data.split.rest])
        rows: list[dict[str, Any]] = []
        for crops, vectors in ((AS_THEY_ARE, data.vectors[held]), (BACKGROUND, _without_cells(data, held, network))):
            read = reader.predict(vectors)
            for name in np.unique(data.sources[held]).tolist():
                own = data.sources[held] == name
                facts = _facts(labels[held][own], read[own], data.patients[held][own])
                rows.append({"laboratory": name, "crops": crops, **facts})
        return pl.DataFrame(rows, infer_schema_length=None)

    decided_by = {"material": data.hash, "encoder": str(network.space), "radius": RADIUS}
    return (steps or Steps()).run("background", decided_by, {"all": work})


def scanner_only(data: StudyData, *, seed: int = 0, steps: Steps | None = None) -> pl.DataFrame:
    """What the laboratory alone gives away: read which it is, and say the commonest type there.

    Five folds, by patient where patients are known. Returns a row for each laboratory: ``laboratory``, ``recognised``
    (share of its cells whose laboratory is read right), ``commonest_type``, and the columns of
    :func:`background_only` for types told in that way.
    """
    labels, sources = data.labels(), data.sources
    everyone = np.flatnonzero(labels != "")

    def work() -> pl.DataFrame:
        where, read = np.full(len(labels), "", sources.dtype), np.full(len(labels), "", labels.dtype)
        for part in data.folds(FOLDS, seed, everyone):
            reader = classifiers.fit(data.vectors[part.rest], sources[part.rest])
            where[part.held] = reader.predict(data.vectors[part.held])
            common = {name: _commonest(labels[part.rest][sources[part.rest] == name]) for name in reader.classes}
            read[part.held] = [common[name] for name in where[part.held]]
        rows: list[dict[str, Any]] = []
        for name in np.unique(sources[everyone]).tolist():
            own = everyone[sources[everyone] == name]
            facts = _facts(labels[own], read[own], data.patients[own])
            recognised = float((where[own] == name).mean())
            rows.append(
                {"laboratory": name, "recognised": recognised, "commonest_type": _commonest(labels[own]), **facts}
            )
        return pl.DataFrame(rows, infer_schema_length=None)

    return (steps or Steps()).run("scanner", {"material": data.hash, "seed": seed}, {"all": work})


def _facts(truth: NDArray[np.str_], read: NDArray[np.str_], patients: NDArray[np.str_]) -> dict[str, Any]:
    scores = by_patient.scores(truth, read, patients)
    everything = by_patient.scores(truth, np.full(len(truth), _commonest(truth)), patients, bootstraps=1)
    its = by_patient.blasts(truth, read, patients) if (truth == "blast").any() else None
    return {
        "cells": scores.cells,
        "patients": scores.patients,
        "macro_f1": scores.macro_f1.value,
        "low": scores.macro_f1.low,
        "high": scores.macro_f1.high,
        "commonest": everything.macro_f1.value,
        "blasts_found": its.found.value if its else None,
        "blasts_false": its.false.value if its else None,
    }


def _commonest(labels: NDArray[np.str_]) -> str:
    names, counts = np.unique(labels, return_counts=True)
    return str(names[counts.argmax()])


def _without_cells(data: StudyData, rows: Rows, network: Network) -> Vectors:
    """Embeddings of crops whose cells are cut out; rows x dimensions."""
    catalog = data.catalog.take(rows)
    paths, scales = catalog.paths, catalog.table["scale"].to_numpy()
    vectors = np.empty((len(rows), network.dim), np.float32)
    for scale in np.unique(scales).tolist():
        own = np.flatnonzero(scales == scale)

        def crops(own: Rows = own, scale: float = scale) -> Iterator[Pixels]:
            for row in own:
                yield cut_out(decode(read_bytes(paths[row])), scale)

        vectors[own] = network.embed_crops(crops(), scale).vectors
    return vectors
