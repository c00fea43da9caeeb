"""The engine: readings in order, labels on the spot, faults that cost one row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.engine.bundle import load as load_bundle
from hemosight.engine.engine import Engine, load
from hemosight.engine.readings import OK, UNFAMILIAR, Foreignness, Reading
from hemosight.errors import EncoderMismatch, TooFewLabels, UnknownName, UnreadableImage
from hemosight.images.catalog import Catalog
from hemosight.images.splits import few_shot
from hemosight.images.synthetic import draw_smear
from hemosight.space.embeddings import Embeddings, EmbeddingSpace
from hemosight.space.familiarity import Familiarity
from hemosight.space.novelty import Novelty


@pytest.fixture(scope="module")
def fresh_smear(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Cells the tiny bundle has never seen."""
    folder = tmp_path_factory.mktemp("fresh")
    draw_smear(folder, 4, seed=77)
    return Catalog.read(folder / "labels.csv")


@pytest.fixture(scope="module")
def fresh_readings(tiny_engine: Engine, fresh_smear: Catalog) -> list[Reading]:
    """How the tiny bundle reads all of them; not to be changed."""
    return tiny_engine.classify(fresh_smear.paths)


def test_fresh_cells_are_read_far_better_than_by_chance(fresh_readings: list[Reading], fresh_smear: Catalog) -> None:
    right = np.mean([r.label == truth for r, truth in zip(fresh_readings, fresh_smear.labels(), strict=True)])
    assert right > 0.5, "chance is 0.11"


def test_a_reading_is_whole(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    for reading, path in zip(tiny_engine.classify(fresh_smear.paths[:5]), fresh_smear.paths, strict=False):
        assert reading.status == OK
        assert reading.path == str(path)
        assert sum(reading.probabilities.values()) == pytest.approx(1.0)
        assert reading.probability == max(reading.probabilities.values())
        assert reading.probabilities[str(reading.label)] == reading.probability


def test_the_same_crop_reads_the_same_in_any_company(
    tiny_engine: Engine, fresh_readings: list[Reading], fresh_smear: Catalog
) -> None:
    alone = tiny_engine.classify([fresh_smear.paths[7]])[0]
    among = fresh_readings[7]
    assert alone.label == among.label
    assert alone.probability == pytest.approx(among.probability, abs=1e-4)


def test_attributes_are_read_too(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    readings = tiny_engine.classify(fresh_smear.paths[:6], label_set="nucleus_shape")
    assert set(readings[0].probabilities) == set(tiny_engine.classes("nucleus_shape"))
    with pytest.raises(UnknownName, match="cell_type"):
        tiny_engine.classify(fresh_smear.paths[:1], label_set="mood")


def test_what_is_no_cell_is_more_novel_than_cells(tiny_engine: Engine, fresh_readings: list[Reading]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    cells = [reading.novelty for reading in fresh_readings]
    strange = tiny_engine.classify([noise])[0].novelty
    assert strange is not None
    assert strange > max(value for value in cells if value is not None)


# --- what is foreign ---


@pytest.fixture(scope="module")
def wary_engine(tiny_bundle: Bundle) -> Engine:
    """The tiny bundle, told that temperatures grow steeply from half the usual novelty on."""
    familiarity = Familiarity(limit=1.0, base=0.0, growth=1.5, start=0.5)
    return Engine(tiny_bundle.with_familiarity(familiarity, fitted_on=["drawn"]), threads=1)


def test_an_unfamiliar_cell_keeps_its_best_guess_and_is_less_sure(
    tiny_engine: Engine, wary_engine: Engine, fresh_smear: Catalog
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    crops = [*fresh_smear.paths[::2], noise]
    lowered = kept = 0
    for before, after in zip(tiny_engine.classify(crops), wary_engine.classify(crops), strict=True):
        assert (after.label, after.novelty) == (before.label, before.novelty)
        assert before.status == OK
        assert after.novelty is not None
        assert before.probability is not None
        assert after.probability is not None
        assert after.status == (UNFAMILIAR if after.novelty > 1.0 else OK)
        assert sum(after.probabilities.values()) == pytest.approx(1.0)
        if after.novelty <= 0.5:
            assert after.probability == before.probability
            kept += 1
        elif before.probability != pytest.approx(1 / 9):
            assert after.probability < before.probability
            lowered += 1
        # To be sorted by, suspicion stays as the classifier has it.
        assert after.blast_suspicion == before.blast_suspicion == before.probabilities["blast"]
    assert min(lowered, kept) > 0, "else half of this tests nothing"
    assert wary_engine.classify([noise])[0].status == UNFAMILIAR


def test_temperatures_are_those_of_cell_types_and_own_labels_make_a_laboratory_known(
    tiny_engine: Engine, wary_engine: Engine, fresh_smear: Catalog
) -> None:
    few = fresh_smear.paths[:8]
    plain = tiny_engine.classify(few, label_set="nucleus_shape")
    wary = wary_engine.classify(few, label_set="nucleus_shape")
    assert [reading.probability for reading in wary] == [reading.probability for reading in plain]
    assert all(reading.blast_suspicion is None for reading in wary)
    own = tiny_engine.support(fresh_smear).cells
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert wary_engine.classify([noise], support=own)[0].status == OK


def test_a_bundle_carries_its_familiarity_and_one_without_it_loads(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert load_bundle(tiny_bundle.save(tmp_path / "plain.hemosight")).familiarity is None
    familiarity = Familiarity(limit=1.1, base=-0.1, growth=2.5, start=0.75)
    told = tiny_bundle.with_familiarity(familiarity, fitted_on=["pbc", "chula"])
    back = load_bundle(told.save(tmp_path / "told.hemosight"))
    assert back.familiarity == familiarity
    assert back.manifest.familiarity["fitted_on"] == ["pbc", "chula"]


def reading(status: str, novelty: float | None) -> Reading:
    return Reading(None, "0", "blast", 0.5, {"blast": 0.5}, novelty, status)


def test_a_folder_looks_foreign_when_a_fifth_of_its_cells_is_unfamiliar() -> None:
    few = Foreignness.of([reading(UNFAMILIAR, 1.4)] * 3 + [reading(OK, 0.6)] * 8 + [reading("empty", None)])
    assert (few.cells, few.unfamiliar, few.median_novelty) == (11, 3, 0.6)
    assert few.share == pytest.approx(3 / 11)
    assert few.looks_foreign
    assert not Foreignness.of([reading(UNFAMILIAR, 1.4)] * 3 + [reading(OK, 0.6)] * 30).looks_foreign
    # Two strange cells among three are two strange cells.
    assert not Foreignness.of([reading(UNFAMILIAR, 1.4)] * 2 + [reading(OK, 0.6)]).looks_foreign
    assert not Foreignness.of([]).looks_foreign


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
    stranger = Embeddings(
        ("a",), np.zeros((1, tiny_engine.network.dim), np.float32), EmbeddingSpace("0" * 64, "0" * 16)
    )
    with pytest.raises(EncoderMismatch, match="embed"):
        tiny_engine.read(stranger)


def test_embedded_cells_read_like_their_crops(tiny_engine: Engine, fresh_smear: Catalog) -> None:
    paths = fresh_smear.paths[:6]
    embeddings = tiny_engine.network.embed_crops(paths)
    for one, other in zip(tiny_engine.read(embeddings), tiny_engine.classify(paths), strict=True):
        assert (one.id, one.label) == (other.id, other.label)
        assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_nothing_in_nothing_out(tiny_engine: Engine) -> None:
    assert tiny_engine.classify([]) == []


def test_the_default_engine_finds_a_strange_picture_unusual_and_a_blank_one_unreadable(tmp_path: Path) -> None:
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[:, ::20], stripes[:, 7::20] = (250, 40, 40), (40, 250, 40)
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    Image.new("RGB", (300, 300), "white").save(tmp_path / "blank.png")
    strange, blank = load().classify([tmp_path / "stripes.png", tmp_path / "blank.png"])
    assert strange.novelty is not None
    assert strange.novelty > 1, "stripes are like no cell"
    assert not blank.readable
    assert "one brightness" in blank.status


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


@pytest.mark.slow
def test_cells_of_another_scanner_are_no_background() -> None:
    """Munich's among Barcelona's, in the bundle that comes with HemoSight; and Barcelona's among their own."""
    whole = load().bundle
    sources = np.array(whole.support.sources)
    munich, barcelona = (np.flatnonzero(sources == name) for name in ("lmu_aml", "pbc"))
    known = whole.support.take(barcelona[::2])
    novelty = Novelty.fit(known.embeddings.vectors, labels=known.labelled()[1])
    manifest = whole.manifest.model_copy(update={"novelty_unit": novelty.unit})
    bundle = replace(whole, support=known, manifest=manifest, class_distance=novelty.classes)
    engine = Engine(bundle, threads=1)
    rng = np.random.default_rng(0)
    for _ in range(5):
        for elsewhere, rows in ((True, munich), (False, barcelona[1::2])):
            labels = np.array(whole.support.labels[CELL_TYPE])[rows]
            few = whole.support.take(rows[few_shot(labels.tolist(), 2, rng)])
            assert (engine.background_for(few) is None) == elsewhere
    assert engine.background_for(known) is None, "no cell is left to learn from"
