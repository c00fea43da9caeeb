"""How quick this machine is with a bundle: each stage of reading on its own, and all of them together.

Machines are noisy and other programs run beside this one. Variants of a stage therefore take turns (A B A B), what
is reported is the median over rounds, and a ratio compares two variants within each round, so that whatever slows a
round slows both of its sides.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hemosight.bundle import Bundle
from hemosight.bundle import load as load_bundle
from hemosight.engine import Engine
from hemosight.errors import NoImages, PathMissing, UnreadableImage
from hemosight.images.catalog import Progress
from hemosight.images.preprocess import SUFFIXES, Pixels, decode, read_bytes
from hemosight.images.sources import layout
from hemosight.images.splits import few_shot
from hemosight.images.synthetic import CELL_TYPES, draw_smear
from hemosight.network import Network
from hemosight.space import classifiers
from hemosight.space.labels import CELL_TYPE
from hemosight.space.neighbours import nearest, squared_norms
from hemosight.space.novelty import Novelty

CROPS = 200
REPEATS = 5
SECONDS = 20.0
BATCHES = (1, 4, 16, 64)
FEW = 90
"""Labels of the few-label fit: ten of each of nine types."""
NEIGHBOURS = 20
_SINGLES = 20
"""Rounds of what handles one crop, for each round of the others: a 95th percentile needs many."""
_QUERIES = 64
_ENOUGH_FOR_P95 = 20
_LIBRARIES = ("numpy", "onnxruntime", "scikit-learn")


@dataclass(frozen=True)
class Machine:
    """What was measured on; ``load`` is the mean number of running programs of the last minute, None if unknown."""

    processor: str
    cores: int
    system: str
    python: str
    libraries: Mapping[str, str]
    load: float | None

    def __str__(self) -> str:
        libraries = ", ".join(f"{name} {number}" for name, number in self.libraries.items())
        busy = "" if self.load is None else f"; load {self.load:.1f} when it began"
        return f"{self.processor}, {self.cores} cores, {self.system}, Python {self.python}, {libraries}{busy}"


def machine() -> Machine:
    """What this program runs on, and how busy that is now."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    libraries = {library: version(library) for library in _LIBRARIES}
    return Machine(name, cores, platform.system(), platform.python_version(), libraries, load)


@dataclass(frozen=True)
class Stage:
    """Something to measure, in one or more ways.

    Parameters
    ----------
    name, unit
        What it does, and what it is counted in.
    variants
        By name, work that returns how many units it handled. The first is what the others are compared with.
    rounds
        Rounds for each repeat that is asked for.
    """

    name: str
    unit: str
    variants: Mapping[str, Callable[[], int]]
    rounds: int = 1


@dataclass(frozen=True)
class Timing:
    """One variant's measurement.

    Parameters
    ----------
    stage, variant, unit
        What was measured, and what it is counted in.
    items
        Units handled in one round.
    seconds
        Duration of each round.
    ratio
        How many times quicker, unit by unit, than the stage's first variant; the median over rounds.
    """

    stage: str
    variant: str
    unit: str
    items: int
    seconds: tuple[float, ...]
    ratio: float

    @property
    def per_second(self) -> float:
        """Units a second, at the median round."""
        return self.items / float(np.median(self.seconds))

    @property
    def milliseconds(self) -> float:
        """Milliseconds for one unit, at the median round."""
        return 1000.0 / self.per_second

    @property
    def p95(self) -> float | None:
        """Milliseconds for one unit that one round in twenty exceeds; None where there are fewer rounds."""
        if len(self.seconds) < _ENOUGH_FOR_P95:
            return None
        return 1000.0 * float(np.quantile(self.seconds, 0.95)) / self.items

    def to_json(self) -> dict[str, Any]:
        """Every round's duration, and what follows from them."""
        return asdict(self) | {
            "per_second": self.per_second,
            "milliseconds": self.milliseconds,
            "p95_milliseconds": self.p95,
        }


@dataclass(frozen=True)
class Report:
    """All measurements of one run, and what they were taken of."""

    machine: Machine
    bundle: str
    origin: str
    crops: int
    timings: tuple[Timing, ...]

    def to_json(self) -> dict[str, Any]:
        """The whole report as plain values."""
        return asdict(self) | {"timings": [timing.to_json() for timing in self.timings]}


# --- crops ------------------------------------------------------------------------------------------------------


def draw(folder: Path, count: int, progress: Progress | None = None) -> list[Path]:
    """Draw so many crops into a folder, all types in equal shares."""
    per_type = {name: len(range(place, count, len(CELL_TYPES))) for place, name in enumerate(CELL_TYPES)}
    return draw_smear(folder, per_type, seed=0, progress=progress)


def gather(folder: Path, count: int) -> list[Path]:
    """At most so many readable crops of a folder, evenly spread over it.

    Raises :class:`~hemosight.errors.PathMissing` and, where no crop can be read, :class:`~hemosight.errors.NoImages`.
    """
    if not folder.exists():
        raise PathMissing(path=folder, cwd=Path.cwd())
    found = layout.images(layout.files(folder))
    spread = [found[place] for place in np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)]
    crops = [path for path in spread if _is_readable(path)]
    if not crops:
        raise NoImages(suffixes=" ".join(sorted(SUFFIXES)), path=folder)
    return crops


def _is_readable(path: Path) -> bool:
    try:
        decode(read_bytes(path))
    except UnreadableImage:
        return False
    return True


# --- stages -----------------------------------------------------------------------------------------------------


def stages(path: Path | None, bundle: Bundle, crops: Sequence[Path], *, slow: bool = False) -> list[Stage]:
    """What is measured of a bundle loaded from a path, with these crops; parameters as for :func:`run`."""
    engine = Engine(bundle)
    every = engine.network.threads
    engines = {threads: engine if threads == every else Engine(bundle, threads) for threads in sorted({1, every})}
    pixels = np.stack([engine.network.preprocessing(decode(read_bytes(crop))) for crop in crops])
    return [
        Stage("load", "loads", {"bundle": partial(_load, path), "with network": partial(_load_engine, path)}),
        Stage(
            "decode and prepare",
            "crops",
            {_threads(n): partial(_prepare, e.network, crops, n) for n, e in engines.items()},
        ),
        # No more than the largest batch: short rounds in turn say more on a noisy machine than few long ones.
        Stage(
            "network",
            "crops",
            {f"batches of {n}": partial(_embed, engine.network, pixels[: max(BATCHES)], n) for n in BATCHES},
        ),
        Stage("classify", "crops", {_threads(n): partial(_classify, e, crops) for n, e in engines.items()}),
        Stage(
            "classify one crop",
            "crops",
            {_threads(n): partial(_classify, e, crops[:1]) for n, e in engines.items()},
            rounds=_SINGLES,
        ),
        *_fits(bundle, slow),
        *_searches(bundle, engine.network.vectors(pixels[:_QUERIES])),
    ]


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"


def _load(path: Path | None) -> int:
    load_bundle(path)
    return 1


def _load_engine(path: Path | None) -> int:
    Engine(load_bundle(path))
    return 1


def _prepare(network: Network, crops: Sequence[Path], threads: int) -> int:
    def prepared(crop: Path) -> Pixels:
        return network.preprocessing(decode(read_bytes(crop)))

    with ThreadPoolExecutor(threads) as pool:
        return sum(1 for _ in pool.map(prepared, crops))


def _embed(network: Network, pixels: Pixels, batch: int) -> int:
    starts = range(0, len(pixels), batch)
    return sum(len(network.vectors(pixels[start : start + batch])) for start in starts)


def _classify(engine: Engine, crops: Sequence[Path]) -> int:
    return sum(reading.readable for reading in engine.stream(crops))


def _fits(bundle: Bundle, slow: bool) -> list[Stage]:
    """Every classifier on all labelled cells and on a few; the default first, as what the others are held against."""
    vectors, labels = bundle.support.labelled(CELL_TYPE)
    per_class = max(1, FEW // len(np.unique(labels)))
    few = few_shot(labels.tolist(), per_class, np.random.default_rng(0))
    names = sorted(classifiers.FITTERS, key=lambda name: name != classifiers.DEFAULT)

    def fit(name: str, rows: Any) -> int:
        chosen = labels[rows]
        classifiers.fit(vectors[rows], chosen, name)
        return len(chosen)

    quick = [name for name in names if slow or name != "svm"]
    return [
        Stage(f"fit {len(few):,} labels", "labels", {name: partial(fit, name, few) for name in names}),
        Stage(f"fit all {len(labels):,} labels", "labels", {name: partial(fit, name, slice(None)) for name in quick}),
    ]


def _searches(bundle: Bundle, queries: np.ndarray) -> list[Stage]:
    reference = bundle.support.embeddings.vectors
    norms = squared_norms(reference)

    def neighbours(at_once: int) -> int:
        starts = range(0, len(queries), at_once)
        return sum(len(nearest(queries[s : s + at_once], reference, NEIGHBOURS, norms=norms)[0]) for s in starts)

    def novelty(measure: Novelty, at_once: int) -> int:
        return sum(len(measure.score(queries[s : s + at_once])) for s in range(0, len(queries), at_once))

    ways = {"one by one": 1, "together": len(queries)}
    among = f"among {len(reference):,}"
    return [
        Stage(f"neighbours {among}", "crops", {name: partial(neighbours, size) for name, size in ways.items()}),
        Stage(f"novelty {among}", "crops", {name: partial(novelty, bundle.novelty, n) for name, n in ways.items()}),
    ]


# --- measuring --------------------------------------------------------------------------------------------------


def measure(
    stage: Stage, repeats: int = REPEATS, seconds: float = SECONDS, clock: Callable[[], float] = time.perf_counter
) -> list[Timing]:
    """Time a stage's variants in turn.

    At most ``repeats * stage.rounds`` rounds; no round begins after ``seconds``, except the first.
    """
    began = clock()
    taken: dict[str, list[float]] = {name: [] for name in stage.variants}
    items: dict[str, int] = {}
    for number in range(repeats * stage.rounds):
        if number and clock() - began >= seconds:
            break
        for name, work in stage.variants.items():
            start = clock()
            items[name] = work()
            taken[name].append(clock() - start)
    first = next(iter(stage.variants))
    each = {name: np.array(times) / items[name] for name, times in taken.items()}
    return [
        Timing(stage.name, name, stage.unit, items[name], tuple(times), float(np.median(each[first] / each[name])))
        for name, times in taken.items()
    ]


def run(
    path: Path | None,
    crops: Sequence[Path],
    origin: str,
    *,
    repeats: int = REPEATS,
    seconds: float = SECONDS,
    slow: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Measure every stage.

    Parameters
    ----------
    path
        A bundle; the one that comes with HemoSight where None.
    crops, origin
        Readable crops, and where they come from, in words.
    repeats, seconds
        Bounds of one stage: rounds, and the time after which no round begins.
    slow
        Whether to fit the svm on the whole support, which takes minutes.
    progress
        Told after each stage.
    """
    here = machine()
    bundle = load_bundle(path)
    plan = stages(path, bundle, crops, slow=slow)
    timings: list[Timing] = []
    for done, stage in enumerate(plan, start=1):
        timings += measure(stage, repeats, seconds)
        if progress is not None:
            progress(done, len(plan))
    name = f"{bundle.manifest.name} {bundle.manifest.version} ({bundle.manifest.backbone})"
    return Report(here, name, origin, len(crops), tuple(timings))
