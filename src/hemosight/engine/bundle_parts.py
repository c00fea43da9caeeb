"""The parts of a bundle as bytes: labelled cells and classifiers, there and back."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import polars as pl
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from hemosight.space.embeddings import Embeddings, EmbeddingSpace, quantise, widen
from hemosight.space.labels import SupportSet
from hemosight.space.linear_classifier import LinearClassifier


def vectors_to_bytes(support: SupportSet) -> bytes:
    """``support.safetensors``: the vectors, one byte a value."""
    codes, scales = quantise(support.embeddings.vectors)
    return save_tensors({"codes": codes, "scales": scales})


def table_to_bytes(support: SupportSet) -> bytes:
    """``support.parquet``: ids, sources and labels."""
    columns = {f"label.{name}": pl.Series(column, dtype=pl.String) for name, column in support.labels.items()}
    table = pl.DataFrame(
        {
            "id": [bytes.fromhex(cell) for cell in support.embeddings.ids],
            "source": pl.Series(support.sources, dtype=pl.String),
            **columns,
        }
    )
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def support_of_bytes(vectors: bytes, table: bytes, space: EmbeddingSpace) -> SupportSet:
    """The labelled cells out of both."""
    tensors = load_tensors(vectors)
    columns = pl.read_parquet(io.BytesIO(table))
    ids = tuple(cell.hex() for cell in columns["id"])
    labels = {
        name.removeprefix("label."): tuple(columns[name]) for name in columns.columns if name.startswith("label.")
    }
    return SupportSet(
        Embeddings(ids, widen(tensors["codes"], tensors["scales"]), space), labels, tuple(columns["source"])
    )


def readers_to_bytes(readers: Mapping[str, LinearClassifier]) -> bytes:
    """``readers.safetensors``: a classifier for each label set."""
    tensors = {}
    for name, reader in readers.items():
        tensors[f"{name}/weight"] = np.ascontiguousarray(reader.weight, np.float32)
        tensors[f"{name}/bias"] = reader.bias.astype(np.float64)
        tensors[f"{name}/slope"] = np.array([reader.slope], np.float64)
    return save_tensors(tensors)


def readers_of_bytes(data: bytes, classes: Mapping[str, tuple[str, ...]]) -> dict[str, LinearClassifier]:
    """The classifiers out of it; ``classes`` names the columns of each."""
    tensors = load_tensors(data)
    return {
        label_set: LinearClassifier(
            names,
            tensors[f"{label_set}/weight"].astype(np.float64),
            tensors[f"{label_set}/bias"],
            float(tensors[f"{label_set}/slope"][0]),
        )
        for label_set, names in classes.items()
    }
