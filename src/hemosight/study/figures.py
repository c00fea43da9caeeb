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

from hemosight.space.embeddings import Vectors
from hemosight.space.readers import Reader
from hemosight.study import metrics
from hemosight.study.tables import measured

BINS = 10
"""Bins of the reliability curve: with fewer cells than thousands, fifteen would mostly be noise."""


def read_cells(
    reader: Reader, ids: Sequence[str], vectors: Vectors, truth: NDArray[np.str_], facts: Mapping[str, Any]
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
    """Scores of each condition (:mod:`hemosight.study.tables`) with their 95% intervals.

    ``low`` and ``high`` are percentiles of a bootstrap over cells, seeded; null for the calibration error and the
    mean confidence.
    """
    return pl.concat(measured_with_intervals(part, facts, bootstraps) for facts, part in _conditions(readings, by))


def measured_with_intervals(part: pl.DataFrame, facts: Mapping[str, Any], bootstraps: int) -> pl.DataFrame:
    """One condition's scores; see :func:`scores`."""
    truth, read = (part[name].to_numpy().astype(np.str_) for name in ("truth", "read"))
    table = measured(truth, (), None, facts, read)
    names = np.unique(np.concatenate([truth, read]))
    k = len(names)
    matrix = metrics.confusions(np.searchsorted(names, truth), np.searchsorted(names, read), k)
    rng = np.random.default_rng(0)
    # Resampling cells with replacement is drawing the confusion matrix from a multinomial.
    drawn = rng.multinomial(len(truth), (matrix / len(truth)).ravel(), size=bootstraps).reshape(-1, k, k)
    samples: dict[tuple[str, str | None], NDArray[np.float64]] = {
        ("macro_f1", None): metrics.macros(drawn),
        ("accuracy", None): metrics.accuracies(drawn),
    }
    true, said = drawn.sum(axis=2) > 0, drawn.sum(axis=1) > 0
    defined = (said, true, true | said)
    for name, values, has in zip(("precision", "recall", "f1"), metrics.per_class(drawn), defined, strict=True):
        # Draws without a cell of the class say nothing of it, unless none has any.
        kept = (has[:, column] if has[:, column].any() else slice(None) for column in range(k))
        samples |= {(name, str(names[column])): values[rows, column] for column, rows in enumerate(kept)}
    bounds = [np.quantile(samples[key], [0.025, 0.975]).tolist() for key in table.select("metric", "class").iter_rows()]
    table = table.with_columns(low=pl.Series([low for low, _ in bounds]), high=pl.Series([high for _, high in bounds]))
    sure, right = part["confidence"].to_numpy(), truth == read
    extra = [("ece", metrics.calibration_error(sure, right)), ("confidence", float(sure.mean()))]
    more = table.head(2).with_columns(
        metric=pl.Series([name for name, _ in extra]),
        value=pl.Series([value for _, value in extra]),
        scaled=pl.lit(None, pl.Float64),
        low=pl.lit(None, pl.Float64),
        high=pl.lit(None, pl.Float64),
    )
    return pl.concat([table, more.select(table.columns)])


def confusion(readings: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Cells by condition, ``truth`` and ``read``: ``cells``, and ``share`` of the true class; only pairs that occur."""
    counted = readings.group_by([*by, "truth", "read"]).agg(cells=pl.len().cast(pl.Int64))
    share = pl.col("cells") / pl.col("cells").sum().over([*by, "truth"])
    return counted.with_columns(share=share).sort([*by, "truth", "read"])


def reliability(readings: pl.DataFrame, by: Sequence[str], bins: int = BINS) -> pl.DataFrame:
    """How often cells were right, by how sure the reading was.

    Columns after the condition: ``bin`` (0 up), ``from`` and ``to`` (its edges), ``cells``, ``confidence`` (their
    mean), ``accuracy`` (share that was right); empty bins are left out.
    """
    number = (pl.col("confidence") * bins).floor().clip(0, bins - 1).cast(pl.Int64)
    return (
        readings.with_columns(bin=number, right=pl.col("truth") == pl.col("read"))
        .group_by([*by, "bin"])
        .agg(cells=pl.len().cast(pl.Int64), confidence=pl.col("confidence").mean(), accuracy=pl.col("right").mean())
        .with_columns(**{"from": pl.col("bin") / bins, "to": (pl.col("bin") + 1) / bins})
        .select(*by, "bin", "from", "to", "cells", "confidence", "accuracy")
        .sort([*by, "bin"])
    )


def _conditions(readings: pl.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pl.DataFrame]]:
    for key, part in readings.group_by(list(by), maintain_order=True):
        yield dict(zip(by, key, strict=True)), part


def _kind(value: Any) -> Any:
    return pl.String if isinstance(value, str) else pl.Float64 if isinstance(value, float) else pl.Int64
