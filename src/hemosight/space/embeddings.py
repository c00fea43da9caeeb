"""Embeddings: points of the landscape, each with its cell's id, all of one encoder and one preprocessing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hemosight.errors import BadFile, BadTable, EncoderMismatch, PathMissing

Vectors = NDArray[np.float32]
"""One row a cell: float32, cells x dimensions."""


@dataclass(frozen=True)
class EmbeddingSpace:
    """What two sets of vectors must share to be compared: the encoder and the road its pixels took."""

    encoder: str
    """sha256 of the exported network."""
    preprocessing: str
    """Hash of the preprocessing."""

    def __str__(self) -> str:
        return f"encoder {self.encoder[:12]} with preprocessing {self.preprocessing[:12]}"

    def require(self, other: EmbeddingSpace) -> None:
        """Refuse vectors of another space (:class:`~hemosight.errors.EncoderMismatch`)."""
        if self != other:
            raise EncoderMismatch(
                expected=f"embeddings of {self}",
                came=f"embeddings of {other}",
                mend="Embed the cells again with this encoder (`hemosight embed`).",
            )


@dataclass(frozen=True)
class Embeddings:
    """Cells' ids and their vectors, row by row."""

    ids: tuple[str, ...]
    vectors: Vectors
    space: EmbeddingSpace

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.ids) != len(self.vectors):
            raise BadTable(
                expected="one vector for each id",
                came=f"{len(self.ids)} ids and an array of shape {self.vectors.shape}",
                path="the embeddings",
                mend="Embed the cells again.",
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.vectors.shape[1]

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Row of each id, -1 where it is not here."""
        where = {cell: row for row, cell in enumerate(self.ids)}
        return np.array([where.get(cell, -1) for cell in ids], np.int64)

    def take(self, rows: NDArray[np.integer] | Sequence[int]) -> Embeddings:
        """These rows, in this order."""
        rows = np.asarray(rows, np.int64)
        return Embeddings(tuple(self.ids[row] for row in rows), self.vectors[rows], self.space)

    def save(self, file: str | Path) -> None:
        """Write one safetensors file; the ids and the space travel in its header."""
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        facts = {
            "ids": json.dumps(self.ids),
            "encoder": self.space.encoder,
            "preprocessing": self.space.preprocessing,
        }
        save_file({"vectors": np.ascontiguousarray(self.vectors, np.float32)}, file, metadata=facts)

    @classmethod
    def load(cls, file: str | Path) -> Embeddings:
        """Read what :meth:`save` wrote.

        Raises :class:`~hemosight.errors.PathMissing`, and :class:`~hemosight.errors.BadFile` where it is another file.
        """
        what = "embeddings that `hemosight embed` wrote (.safetensors)"
        if not Path(file).is_file():
            raise PathMissing(path=file, cwd=Path.cwd(), what=what)
        try:
            with safe_open(file, framework="numpy") as tensors:
                facts = tensors.metadata() or {}
                vectors = tensors.get_tensor("vectors")
            ids, space = json.loads(facts["ids"]), EmbeddingSpace(facts["encoder"], facts["preprocessing"])
        except (SafetensorError, KeyError, ValueError) as error:
            mend = "Name the file that `hemosight embed` wrote of these cells, or leave it away to embed them now."
            raise BadFile(expected=what, came=f"another file: {file}", mend=mend) from error
        return cls(tuple(ids), vectors, space)


# --- a quarter of the room --------------------------------------------------------------------------------


def quantise(vectors: Vectors) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Vectors -> one byte a value and one scale a row; unit vectors lose less than 1e-3 of their direction."""
    scales = np.abs(vectors).max(axis=1, keepdims=True) / 127.0
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return np.rint(vectors / scales).astype(np.int8), scales[:, 0]


def widen(codes: NDArray[np.int8], scales: NDArray[np.float32]) -> Vectors:
    """Undo :func:`quantise`, up to rounding."""
    return codes.astype(np.float32) * scales[:, None]
