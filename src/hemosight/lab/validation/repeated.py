"""Reading again: what changes when nothing of the blood does (repeatability), and what one case leaves in the next.

Crops that are turned, mirrored or coloured anew stand for the same slide on another day. They cannot stand for a second
slide, another camera or another batch of stain: the dossier says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from hemosight.blood.palette import ordered
from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.engine import Engine
from hemosight.errors import UnreadableImage
from hemosight.images.catalog import Progress
from hemosight.images.decode import Pixels
from hemosight.images.shifts import SHIFTS
from hemosight.lab.validation.cells import ValidationCells, leukocyte, leukocytes
from hemosight.lab.validation.protocol import Protocol
from hemosight.scoring.metrics import Interval
from hemosight.scoring.qualitative import PairedChange, paired
from hemosight.scoring.repeatability import components
from hemosight.space.embeddings import Embeddings
from hemosight.space.incremental_lda import IncrementalLDA, Reference

AS_IT_IS = "the same files again"
CHANGES: Mapping[str, Callable[[Pixels], Pixels]] = {
    "turned": lambda pixels: np.ascontiguousarray(np.rot90(pixels)),
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    **SHIFTS,
}


@dataclass(frozen=True)
class Repeated:
    """Cases read several times.

    Parameters
    ----------
    by_type
        ``type``, ``mean`` (per cent of the leukocytes), ``deviation`` (of one reading, in points) with bounds,
        ``between`` (of the cases).
    by_condition
        ``condition``, ``cells``, ``changed`` (cells read as another type than at first), ``share``, ``probability``
        (mean absolute change of the first reading's probability).
    cases
        How many were read again.
    """

    by_type: pl.DataFrame
    by_condition: pl.DataFrame
    cases: int

    @property
    def worst(self) -> Interval:
        """The largest standard deviation of a type's share."""
        row = self.by_type.sort("deviation", descending=True).row(0, named=True)
        return Interval(row["deviation"], row["deviation_low"], row["deviation_high"])


def repeated(
    cells: ValidationCells, engine: Engine, protocol: Protocol, progress: Progress | None = None
) -> Repeated | None:
    """Read drawn cases again under every condition; None where the protocol asks for none."""
    asked = protocol.repeats
    if not asked.cases or not asked.conditions:
        return None
    rng = np.random.default_rng(protocol.cells.seed)
    chosen = sorted(rng.choice(cells.cases, min(asked.cases, len(cells.cases)), replace=False).tolist())
    cases, first = cells.column("case"), cells.column("read")
    rows = np.flatnonzero(np.isin(cases, chosen))
    paths = [path for path, repeats in zip(cells.catalog.paths, np.isin(cases, chosen), strict=True) if repeats]
    scales = [float(cells.catalog.table["scale"][int(row)]) for row in rows]
    kinds = [AS_IT_IS, *asked.conditions]
    read: dict[str, np.ndarray] = {}
    facts = []
    for number, kind in enumerate(kinds):
        change = CHANGES.get(kind, lambda given: given)
        # Opened anew under each condition: the pixels of every cell at once are gigabytes.
        pixels = (change(_opened(engine, path)) for path in paths)
        points = list(engine.network.points(pixels, scales, contrast=False))
        vectors = np.stack([point.vector for point in points if point.vector is not None])
        found = engine.read(Embeddings(tuple(cells.catalog.ids[row] for row in rows), vectors, engine.bundle.space))
        labels = np.array([str(one.label) for one in found], np.str_)
        read[kind] = labels
        column = [cells.classes.index(name) for name in first[rows]]
        before = cells.probabilities[rows, column]
        after = np.array([one.probabilities[name] for one, name in zip(found, first[rows], strict=True)])
        changed = int((labels != first[rows]).sum())
        facts.append(
            {
                "condition": kind,
                "cells": len(rows),
                "changed": changed,
                "share": changed / len(rows),
                "probability": float(np.abs(after - before).mean()),
            }
        )
        if progress is not None:
            progress(number + 1, len(kinds))
    names = [name for name in ordered(protocol.cells.types) if leukocyte(name)]
    shares = np.zeros((len(names), len(chosen), len(kinds)))
    for at, case in enumerate(chosen):
        here = cases[rows] == case
        for column, kind in enumerate(kinds):
            labels = read[kind][here]
            white = max(int(leukocytes(labels).sum()), 1)
            shares[:, at, column] = [100 * (labels == name).sum() / white for name in names]
    table = []
    for name, values in zip(names, shares, strict=True):
        parts = components(values) if len(chosen) >= 2 else None
        deviation = parts.repeatability if parts is not None else Interval(0.0, 0.0, float("inf"))
        table.append(
            {"type": name, "mean": float(values.mean()), "deviation": deviation.value}
            | {"deviation_low": deviation.low, "deviation_high": deviation.high}
            | {"between": float(np.sqrt(parts.between)) if parts is not None else None}
        )
    return Repeated(pl.DataFrame(table), pl.DataFrame(facts), len(chosen))


def _opened(engine: Engine, path: Path) -> Pixels:
    try:
        return engine.network.open(path)
    except UnreadableImage as fault:  # it could be read a moment ago
        raise UnreadableImage(reason=f"{fault} (a file that changed while it was validated)") from fault


@dataclass(frozen=True)
class CarryOver:
    """What the labels of one case do to the readings of the next, where the desk learns from them.

    Parameters
    ----------
    steps
        ``taught`` (case whose labels were learnt), ``case`` (read then), ``cells``, ``changed``, ``right_before``,
        ``right_after``.
    change
        Right before and after, cell by cell.
    """

    steps: pl.DataFrame
    change: PairedChange


def carry_over(cells: ValidationCells, engine: Engine, protocol: Protocol) -> CarryOver:
    """Read every case after the desk's classifier has learnt the labels of another one, in a drawn order.

    The bundle alone cannot carry anything over: it reads each crop by itself.
    """
    reader = engine.bundle.classifiers[CELL_TYPE]
    reference = Reference.of(engine.bundle.support, CELL_TYPE, reader)
    column = {name: code for code, name in enumerate(reader.classes)}
    truth, cases = cells.column("truth"), cells.column("case")
    order = np.random.default_rng(protocol.cells.seed).permutation(np.array(cells.cases, np.str_)).tolist()
    # What is read without any label, by the same classifier: not the tempered reading, whose labels are the same.
    plain = np.array(reader.classes, np.str_)[reader.probabilities(cells.vectors).argmax(axis=1)]
    steps, before, after = [], [], []
    for taught, case in pairwise(order):
        known = np.array([row for row in np.flatnonzero(cases == taught) if truth[row] in column], np.int64)
        lda = IncrementalLDA(reader.classes, lambda rows: cells.vectors[rows], cells.vectors.shape[1], reference)
        lda.update(known, np.array([column[str(truth[row])] for row in known], np.int64))
        learnt = lda.classifier()
        here = np.flatnonzero(cases == case)
        if learnt is None or not len(known):
            continue
        read = np.array(learnt.classes, np.str_)[learnt.probabilities(cells.vectors[here]).argmax(axis=1)]
        right = plain[here] == truth[here], read == truth[here]
        before.append(right[0])
        after.append(right[1])
        steps.append(
            {
                "taught": taught,
                "case": case,
                "cells": len(here),
                "changed": int((read != plain[here]).sum()),
                "right_before": float(right[0].mean()),
                "right_after": float(right[1].mean()),
            }
        )
    return CarryOver(pl.DataFrame(steps), paired(np.concatenate(before), np.concatenate(after)))
