"""The section on explanation (Fig. 6): where in crops readings and likenesses come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import simplejpeg
from numpy.typing import NDArray

from hemosight.blood.palette import ordered
from hemosight.blood.vocabulary import CELL_TYPE, title
from hemosight.engine.network import BATCH, Network
from hemosight.errors import TooFewLabels, UnreadableImage
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.lab.report.figure import Figure, PlatePicture, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.space import explain
from hemosight.space.neighbours import nearest

TRIPLETS = 4
PER_TYPE = 20
"""Cells of each type that are explained; more would not move the figures."""
SIDE = 150
"""Side of a crop on a plate, in pixels."""
_QUALITY = 85
_MIDDLE = 0.5
"""Diameter of the middle disc, as a share of the crop's side; a white cell fills about as much."""


def explanation(work: ReportInputs) -> Section:
    """Grad-CAM++ of informative triplets, of each type, and of one cell against its nearest of each type."""
    cells = _Cells.of(work)
    reader = work.bundle.classifiers[CELL_TYPE]
    work.say(f"explaining {len(cells.rows):,} cells")
    heats = {
        row: explain.class_heat(
            cells.features[row], reader, str(cells.labels[row]), cells.vectors[row], cells.surrogate
        )
        for row in range(len(cells.rows))
        if cells.labels[row] in reader.classes
    }
    shares = pl.DataFrame(
        [
            {
                "id": cells.ids[row],
                "label": str(cells.labels[row]),
                "heat in the middle": float(heat[middle(heat.shape)].sum() / max(heat.sum(), 1e-12)),
            }
            for row, heat in heats.items()
        ]
    )
    by_type = shares.group_by("label").agg(
        cells=pl.len(), mean=pl.col("heat in the middle").mean(), sd=pl.col("heat in the middle").std()
    )
    found = _triplets(cells)
    neighbours = _neighbours(work, cells)
    turns = work.bundle.manifest.encoder_provenance.get("turns", 1)
    prose = Prose(
        "explanation",
        work=work,
        cells=len(cells.rows),
        heated=len(heats),
        middle=float(shares["heat in the middle"].mean()),  # type: ignore[arg-type] -- a number: there are cells
        area=float(middle(cells.features.shape[2:]).mean()),
        disc=_MIDDLE,
        turns=turns if isinstance(turns, int) else 1,
        surrogate=_surrogate(cells),
        triplets=len(found),
        margin=explain.MARGIN,
        query=None if neighbours is None else neighbours.query,
    )
    made = [_triplet_plate(cells, found, prose.block("triplets")), _types(work, cells, heats, prose.block("types"))]
    if neighbours is not None:
        made.append(
            Figure(
                "explanation-neighbours",
                "One cell against its nearest of each type",
                prose.block("neighbours"),
                neighbours.table,
                plate=neighbours.plate,
                columns=neighbours.columns,
            )
        )
    ranked = by_type.sort("mean", descending=True)
    made.append(Figure("explanation-middle", "Where the heat lies", prose.block("middle"), ranked))
    tables = {"explanation-heat": shares}
    return Section("explanation", "Explanation", prose.paragraphs(), tuple(made), prose.claims(), tables)


def _surrogate(cells: _Cells) -> dict[str, float] | None:
    """How near the surrogate that maps are made through comes to what is read; None where there is none."""
    if cells.surrogate is None:
        return None
    cosines = fidelities(cells.features, cells.vectors, cells.surrogate)
    return {
        "mean": float(cosines.mean()),
        "lowest": float(cosines.min()),
        "sd": float(cosines.std()),
        "cells": len(cosines),
    }


def fidelities(
    features: NDArray[np.float32], vectors: NDArray[np.float32], surrogate: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Cosine of each cell's surrogate point ``[a, 1] P`` (:mod:`hemosight.space.explain`) with its embedding."""
    pooled = features.mean(axis=(2, 3), dtype=np.float64)
    points = np.hstack([pooled, np.ones((len(pooled), 1))]) @ surrogate.astype(np.float64)
    lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(vectors.astype(np.float64), axis=1)
    return (points * vectors).sum(axis=1) / np.maximum(lengths, 1e-12)


class _Cells:
    """Some cells of each type with their feature maps: those held out, where any are."""

    def __init__(
        self,
        rows: NDArray[np.int64],
        labels: NDArray[np.str_],
        pictures: list[Pixels],
        network: Network,
        work: ReportInputs,
    ) -> None:
        self.rows, self.labels, self.pictures = rows, labels, pictures
        self.ids = [work.material.embeddings.ids[row] for row in rows]
        seen = replace(network.preprocessing)
        scales = work.material.catalog.table["scale"].to_list()
        squares = np.stack([seen(picture, scales[row]) for picture, row in zip(pictures, rows, strict=True)])
        maps_ = [network.maps(squares[start : start + BATCH]) for start in range(0, len(squares), BATCH)]
        self.features = np.concatenate([features for features, _ in maps_])
        self.vectors = np.concatenate([vectors for _, vectors in maps_])
        self.surrogate = network.surrogate
        shown = replace(network.preprocessing, grey_world=False, size=SIDE)
        self.shown = [shown(picture, scales[row]) for picture, row in zip(pictures, rows, strict=True)]

    @classmethod
    def of(cls, work: ReportInputs) -> _Cells:
        material = work.material
        labels = material.labels()
        pool = material.split.held if len(material.split.held) else material.split.rest
        rng = np.random.default_rng(work.seed)
        rows: list[int] = []
        pictures: list[Pixels] = []
        for name in ordered(set(labels[pool].tolist()) - {""}):
            own = pool[labels[pool] == name]
            for row in rng.permutation(own)[:PER_TYPE]:
                try:
                    pictures.append(decode(read_bytes(Path(material.catalog.paths[row]))))
                except UnreadableImage:  # it was readable when it was embedded
                    continue
                rows.append(int(row))
        if not rows:
            raise TooFewLabels(came="no crop that can be opened (embeddings alone cannot be explained)")
        network = Network(work.bundle.encoder, work.bundle.preprocessing)
        chosen = np.array(rows, np.int64)
        return cls(chosen, labels[chosen], pictures, network, work)

    def picture(self, row: int, label: str) -> PlatePicture:
        """The crop as the encoder cuts it, in its own colours."""
        return PlatePicture(_jpeg(self.shown[row]), label)

    def heated(self, row: int, heat: explain.Heat, label: str) -> PlatePicture:
        """The crop under a heat map."""
        return PlatePicture(
            _jpeg(explain.blend(self.shown[row], explain.onto_crop(heat, SIDE, SIDE, crop=SIDE))), label
        )


def _triplets(cells: _Cells) -> list[explain.Triplet]:
    activations = cells.features.sum(axis=(1, 2, 3), dtype=np.float64)
    return explain.informative_triplets(cells.vectors, cells.labels, activations, TRIPLETS)


def _triplet_plate(cells: _Cells, found: list[explain.Triplet], caption: str) -> Figure:
    plate: list[PlatePicture] = []
    rows = []
    for number, triplet in enumerate(found, 1):
        a, p, n = triplet.anchor, triplet.positive, triplet.negative
        heats = (
            explain.likeness_heat(cells.features[a], cells.vectors[p], cells.vectors[n], cells.surrogate),
            explain.likeness_heat(cells.features[p], cells.vectors[a], surrogate=cells.surrogate),
            explain.likeness_heat(cells.features[n], cells.vectors[a], surrogate=cells.surrogate),
        )
        for role, row, heat in zip(("anchor", "positive", "negative"), (a, p, n), heats, strict=True):
            plate += [cells.picture(row, f"{role}: {title(cells.labels[row])}"), cells.heated(row, heat, "")]
            rows.append(
                {
                    "triplet": number,
                    "role": role,
                    "id": cells.ids[row],
                    "label": str(cells.labels[row]),
                    "loss": triplet.loss,
                    "activation sum": triplet.activation,
                }
            )
    return Figure(
        "triplets",
        "Informative triplets",
        caption,
        pl.DataFrame(rows),
        plate=tuple(plate),
        columns=6,
    )


def _types(work: ReportInputs, cells: _Cells, heats: dict[int, explain.Heat], caption: str) -> Figure:
    reader = work.bundle.classifiers[CELL_TYPE]
    sure = reader.probabilities(cells.vectors)
    plate: list[PlatePicture] = []
    rows = []
    for name in ordered(cells.labels.tolist()):
        own = np.array([row for row in np.flatnonzero(cells.labels == name) if row in heats])
        if not len(own):
            continue
        column = reader.classes.index(name)
        row = int(own[np.argsort(sure[own, column])[len(own) // 2]])
        plate += [cells.picture(row, title(name)), cells.heated(row, heats[row], f"{sure[row, column]:.2f}")]
        rows.append({"label": name, "id": cells.ids[row], "probability": float(sure[row, column])})
    return Figure(
        "explanation-types",
        "Where each type's evidence lies",
        caption,
        pl.DataFrame(rows),
        plate=tuple(plate),
        columns=6,
    )


@dataclass(frozen=True)
class _Neighbours:
    """One cell, the least certain of those explained, against its nearest of each type."""

    query: dict[str, Any]
    table: pl.DataFrame
    plate: tuple[PlatePicture, ...]
    columns: int


def _neighbours(work: ReportInputs, cells: _Cells) -> _Neighbours | None:
    """Of the cell that is read least surely; None where cells of one type alone lie near it."""
    reader = work.bundle.classifiers[CELL_TYPE]
    sure = reader.probabilities(cells.vectors).max(axis=1)
    query = int(sure.argmin())
    near: dict[str, tuple[int, float]] = {}
    for name in ordered(cells.labels.tolist()):
        own = np.array([row for row in np.flatnonzero(cells.labels == name) if row != query])
        if len(own):
            rows, distances = nearest(cells.vectors[query][None], cells.vectors[own], 1)
            near[name] = int(own[rows[0, 0]]), float(distances[0, 0])
    if len(near) < 2:
        return None
    plate = [cells.picture(query, f"asked: {title(cells.labels[query])}")]
    under = [cells.picture(query, "it resembles, more than the others:")]
    for name, (row, distance) in near.items():
        # All neighbours share most of what makes a cell a cell: only what sets one apart from the others tells.
        others = np.mean([cells.vectors[other] for other, _ in near.values() if other != row], axis=0)
        heat = explain.likeness_heat(cells.features[query], cells.vectors[row], others, cells.surrogate)
        plate.append(cells.picture(row, title(name)))
        under.append(cells.heated(query, heat, f"{title(name)}, distance {distance:.2f}"))
    half = (len(plate) + 1) // 2
    arranged = [*plate[:half], *under[:half], *plate[half:], *under[half:]]
    table = [{"nearest": name, "id": cells.ids[row], "distance": far} for name, (row, far) in near.items()]
    asked = {"label": str(cells.labels[query]), "probability": float(sure[query])}
    return _Neighbours(asked, pl.DataFrame(table), tuple(arranged), half)


def middle(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which places of a map lie in the middle disc."""
    height, width = shape
    y, x = (np.arange(size) + 0.5 - size / 2 for size in (height, width))
    return (y[:, None] / height) ** 2 + (x / width) ** 2 <= (_MIDDLE / 2) ** 2


def _jpeg(pixels: Pixels) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=_QUALITY, colorspace="RGB")
