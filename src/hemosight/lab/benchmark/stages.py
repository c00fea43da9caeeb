"""What is measured: each stage of reading on its own, and all of them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine import backends
from hemosight.engine.backends import BATCH
from hemosight.engine.bundle import Bundle
from hemosight.engine.bundle import load as load_bundle
from hemosight.engine.engine import Engine
from hemosight.engine.network import Network
from hemosight.images import shortcut
from hemosight.images.decode import Pixels, decode, decode_cell, read_bytes
from hemosight.images.preprocess import Preprocessing
from hemosight.images.splits import few_shot
from hemosight.lab.benchmark.baseline import BaselinePipeline
from hemosight.lab.benchmark.timing import Stage
from hemosight.space import classifiers
from hemosight.space.embeddings import Vectors
from hemosight.space.neighbours import nearest, squared_norms
from hemosight.space.novelty import Novelty

BATCHES = (1, 4, 16, 64)
FEW = 90
"""Labels of the few-label fit: ten of each of nine types."""
NEIGHBOURS = 20
_SINGLES = 20
"""Rounds of what handles one crop, for each round of the others: a 95th percentile needs many."""
_QUERIES = 64
_BLOCK = 64
"""Cells whose surroundings are looked up together."""


def stages(
    path: Path | None, bundle: Bundle, crops: Sequence[Path], *, slow: bool = False, against: Bundle | None = None
) -> list[Stage]:
    """What is measured of a bundle loaded from a path; parameters as for :func:`~hemosight.lab.benchmark.run`."""
    engine = Engine(bundle)
    engine.network.choose(anew=True)
    every = engine.network.threads
    engines = {threads: engine if threads == every else Engine(bundle, threads) for threads in sorted({1, every})}
    pixels = np.stack([engine.network.preprocessing(decode(read_bytes(crop))) for crop in crops])
    return [
        Stage("load", "loads", {"bundle": partial(_load, path), "with network": partial(_load_engine, path)}),
        Stage(
            "decode and prepare",
            "crops",
            {
                f"{name}, {_threads(n)}": partial(_prepare, prepare, crops, n)
                for name, prepare in _roads(engine.network.preprocessing).items()
                for n in engines
            },
        ),
        # No more than the largest batch: short rounds in turn say more on a noisy machine than few long ones.
        Stage(
            "network",
            "crops",
            {f"batches of {n}": partial(_embed, engine.network, pixels[: max(BATCHES)], n) for n in BATCHES},
        ),
        Stage(
            "network, by backend",
            "crops",
            {name: partial(_embed, other, pixels[: max(BATCHES)], BATCH) for name, other in _backends(bundle).items()},
        ),
        reading(engine, crops),
        *([] if against is None else [_beside(engine, Engine(against), crops)]),
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


def reading(engine: Engine, crops: Sequence[Path]) -> Stage:
    """All of reading, from file to class, novelty, neighbours and place, beside the baseline pipeline."""
    plain = BaselinePipeline(engine.network.threads)
    return Stage(
        "reading",
        "crops",
        {"the baseline pipeline": partial(plain.embed, crops), "HemoSight": partial(_read, engine, crops)},
    )


def _read(engine: Engine, crops: Sequence[Path]) -> int:
    """Read as a worker of the service does, in blocks as its jobs are."""
    points = engine.network.points(crops)
    reader = engine.bundle.classifiers[CELL_TYPE]
    done = 0
    while block := list(islice(points, _BLOCK)):
        vectors = np.stack([point.vector for point in block if point.vector is not None])
        engine.surveyor.look(vectors)
        done += len(reader.probabilities(vectors))
    return done


def _backends(bundle: Bundle) -> dict[str, Network]:
    """The bundle's network by every backend that is to be had here, the reference first."""
    return {name: Network(bundle.encoder, bundle.preprocessing, backend=name) for name in backends.available()}


def _beside(engine: Engine, other: Engine, crops: Sequence[Path]) -> Stage:
    """All of reading with each of two bundles, in turns."""
    manifests = engine.bundle.manifest, other.bundle.manifest
    names = [f"{manifest.name} {manifest.version}" for manifest in manifests]
    if names[0] == names[1]:
        names[1] += ", the other"
    return Stage(
        "two bundles",
        "crops",
        {name: partial(_classify, e, crops) for name, e in zip(names, (engine, other), strict=True)},
    )


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"


def _load(path: Path | None) -> int:
    load_bundle(path)
    return 1


def _load_engine(path: Path | None) -> int:
    Engine(load_bundle(path))
    return 1


def _roads(preprocessing: Preprocessing) -> dict[str, Callable[[bytes], object]]:
    """How a file's bytes become what the network takes: with the reference, and with the other backends."""
    return {
        "whole": lambda data: preprocessing(decode_cell(data)),
        "shortcut": lambda data: shortcut.prepare(data, preprocessing),
    }


def _prepare(prepare: Callable[[bytes], object], crops: Sequence[Path], threads: int) -> int:
    with ThreadPoolExecutor(threads) as pool:
        return sum(1 for _ in pool.map(lambda crop: prepare(read_bytes(crop)), crops))


def _embed(network: Network, pixels: Pixels, batch: int) -> int:
    starts = range(0, len(pixels), batch)
    return sum(len(network.vectors(pixels[start : start + batch])) for start in starts)


def _classify(engine: Engine, crops: Sequence[Path]) -> int:
    return sum(reading.readable for reading in engine.stream(crops, scale=1.0))


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


def _searches(bundle: Bundle, queries: Vectors) -> list[Stage]:
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
