"""Points keep their ids, their space and, quantised, their direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hemosight.errors import BadFile, BadTable, EncoderMismatch, PathMissing
from hemosight.space.embeddings import Embeddings, EmbeddingSpace, quantise, widen

HERE, ELSEWHERE = EmbeddingSpace("e" * 64, "p" * 16), EmbeddingSpace("f" * 64, "p" * 16)


def _unit(n: int, d: int = 64) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    saved = Embeddings(("a", "b", "c"), _unit(3), HERE)
    saved.save(tmp_path / "deep" / "cells.safetensors")
    loaded = Embeddings.load(tmp_path / "deep" / "cells.safetensors")
    assert loaded.ids == saved.ids
    assert loaded.space == HERE
    assert np.array_equal(loaded.vectors, saved.vectors)


def test_a_file_that_holds_no_embeddings_is_refused_by_its_name(tmp_path: Path) -> None:
    table, tensors = tmp_path / "labels.csv", tmp_path / "encoder.safetensors"
    table.write_text("path,label\na.png,blast\n")
    save_file({"weight": np.zeros((2, 2), np.float32)}, tensors)
    for file in (table, tensors):
        with pytest.raises(BadFile, match=f"embeddings that `hemosight embed` wrote.*found another file: {file}"):
            Embeddings.load(file)
    with pytest.raises(PathMissing, match="expected embeddings that `hemosight embed` wrote"):
        Embeddings.load(tmp_path / "none.safetensors")


def test_rows_are_found_by_id() -> None:
    embeddings = Embeddings(("a", "b", "c"), _unit(3), HERE)
    assert embeddings.rows(["c", "nobody", "a"]).tolist() == [2, -1, 0]
    assert embeddings.take([2, 0]).ids == ("c", "a")


def test_ids_and_vectors_must_pair() -> None:
    with pytest.raises(BadTable, match="2 ids"):
        Embeddings(("a", "b"), _unit(3), HERE)


def test_another_space_is_refused() -> None:
    HERE.require(HERE)
    with pytest.raises(EncoderMismatch, match="ffffffffffff"):
        HERE.require(ELSEWHERE)


def test_a_byte_a_value_keeps_the_direction() -> None:
    vectors = np.vstack([_unit(200, 256), np.zeros((1, 256), np.float32)])
    again = widen(*quantise(vectors))
    cosine = (again[:-1] * vectors[:-1]).sum(axis=1) / np.linalg.norm(again[:-1], axis=1)
    assert cosine.min() > 0.999
    assert (again[-1] == 0).all()


def test_rounding_twice_changes_nothing() -> None:
    once = widen(*quantise(_unit(50)))
    assert np.allclose(widen(*quantise(once)), once, atol=1e-7)
