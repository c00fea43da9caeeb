"""The network at work: order kept, bad crops alone in their fault, batches that change nothing."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hemosight.engine import network as network_module
from hemosight.engine.network import BATCH, Network
from hemosight.images.catalog import Catalog, content_id
from hemosight.images.decode import decode
from hemosight.images.preprocess import Preprocessing

SIDE = 64
"""Of the tiny encoder's input."""


@pytest.fixture(scope="module")
def network(tiny_onnx: bytes, tiny_preprocessing: Preprocessing) -> Network:
    return Network(tiny_onnx, tiny_preprocessing, threads=2)


def test_vectors_have_unit_length_and_the_crops_order(network: Network, drawn_catalog: Catalog) -> None:
    paths = drawn_catalog.paths[: 2 * BATCH + 3]
    points = list(network.points(paths))
    assert [point.id for point in points] == [content_id(path.read_bytes()) for path in paths]
    vectors = np.stack([point.vector for point in points if point.vector is not None])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_a_batch_lands_where_its_crops_land_alone(network: Network, drawn_catalog: Catalog) -> None:
    paths = drawn_catalog.paths[: BATCH + 2]
    together = network.embed_crops(paths).vectors
    alone = np.concatenate([network.embed_crops([path]).vectors for path in paths])
    assert np.allclose(together, alone, atol=1e-5)


def test_paths_bytes_and_arrays_are_the_same_crop(network: Network, drawn_catalog: Catalog) -> None:
    path = drawn_catalog.paths[0]
    vectors = network.embed_crops([path, str(path), path.read_bytes(), decode(path.read_bytes())]).vectors
    assert np.allclose(vectors, vectors[0], atol=1e-6)


def test_bad_crops_cost_only_themselves(network: Network, drawn_catalog: Catalog, tmp_path: Path) -> None:
    good = drawn_catalog.paths[0]
    wrong = np.zeros((4, 4), np.uint8)
    outside = np.zeros((0, 40, 3), np.uint8)  # a box beyond the edge of its field
    points = list(network.points([good, b"", tmp_path / "gone.jpg", wrong, outside, tmp_path, good]))
    codes = [point.fault and point.fault.code for point in points]
    unreadable = "unreadable_image"
    assert codes == [None, "image_empty", "image_missing", unreadable, unreadable, "image_missing", None]
    assert points[0].id == points[-1].id


@given(st.lists(st.booleans(), max_size=3 * BATCH))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mixture_keeps_its_order(network: Network, drawn_catalog: Catalog, readable: list[bool]) -> None:
    good = drawn_catalog.paths[0].read_bytes()
    points = list(network.points(good if fine else b"not a picture" for fine in readable))
    assert [point.vector is not None for point in points] == readable
    assert [point.fault is None for point in points] == readable


def test_crops_are_taken_as_they_are_needed(network: Network, drawn_catalog: Catalog) -> None:
    """A folder of any size passes through constant memory: nothing reads all paths ahead."""
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield drawn_catalog.paths[0]

    stream = network.points(endless())
    next(stream)
    assert taken <= 12 * BATCH
    stream.close()


def test_each_source_is_read_at_its_own_scale(network: Network, drawn_catalog: Catalog) -> None:
    import polars as pl

    two = drawn_catalog.take([0, 1, 2, 3])
    scaled = Catalog(two.table.with_columns(pl.Series("scale", [1.0, 0.7, 1.0, 0.7])))
    told: list[tuple[int, int]] = []
    points = network.points_of(scaled, lambda done, total: told.append((done, total)))
    vectors = np.stack([point.vector for point in points if point.vector is not None])
    for row, scale in enumerate([1.0, 0.7, 1.0, 0.7]):
        assert np.allclose(vectors[row], network.embed_crops([two.paths[row]], scale).vectors[0], atol=1e-5)
    assert told[-1] == (4, 4)


def test_a_catalogs_cells_are_embedded_once_and_what_cannot_be_read_is_named(
    network: Network, drawn_catalog: Catalog, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(drawn_catalog.paths[0].read_bytes())
    rows = Catalog.scan([{"path": str(path)} for path in (*drawn_catalog.paths[:2], copy, drawn_catalog.paths[2])])
    for name in ("empty.png", "void.png"):
        (tmp_path / name).touch()
    empty = Catalog.scan([{"path": str(tmp_path / name)} for name in ("empty.png", "void.png")])
    told: list[tuple[int, int]] = []
    embedded, left_out = network.embed(
        Catalog.concat([rows, empty]), progress=lambda done, total: told.append((done, total))
    )
    assert embedded.ids == tuple(drawn_catalog.ids[row] for row in (0, 1, 2)), "a copy counts once"
    assert np.allclose(embedded.vectors, network.embed_crops(drawn_catalog.paths[:3]).vectors, atol=1e-5)
    assert {Path(path).name for path in left_out} == {"empty.png", "void.png"}
    assert told[-1] == (6, 6)
    nothing, _ = network.embed(empty)
    assert nothing.vectors.shape == (0, network.dim)


def test_the_space_names_encoder_and_road(tiny_onnx: bytes, network: Network) -> None:
    other = Network(tiny_onnx, Preprocessing(grey_world=False, size=64))
    assert other.space.encoder == network.space.encoder
    assert other.space != network.space


def test_feature_maps_pool_to_the_embedding(network: Network, drawn_catalog: Catalog) -> None:
    road = network.preprocessing
    pixels = np.stack([road(decode(path.read_bytes())) for path in drawn_catalog.paths[:3]])
    maps, vectors = network.maps(pixels)
    pooled = maps.mean(axis=(2, 3))
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    assert np.allclose(pooled, vectors, atol=1e-5)
    assert maps.shape[1] == network.dim


def test_crops_with_pixels_to_spare_are_decoded_at_half_their_size(
    network: Network, drawn_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # what was measured on this machine is no part of it
    crops = []
    for path in drawn_catalog.paths[:12]:
        buffer = io.BytesIO()
        large = Image.fromarray(decode(path.read_bytes())).resize((720, 720), Image.Resampling.BICUBIC)
        large.save(buffer, "JPEG", quality=92)
        crops.append(buffer.getvalue())
    quick = Network(network.data, network.preprocessing, 1, "auto").embed_crops(crops, 0.5).vectors
    careful = network.embed_crops(crops, 0.5).vectors
    assert not np.array_equal(quick, careful), "the half was taken"
    assert (quick * careful).sum(axis=1).min() > 0.99


def test_small_pictures_are_prepared_by_one_thread_at_a_time(
    network: Network, drawn_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[int] = []
    most: list[int] = []
    pause = 0.0

    def preparing(self: Network, *crop: object) -> tuple[str, np.ndarray]:
        inside.append(1)
        most.append(len(inside))
        time.sleep(pause)
        inside.pop()
        return "a cell", np.zeros((SIDE, SIDE, 3), np.uint8)

    monkeypatch.setattr(Network, "prepare", preparing)
    monkeypatch.setattr(network_module, "PATIENCE", 0.5)
    for pause in (0.0005, 0.05):
        most.clear()
        assert len(list(network.points([b"a cell"] * 4 * BATCH))) == 4 * BATCH
        assert (max(most) > 1) == (pause > 0.01), "large ones do not wait"
