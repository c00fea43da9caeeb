"""The readout: every level counts, what views change counts for less, and what ships computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from hemosight.engine.network import Network
from hemosight.errors import TooFewCells
from hemosight.images.catalog import Catalog
from hemosight.images.preprocess import Preprocessing
from hemosight.training import augment, readout, readout_fit
from hemosight.training.augment import ViewRecipe
from hemosight.training.backbones import Encoder, create
from hemosight.training.export import PARITY, export, exported, parity
from hemosight.training.recipes import nearest_field

pytestmark = pytest.mark.train
SMALL = "test_efficientnet"
SIDE = 64
WIDE = nearest_field(224, SIDE) * SIDE // 224


def _pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Blots of a random size and colour on grey: cells that differ, for a network that has learnt nothing."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.arange(WIDE), np.arange(WIDE))
    far = np.hypot(across - WIDE / 2, down - WIDE / 2)
    pictures = np.full((count, WIDE, WIDE, 3), 200.0) + rng.normal(0, 6, (count, WIDE, WIDE, 1))
    for picture in pictures:
        picture[far < rng.uniform(6, 24)] = rng.uniform(20, 180, 3)
        picture += rng.uniform(0, 40) * (np.sin(across / rng.uniform(1, 4)) * (far < 20))[..., None]
    return pictures.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return create(SMALL, weights="none").eval()


@pytest.fixture(scope="module")
def fitted(encoder: Encoder) -> Encoder:
    read = create(SMALL, weights="none").eval()
    read.load_state_dict(encoder.state_dict())
    read.readout = readout_fit.fit(encoder, _pictures(40), size=SIDE, turns=2)
    return read


def test_the_numbers_are_means_and_deviations_of_channels() -> None:
    levels = [torch.rand(2, 3, 8, 8), torch.rand(2, 5, 2, 2)]
    expected = []
    for image in range(2):
        mean = [levels[0][image, k].mean() for k in range(3)]
        deviation = [sum(abs(v - mean[k]) for v in levels[0][image, k].flatten()) / 64 for k in range(3)]
        expected.append([*mean, *deviation, *(levels[1][image, k].mean() for k in range(5))])
    assert torch.allclose(readout.describe(levels), Tensor(expected), atol=1e-6)


@pytest.mark.parametrize(("name", "coarsest", "blocks"), [(SMALL, 2, 4), ("resnet18", 2, 4)])
def test_levels_go_down_from_a_quarter_of_the_side(name: str, coarsest: int, blocks: int) -> None:
    network = create(name, weights="none").eval()
    with torch.no_grad():
        last, levels = network.levels(torch.zeros(1, 3, SIDE, SIDE))
        assert torch.equal(last, network.features(torch.zeros(1, 3, SIDE, SIDE)))
    sides = [level.shape[-1] for level in levels]
    assert sides == sorted(sides, reverse=True)
    assert (sides[0], sides[-1], len(sides)) == (SIDE // 4, coarsest, blocks)


def test_every_stage_of_an_efficientnet_from_a_quarter_down_is_a_level() -> None:
    with torch.no_grad():
        _, levels = create("tf_efficientnet_lite0", "none").eval().levels(torch.zeros(1, 3, 128, 128))
    assert [level.shape[1] for level in levels] == [24, 40, 80, 112, 192, 320]


def test_a_network_that_tells_nothing_of_its_inside_has_one_level() -> None:
    last, levels = readout.levels_of(torch.nn.Conv2d(3, 5, 3), torch.zeros(1, 3, 8, 8))
    assert last.shape == (1, 5, 6, 6)
    assert [level is last for level in levels] == [True]


def test_cells_are_standardised(encoder: Encoder) -> None:
    pictures = _pictures(60)
    made = readout_fit.fit(encoder, pictures, size=SIDE, strength=0.0)
    start = (WIDE - SIDE) // 2
    middle = torch.from_numpy(pictures[:, start : start + SIDE, start : start + SIDE]).permute(0, 3, 1, 2)
    numbers, _ = readout_fit.averaged(encoder, middle, 1)
    points = made(numbers)
    assert torch.allclose(made.rotation, torch.eye(made.dim), atol=1e-5), "nothing is forgotten at strength zero"
    assert points.mean(dim=0).abs().max() < 1e-3
    assert points.std(dim=0).median() == pytest.approx(1.0, abs=1e-3)


def test_what_views_change_counts_for_less(encoder: Encoder) -> None:
    """The lamp moves all cells one way; cells it was not fitted on are moved less once that way is forgotten."""
    lamp = ViewRecipe(
        flip=False,
        rotation=0.0,
        zoom=(1.0, 1.0),
        translation=0.0,
        brightness=0.5,
        contrast=0.0,
        stain_gain=0.0,
        stain_bias=0.0,
        channel_gain=0.0,
        blur_chance=0.0,
        noise_chance=0.0,
    )
    generator = torch.Generator().manual_seed(9)
    pair = augment.views(torch.from_numpy(_pictures(30, seed=7)), lamp, size=SIDE, generator=generator).chunk(2)
    numbers = [readout_fit.averaged(encoder, view, 1)[0] for view in pair]

    def share(strength: float) -> float:
        made = readout_fit.fit(encoder, _pictures(100), size=SIDE, views=lamp, strength=strength)
        one, other = (made(side) for side in numbers)
        return float((one - other).square().sum() / (one - one.mean(dim=0)).square().sum())

    assert share(10.0) < 0.5 * share(0.0)


def test_the_same_seed_fits_the_same(encoder: Encoder, fitted: Encoder) -> None:
    again = readout_fit.fit(encoder, _pictures(40), size=SIDE, turns=2)
    assert fitted.readout is not None
    for name, tensor in fitted.readout.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    other = readout_fit.fit(encoder, _pictures(40), size=SIDE, turns=2, seed=1)
    assert torch.equal(other.centre, again.centre), "cells as they are have no seed"
    assert not torch.equal(other.rotation, again.rotation)


def test_a_mixed_readout_shares_a_point_between_levels_and_the_last_map(encoder: Encoder) -> None:
    pictures = _pictures(60)
    made = readout_fit.fit(encoder, pictures, size=SIDE, share=0.8)
    start = (WIDE - SIDE) // 2
    middle = torch.from_numpy(pictures[:, start : start + SIDE, start : start + SIDE]).permute(0, 3, 1, 2)
    numbers, averages = readout_fit.averaged(encoder, middle, 1)
    points = made(numbers, averages)
    levels = made.rotation.shape[1]
    assert points.shape == (60, made.dim)
    assert float(points[:, levels:].square().sum(dim=1).mean()) == pytest.approx(0.8, rel=1e-3)
    assert float(points[:, :levels].square().sum(dim=1).mean()) == pytest.approx(0.2, rel=1e-3)
    # Every direction of the last map that cells vary in is kept: distances tell them apart as its averages do.
    assert torch.linalg.matrix_rank(points[:, levels:]) == torch.linalg.matrix_rank(averages - averages.mean(dim=0))


def test_a_mixed_readout_ships_as_it_is(encoder: Encoder) -> None:
    encoder.readout = readout_fit.fit(encoder, _pictures(40), size=SIDE, turns=2, share=0.5)
    try:
        data = export(encoder, SIDE, turns=2)
        assert parity(encoder, data, SIDE, batch=5, seed=7, turns=2) <= PARITY
    finally:
        encoder.readout = None


def test_one_cell_is_too_few(encoder: Encoder) -> None:
    with pytest.raises(TooFewCells, match="levels last needs none"):
        readout_fit.fit(encoder, _pictures(1), size=SIDE)


@pytest.mark.parametrize("turns", [1, 2])
def test_what_ships_computes_the_same(fitted: Encoder, turns: int) -> None:
    data = export(fitted, SIDE, turns=turns)
    assert parity(fitted, data, SIDE, batch=5, seed=7, turns=turns) <= PARITY, "on other pixels than it was exported by"
    network = Network(data, Preprocessing(size=SIDE), threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    maps, vectors = network.maps(pixels)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors.shape[1] == network.dim == fitted.dim
    if turns == 1:
        upright = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with torch.no_grad():
            assert np.allclose(maps, fitted.features(upright).numpy(), atol=1e-3), "the map is the last one"
            assert np.allclose(vectors, fitted(upright).numpy(), atol=1e-4)
    if turns == 2:
        other = network.vectors(np.ascontiguousarray(np.rot90(pixels, 2, (1, 2))))
        assert np.allclose(vectors, other, atol=1e-4)


def test_the_surrogate_ships_and_comes_near(fitted: Encoder, encoder: Encoder) -> None:
    assert fitted.readout is not None
    network = Network(export(fitted, SIDE, half_weights=True), Preprocessing(size=SIDE), threads=1)
    assert network.surrogate is not None
    assert np.allclose(network.surrogate, fitted.readout.surrogate.numpy(), rtol=2e-3, atol=2e-3)
    assert Network(export(encoder, SIDE), Preprocessing(size=SIDE), threads=1).surrogate is None
    start = (WIDE - SIDE) // 2
    unknown = _pictures(40, seed=5)[:, start : start + SIDE, start : start + SIDE]
    maps, _ = network.maps(np.ascontiguousarray(unknown))
    numbers, _ = readout_fit.averaged(fitted, torch.from_numpy(unknown).permute(0, 3, 1, 2), 1)
    points = fitted.readout(numbers).detach().numpy()
    guess = maps.mean(axis=(2, 3)) @ network.surrogate[:-1] + network.surrogate[-1]
    assert ((points - guess) ** 2).sum() < 0.7 * ((points - points.mean(axis=0)) ** 2).sum()


def test_a_catalog_lends_cells_and_no_labels(encoder: Encoder, drawn_catalog: Catalog) -> None:
    import polars as pl

    road = Preprocessing(size=SIDE)
    blank = Catalog(drawn_catalog.table.with_columns(label=pl.lit(None, pl.String)))
    made, unlabelled = (readout_fit.fit_on(encoder, cells, road, cells=30) for cells in (drawn_catalog, blank))
    assert torch.equal(made.rotation, unlabelled.rotation)
    other = readout_fit.fit_on(encoder, drawn_catalog, road, cells=30, seed=1)
    assert not torch.equal(made.centre, other.centre), "other cells"


def test_pack_reads_all_levels_and_can_be_trained_on(encoder: Encoder, drawn_catalog: Catalog, tmp_path: Path) -> None:
    from hemosight.training.backbones import save

    save(encoder, tmp_path, Preprocessing(size=SIDE), {"recipe": "test"})
    made = exported(tmp_path, cells=drawn_catalog, turns=2)
    assert made.provenance["readout"] == {
        "levels": "all",
        "strength": readout_fit.STRENGTH,
        "cells": len(set(drawn_catalog.ids)),
        "seed": 0,
    }
    network = Network(made.network, made.preprocessing, threads=1)
    assert network.dim == 2 * (24 + 32 + 48) + 64
    plain = exported(tmp_path, turns=2)
    assert "readout" not in plain.provenance
    assert Network(plain.network, plain.preprocessing, threads=1).dim == encoder.dim == 256
