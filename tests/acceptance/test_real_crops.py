"""What is promised of real crops, on cells the bundle has never met."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import hemosight
from hemosight.engine.engine import Engine
from hemosight.images import sources
from hemosight.images.catalog import Catalog
from hemosight.images.laboratory_splits import hold_out_by_source
from hemosight.scoring import metrics

DATA = os.environ.get("HEMOSIGHT_DATA")
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.data,
    pytest.mark.skipif(not DATA, reason="HEMOSIGHT_DATA names no folder of crops"),
]
HOME = ("pbc", "lmu_aml")
LEAST = {"home": 0.96, "jhu_aml": 0.65}
"""Macro-F1 over the types each has, on what is held out of it."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return hemosight.load()


@pytest.fixture(scope="module")
def held(engine: Engine) -> Catalog:
    catalog = sources.read(str(DATA))
    cells = catalog.take(hold_out_by_source(catalog, 0.1, 0).held)
    return cells.where(pl.col("label").is_not_null())


@pytest.fixture(scope="module")
def read(engine: Engine, held: Catalog) -> pl.DataFrame:
    """Source, truth and reading of every held-out cell."""
    points = engine.network.points_of(held)
    vectors = np.stack([point.vector for point in points if point.vector is not None])
    answers = engine.bundle.classifiers["cell_type"].predict(vectors)
    return held.table.select("source", truth="label").with_columns(read=pl.Series(answers.tolist()))


def test_what_is_held_out_is_unknown_to_the_bundle(engine: Engine, held: Catalog) -> None:
    assert len(held) >= 500
    assert not any(cell in engine.bundle.support for cell in held.ids)


def test_every_laboratory_is_read_as_the_manifest_says(engine: Engine, read: pl.DataFrame) -> None:
    scores = metrics.scores(read["truth"].to_list(), read["read"].to_list())
    promised = engine.bundle.manifest.figures["held_out"]["macro_f1"]["value"]
    assert scores.macro_f1.value == pytest.approx(promised, abs=0.005)
    for name, least in LEAST.items():
        its = read.filter(pl.col("source").is_in(HOME if name == "home" else [name]))
        if len(its):
            macro = metrics.scores(its["truth"].to_list(), its["read"].to_list()).macro_f1
            assert macro.value >= least, f"{name}: {macro}"


def test_blasts_are_told_by_the_cell_and_not_by_the_scanner(read: pl.DataFrame) -> None:
    """Munich's neutrophils share a scanner with blasts; Johns Hopkins' blasts share theirs with every other type."""
    munich = read.filter((pl.col("source") == "lmu_aml") & (pl.col("truth") != "blast"))
    assert len(munich) >= 20
    assert (munich["read"] == "blast").mean() < 0.1  # pyright: ignore[reportOperatorIssue]
    hopkins = read.filter(pl.col("source") == "jhu_aml")
    if len(hopkins):
        is_blast = hopkins["truth"] == "blast"
        called = hopkins["read"] == "blast"
        assert called.filter(is_blast).mean() > 0.85  # pyright: ignore[reportOperatorIssue]
        assert called.filter(~is_blast).mean() < 0.15  # pyright: ignore[reportOperatorIssue]


def test_ten_labels_a_class_on_the_spot(engine: Engine, held: Catalog, tmp_path: Path) -> None:
    """The few-label use, typed as a laboratory would: a table of ten cells of each type, nothing else known."""
    labels = np.array(held.labels())
    rng = np.random.default_rng(0)
    chosen = [row for name in sorted(set(labels)) for row in rng.permutation(np.flatnonzero(labels == name))[:10]]
    support = tmp_path / "labels.csv"
    support.write_text("path,label\n" + "".join(f"{held.paths[row].resolve()},{labels[row]}\n" for row in chosen))
    others = [row for row in range(len(held)) if row not in set(chosen)]
    out = tmp_path / "out.csv"
    crops = [str(held.paths[row]) for row in others]
    words = [sys.executable, "-m", "hemosight", "classify", *crops, "--support", str(support), "--out", str(out)]
    assert subprocess.run(words, check=False).returncode == 0
    read = pl.read_csv(out)["label"].to_list()
    assert metrics.scores(labels[others], read).macro_f1.value > 0.6, "chance is 0.11"
