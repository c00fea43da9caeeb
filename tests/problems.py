"""Drawn problems whose answers are known: Gaussian cells, and a material of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.images.catalog import Catalog
from hemosight.images.splits import hold_out
from hemosight.lab.studies.study_data import StudyData
from hemosight.space.embeddings import Embeddings, EmbeddingSpace

TYPES = ("blast", "eosinophil", "monocyte", "neutrophil")


def gaussians(
    per_class: int | tuple[int, ...], seed: int, *, dim: int = 8, spread: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Cells of four types around centres that are the same for every seed; overlap grows with ``spread``."""
    sizes = (per_class,) * len(TYPES) if isinstance(per_class, int) else per_class
    centres = 2.0 * np.random.default_rng(5).normal(size=(len(TYPES), dim))
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    rng.shuffle(codes)
    vectors = centres[codes] + spread * rng.normal(size=(len(codes), dim))
    return vectors.astype(np.float32), np.array(TYPES)[codes]


def material(
    per_class: int | tuple[int, ...] = 60,
    seed: int = 0,
    *,
    dim: int = 8,
    spread: float = 1.0,
    extra: Mapping[str, Sequence[str | None]] | None = None,
) -> StudyData:
    """Gaussian cells as a material, a tenth held out; ``extra`` are further columns of the catalog."""
    vectors, labels = gaussians(per_class, seed, dim=dim, spread=spread)
    ids = [f"{row:064x}" for row in range(len(labels))]
    catalog = Catalog(pl.DataFrame({"id": ids, "path": ids, "label": labels.tolist(), **(extra or {})}))
    return StudyData(
        catalog, Embeddings(tuple(ids), vectors, EmbeddingSpace("drawn", "none")), hold_out(catalog, 0.1), "drawn"
    )
