"""Backends: libraries that compute an exported encoder's vectors on this machine's processor.

=================  =================================================================================================
``onnxruntime``    single precision; everywhere, and what packing, studies and figures use
``openvino``       single precision, where OpenVINO is installed (``pip install 'hemosight[fast]'``)
``openvino-bf16``  the same with numbers of 16 bits (bfloat16), where the processor computes with them
=================  =================================================================================================

Which of them reads is a measured choice (:mod:`hemosight.engine.backend_choice`).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib import import_module, util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hemosight.errors import ExtraMissing, UnknownName
from hemosight.images.decode import Pixels
from hemosight.images.shortcut import Part
from hemosight.space.embeddings import Vectors
from hemosight.space.neighbours import Product

BATCH = 16
"""Crops the network takes at once; more of them gain nothing (`hemosight benchmark`)."""
REFERENCE = "onnxruntime"
"""What the others' vectors are held against."""
NAMES = (REFERENCE, "openvino", "openvino-bf16")
AUTO = "auto"
VARIABLE = "HEMOSIGHT_BACKEND"
"""Environment variable that names a backend, or ``auto``."""
_ALONE = threading.Lock()
_met: set[str] = set()
"""Which networks a process has computed with. OpenVINO's binding makes statics at the first of each, with and without
Python's lock: two threads in there at once wait for each other for ever, so the first goes alone."""


class Backend(Protocol):
    """Computes vectors; safe to call from :attr:`streams` threads at once."""

    name: str
    streams: int
    """Batches it computes at the same time without one waiting for another."""
    enlarges: bool
    """Whether it takes batches of parts, which the network is to enlarge first."""

    def vectors(self, pixels: Pixels) -> Vectors:
        """Prepared pixels (uint8, N x size x size x 3) -> unit vectors, float32, N x dimensions."""
        ...

    def vectors_of_parts(self, parts: Sequence[Part]) -> Vectors:
        """:data:`BATCH` parts of pictures -> unit vectors, where it :attr:`enlarges`."""
        ...

    def product(self, known: Vectors) -> Product:
        """What multiplies vectors with these (in single precision), on one thread."""
        ...


class OnnxRuntime:
    """onnxruntime in single precision: one batch at a time, on all threads.

    Parameters
    ----------
    data
        The ONNX file's bytes.
    threads
        Processor threads.
    """

    name = REFERENCE
    streams = 1
    enlarges = False

    def __init__(self, data: bytes, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Threads that spin between batches take the cores from those that decode the next one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.session.get_outputs()[1].shape[1])

    def vectors(self, pixels: Pixels) -> Vectors:
        """As :meth:`Backend.vectors`."""
        return np.asarray(self.session.run(["embedding"], {"pixels": pixels})[0])

    def vectors_of_parts(self, parts: Sequence[Part]) -> Vectors:
        """As :meth:`Backend.vectors_of_parts`; each is enlarged before it comes to the network."""
        return self.vectors(np.stack([part.square() for part in parts]))

    def product(self, known: Vectors) -> Product:
        """As :meth:`Backend.product`, by numpy."""
        return lambda queries: queries @ known.T

    def maps(self, pixels: Pixels) -> tuple[NDArray[np.float32], Vectors]:
        """Prepared pixels -> the last feature maps (N x channels x h x w) and the vectors."""
        features, vectors = self.session.run(["features", "embedding"], {"pixels": pixels})
        return np.asarray(features), np.asarray(vectors)

    def surrogate(self, size: int) -> NDArray[np.float32] | None:
        """The constant of that name, which some encoders carry for heat maps; None where there is none."""
        if "surrogate" not in [output.name for output in self.session.get_outputs()]:
            return None
        nothing = np.zeros((1, size, size, 3), np.uint8)
        return np.asarray(self.session.run(["surrogate"], {"pixels": nothing})[0])


class OpenVino:
    """OpenVINO: one batch a thread, as many at once as there are threads.

    Batches of :data:`BATCH` go through a network of that fixed size, which is an eighth quicker than one that takes
    any; smaller ones through a second, made when the first of them comes. A third, for whole batches of parts, begins
    with enlarging them: Pillow takes four times as long for that.

    Parameters
    ----------
    data
        The ONNX file's bytes.
    threads
        Processor threads.
    bf16
        Whether to compute with bfloat16.
    cache
        Folder that keeps the compiled networks, so that the next process starts quicker; None keeps nothing.
    """

    enlarges = True

    def __init__(self, data: bytes, threads: int, *, bf16: bool = False, cache: Path | None = None) -> None:
        self.name = "openvino-bf16" if bf16 else "openvino"
        self.streams = threads
        self._data = data
        self._core = _openvino().Core()
        self._config: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads,
            # Threads tied to a core would wait there for whatever else the machine does.
            "ENABLE_CPU_PINNING": False,
        }
        if cache is not None:
            self._config["CACHE_DIR"] = str(cache)
        self._lock = threading.Lock()
        self._own = threading.local()
        self._networks: dict[str, Any] = {}

    @property
    def compiled(self) -> tuple[str, ...]:
        """Which of its networks have been asked for: ``whole``, ``few``, ``parts``."""
        return tuple(self._networks)

    def vectors(self, pixels: Pixels) -> Vectors:
        """As :meth:`Backend.vectors`."""
        parts = []
        for start in range(0, max(len(pixels), 1), BATCH):
            batch = pixels[start : start + BATCH]
            name = "whole" if len(batch) == BATCH else "few"
            parts.append(_infer(name, self._request(name), batch))
        return np.concatenate(parts)

    def vectors_of_parts(self, parts: Sequence[Part]) -> Vectors:
        """As :meth:`Backend.vectors_of_parts`."""
        size = parts[0].size
        pixels = np.zeros((BATCH, size, size, 3), np.uint8)
        for room, part in zip(pixels, parts, strict=True):
            height, width, _ = part.pixels.shape
            room[:height, :width] = part.pixels
        rows, columns = (np.stack(weights)[:, None] for weights in zip(*(part.filters for part in parts), strict=True))
        gains = np.stack([part.gains for part in parts])[:, :, None, None]
        return _infer("parts", self._request("parts"), pixels, rows, columns, gains)

    def product(self, known: Vectors) -> Product:
        """As :meth:`Backend.product`: of a few dozen queries in half the time that numpy takes."""
        opset: Any = import_module("openvino.opset13")
        queries = opset.parameter([-1, known.shape[1]], np.float32)
        model = _openvino().Model([opset.matmul(queries, opset.constant(known), False, True)], [queries])
        single = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        network = self._core.compile_model(model, "CPU", single)

        def multiply(vectors: Vectors) -> NDArray[np.float32]:
            return _infer("product", network.create_infer_request(), np.ascontiguousarray(vectors))

        return multiply

    def _request(self, name: str) -> Any:
        """The calling thread's own request: two threads must not share one."""
        if not hasattr(self._own, name):
            with self._lock:
                if name not in self._networks:
                    self._networks[name] = self._compiled(name)
                setattr(self._own, name, self._networks[name].create_infer_request())
        return getattr(self._own, name)

    def _compiled(self, name: str) -> Any:
        openvino = _openvino()
        model = self._core.read_model(self._data)
        # The vectors alone: feature maps would be turned back into single precision for nothing.
        model = openvino.Model([model.output("embedding")], model.get_parameters())
        if name != "few":
            shape = model.inputs[0].partial_shape
            shape[0] = BATCH
            model.reshape({model.inputs[0]: shape})
        return self._core.compile_model(_enlarging(model) if name == "parts" else model, "CPU", self._config)


def _infer(name: str, request: Any, *inputs: NDArray[Any]) -> NDArray[np.float32]:
    """What a request gives for these inputs; the first of each network alone (:data:`_met`)."""
    with nullcontext() if name in _met else _ALONE:
        found = request.infer(dict(enumerate(inputs)), share_inputs=True)[0]
        _met.add(name)
    return np.array(found, np.float32)


def _enlarging(model: Any) -> Any:
    """The network of whole batches, with what enlarges parts before it.

    It takes pixels (uint8, N x size x size x 3), the weights of rows and of columns (N x 1 x size x size each) and the
    gains (N x 3 x 1 x 1), as :class:`~hemosight.images.shortcut.Part` has them.
    """
    opset: Any = import_module("openvino.opset13")
    (given,) = model.get_parameters()
    batch, size, _, channels = (int(length.get_length()) for length in given.partial_shape)
    pixels = opset.parameter([batch, size, size, channels], np.uint8)
    rows, columns = (opset.parameter([batch, 1, size, size], np.float32) for _ in range(2))
    gains = opset.parameter([batch, channels, 1, 1], np.float32)
    picture = opset.convert(opset.transpose(pixels, opset.constant([0, 3, 1, 2])), "f32")
    picture = opset.matmul(rows, opset.matmul(picture, columns, False, True), False, False)
    picture = opset.clamp(opset.multiply(picture, gains), 0.0, 255.0)
    upright = opset.transpose(picture, opset.constant([0, 2, 3, 1]))
    # From here on the network is as it was, but that its levels need not be whole numbers.
    for taker in given.output(0).get_target_inputs():
        taker.replace_source_output(upright.output(0))
    return _openvino().Model(model.outputs, [pixels, rows, columns, gains])


def available() -> tuple[str, ...]:
    """Names of the backends that this machine and this installation have, the reference first."""
    if not has_openvino():
        return (REFERENCE,)
    able = _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return NAMES if "BF16" in able else NAMES[:2]


def make(name: str, data: bytes, threads: int) -> Backend:
    """The backend of this name.

    Raises :class:`~hemosight.errors.UnknownName`, and :class:`~hemosight.errors.ExtraMissing` where its library is
    not installed.
    """
    if name == REFERENCE:
        return OnnxRuntime(data, threads)
    if name not in NAMES:
        raise UnknownName(kind="backend", choices=", ".join((AUTO, *NAMES)), name=name)
    if not has_openvino():
        raise ExtraMissing("fast", "openvino")
    folder = cache_home() / "networks"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        cache = folder if os.access(folder, os.W_OK) else None
    except OSError:
        cache = None
    return OpenVino(data, threads, bf16=name == "openvino-bf16", cache=cache)


def asked_for(environment: Mapping[str, str] | None = None) -> str:
    """The backend that :data:`VARIABLE` names, or ``auto``; raises :class:`~hemosight.errors.UnknownName`."""
    environment = os.environ if environment is None else environment
    name = environment.get(VARIABLE) or AUTO
    if name not in (AUTO, *NAMES):
        raise UnknownName(kind=VARIABLE, choices=", ".join((AUTO, *NAMES)), name=name)
    return name


def cache_home(environment: Mapping[str, str] | None = None) -> Path:
    """Where measured choices and compiled networks lie: ``hemosight/backends`` in the XDG cache folder."""
    environment = os.environ if environment is None else environment
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hemosight" / "backends"


def has_openvino() -> bool:
    """Whether the library of the quicker backends is installed."""
    return util.find_spec("openvino") is not None


def _openvino() -> Any:
    """The library, without the module by which its tools report their use to its makers.

    Nothing that is called here would report, and what is not there cannot. OpenVINO goes on without it.
    """
    if "openvino" not in sys.modules:
        telemetry = "openvino_telemetry"
        kept = sys.modules.get(telemetry)
        sys.modules[telemetry] = None  # type: ignore[assignment] # the import system's way to say: there is none
        try:
            import openvino
        finally:
            sys.modules.pop(telemetry, None)
            if kept is not None:
                sys.modules[telemetry] = kept
        return openvino
    return sys.modules["openvino"]
