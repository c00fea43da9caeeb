"""From readings of single cells to figures: scores with intervals, confusions, reliability.

Readings are a table with a row for each cell that was read: ``truth``, ``read``, ``confidence`` (the highest
probability), and columns that say under what conditions it was read; figures are made for each combination of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.lab.studies.tables import table_of
from hemosight.scoring import metrics
from hemosight.space.embeddings import Vectors
from hemosight.space.linear_classifier import LinearClassifier


def read_cells(
    reader: LinearClassifier, ids: Sequence[str], vectors: Vectors, truth: NDArray[np.str_], facts: Mapping[str, Any]
) -> pl.DataFrame:
    """Readings of cells: the facts, ``id``, ``truth``, ``read``, ``confidence``, in the cells' order."""
    probabilities = reader.probabilities(vectors)
    return pl.DataFrame(
        {
            **{name: pl.Series([value] * len(ids), dtype=_kind(value)) for name, value in facts.items()},
            "id": list(ids),
            "truth": truth.tolist(),
            "read": np.array(reader.classes, np.str_)[probabilities.argmax(axis=1)].tolist(),
            "confidence": probabilities.max(axis=1),
        }
    )


def scores(readings: pl.DataFrame, by: Sequence[str], *, bootstraps: int = metrics.BOOTSTRAPS) -> pl.DataFrame:
    """Scores of each condition (:func:`hemosight.lab.studies.tables.table_of`) with their 95% intervals.

    ``low`` and ``high`` are percentiles of a bootstrap over cells, seeded; null for the calibration error and the
    mean confidence.
    """
    tables = []
    for facts, truth, read, sure in _conditions(readings, by):
        scored = metrics.scores(truth, read, confidence=sure, bootstraps=bootstraps)
        tables.append(table_of(scored, facts, intervals=True))
    return pl.concat(tables)


def confusion(readings: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Cells by condition, ``truth`` and ``read``: ``cells``, and ``share`` of the true class; only pairs that occur."""
    counted = readings.group_by([*by, "truth", "read"]).agg(cells=pl.len().cast(pl.Int64))
    share = pl.col("cells") / pl.col("cells").sum().over([*by, "truth"])
    return counted.with_columns(share=share).sort([*by, "truth", "read"])


def reliability(readings: pl.DataFrame, by: Sequence[str], bins: int = metrics.CALIBRATION_BINS) -> pl.DataFrame:
    """How often cells were right, by how sure the reading was.

    Columns after the condition: ``bin`` (0 up), ``from`` and ``to`` (its edges), ``cells``, ``confidence`` (their
    mean), ``accuracy`` (share that was right); empty bins are left out.
    """
    rows = [
        {**facts, **vars(found)}
        for facts, truth, read, sure in _conditions(readings, by)
        for found in metrics.reliability(sure, truth == read, bins)
    ]
    table = pl.DataFrame(rows, schema_overrides={name: readings.schema[name] for name in by})
    return table.rename({"low": "from", "high": "to"}).sort([*by, "bin"])


Condition = tuple[dict[str, Any], NDArray[np.str_], NDArray[np.str_], NDArray[np.float64]]
"""What tells it from others; and, of each cell, truth, what it was read as, and how surely."""


def _conditions(readings: pl.DataFrame, by: Sequence[str]) -> Iterator[Condition]:
    for key, part in readings.group_by(list(by), maintain_order=True):
        truth, read = (part[name].to_numpy().astype(np.str_) for name in ("truth", "read"))
        yield dict(zip(by, key, strict=True)), truth, read, part["confidence"].to_numpy()


def _kind(value: Any) -> Any:
    return pl.String if isinstance(value, str) else pl.Float64 if isinstance(value, float) else pl.Int64
