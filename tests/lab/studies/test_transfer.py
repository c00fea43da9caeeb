"""Transfer: a shift that few labels undo, the same cells for all who are compared, the control for shortcuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from problems import gaussians, material

from hemosight.engine.bundle import Bundle
from hemosight.engine.network import Network
from hemosight.images.catalog import Catalog
from hemosight.images.splits import Split
from hemosight.lab.studies import figures
from hemosight.lab.studies.study_data import StudyData, gather
from hemosight.lab.studies.transfer import ALONE, AS_IT_IS, JOINED, OTHERS, recovery, shifted, shortcut
from hemosight.space import classifiers
from hemosight.space.embeddings import Embeddings


def _two_sources(move: float, seed: int = 0) -> StudyData:
    """Two laboratories, whose cells are the same but for a constant offset."""
    vectors, labels = gaussians(100, seed, dim=16, spread=1.5)
    source = np.where(np.arange(len(labels)) % 2 == 0, "old", "new")
    offset = move * np.random.default_rng(3).normal(size=16).astype(np.float32)
    vectors[source == "new"] += offset
    ids = [f"{row:064x}" for row in range(len(labels))]
    catalog = Catalog(pl.DataFrame({"id": ids, "path": ids, "label": labels.tolist(), "source": source.tolist()}))
    cells = material(100)
    split = Split(np.arange(len(ids)), np.empty(0, np.int64))
    return StudyData(catalog, Embeddings(tuple(ids), vectors, cells.embeddings.space), split)


@pytest.mark.slow
def test_few_labels_undo_a_shift() -> None:
    table = recovery(_two_sources(move=6.0), draws=3).filter(metric="macro_f1", source="new")
    mean = {
        (how, size): v
        for how, size, v in table.group_by("trained_on", "per_class").agg(pl.col("value").mean()).iter_rows()
    }
    assert mean[OTHERS, 0] < 0.7, f"the shift must hurt: {mean}"
    assert mean[JOINED, 20] > mean[OTHERS, 0] + 0.2
    assert mean[ALONE, 20] > mean[ALONE, 1]


def test_all_are_measured_on_the_same_cells_of_the_new_source() -> None:
    table = recovery(_two_sources(move=1.0), draws=2).filter(metric="macro_f1")
    assert set(table["source"]) == {"old", "new"}
    assert table["cells"].unique().to_list() == [200 - 4 * 20]
    assert set(table.filter(trained_on=JOINED)["weight"]) == {20.0}
    assert table.filter(trained_on=OTHERS)["labels"].to_list() == [0] * 4


def test_one_source_has_nobody_to_learn_from() -> None:
    assert len(recovery(material(60))) == 0


def test_a_class_of_one_scanner_is_controlled() -> None:
    """Blasts come from Munich alone; its eosinophils are the control, and look like blasts once unlabelled."""
    vectors, labels = gaussians((80, 160, 80, 80), 2, dim=16)
    munich = (labels == "blast") | ((labels == "eosinophil") & (np.arange(len(labels)) % 2 == 0))
    # Munich's scanner leaves a mark that outweighs what tells its two types apart.
    vectors[labels == "blast"] = vectors[labels == "eosinophil"][:80] + 2.0 * np.tile([1, -1], 8).astype(np.float32)
    vectors[munich] += 6.0
    ids = [f"{row:064x}" for row in range(len(labels))]
    source = np.where(munich, "munich", "barcelona").tolist()
    catalog = Catalog(pl.DataFrame({"id": ids, "path": ids, "label": labels.tolist(), "source": source}))
    space = material(60).embeddings.space
    cells = StudyData(
        catalog, Embeddings(tuple(ids), vectors, space), Split(np.arange(len(ids)), np.empty(0, np.int64))
    )
    rows = {row["trained_on"]: row for row in shortcut(cells).to_dicts()}
    assert rows["all labels"]["class"] == "blast"
    assert rows["all labels"]["source"] == "munich"
    assert rows["without the control"]["share"] > rows["all labels"]["share"] + 0.3
    for row in rows.values():
        assert row["low"] <= row["share"] <= row["high"]


def test_shifted_cells_are_read_one_by_one(
    drawn_smear: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, original = [], classifiers.fit
    monkeypatch.setattr(classifiers, "fit", lambda *known: fitted.append(known) or original(*known))
    cells = gather(drawn_smear / "labels.csv", bundle=tiny_bundle, fraction=0.25)
    network = Network(tiny_bundle.encoder, tiny_bundle.preprocessing, threads=1)
    readings = shifted(cells, network, shifts={"the same": lambda pixels: pixels, "dark": lambda pixels: pixels // 8})
    assert len(fitted) == 1, "one reader reads them all"
    held = [cells.embeddings.ids[row] for row in cells.split.held]
    parts = {str(key[0]): part for key, part in readings.group_by("shift")}
    assert all(part["id"].to_list() == held for part in parts.values())
    same, as_it_is = parts["the same"], parts[AS_IT_IS]
    assert same["confidence"].to_list() == pytest.approx(as_it_is["confidence"].to_list(), abs=1e-4)
    assert np.abs((parts["dark"]["confidence"] - as_it_is["confidence"]).to_numpy()).max() > 0.01
    scores = figures.scores(readings, ("study", "classifier", "shift"), bootstraps=10)
    assert set(scores["shift"]) == set(parts)
