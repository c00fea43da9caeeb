"""Export: the network that ships computes what the network that was trained does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from hemosight.errors import TrainingFailed
from hemosight.images.preprocess import Preprocessing
from hemosight.training import export as exporting
from hemosight.training.backbones import Encoder, create, save
from hemosight.training.export import PARITY, export, exported, losses_of, parity, store_half

pytestmark = pytest.mark.train
SIDE = 64


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return create("test_efficientnet", weights="none").eval()


@pytest.fixture(scope="module")
def data(encoder: Encoder) -> bytes:
    return export(encoder, SIDE)


def test_parity_with_torch(encoder: Encoder, data: bytes) -> None:
    for batch in (1, 2, 5):
        assert parity(encoder, data, SIDE, batch=batch, seed=batch) <= PARITY


def test_the_map_pools_to_the_embedding(data: bytes) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    features, embedding = map(np.asarray, onnxruntime.InferenceSession(data).run(None, {"pixels": pixels}))
    pooled = features.mean(axis=(2, 3))
    assert np.allclose(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), embedding, atol=1e-5)


def test_a_network_that_computes_something_else_is_refused(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "parity", lambda *_, **__: 1e-3)
    with pytest.raises(TrainingFailed, match=r"0\.001", check=lambda fault: fault.code == "parity_failed"):
        export(encoder, SIDE)


def test_parity_notices_another_network(encoder: Encoder, data: bytes) -> None:
    torch.manual_seed(1)
    assert parity(create("test_efficientnet", weights="none"), data, SIDE) > 100 * PARITY


def test_half_weights_halve_the_file_and_keep_the_direction(data: bytes) -> None:
    half = store_half(data)
    assert len(half) < 0.62 * len(data)
    pixels = np.random.default_rng(2).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)
    full, rounded = (
        np.asarray(onnxruntime.InferenceSession(model).run(["embedding"], {"pixels": pixels})[0])
        for model in (data, half)
    )
    assert (full * rounded).sum(axis=1).min() > 0.999


def test_the_same_encoder_exports_to_the_same_bytes(encoder: Encoder, data: bytes) -> None:
    assert export(encoder, SIDE) == data
    assert b"/src/hemosight" not in data, "no path of the machine that exported it"


def test_a_run_folder_exports_with_its_own_road(encoder: Encoder, tmp_path: Path) -> None:
    road = Preprocessing(crop=200, size=SIDE)
    save(encoder, tmp_path, road, {"recipe": "test"})
    made = exported(tmp_path)
    assert made.preprocessing == road
    assert made.provenance == {"recipe": "test", "turns": 1, "trained_size": SIDE}
    assert made.backbone == "test_efficientnet"
    assert parity(encoder, made.network, SIDE) < 0.05


def test_a_run_may_read_at_another_size_than_it_was_trained_at(encoder: Encoder, tmp_path: Path) -> None:
    save(encoder, tmp_path, Preprocessing(crop=200, size=SIDE), {})
    made = exported(tmp_path, size=2 * SIDE)
    assert made.preprocessing == Preprocessing(crop=200, size=2 * SIDE)
    assert made.provenance["trained_size"] == SIDE
    assert parity(encoder, made.network, 2 * SIDE) < 0.05


def test_losses_of_a_run_travel_with_it(encoder: Encoder, tmp_path: Path) -> None:
    save(encoder, tmp_path, Preprocessing(size=SIDE), {})
    rows = [f"{step},0,{1 / step},0.1,9," for step in range(1, 8)]
    (tmp_path / "log.csv").write_text("\n".join(["step,epoch,loss,lr,images_per_second,val_loss", "0,0,,,,1.5", *rows]))
    training = exported(tmp_path).provenance["training"]
    assert training == [{"step": step, "loss": round(1 / step, 5)} for step in range(1, 8)]
    means = losses_of(tmp_path, most=3)
    assert [row["step"] for row in means] == [3, 6, 7]
    assert means[0]["loss"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3, abs=1e-5)


@pytest.mark.parametrize("turns", [2, 4])
def test_turns_make_the_embedding_blind_to_them(encoder: Encoder, turns: int) -> None:
    data = export(encoder, SIDE, turns=turns)
    assert parity(encoder, data, SIDE, batch=5, seed=7, turns=turns) <= PARITY
    session = onnxruntime.InferenceSession(data)
    pixels = np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    turned = np.ascontiguousarray(np.rot90(pixels, 4 // turns, (1, 2)))
    upright, other = (np.asarray(session.run(["embedding"], {"pixels": view})[0]) for view in (pixels, turned))
    assert np.allclose(upright, other, atol=1e-4)
    maps, turned_maps = (np.asarray(session.run(["features"], {"pixels": view})[0]) for view in (pixels, turned))
    back = np.rot90(turned_maps, -(4 // turns), (2, 3))
    assert np.allclose(maps, back, atol=1e-3 * np.abs(maps).max()), "the map turns with the crop"
    pooled = maps.mean(axis=(2, 3))
    assert np.allclose(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), upright, atol=1e-4)
