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
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from importlib import util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hemosight.errors import ExtraMissing, UnknownName
from hemosight.images.decode import Pixels
from hemosight.space.embeddings import Vectors

BATCH = 16
"""Crops the network takes at once; more of them gain nothing (`hemosight benchmark`)."""
REFERENCE = "onnxruntime"
"""What the others' vectors are held against."""
NAMES = (REFERENCE, "openvino", "openvino-bf16")
AUTO = "auto"
VARIABLE = "HEMOSIGHT_BACKEND"
"""Environment variable that names a backend, or ``auto``."""
_ALONE = threading.Lock()
_met: set[bool] = set()
"""Which of whole and part batches a process has had. OpenVINO's binding makes statics at the first of either with and
without Python's lock: two threads in there at once wait for each other for ever, so the first goes alone."""


class Backend(Protocol):
    """Computes vectors; safe to call from :attr:`streams` threads at once."""

    name: str
    streams: int
    """Batches it computes at the same time without one waiting for another."""

    def vectors(self, pixels: Pixels) -> Vectors:
        """Prepared pixels (uint8, N x size x size x 3) -> unit vectors, float32, N x dimensions."""
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
    any; smaller ones through a second, made when the first of them comes.

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

    def vectors(self, pixels: Pixels) -> Vectors:
        """As :meth:`Backend.vectors`."""
        parts = []
        for start in range(0, max(len(pixels), 1), BATCH):
            batch = pixels[start : start + BATCH]
            whole = len(batch) == BATCH
            with nullcontext() if whole in _met else _ALONE:
                parts.append(self._infer(batch, whole=whole))
                _met.add(whole)
        return np.concatenate(parts)

    def _infer(self, batch: Pixels, *, whole: bool) -> Vectors:
        return np.array(self._request(whole=whole).infer({0: batch}, share_inputs=True)[0], np.float32)

    def _request(self, *, whole: bool) -> Any:
        """The calling thread's own request: two threads must not share one."""
        name = "whole" if whole else "part"
        if not hasattr(self._own, name):
            with self._lock:
                network = self._whole if whole else self._part
                setattr(self._own, name, network.create_infer_request())
        return getattr(self._own, name)

    @cached_property
    def _whole(self) -> Any:
        return self._compiled(BATCH)

    @cached_property
    def _part(self) -> Any:
        return self._compiled(None)

    def _compiled(self, batch: int | None) -> Any:
        openvino = _openvino()
        model = self._core.read_model(self._data)
        # The vectors alone: feature maps would be turned back into single precision for nothing.
        model = openvino.Model([model.output("embedding")], model.get_parameters())
        if batch is not None:
            shape = model.inputs[0].partial_shape
            shape[0] = batch
            model.reshape({model.inputs[0]: shape})
        return self._core.compile_model(model, "CPU", self._config)


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
