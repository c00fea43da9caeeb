"""Backbones: real weights without a hub, unit vectors, what is saved is what is loaded, clear faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from hemosight.errors import RunConflict, UnknownName, WeightsMissing
from hemosight.images.preprocess import Preprocessing
from hemosight.images.synthetic import draw_cell
from hemosight.training import backbones
from hemosight.training.backbones import Encoder, create, load, save

pytestmark = pytest.mark.train
SMALL = "test_efficientnet"
"""timm's own miniature, for tests."""


def _pixels(n: int = 2, side: int = 64) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_the_packaged_weights_stand_in_their_places() -> None:
    """Weights in the wrong places may still have the right shapes.

    In a trained network each batch norm's running mean resembles the mean of what reaches it, whatever the picture;
    tensors loaded in another order, or random ones, break that in layer after layer.
    """
    rng = np.random.default_rng(0)
    pictures = np.stack([draw_cell(label, rng).pixels[80:272, 80:272] for label in ("monocyte", "eosinophil")])
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    assert _agreement(create("tf_efficientnet_lite0"), pixels) > 0.6
    assert _agreement(create("tf_efficientnet_lite0", weights="none"), pixels) < 0.3


def _agreement(encoder: Encoder, pixels: torch.Tensor) -> float:
    """Median over batch norms of the correlation between the running mean and the mean that arrives."""
    found: list[float] = []

    def compare(module: torch.nn.Module, arriving: tuple[torch.Tensor, ...]) -> None:
        expected = module.get_buffer("running_mean")
        spread = expected.std()
        both = torch.stack([arriving[0].mean(dim=(0, 2, 3)), expected])
        found.append(float(torch.corrcoef(both)[0, 1]) if spread > 0 else 0.0)

    for module in encoder.eval().modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(compare)
    with torch.no_grad():
        encoder(pixels)
    return float(np.median(found))


def test_every_packaged_tensor_finds_its_place() -> None:
    packaged = create("tf_efficientnet_lite0").network.state_dict()
    random = create("tf_efficientnet_lite0", weights="none").network.state_dict()
    same = [name for name in random if random[name].is_floating_point() and torch.equal(random[name], packaged[name])]
    assert not same, f"left at their random start: {same[:3]}"


def test_embeddings_have_unit_length() -> None:
    encoder = create(SMALL, weights="none").eval()
    with torch.no_grad():
        vectors = encoder(_pixels())
    assert vectors.shape == (2, encoder.dim)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)


def test_rescaling_is_inside() -> None:
    encoder = create(SMALL, weights="none").eval()
    with torch.no_grad():
        assert torch.equal(encoder(_pixels()), encoder(_pixels().float()))
        by_hand = (_pixels().float() - encoder.mean) / encoder.deviation
        assert torch.allclose(encoder.features(_pixels()), encoder.network(by_hand))


def test_dropout_acts_only_in_training() -> None:
    encoder = create(SMALL, weights="none", dropout=0.5)
    with torch.no_grad():
        features = torch.ones(1, encoder.dim, 2, 2)
        assert (encoder.train().pool(features) == 0).any()
        assert (encoder.eval().pool(features) > 0).all()


def test_a_trained_encoder_comes_back_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = create(SMALL, weights="none").eval()
    save(encoder, tmp_path / "run", Preprocessing(size=96), {"recipe": "test"})
    again, facts = load(tmp_path / "run")
    with torch.no_grad():
        assert torch.equal(again(_pixels()), encoder(_pixels()))
    assert facts.backbone == SMALL
    assert facts.preprocessing == Preprocessing(size=96)
    assert facts.provenance == {"recipe": "test"}


def test_weights_of_the_bare_network_load_too(tmp_path: Path) -> None:
    """As hubs publish them: no prefix, and a classifier nobody asked for."""
    network: Any = timm.create_model(SMALL, pretrained=False)
    save_file(
        {name: tensor.contiguous() for name, tensor in network.state_dict().items()}, tmp_path / "hub.safetensors"
    )
    encoder = create(SMALL, weights=str(tmp_path / "hub.safetensors")).eval()
    with torch.no_grad():
        expected = network.eval().forward_features((_pixels().float() - encoder.mean) / encoder.deviation)
        assert torch.allclose(encoder.features(_pixels()), expected)


def test_faults_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="efficientnet"):
        create("tf_efficientnet_b99")
    with pytest.raises(WeightsMissing, match="no such file"):
        create(SMALL, weights=str(tmp_path / "nowhere.safetensors"))
    save_file({"network.other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsMissing, match="other tensors"):
        create(SMALL, weights=str(tmp_path / "other.safetensors"))
    with pytest.raises(RunConflict, match=r"found no encoder\.json in .*Name the folder that was --out"):
        load(tmp_path)
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(RunConflict, match=r"a run that has not ended in .*--resume\.$"):
        load(tmp_path)
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "encoder.json").touch()
    with pytest.raises(RunConflict, match=r"name its best one so far: .*best\.$"):
        load(tmp_path)

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(backbones.timm, "create_model", unreachable)
    with pytest.raises(WeightsMissing, match="no route to host"):
        create("tf_efficientnetv2_b0")


def test_the_papers_backbone_is_the_default() -> None:
    assert backbones.DEFAULT_BACKBONE == "tf_efficientnetv2_b0"
    encoder = create(weights="none")
    assert isinstance(encoder, Encoder)
    assert encoder.dim == 1280
