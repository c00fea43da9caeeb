"""Heat maps: equal to autograd, hot where the evidence is, and back in their place on the crop."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.engine.network import Network
from hemosight.errors import UnknownName
from hemosight.space import explain
from hemosight.space.linear_classifier import LinearClassifier

DIM = 12


def _reader(seed: int = 0, dim: int = DIM, classes: int = 4) -> LinearClassifier:
    rng = np.random.default_rng(seed)
    names = tuple(f"type {number}" for number in range(classes))
    return LinearClassifier(names, rng.normal(size=(dim, classes)) * 9, rng.normal(size=classes), 0.7)


def _features(seed: int = 1, dim: int = DIM) -> NDArray[np.float32]:
    return np.maximum(np.random.default_rng(seed).normal(size=(dim, 7, 7)), 0).astype(np.float32)


def test_the_slope_is_that_of_the_log_odds() -> None:
    reader, unit = _reader(), np.random.default_rng(2).normal(size=DIM)

    def log_odds(vector: NDArray[np.float64]) -> float:
        p = softmax(reader.slope * (vector @ reader.weight + reader.bias))[1]
        return float(np.log(p) - np.log1p(-p))

    numeric = [(log_odds(unit + step) - log_odds(unit - step)) / 2e-5 for step in np.eye(DIM) * 1e-5]
    assert explain.log_odds_slope(reader, "type 1", unit) == pytest.approx(np.array(numeric), rel=1e-4, abs=1e-5)


def test_the_closed_form_is_the_slow_sum() -> None:
    """Chattopadhay's equations, written out position by position with the gradient by finite differences."""
    reader, features = _reader(), _features().astype(np.float64)

    def score(maps: NDArray[np.float64]) -> float:
        unit = maps.mean(axis=(1, 2))
        p = softmax(reader.slope * (unit / np.linalg.norm(unit) @ reader.weight + reader.bias))[2]
        return float(np.log(p) - np.log1p(-p))

    heat = np.zeros((7, 7))
    for k in range(DIM):
        weight = 0.0
        for i in range(7):
            for j in range(7):
                step = np.zeros_like(features)
                step[k, i, j] = 1e-5
                g = (score(features + step) - score(features - step)) / 2e-5
                weight += g**2 / (2 * g**2 + g**3 * features[k].sum()) * max(g, 0.0)
        heat += weight * features[k]
    heat = np.maximum(heat, 0)
    closed = explain.class_heat(features.astype(np.float32), reader, "type 2")
    assert closed == pytest.approx(heat / heat.max(), abs=1e-4)


@dataclass
class Trained:
    """A network of torch, the same one exported, and what they say of a picture."""

    network: Network
    features: NDArray[np.float32]
    vectors: NDArray[np.float32]
    maps: Any


@pytest.fixture(scope="module")
def trained() -> Trained:
    """It takes ten seconds to export."""
    torch = pytest.importorskip("torch")

    from hemosight.images.preprocess import Preprocessing
    from hemosight.training.backbones import create
    from hemosight.training.export import export

    torch.manual_seed(0)
    encoder = create("tf_efficientnet_lite0").eval()
    pixels = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), np.uint8)
    network = Network(export(encoder, 96), Preprocessing(size=96), threads=1)
    maps = encoder.features(torch.from_numpy(pixels).permute(0, 3, 1, 2)).detach().double()
    return Trained(network, *network.maps(pixels), maps)


@pytest.mark.train
@pytest.mark.parametrize("label", ["type 0", "type 3"])
def test_it_equals_autograd(label: str, trained: Trained) -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.functional import normalize

    network, features, vectors = trained.network, trained.features, trained.vectors
    reader = _reader(dim=network.dim)

    maps = trained.maps.clone().requires_grad_()
    unit = normalize(maps.mean(dim=(2, 3)), dim=1)
    scores = reader.slope * (unit @ torch.from_numpy(reader.weight) + torch.from_numpy(reader.bias))
    own = reader.classes.index(label)
    others = [column for column in range(4) if column != own]
    (scores[0, own] - torch.logsumexp(scores[0, others], 0)).backward()
    expected = _by_autograd(maps, maps.grad)
    assert explain.class_heat(features[0], reader, label) == pytest.approx(expected, abs=1e-4)
    assert explain.class_heat(features[0], reader, label, vectors[0]) == pytest.approx(expected, abs=1e-4)

    like, unlike = (row / np.linalg.norm(row) for row in np.random.default_rng(5).normal(size=(2, network.dim)))
    again = maps.detach().clone().requires_grad_()
    (again.mean(dim=(2, 3))[0] @ torch.from_numpy(like - unlike)).backward()
    heat = explain.likeness_heat(features[0], like, unlike)
    assert heat == pytest.approx(_by_autograd(again, again.grad), abs=1e-4)


@pytest.mark.train
def test_through_a_surrogate_it_equals_autograd() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(8)
    reader, features, surrogate = _reader(), _features(dim=20), rng.normal(size=(21, DIM)).astype(np.float32)
    maps = torch.from_numpy(features)[None].double().requires_grad_()
    behind = torch.from_numpy(surrogate).double()
    point = maps.mean(dim=(2, 3))[0] @ behind[:-1] + behind[-1]
    scores = reader.slope * (point / point.norm() @ torch.from_numpy(reader.weight) + torch.from_numpy(reader.bias))
    (scores[1] - torch.logsumexp(scores[[0, 2, 3]], 0)).backward()
    heat = explain.class_heat(features, reader, "type 1", point.detach().numpy(), surrogate)
    assert heat == pytest.approx(_by_autograd(maps, maps.grad), abs=1e-4)

    like, unlike = (row / np.linalg.norm(row) for row in rng.normal(size=(2, DIM)))
    again = maps.detach().clone().requires_grad_()
    ((again.mean(dim=(2, 3))[0] @ behind[:-1] + behind[-1]) @ torch.from_numpy(like - unlike)).backward()
    heat = explain.likeness_heat(features, like, unlike, surrogate)
    assert heat == pytest.approx(_by_autograd(again, again.grad), abs=1e-4)


@pytest.mark.train
def test_of_the_bundle_that_ships_it_equals_autograd() -> None:
    """Through the surrogate to the mean of the maps of the turns it reads, each turned back."""
    torch = pytest.importorskip("torch")
    from hemosight.engine.bundle import load
    from hemosight.images.synthetic import draw_cell
    from hemosight.training.backbones import create

    bundle = load()
    network, reader = Network(bundle.encoder, bundle.preprocessing, threads=1), bundle.classifiers[CELL_TYPE]
    pixels = bundle.preprocessing(draw_cell("monocyte", np.random.default_rng(3)).pixels)[None]
    features, vectors = network.maps(pixels)
    assert network.surrogate is not None

    encoder = create(bundle.manifest.backbone, "default").eval()
    upright = torch.tensor(pixels).permute(0, 3, 1, 2)
    with torch.no_grad():
        quarters = range(0, 4, 4 // bundle.manifest.encoder_provenance["turns"])
        turned = [torch.rot90(encoder.features(torch.rot90(upright, k, (2, 3))), -k, (2, 3)) for k in quarters]
        mean = torch.stack(turned).mean(dim=0)
    assert features == pytest.approx(mean.numpy(), abs=1e-2 * float(mean.max())), "weights are stored in half precision"

    maps = torch.from_numpy(features).double().requires_grad_()
    behind = torch.from_numpy(network.surrogate).double()
    point = maps.mean(dim=(2, 3))[0] @ behind[:-1] + behind[-1]
    assert np.dot((point / point.norm()).detach().numpy(), vectors[0]) > 0.5, "the surrogate comes near what is read"
    label = str(reader.predict(vectors)[0])
    own = reader.classes.index(label)
    scores = reader.slope * (point / point.norm() @ torch.from_numpy(reader.weight) + torch.from_numpy(reader.bias))
    (scores[own] - torch.logsumexp(torch.cat([scores[:own], scores[own + 1 :]]), 0)).backward()
    heat = explain.class_heat(features[0], reader, label, surrogate=network.surrogate)
    assert heat.max() == pytest.approx(1.0)
    assert heat == pytest.approx(_by_autograd(maps, maps.grad), abs=1e-4)


def _by_autograd(maps, gradient) -> NDArray[np.float64]:
    g, a = gradient[0], maps.detach()[0]
    alpha = g**2 / (2 * g**2 + g**3 * a.sum(dim=(1, 2), keepdim=True)).where(g != 0, 1.0)
    weight = (alpha * g.clamp(min=0)).sum(dim=(1, 2))
    heat = (weight[:, None, None] * a).sum(dim=0).clamp(min=0)
    return (heat / heat.max()).numpy()


def test_heat_lies_where_the_evidence_lies() -> None:
    reader = LinearClassifier(("left", "right"), np.array([[4.0, 0], [0, 4.0], [1, 1]]), np.zeros(2), 1.0)
    features = np.zeros((3, 4, 4), np.float32)
    features[0, :, 0] = 1  # what speaks for "left"
    features[1, :, 3] = 1
    features[2] = 0.1
    left, right = (explain.class_heat(features, reader, label) for label in reader.classes)
    assert left[:, 0] == pytest.approx(1.0)
    assert left[:, 3] == pytest.approx(0.0, abs=0.05)
    assert right == pytest.approx(left[:, ::-1])


def test_what_all_classes_share_changes_nothing() -> None:
    reader, features = _reader(), _features()
    shared = np.random.default_rng(3).normal(size=(DIM, 1)) * 50
    shifted = LinearClassifier(reader.classes, reader.weight + shared, reader.bias, reader.slope)
    for label in reader.classes:
        one, other = explain.class_heat(features, reader, label), explain.class_heat(features, shifted, label)
        assert one == pytest.approx(other, abs=1e-4)


def test_likeness_finds_the_shared_part() -> None:
    features = np.zeros((2, 3, 3), np.float32)
    features[0, 0, 0] = 5
    features[1, 2, 2] = 5
    assert np.unravel_index(explain.likeness_heat(features, np.array([1.0, 0.1])).argmax(), (3, 3)) == (0, 0)
    heat = explain.likeness_heat(features, np.array([1.0, 1.0]), unlike=np.array([1.0, 0.0]))
    assert np.unravel_index(heat.argmax(), (3, 3)) == (2, 2)


def test_a_turning_encoder_is_explained_at_what_was_read() -> None:
    reader, features = _reader(), _features()
    own = features.mean(axis=(1, 2))
    own /= np.linalg.norm(own)
    alone = explain.class_heat(features, reader, "type 0")
    assert explain.class_heat(features, reader, "type 0", own) == pytest.approx(alone, abs=1e-5)
    elsewhere = explain.class_heat(features, reader, "type 0", np.abs(np.random.default_rng(4).normal(size=DIM)))
    assert np.abs(elsewhere - alone).max() > 0.01


def test_heat_of_any_bundle_is_between_zero_and_one(tiny_bundle: Bundle) -> None:
    network = Network(tiny_bundle.encoder, tiny_bundle.preprocessing, threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    features, vectors = network.maps(pixels)
    reader = tiny_bundle.classifiers["cell_type"]
    for label in reader.classes:
        heat = explain.class_heat(features[0], reader, label, vectors[0])
        assert heat.shape == features.shape[2:]
        assert heat.dtype == np.float32
        assert 0 <= heat.min() <= heat.max() <= 1


def test_nothing_speaks_for_it() -> None:
    assert not explain.likeness_heat(np.zeros((2, 3, 3), np.float32), np.array([1.0, 0])).any()
    with pytest.raises(UnknownName, match="the class"):
        explain.class_heat(_features(), _reader(), "type 9")


# --- back onto the crop ---


@pytest.mark.parametrize(("height", "width", "scale"), [(360, 363, 1.0), (400, 400, 0.73), (224, 224, 1.0)])
def test_heat_returns_to_its_place(height: int, width: int, scale: float) -> None:
    """A hot cell of the map is hot over the pixels it was computed from, and nowhere the encoder did not look."""
    heat = np.zeros((7, 7), np.float32)
    heat[1, 5] = 1
    on_crop = explain.onto_crop(heat, height, width, crop=224, scale=scale)
    assert on_crop.shape == (height, width)
    row, column = np.unravel_index(on_crop.argmax(), on_crop.shape)
    expected_row = height / 2 + ((1 + 0.5) / 7 - 0.5) * 224 / scale
    expected_column = width / 2 + ((5 + 0.5) / 7 - 0.5) * 224 / scale
    assert (row, column) == pytest.approx((expected_row, expected_column), abs=2.5)
    full = explain.onto_crop(np.ones((7, 7), np.float32), height, width, crop=224, scale=scale)
    assert full.sum() == pytest.approx(min((224 / scale) ** 2, height * width), rel=0.02)


def test_heat_of_a_square_cut_around_the_nucleus_lies_around_the_nucleus() -> None:
    heat = np.ones((7, 7), np.float32)
    around = explain.onto_crop(heat, 300, 400, crop=224, scale=2.0, middle=(100.0, 250.0))
    expected = np.zeros((300, 400))
    expected[44:156, 194:306] = 1
    assert np.array_equal(around > 0.5, expected > 0.5)
    middle = explain.onto_crop(heat, 300, 400, crop=224, scale=2.0, middle=(150.0, 200.0))
    assert np.array_equal(middle, explain.onto_crop(heat, 300, 400, crop=224, scale=2.0))


def test_a_crop_smaller_than_the_square_shows_the_middle_of_the_heat() -> None:
    heat = np.zeros((7, 7), np.float32)
    heat[3, 3] = 1
    on_crop = explain.onto_crop(heat, 100, 120)
    assert on_crop.shape == (100, 120)
    assert np.unravel_index(on_crop.argmax(), on_crop.shape) == pytest.approx((50, 60), abs=2)


def test_the_overlay_is_clear_where_it_is_cold() -> None:
    layer = explain.overlay(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert layer.dtype == np.uint8
    assert layer[0, :, 3].tolist() == sorted(layer[0, :, 3].tolist())
    assert layer[0, 0, 3] == 0
    assert layer[0, 2, 3] < 255, "the cell stays visible"
    grey = np.full((1, 3, 3), 128, np.uint8)
    blended = explain.blend(grey, np.array([[0.0, 0.5, 1.0]], np.float32))
    assert blended[0, 0].tolist() == [128, 128, 128]
    assert blended[0, 2, 0] > blended[0, 2, 2], "yellow"


def test_colours_grow_lighter() -> None:
    luminance = (explain.COLOURS / 255.0) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > -1e-3).all()
    assert luminance[-1] > 10 * luminance[0]


def test_a_png_comes_back() -> None:
    layer = explain.overlay(np.random.default_rng(0).random((9, 8)).astype(np.float32))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(explain.png(layer)))), layer)


# --- triplets ---


def test_informative_triplets_are_those_of_a_slow_search() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(18, 4))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    labels, activations = np.repeat(["a", "b", "c"], 6), rng.random(18)
    best, best_sum = None, -1.0
    for a in range(18):
        for p in range(18):
            if a == p or labels[a] != labels[p]:
                continue
            near = [
                (float(((vectors[a] - vectors[n]) ** 2).sum()), n)
                for n in range(18)
                if labels[n] != labels[a]
                and ((vectors[a] - vectors[n]) ** 2).sum() > ((vectors[a] - vectors[p]) ** 2).sum()
            ]
            if not near:
                continue
            away, n = min(near)
            loss = ((vectors[a] - vectors[p]) ** 2).sum() - away + explain.MARGIN
            if loss > 0 and activations[[a, p, n]].sum() > best_sum:
                best, best_sum = {a, p, n}, activations[[a, p, n]].sum()
    found = explain.informative_triplets(vectors, labels, activations, 3)
    assert {found[0].anchor, found[0].positive, found[0].negative} == best
    assert found[0].activation == pytest.approx(best_sum)
    cells = [cell for triplet in found for cell in (triplet.anchor, triplet.positive, triplet.negative)]
    assert len(cells) == len(set(cells)), "no cell is shown twice"
    assert all(triplet.loss > 0 for triplet in found)
