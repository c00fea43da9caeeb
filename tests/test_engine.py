"""The engine: readings in order, labels on the spot, faults that cost one row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hemosight.engine import OK, Engine, load
from hemosight.errors import EncoderMismatch, TooFewLabels, UnknownName, UnreadableImage
from hemosight.images.catalog import Catalog
from hemosight.images.splits import few_shot
from hemosight.images.synthetic import draw_smear
from hemosight.space.embeddings import Embeddings, Space
from hemosight.space.labels import CELL_TYPE
from hemosight.space.novelty import Novelty


@pytest.fixture(scope="module")
def fresh_smear(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Cells the tiny bundle has never seen."""
    folder = tmp_path_factory.mktemp("fresh")
    draw_smear(folder, 4, seed=77)
    return Catalog.read(folder / "labels.csv")


def test_fresh_cells_are_read_far_better_than_by_chance(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    readings = tiny_engine.classify(fresh_smear.paths)
    right = np.mean([r.label == truth for r, truth in zip(readings, fresh_smear.labels(), strict=True)])
    assert right > 0.5, "chance is 0.11"


def test_a_reading_is_whole(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    for reading, path in zip(tiny_engine.classify(fresh_smear.paths[:5]), fresh_smear.paths, strict=False):
        assert reading.status == OK
        assert reading.path == str(path)
        assert sum(reading.probabilities.values()) == pytest.approx(1.0)
        assert reading.probability == max(reading.probabilities.values())
        assert reading.probabilities[str(reading.label)] == reading.probability


def test_the_same_crop_reads_the_same_in_any_company(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    alone = tiny_engine.classify([fresh_smear.paths[7]])[0]
    among = tiny_engine.classify(fresh_smear.paths)[7]
    assert alone.label == among.label
    assert alone.probability == pytest.approx(among.probability, abs=1e-4)


def test_attributes_are_read_too(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    readings = tiny_engine.classify(fresh_smear.paths[:6], label_set="nucleus_shape")
    assert set(readings[0].probabilities) == set(tiny_engine.classes("nucleus_shape"))
    with pytest.raises(UnknownName, match="cell_type"):
        tiny_engine.classify(fresh_smear.paths[:1], label_set="mood")


def test_what_is_no_cell_is_more_novel_than_cells(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    cells = [reading.novelty for reading in tiny_engine.classify(fresh_smear.paths)]
    strange = tiny_engine.classify([noise])[0].novelty
    assert strange is not None
    assert strange > max(value for value in cells if value is not None)


# --- labels on the spot ---


def test_own_labels_replace_the_bundles(tiny_engine: Engine, fresh_smear: Catalog, drawn_catalog: Catalog) -> None:
    """Classes invented by a laboratory: with granules or without."""
    granular = {"neutrophil", "eosinophil", "basophil", "ig"}
    table = drawn_catalog.table.with_columns(
        drawn_catalog.table["label"].map_elements(lambda t: "granular" if t in granular else "plain").alias("label")
    )
    support = tiny_engine.support(Catalog(table))
    assert support.left_out == {}
    readings = tiny_engine.classify(fresh_smear.paths, support=support.cells)
    assert set(readings[0].probabilities) == {"granular", "plain"}
    truth = ["granular" if label in granular else "plain" for label in fresh_smear.labels()]
    assert np.mean([r.label == t for r, t in zip(readings, truth, strict=True)]) > 0.75


def test_bad_support_is_left_out_and_named(tiny_engine: Engine, drawn_catalog: Catalog, tmp_path: Path) -> None:
    names = {"blast": drawn_catalog.paths[8:11], "monocyte": drawn_catalog.paths[48:51]}
    for label, paths in names.items():
        (tmp_path / label).mkdir()
        for number, path in enumerate(paths):
            (tmp_path / label / f"{number}.jpg").write_bytes(path.read_bytes())
    (tmp_path / "blast" / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    (tmp_path / "monocyte" / "conflict.jpg").write_bytes(names["blast"][0].read_bytes())
    (tmp_path / "monocyte" / "copy.jpg").write_bytes(names["monocyte"][0].read_bytes())
    records = [{"path": str(file), "label": file.parent.name} for file in sorted(tmp_path.glob("*/*.jpg"))]
    support = tiny_engine.support(Catalog.scan(records))
    assert {Path(path).name for path in support.left_out} == {"torn.jpg", "conflict.jpg", "0.jpg"}
    assert "blast and monocyte" in support.left_out[str(tmp_path / "monocyte" / "conflict.jpg")]
    assert support.cells.counts() == {"blast": 2, "monocyte": 3}


def test_support_of_one_class_is_refused(tiny_engine: Engine, drawn_catalog: Catalog) -> None:
    with pytest.raises(TooFewLabels, match="only 'blast'"):
        tiny_engine.support(drawn_catalog.take([i for i, t in enumerate(drawn_catalog.labels()) if t == "blast"]))


def test_points_of_another_space_are_refused(tiny_engine: Engine) -> None:
    stranger = Embeddings(("a",), np.zeros((1, tiny_engine.network.dim), np.float32), Space("0" * 64, "0" * 16))
    with pytest.raises(EncoderMismatch, match="embed"):
        tiny_engine.read(stranger)


def test_embedded_cells_read_like_their_crops(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    paths = fresh_smear.paths[:6]
    embeddings = tiny_engine.network.embed(paths)
    for one, other in zip(tiny_engine.read(embeddings), tiny_engine.classify(paths), strict=True):
        assert (one.id, one.label) == (other.id, other.label)
        assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_nothing_in_nothing_out(tiny_engine: Engine) -> None:
    assert tiny_engine.classify([]) == []


def test_the_default_engine_reads_a_drawn_cell(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "white").save(tmp_path / "blank.png")
    (reading,) = load().classify([tmp_path / "blank.png"])
    assert reading.readable
    assert reading.novelty is not None
    assert reading.novelty > 1, "a blank picture is like no cell"


def test_heat_explains_a_reading_in_the_crops_own_pixels(tiny_engine: Engine, drawn_catalog: Catalog) -> None:
    crop = drawn_catalog.paths[0]
    pixels = tiny_engine.network.open(crop)
    (reading,) = tiny_engine.classify([crop])
    heat = tiny_engine.heat(crop)
    assert heat.shape == pixels.shape[:2]
    assert heat.max() > 0.9
    assert np.array_equal(heat, tiny_engine.heat(crop, reading.label)), "the class that was read is asked about"
    assert np.array_equal(heat, tiny_engine.heat(pixels)), "a path and its pixels are one"
    others = [label for label in reading.probabilities if label != reading.label]
    assert any(np.abs(heat - tiny_engine.heat(crop, label)).max() > 0.1 for label in others)
    neighbour = tiny_engine.bundle.support.embeddings.vectors[1]
    assert tiny_engine.heat(crop, like=neighbour).shape == heat.shape
    with pytest.raises(UnreadableImage):
        tiny_engine.heat(b"no picture")
    with pytest.raises(UnknownName):
        tiny_engine.heat(crop, "no such type")


def test_cells_of_another_scanner_are_no_background() -> None:
    """Munich's among Barcelona's, in the bundle that comes with HemoSight; and Barcelona's among their own."""
    whole = load().bundle
    sources = np.array(whole.support.sources)
    munich, barcelona = (np.flatnonzero(sources == name) for name in ("lmu_aml", "pbc"))
    known = whole.support.take(barcelona[::2])
    unit = Novelty.fit(known.embeddings.vectors).unit
    bundle = replace(whole, support=known, manifest=whole.manifest.model_copy(update={"novelty_unit": unit}))
    engine = Engine(bundle, threads=1)
    rng = np.random.default_rng(0)
    for _ in range(5):
        for elsewhere, rows in ((True, munich), (False, barcelona[1::2])):
            labels = np.array(whole.support.labels[CELL_TYPE])[rows]
            few = whole.support.take(rows[few_shot(labels.tolist(), 2, rng)])
            assert (engine._background(few) is None) == elsewhere
    assert engine._background(known) is None, "no cell is left to learn from"
