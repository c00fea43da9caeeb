"""Which backend reads on this machine: measured once on drawn crops, and kept in the user's cache folder.

A backend may be chosen only where its vectors are the reference's: of every drawn crop, the cosine between the two is
:data:`LEAST_COSINE` or more. Of those the quickest is taken, if it is quicker than the reference by a tenth. The choice
holds for one encoder, processor, number of threads, and version of each library; whatever else comes is measured anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from hemosight.engine import backends
from hemosight.engine.backends import BATCH, REFERENCE, Backend
from hemosight.images.decode import Pixels
from hemosight.images.preprocess import Preprocessing
from hemosight.space.embeddings import Vectors

log = logging.getLogger(__name__)

LEAST_COSINE = 0.99
"""Between a crop's vectors by the reference and by another backend, for the other to be allowed."""
WORTH = 1.1
"""How many times quicker than the reference another backend has to be."""
PROBES = 16
"""Drawn crops that are measured with: one batch, of all types."""
MANY = 500
"""Crops of one run from which measuring pays: it costs about as much as reading two hundred."""
_ROUNDS = 3
_FORMAT = 1
_LIBRARIES = ("onnxruntime", "openvino")


@dataclass(frozen=True)
class Candidate:
    """What was measured of a backend.

    Parameters
    ----------
    name
        One of :data:`hemosight.engine.backends.NAMES`.
    per_second
        Crops through the network, on all threads.
    cosine
        The least one between its vectors and the reference's, over the drawn crops.
    """

    name: str
    per_second: float
    cosine: float

    @property
    def allowed(self) -> bool:
        """Whether its vectors are the reference's, but for what was declared."""
        return self.cosine >= LEAST_COSINE


@dataclass(frozen=True)
class Choice:
    """What was measured, and what of it reads."""

    name: str
    candidates: tuple[Candidate, ...]

    @classmethod
    def among(cls, candidates: list[Candidate]) -> Choice:
        """The quickest of those that are allowed; the reference, which comes first, where none is worth it."""
        reference = candidates[0]
        best = max((candidate for candidate in candidates if candidate.allowed), key=lambda one: one.per_second)
        worth = best.per_second >= WORTH * reference.per_second
        return cls(best.name if worth else reference.name, tuple(candidates))


def measure(
    data: bytes, preprocessing: Preprocessing, threads: int, clock: Callable[[], float] = time.perf_counter
) -> Choice:
    """Measure every backend of this machine on drawn crops; those that fail are left out."""
    pixels = probes(preprocessing)
    measured: dict[str, tuple[Backend, Vectors]] = {}
    for name in backends.available():
        try:
            backend = backends.make(name, data, threads)
            measured[name] = backend, backend.vectors(pixels)  # the first round, which also makes it ready
        except Exception as fault:
            if name == REFERENCE:
                raise
            fallen_back(name, fault)
    reference = measured[REFERENCE][1]
    taken: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(_ROUNDS):  # in turns: whatever slows the machine slows all of them
        for name, (backend, _vectors) in measured.items():
            begun = clock()
            _through(backend, pixels, threads)
            taken[name].append(clock() - begun)
    return Choice.among(
        [
            Candidate(name, threads * len(pixels) / float(np.median(taken[name])), least_cosine(reference, vectors))
            for name, (_, vectors) in measured.items()
        ]
    )


@cache
def _warned(name: str, kind: str) -> None:
    log.warning("the backend %s cannot read here (%s); %s reads instead", name, kind, REFERENCE)


def fallen_back(name: str, fault: Exception) -> None:
    """Log that a backend failed and another reads in its place: once in a process for each backend and fault."""
    _warned(name, f"{type(fault).__name__}: {fault}"[:300])


def least_cosine(one: Vectors, other: Vectors) -> float:
    """The least cosine between rows of unit vectors; -1 where one of them is no number."""
    cosines = np.einsum("ij,ij->i", one.astype(np.float64), other.astype(np.float64))
    return float(cosines.min()) if np.isfinite(cosines).all() else -1.0


def probes(preprocessing: Preprocessing) -> Pixels:
    """Drawn crops of all types, prepared: uint8, :data:`PROBES` x size x size x 3; the same ones every time."""
    from hemosight.images.synthetic import CELL_TYPES, draw_cell

    rng = np.random.default_rng(0)
    return np.stack([preprocessing(draw_cell(CELL_TYPES[i % len(CELL_TYPES)], rng).pixels) for i in range(PROBES)])


def remembered(data: bytes, threads: int) -> Choice | None:
    """What was measured here before; None where nothing was, or it cannot be read."""
    try:
        facts = json.loads(_file(data, threads).read_text(encoding="utf-8"))
        choice = Choice(facts["name"], tuple(Candidate(**candidate) for candidate in facts["candidates"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return choice if choice.name in backends.NAMES else None


def remember(choice: Choice, data: bytes, threads: int) -> None:
    """Keep a choice; where the folder cannot be written, nothing is kept."""
    file = _file(data, threads)
    facts = {"name": choice.name, "candidates": [asdict(one) for one in choice.candidates], **_facts(data, threads)}
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = file.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        part.replace(file)


def processor() -> str:
    """The processor's model, as its system names it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _facts(data: bytes, threads: int) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "encoder": hashlib.sha256(data).hexdigest(),
        "processor": processor(),
        "threads": threads,
        **{library: _version(library) for library in _LIBRARIES},
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _file(data: bytes, threads: int) -> Path:
    key = hashlib.sha256(json.dumps(_facts(data, threads), sort_keys=True).encode()).hexdigest()
    return backends.cache_home() / f"{key[:32]}.json"


def _through(backend: Backend, pixels: Pixels, times: int) -> None:
    """The crops so many times, in batches, by as many threads as the backend serves at once."""
    batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)] * times
    with ThreadPoolExecutor(backend.streams) as pool:
        for _ in pool.map(backend.vectors, batches):
            pass
