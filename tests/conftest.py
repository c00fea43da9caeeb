"""A small but honest encoder, bundle and engine that every test may use: real ONNX, real crops (drawn), no training.

And how tests run: a module whose tests are all deselected is not imported; in parallel, a file stays with one worker,
and all of tests/acceptance with one; the steps of a story keep their order, everything else is shuffled.
"""

from __future__ import annotations

import fcntl
import gc
import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.engine.network import Network
from hemosight.images.catalog import Catalog
from hemosight.images.preprocess import Preprocessing
from hemosight.images.synthetic import draw_smear
from hemosight.space.labels import SupportSet

SIDE = 64
"""Side of the square the tiny encoder sees; its preprocessing cuts 224 pixels and resizes them to this."""
DIM = 96
PER_TYPE = 8

# What tests compute must not hang on what was measured on this machine; processes that tests start inherit it.
os.environ["HEMOSIGHT_BACKEND"] = "onnxruntime"
# Nor on how busy it is: hypothesis fails examples that take 0.2 seconds.
settings.register_profile("hemosight", deadline=None)
settings.load_profile("hemosight")

_WITHOUT = re.compile(r"not \w+(?: and not \w+)*")
"""A ``-m`` that leaves out marks and does nothing else."""
_MARKED = re.compile(r"^pytestmark = (.*?)(?:\n\S|\Z)", re.MULTILINE | re.DOTALL)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a module whose every test is deselected, nor a conftest of such modules: torch takes seconds."""
    chosen = config.option.markexpr
    if not _WITHOUT.fullmatch(chosen):
        return None
    modules = collection_path.rglob("test_*.py") if collection_path.is_dir() else [collection_path]
    left_out = set(chosen.split()) - {"not", "and"}
    marks = [_marks(module) for module in modules if module.suffix == ".py"]
    return True if marks and all(own & left_out for own in marks) else None


def _marks(module: Path) -> set[str]:
    """The marks of a module as a whole, read without importing it."""
    marked = _MARKED.search(module.read_text(encoding="utf-8"))
    return set(re.findall(r"mark\.(\w+)", marked[1])) if marked else set()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Any:
    """Leave what was imported and collected to itself: the garbage collector would walk it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Any:
    """Put the steps of a story back in their order, at the places that the shuffle gave to them."""
    written = {item: place for place, item in enumerate(items)}
    result = yield
    places: dict[Path, list[int]] = {}
    for place, item in enumerate(items):
        if item.get_closest_marker("story"):
            places.setdefault(item.path, []).append(place)
    for story in places.values():
        steps = sorted((items[place] for place in story), key=written.__getitem__)
        for place, step in zip(story, steps, strict=True):
            items[place] = step
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file is one worker's, for its fixtures; so is all that starts services and browsers, one after another."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "tests/acceptance" if file.startswith("tests/acceptance/") else file

    return ByFile(config, log)


def tiny_encoder(dim: int = DIM, side: int = SIDE, seed: int = 1) -> bytes:
    """One strided convolution, ReLU, global average pooling, unit length; the exported encoder's inputs and outputs.

    The first half of the filters respond to a colour (a soft histogram of stain, which tells granules, plasma and
    chromatin apart), the second half to edges and spots of a colour (their texture).
    """
    rng = np.random.default_rng(seed)
    kernel, stride = 5, 3
    colours = dim // 2
    weight = np.zeros((dim, 3, kernel, kernel), np.float32)
    bias = np.zeros(dim, np.float32)
    directions = rng.normal(size=(dim, 3))
    directions -= 0.6 * directions.mean(axis=1, keepdims=True)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    weight[:colours] = directions[:colours, :, None, None] / kernel**2
    bias[:colours] = rng.uniform(-0.4, 0.4, colours)
    patches = rng.normal(size=(dim - colours, kernel, kernel))
    patches -= patches.mean(axis=(1, 2), keepdims=True)
    patches /= np.abs(patches).sum(axis=(1, 2), keepdims=True)
    weight[colours:] = directions[colours:, :, None, None] * patches[:, None]

    def constant(name: str, array: NDArray[np.float32]) -> onnx.TensorProto:
        return numpy_helper.from_array(array, name)

    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["cast"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Sub", ["planes", "middle"], ["centred"]),
            helper.make_node("Div", ["centred", "span"], ["scaled"]),
            helper.make_node("Conv", ["scaled", "weight", "bias"], ["response"], strides=[stride, stride]),
            helper.make_node("Relu", ["response"], ["features"]),
            helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
            helper.make_node("LpNormalization", ["flat"], ["embedding"], axis=1, p=2),
        ],
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", side, side, 3])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", dim, None, None]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dim]),
        ],
        [
            constant("middle", np.array(127.0, np.float32)),
            constant("span", np.array(128.0, np.float32)),
            constant("weight", weight),
            constant("bias", bias),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


@pytest.fixture(scope="session")
def tiny_preprocessing() -> Preprocessing:
    """The road of the tiny encoder's pixels."""
    return Preprocessing(crop=224, size=SIDE)


@pytest.fixture(scope="session")
def tiny_onnx() -> bytes:
    """ONNX bytes: ``pixels`` uint8 [N, 64, 64, 3] -> ``features`` [N, 96, 20, 20], ``embedding`` [N, 96]."""
    return tiny_encoder()


@pytest.fixture(scope="session")
def larger_onnx() -> bytes:
    """As :func:`tiny_onnx`, of squares of 128 pixels."""
    return tiny_encoder(side=128)


@pytest.fixture(scope="session")
def slide() -> bytes:
    """A PNG of 20,000 x 20,000 pixels: no crop of a cell, and a threat to whoever decodes it."""
    side = 20_000
    rows = zlib.compress(bytes(side * (1 + side // 8)), 1)  # black, a bit a pixel; Pillow takes six times as long
    parts = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


@pytest.fixture(scope="session")
def drawn_smear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn crops, eight of each of the nine types, with ``labels.csv``; read only."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / "drawn"
    # The first worker draws; the others, which wait for it, find every picture drawn.
    with (base / "drawn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draw_smear(folder, PER_TYPE, seed=1)
    return folder


@pytest.fixture(scope="session")
def drawn_catalog(drawn_smear: Path) -> Catalog:
    """The catalog of :func:`drawn_smear`, attributes included."""
    return Catalog.read(drawn_smear / "labels.csv")


@pytest.fixture(scope="session")
def tiny_bundle(tiny_onnx: bytes, tiny_preprocessing: Preprocessing, drawn_catalog: Catalog) -> Bundle:
    """A bundle whose support is the drawn smear: cell types, and nucleus shapes where a cell has a nucleus."""
    network = Network(tiny_onnx, tiny_preprocessing, threads=1)
    labels = {name: tuple(drawn_catalog.labels(name)) for name in (CELL_TYPE, "nucleus_shape")}
    support = SupportSet(network.embed_crops(drawn_catalog.paths), labels, tuple(drawn_catalog.table["source"]))
    return Bundle.pack(
        name="tiny",
        version="0.0.1",
        encoder=tiny_onnx,
        backbone="one convolution",
        encoder_provenance={"weights": "fixed random filters, seed 1"},
        preprocessing=tiny_preprocessing,
        support=support,
        sources=[{"name": "drawn", "title": "Drawn cells", "licence": "Apache-2.0", "cells": len(support)}],
        commands=["pytest"],
    )


@pytest.fixture(scope="session")
def other_bundle(tiny_preprocessing: Preprocessing, drawn_catalog: Catalog) -> Bundle:
    """What a newer version may bring: other filters and dimensions, no basophils, granularity for nucleus shapes."""
    encoder = tiny_encoder(dim=64, seed=2)
    network = Network(encoder, tiny_preprocessing, threads=1)
    types = tuple(None if label == "basophil" else label for label in drawn_catalog.labels(CELL_TYPE))
    labels = {CELL_TYPE: types, "granularity": tuple(drawn_catalog.labels("granularity"))}
    support = SupportSet(network.embed_crops(drawn_catalog.paths), labels, tuple(drawn_catalog.table["source"]))
    return Bundle.pack(
        name="tiny",
        version="0.0.2",
        encoder=encoder,
        backbone="one convolution",
        encoder_provenance={"weights": "fixed random filters, seed 2", "training": [{"step": 1, "loss": 0.5}]},
        preprocessing=tiny_preprocessing,
        support=support,
        sources=[{"name": "drawn", "title": "Drawn cells", "licence": "Apache-2.0", "cells": len(support)}],
    ).with_figures({"held_out": {"cells": 9, "macro_f1": {"value": 0.9, "low": 0.8, "high": 0.95}}})


@pytest.fixture(scope="session")
def tiny_engine(tiny_bundle: Bundle) -> Engine:
    """An engine on the tiny bundle."""
    return Engine(tiny_bundle, threads=1)
