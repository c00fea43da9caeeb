"""The bundle: what is saved is what is loaded; what is damaged is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hemosight.engine.bundle import FORMAT, Bundle, default_path, load
from hemosight.engine.engine import Engine
from hemosight.errors import BadFile, BadTable, EncoderMismatch, PathMissing
from hemosight.images.catalog import Catalog
from hemosight.images.preprocess import Preprocessing
from hemosight.space.embeddings import Embeddings, EmbeddingSpace
from hemosight.space.labels import SupportSet
from hemosight.space.landscape import Landscape


@pytest.mark.parametrize("name", ["folder", "file.hemosight"])
def test_a_bundle_on_disk_reads_like_the_one_in_hand(
    name: str, tiny_bundle: Bundle, tiny_engine: Engine, drawn_catalog: Catalog, tmp_path: Path
) -> None:
    loaded = load(tiny_bundle.save(tmp_path / name))
    assert loaded.support.embeddings.ids == tiny_bundle.support.embeddings.ids
    assert loaded.support.labels == tiny_bundle.support.labels
    assert loaded.space == tiny_bundle.space
    assert set(loaded.classifiers) == set(tiny_bundle.classifiers)
    crops = drawn_catalog.paths[:9]
    before, after = tiny_engine.classify(crops), Engine(loaded).classify(crops)
    for one, other in zip(before, after, strict=True):
        assert one.label == other.label
        assert one.novelty == pytest.approx(other.novelty, rel=1e-4)
        assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=1e-4)


def test_the_same_bundle_is_the_same_bytes(tiny_bundle: Bundle, tmp_path: Path) -> None:
    one, two = (tiny_bundle.save(tmp_path / name) for name in ("one.hemosight", "two.hemosight"))
    assert one.read_bytes() == two.read_bytes()


def test_it_holds_no_pickle_and_no_picture(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = tiny_bundle.save(tmp_path / "bundle")
    suffixes = {file.suffix for file in folder.iterdir()}
    assert suffixes == {".json", ".onnx", ".safetensors", ".parquet"}
    for file in folder.iterdir():
        assert not file.read_bytes().startswith((b"\x80\x04", b"\x80\x05", b"\xff\xd8\xff", b"\x89PNG"))


@pytest.mark.parametrize("part", ["encoder.onnx", "support.safetensors", "support.parquet", "readers.safetensors"])
def test_a_changed_byte_is_noticed(part: str, tiny_bundle: Bundle, tmp_path: Path) -> None:
    file = tiny_bundle.save(tmp_path / "bundle") / part
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(BadFile, match=part, check=lambda fault: fault.code == "checksum_mismatch"):
        load(file.parent)


@pytest.mark.parametrize("part", ["manifest.json", "encoder.onnx", "readers.safetensors"])
def test_a_missing_part_is_named(part: str, tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = tiny_bundle.save(tmp_path / "bundle")
    (folder / part).unlink()
    with pytest.raises(BadFile, match=part):
        load(folder)


def test_a_map_travels_and_a_bundle_may_come_without(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert load(tiny_bundle.save(tmp_path / "without")).landscape is None
    positions = np.random.default_rng(0).normal(size=(len(tiny_bundle.support), 2)).astype(np.float32)
    facts = {"perplexity": 30}
    mapped = tiny_bundle.with_landscape(Landscape(tiny_bundle.support.embeddings.vectors, positions, facts))
    loaded = load(mapped.save(tmp_path / "with.hemosight"))
    assert loaded.landscape is not None
    assert np.array_equal(loaded.landscape.positions, positions)
    assert loaded.landscape.facts == loaded.manifest.landscape == facts
    queries = tiny_bundle.support.embeddings.vectors[:4]
    assert mapped.landscape is not None
    assert np.array_equal(loaded.landscape.place(queries), mapped.landscape.place(queries))


def test_a_manifest_from_before_there_were_maps_is_read(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = tiny_bundle.save(tmp_path / "bundle")
    facts = json.loads((folder / "manifest.json").read_text())
    del facts["landscape"]
    (folder / "manifest.json").write_text(json.dumps(facts))
    assert load(folder).landscape is None


def test_a_map_of_other_cells_is_refused(tiny_bundle: Bundle) -> None:
    vectors = tiny_bundle.support.embeddings.vectors[:5]
    with pytest.raises(BadTable):
        tiny_bundle.with_landscape(Landscape(vectors, np.zeros((5, 2), np.float32)))


def test_another_format_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = tiny_bundle.save(tmp_path / "bundle")
    facts = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**facts, "format": FORMAT + 1}))
    with pytest.raises(BadFile, match=f"format {FORMAT + 1}.*update HemoSight where the bundle is newer"):
        load(folder)
    (folder / "manifest.json").write_text(json.dumps({**facts, "version": 3}))
    with pytest.raises(BadFile, match=r"an unreadable part \(version: Input should be a valid string\)"):
        load(folder)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PathMissing):
        load(tmp_path / "nowhere.hemosight")
    (tmp_path / "text.hemosight").write_text("hello")
    with pytest.raises(BadFile, match="no archive"):
        load(tmp_path / "text.hemosight")
    with zipfile.ZipFile(tmp_path / "empty.hemosight", "w"):
        pass
    with pytest.raises(BadFile, match=r"manifest\.json"):
        load(tmp_path / "empty.hemosight")


def test_support_of_another_space_is_refused(tiny_bundle: Bundle, tiny_onnx: bytes) -> None:
    vectors = tiny_bundle.support.embeddings.vectors
    elsewhere = Embeddings(tiny_bundle.support.embeddings.ids, vectors, EmbeddingSpace("0" * 64, "0" * 16))
    with pytest.raises(EncoderMismatch):
        Bundle.pack(
            name="x",
            version="1",
            encoder=tiny_onnx,
            backbone="x",
            encoder_provenance={},
            preprocessing=Preprocessing(size=64),
            support=SupportSet(elsewhere, dict(tiny_bundle.support.labels)),
        )


# --- the one that comes with HemoSight ---


def test_the_default_bundle_says_what_it_is() -> None:
    bundle = load()
    manifest = bundle.manifest
    assert "Not for primary diagnosis" in manifest.notice
    assert set(manifest.label_sets["cell_type"].classes) == {
        *("basophil", "blast", "eosinophil", "erythroblast", "ig"),
        *("lymphocyte", "monocyte", "neutrophil", "platelet"),
    }
    assert len(manifest.label_sets) == 12, "cell type and eleven attributes"
    assert all(source["licence"] and source["citation"] for source in manifest.sources)
    words = [command.split()[:2] for command in manifest.commands]
    assert words == [["hemosight", "train"], ["hemosight", "pack"]]
    assert manifest.label_sets["cell_type"].classifier == "discriminant"
    assert {facts.classifier for name, facts in manifest.label_sets.items() if name != "cell_type"} == {"standardised"}
    held = manifest.figures["held_out"]
    assert held["macro_f1"]["low"] < held["macro_f1"]["value"] < held["macro_f1"]["high"]
    assert np.array(held["confusion"]).sum() == held["cells"]


def test_the_default_bundle_is_small_enough_for_git() -> None:
    assert default_path().stat().st_size < 25e6


def test_the_default_bundles_known_cells_are_read_as_labelled() -> None:
    """Its readers were fitted on its own support: what they say of it must agree nearly everywhere."""
    bundle = load()
    vectors, labels = bundle.support.labelled()
    assert (bundle.classifiers["cell_type"].predict(vectors) == labels).mean() > 0.95
