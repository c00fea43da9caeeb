"""Weights out of a bundle: what was exported comes back, and trains on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.engine.network import Network
from hemosight.errors import WeightsMissing
from hemosight.images.preprocess import Preprocessing
from hemosight.space.labels import SupportSet
from hemosight.training import bundled
from hemosight.training.backbones import Encoder, create
from hemosight.training.export import export, exported, parity

pytestmark = pytest.mark.train
SMALL = "test_efficientnet"
SIDE = 64


@pytest.fixture(scope="module")
def trained() -> Encoder:
    """With batch norms that have seen something: their statistics have to travel too."""
    torch.manual_seed(3)
    encoder = create(SMALL, weights="none").train()
    pixels = torch.randint(0, 256, (8, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        # Nothing left at its first value: the exporter stores tensors that are equal, as all zeros are, only once.
        for parameter in encoder.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        for _ in range(5):
            encoder(pixels)
    return encoder.eval()


@pytest.fixture(scope="module", params=[1, 4], ids=["one turn", "four turns"])
def bundle_file(trained: Encoder, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    preprocessing = Preprocessing(size=SIDE)
    data = export(trained, SIDE, half_weights=True, turns=request.param)
    network = Network(data, preprocessing, threads=1)
    crops = list(np.random.default_rng(5).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8))
    support = SupportSet(network.embed_crops(crops), {CELL_TYPE: ("blast", "blast", "ig", "ig")})
    made = Bundle.pack(
        name="small",
        version="1",
        encoder=data,
        backbone=SMALL,
        encoder_provenance={"weights": "drawn by lot", "turns": request.param},
        preprocessing=preprocessing,
        support=support,
    )
    return made.save(tmp_path_factory.mktemp("bundled") / "small.hemosight")


def test_the_same_embedding_comes_back(trained: Encoder, bundle_file: Path) -> None:
    again = create(SMALL, weights=str(bundle_file)).eval()
    pixels = torch.randint(0, 256, (6, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        expected, found, random = trained(pixels), again(pixels), create(SMALL, weights="none").eval()(pixels)
    assert float((expected - found).abs().max()) < 2e-3, "half precision keeps about three digits"
    assert float((expected - random).abs().max()) > 0.05


def test_every_tensor_but_the_counts_comes_out_of_the_bundle(trained: Encoder, bundle_file: Path) -> None:
    found = bundled.state(str(bundle_file), SMALL)
    expected = {name for name in trained.state_dict() if not name.endswith("num_batches_tracked")}
    assert set(found) == expected
    assert all(tensor.dtype == torch.float32 for tensor in found.values())


def test_exported_again_it_keeps_its_road_and_its_provenance(trained: Encoder, bundle_file: Path) -> None:
    made = exported(backbone=SMALL, weights=str(bundle_file), turns=2)
    assert made.preprocessing == Preprocessing(size=SIDE)
    assert made.provenance == {"weights": "drawn by lot", "trained_size": SIDE, "turns": 2}
    assert parity(trained, made.network, SIDE, turns=2) < 0.05
    larger = exported(backbone=SMALL, weights=str(bundle_file), size=2 * SIDE)
    assert larger.preprocessing == Preprocessing(size=2 * SIDE)
    assert larger.provenance["trained_size"] == SIDE


def test_a_readout_stays_behind(trained: Encoder, bundle_file: Path, tmp_path: Path) -> None:
    """What a bundle reads from all levels does not keep it from being trained on, nor from being read again."""
    from hemosight.engine.bundle import load
    from hemosight.training import readout_fit

    read = create(SMALL, weights=str(bundle_file)).eval()
    pictures = np.random.default_rng(6).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
    read.readout = readout_fit.fit(read, pictures, size=SIDE)
    packed = load(bundle_file)
    data = export(read, SIDE, half_weights=True, turns=4)
    space = Network(data, packed.preprocessing, threads=1).embed_crops(
        list(np.random.default_rng(5).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8))
    )
    again = Bundle.pack(
        name="levels",
        version="1",
        encoder=data,
        backbone=SMALL,
        encoder_provenance={"readout": {"levels": "all"}},
        preprocessing=packed.preprocessing,
        support=SupportSet(space, {CELL_TYPE: ("blast", "blast", "ig", "ig")}),
    ).save(tmp_path / "levels.hemosight")
    with_it, without = bundled.state(str(again), SMALL), bundled.state(str(bundle_file), SMALL)
    assert set(with_it) == set(without)
    assert all(torch.equal(tensor, without[name]) for name, tensor in with_it.items())
    onwards = create(SMALL, weights=str(again))
    assert onwards.readout is None
    assert onwards.dim == trained.dim
    assert "readout" not in exported(backbone=SMALL, weights=str(again)).provenance


def test_a_folder_is_a_bundle_too(bundle_file: Path, tmp_path: Path) -> None:
    from hemosight.engine.bundle import load

    folder = load(bundle_file).save(tmp_path / "folder")
    assert bundled.is_bundle(str(folder))
    assert not bundled.is_bundle(str(tmp_path))
    assert set(bundled.state(str(folder), SMALL)) == set(bundled.state(str(bundle_file), SMALL))


def test_the_shipped_encoder_can_be_trained_on() -> None:
    shipped = create("tf_efficientnet_lite0", weights="default").network.state_dict()
    imagenet = create("tf_efficientnet_lite0").network.state_dict()
    assert shipped.keys() == imagenet.keys()
    name = "conv_head.weight"
    # It began there and has moved on: near, and not the same.
    pair = torch.stack([shipped[name].flatten(), imagenet[name].flatten()])
    assert 0.5 < float(torch.corrcoef(pair)[0, 1]) < 0.999


def test_another_backbone_is_refused(bundle_file: Path) -> None:
    with pytest.raises(WeightsMissing, match=f"a bundle of {SMALL}"):
        create("tf_efficientnet_lite0", weights=str(bundle_file))
