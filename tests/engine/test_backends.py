"""Backends: all compute the same vectors, and the quickest that does is chosen, kept, and used."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from hemosight.engine import backend_choice, backends
from hemosight.engine import engine as engines
from hemosight.engine.backend_choice import LEAST_COSINE, Candidate, Choice, least_cosine
from hemosight.engine.backends import BATCH, NAMES, REFERENCE, OnnxRuntime, OpenVino
from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.engine.network import Network
from hemosight.errors import ExtraMissing, UnknownName
from hemosight.images import shortcut
from hemosight.images.decode import decode
from hemosight.images.preprocess import Preprocessing
from hemosight.images.shortcut import Part
from hemosight.images.synthetic import CELL_TYPES, draw_cell

pytestmark = pytest.mark.slow  # OpenVINO loads for three seconds


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def pixels(tiny_preprocessing: Preprocessing) -> np.ndarray:
    return backend_choice.probes(tiny_preprocessing)


@pytest.fixture
def slow_measuring(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Measuring that finds openvino at once; the list grows with every measurement."""
    done: list[int] = []

    def measure(data: bytes, preprocessing: Preprocessing, threads: int) -> Choice:
        done.append(threads)
        return Choice("openvino", (Candidate(REFERENCE, 100, 1), Candidate("openvino", 200, 0.9999)))

    monkeypatch.setattr(backend_choice, "measure", measure)
    return done


def encoded_png(jpeg: bytes) -> bytes:
    """The same pixels as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(decode(jpeg)).save(buffer, "PNG")
    return buffer.getvalue()


# --- vectors ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("crops", [0, 1, 5, BATCH, BATCH + 3])
def test_every_backend_computes_the_references_vectors(
    name: str, crops: int, tiny_onnx: bytes, pixels: np.ndarray
) -> None:
    if name not in backends.available():
        pytest.skip(f"{name} is not to be had here")
    many = np.concatenate([pixels, pixels[::-1]])[:crops]
    expected = OnnxRuntime(tiny_onnx, 1).vectors(many)
    vectors = backends.make(name, tiny_onnx, 2).vectors(many)
    assert vectors.dtype == np.float32
    assert vectors.shape == expected.shape
    assert not crops or least_cosine(expected, vectors) > 0.999


def _parts(road: Preprocessing, count: int) -> list[Part]:
    """Parts of drawn crops that are halved, and have fewer pixels than the encoder sees."""
    rng = np.random.default_rng(1)
    parts = []
    for turn in range(count):
        data = simplejpeg.encode_jpeg(draw_cell(CELL_TYPES[turn % 9], rng).pixels, quality=92)
        part = shortcut.prepare(data, road, 1.0 - turn % 3 / 100)
        assert isinstance(part, Part)
        parts.append(part)
    return parts


@pytest.mark.parametrize("name", NAMES)
def test_parts_are_enlarged_on_their_way_through_the_network(name: str, larger_onnx: bytes) -> None:
    if name not in backends.available():
        pytest.skip(f"{name} is not to be had here")
    road = Preprocessing(crop=224, size=128)
    parts = _parts(road, BATCH)
    expected = OnnxRuntime(larger_onnx, 1).vectors(np.stack([part.square() for part in parts]))
    vectors = backends.make(name, larger_onnx, 1).vectors_of_parts(parts)
    assert vectors.shape == expected.shape
    assert least_cosine(expected, vectors) > 0.999


def test_whole_batches_of_parts_go_through_that_network_and_others_do_not(larger_onnx: bytes) -> None:
    if "openvino" not in backends.available():
        pytest.skip("openvino is not to be had here")
    road = Preprocessing(crop=224, size=128)
    rng = np.random.default_rng(2)
    jpegs = [simplejpeg.encode_jpeg(draw_cell(CELL_TYPES[turn % 9], rng).pixels) for turn in range(BATCH + 3)]
    network = Network(larger_onnx, road, 1, "openvino")
    quick = network.embed_crops(jpegs).vectors
    assert isinstance(network.backend, OpenVino)
    assert set(network.backend.compiled) == {"parts", "few"}
    careful = Network(network.data, road, 1).embed_crops(jpegs).vectors
    assert least_cosine(careful, quick) > 0.99
    points = list(network.points([*jpegs[: BATCH - 2], b"no picture", encoded_png(jpegs[0])]))
    assert [point.vector is None for point in points].index(True) == BATCH - 2
    assert points[0].vector is not None
    assert points[-1].vector is not None
    assert float(points[0].vector @ points[-1].vector) > 0.99, "the same cell as a PNG"


@pytest.mark.parametrize("name", NAMES)
def test_products_with_what_is_known_are_numpys(name: str, tiny_onnx: bytes) -> None:
    if name not in backends.available():
        pytest.skip(f"{name} is not to be had here")
    rng = np.random.default_rng(3)
    known = rng.normal(size=(500, 96)).astype(np.float32)
    product = backends.make(name, tiny_onnx, 2).product(known)
    for queries in (known[:1], known[:40], known[:7]):
        found = product(queries)
        assert found.dtype == np.float32
        assert np.allclose(found, queries @ known.T, atol=1e-4)
        found *= 2  # whoever asked may write into it


@pytest.mark.parametrize("name", NAMES)
def test_threads_do_not_share_what_they_compute_with(name: str, tiny_onnx: bytes, pixels: np.ndarray) -> None:
    if name not in backends.available():
        pytest.skip(f"{name} is not to be had here")
    backend = backends.make(name, tiny_onnx, 2)
    batches = [np.roll(pixels, turn, axis=0) for turn in range(12)]
    one_by_one = [backend.vectors(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(backend.vectors, batches))
    assert all(np.allclose(one, other, atol=1e-6) for one, other in zip(one_by_one, together, strict=True))


def test_nothing_is_loaded_that_reports_to_its_makers(tiny_onnx: bytes, pixels: np.ndarray) -> None:
    if "openvino" not in backends.available():
        pytest.skip("openvino is not to be had here")
    backends.make("openvino", tiny_onnx, 1).vectors(pixels[:1])
    assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]


def test_a_folder_that_cannot_be_written_costs_the_quick_start_alone(
    tiny_onnx: bytes, pixels: np.ndarray, cache: Path
) -> None:
    (cache / "hemosight").write_text("a file where the folder would be")
    name = backends.available()[-1]
    assert backends.make(name, tiny_onnx, 1).vectors(pixels[:2]).shape == (2, 96)
    backend_choice.remember(Choice(REFERENCE, ()), tiny_onnx, 1)
    assert backend_choice.remembered(tiny_onnx, 1) is None


# --- names ---


def test_an_unknown_name_and_a_library_that_is_not_there_are_clear_errors(
    tiny_onnx: bytes, tiny_preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownName, match="openvino-bf16"):
        Network(tiny_onnx, tiny_preprocessing, backend="tensorrt")
    with pytest.raises(UnknownName, match="HEMOSIGHT_BACKEND"):
        backends.asked_for({"HEMOSIGHT_BACKEND": "quickest"})
    assert backends.asked_for({"HEMOSIGHT_BACKEND": ""}) == "auto"
    monkeypatch.setattr(backends, "has_openvino", lambda: False)
    assert backends.available() == (REFERENCE,)
    with pytest.raises(ExtraMissing, match=r"hemosight\[fast\]"):
        Network(tiny_onnx, tiny_preprocessing, backend="openvino")


# --- the choice ---


def test_the_quickest_that_computes_the_same_is_chosen() -> None:
    reference, quick = Candidate(REFERENCE, 100, 1.0), Candidate("openvino", 150, 0.9999)
    wrong = Candidate("openvino-bf16", 900, LEAST_COSINE - 0.001)
    assert Choice.among([reference, quick, wrong]).name == "openvino"
    assert Choice.among([reference, wrong]).name == REFERENCE
    assert Choice.among([reference, Candidate("openvino", 105, 1.0)]).name == REFERENCE, "not worth it"


def test_vectors_that_are_no_numbers_are_unlike_any() -> None:
    known = np.eye(3, dtype=np.float32)
    assert least_cosine(known, known) == 1
    assert least_cosine(known, np.full_like(known, np.nan)) == -1
    assert least_cosine(known, np.roll(known, 1, axis=0)) == 0


def test_what_is_measured_is_this_machines(
    tiny_onnx: bytes, tiny_preprocessing: Preprocessing, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_choice, "probes", lambda _: pixels)  # drawn before
    choice = backend_choice.measure(tiny_onnx, tiny_preprocessing, 1)
    assert tuple(candidate.name for candidate in choice.candidates) == backends.available()
    assert all(candidate.per_second > 0 and candidate.allowed for candidate in choice.candidates)


def test_a_choice_is_kept_for_its_encoder_and_threads(tiny_onnx: bytes, cache: Path) -> None:
    choice = Choice("openvino", (Candidate(REFERENCE, 100, 1.0), Candidate("openvino", 150, 0.9999)))
    backend_choice.remember(choice, tiny_onnx, 2)
    assert backend_choice.remembered(tiny_onnx, 2) == choice
    assert backend_choice.remembered(tiny_onnx, 3) is None
    assert backend_choice.remembered(tiny_onnx + b"\0", 2) is None
    (kept,) = (cache / "hemosight" / "backends").glob("*.json")
    kept.write_text(kept.read_text()[:40])
    assert backend_choice.remembered(tiny_onnx, 2) is None, "torn"


def test_a_long_run_measures_once_and_a_short_one_never(
    tiny_bundle: Bundle, pixels: np.ndarray, slow_measuring: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "MANY", 6)
    crops = list(pixels[:6])
    engine = Engine(tiny_bundle, threads=2, backend="auto")
    engine.classify(crops[:5], scale=1.0)
    assert (slow_measuring, engine.network.backend.name) == ([], REFERENCE)
    engine.classify(crops, scale=1.0)
    engine.classify(crops, scale=1.0)
    assert slow_measuring == [2]
    wanted = "openvino" if "openvino" in backends.available() else REFERENCE
    assert engine.network.backend.name == wanted
    assert Engine(tiny_bundle, threads=2, backend="auto").network.backend.name == wanted, "the next process, at once"


def test_who_names_a_backend_is_not_measured(tiny_bundle: Bundle, slow_measuring: list[int]) -> None:
    engine = Engine(tiny_bundle, threads=1)
    assert engine.network.choose() is None
    assert engine.network.backend.name == REFERENCE, "the environment of tests names it"
    assert not slow_measuring


def test_a_choice_whose_library_is_gone_falls_back(
    tiny_bundle: Bundle,
    pixels: np.ndarray,
    slow_measuring: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend_choice.remember(backend_choice.measure(b"", tiny_bundle.preprocessing, 1), tiny_bundle.encoder, 1)
    monkeypatch.setattr(backends, "has_openvino", lambda: False)
    networks = [Engine(tiny_bundle, threads=1, backend="auto").network for _ in range(2)]
    assert [network.backend.name for network in networks] == [REFERENCE] * 2
    (said,) = [record.getMessage() for record in caplog.records if record.name == backend_choice.__name__]
    assert said.startswith("the backend openvino"), "once, and by name"
    assert said.endswith(f"{REFERENCE} reads instead")
    assert networks[0].vectors(pixels[:1]).shape == (1, 96)


# --- a new process ---

TWO_AT_ONCE = """
import sys, threading
import numpy as np
from hemosight.engine import backends

backend = backends.make("openvino", open(sys.argv[1], "rb").read(), 2)
pixels = np.load(sys.argv[2])
together = threading.Barrier(2)

def read(crops):
    together.wait()
    backend.vectors(pixels[:crops])

threads = [threading.Thread(target=read, args=(int(crops),)) for crops in sys.argv[3:]]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.parametrize("crops", [(BATCH, BATCH), (BATCH, 3), (3, 3)])
def test_two_threads_of_a_new_process_begin_together_and_end(
    crops: tuple[int, int], tiny_onnx: bytes, pixels: np.ndarray, tmp_path: Path
) -> None:
    """OpenVINO's binding locks itself up if two threads make its first call at once: five of six such starts hung."""
    if "openvino" not in backends.available():
        pytest.skip("openvino is not to be had here")
    (tmp_path / "network.onnx").write_bytes(tiny_onnx)
    np.save(tmp_path / "pixels.npy", np.concatenate([pixels] * BATCH)[:BATCH])
    words = [sys.executable, "-c", TWO_AT_ONCE, str(tmp_path / "network.onnx"), str(tmp_path / "pixels.npy")]
    for _ in range(3):
        subprocess.run([*words, *map(str, crops)], check=True, timeout=60)
