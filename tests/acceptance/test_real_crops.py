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
from hemosight.engine import Engine
from hemosight.images import sources
from hemosight.images.catalog import Catalog
from hemosight.images.splits import hold_out
from hemosight.packing import measure
from hemosight.study import metrics

DATA = os.environ.get("HEMOSIGHT_DATA")
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.data,
    pytest.mark.skipif(not DATA, reason="HEMOSIGHT_DATA names no folder of crops"),
]
LEAST_MACRO_F1 = 0.90


@pytest.fixture(scope="module")
def engine() -> Engine:
    return hemosight.load()


@pytest.fixture(scope="module")
def held(engine: Engine) -> Catalog:
    catalog = sources.read(str(DATA))
    return catalog.take(hold_out(catalog, 0.1, 0).held)


def test_the_held_out_tenth_is_unknown_to_the_bundle(engine: Engine, held: Catalog) -> None:
    assert len(held) >= 500
    assert not any(cell in engine.bundle.support for cell in held.ids)


def test_nine_types_on_the_held_out_tenth(engine: Engine, held: Catalog) -> None:
    readings = engine.classify(held.paths)
    scores = metrics.scores([str(label) for label in held.labels()], [str(r.label) for r in readings])
    assert scores.macro_f1.value >= LEAST_MACRO_F1, str(scores.macro_f1)
    assert scores.macro_f1.low < scores.macro_f1.value < scores.macro_f1.high
    # What the manifest promises is what a stranger measures.
    promised = engine.bundle.manifest.figures["held_out"]["macro_f1"]["value"]
    assert scores.macro_f1.value == pytest.approx(promised, abs=0.005)


def test_blasts_are_told_by_the_cell_and_not_by_the_scanner(engine: Engine, held: Catalog) -> None:
    figures = measure(engine.bundle, held, engine.network.embed(held.paths))
    control = figures["scanner_control"].get("blast")
    assert control is not None
    assert control["other_cells"] >= 20
    assert control["read_as_it"] / control["other_cells"] < 0.1


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
