"""How many times quicker than baseline pipelines: ``make benchmark``.

    python benchmarks/speed.py                    # measure, print, and compare with what is on record
    python benchmarks/speed.py --write            # and put it on record and into docs/reference/figures.md

Each figure is a ratio of two ways that take turns in this run. The baselines: Pillow and onnxruntime, one crop after
another through EfficientNet-Lite0 at 224 pixels; scikit-learn's SVC with probabilities; openTSNE's ``transform``. Where
a ratio has fallen by a third below the one on record (``benchmarks/speed.json``) the command says so, writes nothing
and ends with exit code 1; ``--accept`` puts it on record all the same.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import load
from hemosight.engine.engine import Engine
from hemosight.images.splits import few_shot
from hemosight.lab.benchmark import Stage, Timing, draw, gather, machine, measure
from hemosight.lab.benchmark.stages import reading
from hemosight.space import landscape
from hemosight.space.incremental_lda import IncrementalLDA, Reference
from hemosight.space.landscape import Landscape

RECORD = Path(__file__).with_name("speed.json")
FIGURES = Path(__file__).parents[1] / "docs" / "reference" / "figures.md"
BEGIN, END = "## Speed\n", "## The page\n"
FALLEN = 2 / 3
"""Share of the ratio on record below which a ratio counts as fallen."""
LABELS, PROJECT, KNOWN, QUERIES = 100, 2000, 2000, 64
"""Labels of each type for the SVC, cells that are read again; known cells of the map, and cells placed on it."""


def teaching(engine: Engine) -> Stage:
    """A correction, and a project's cells read again: the paper's SVC fitted anew, and what the desk does."""
    from sklearn.svm import SVC

    support = engine.bundle.support
    vectors, labels = support.labelled(CELL_TYPE)
    rows = few_shot(labels.tolist(), LABELS, np.random.default_rng(0))
    chosen, names = vectors[rows], labels[rows]
    project = vectors[np.random.default_rng(1).permutation(len(vectors))[:PROJECT]]
    settings: dict[str, Any] = {"probability": True}
    reader = engine.bundle.classifiers[CELL_TYPE]
    learner = IncrementalLDA(
        reader.classes, lambda cells: project[cells], project.shape[1], Reference.of(support, CELL_TYPE, reader)
    )
    corrected = count()

    def plain() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that probabilities will be asked for in another way
            SVC(**settings).fit(chosen, names).predict_proba(project)
        return 1

    def own() -> int:
        cell = next(corrected) % PROJECT
        learner.update([cell], [cell % len(reader.classes)])
        taught = learner.classifier()
        assert taught is not None
        taught.probabilities(project)
        return 1

    return Stage("teaching", "corrections", {"SVC with probabilities": plain, "HemoSight": own})


def placing(engine: Engine) -> Stage:
    """Places of new cells on a map of known ones: openTSNE's transform, and ours."""
    from openTSNE import TSNEEmbedding, affinity

    whole = engine.bundle.landscape
    if whole is None:
        raise typer.BadParameter("the bundle has no map")
    rng = np.random.default_rng(0)
    order = rng.permutation(len(whole))
    known, asked = order[:KNOWN], order[KNOWN : KNOWN + QUERIES]
    laid = Landscape(whole.reference[known], whole.positions[known])
    kept = affinity.PerplexityBasedNN(laid.reference, perplexity=landscape.PERPLEXITY, method="exact", random_state=0)
    theirs = TSNEEmbedding(laid.positions.astype(np.float64), kept, random_state=0)
    queries = whole.reference[asked]

    def placed(work: Callable[[], Any]) -> int:
        work()
        return QUERIES

    ways = {"openTSNE.transform": partial(theirs.transform, queries), "HemoSight": partial(laid.place, queries)}
    return Stage("placing", "cells", {name: partial(placed, work) for name, work in ways.items()})


def fallen(ratios: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """A line for each ratio that lies a third or more below the one on record."""
    return [
        f"{name}: {ratios[name]:.1f} times the baseline pipeline, {before:.1f} on record"
        for name, before in recorded.items()
        if name in ratios and ratios[name] < FALLEN * before
    ]


def section(facts: dict[str, Any]) -> str:
    """The part of docs/reference/figures.md that is written from the record."""
    lines = [
        BEGIN,
        "    python benchmarks/speed.py --write          # make benchmark",
        "",
        f"Written by that command. {facts['machine']}.",
        f"Bundle {facts['bundle']}, read by {facts['backend']}; {facts['crops']:,} crops: {facts['origin']}.",
        f"Counted in {facts['clock']}. The two ways of a row take turns, and the ratio is the median over rounds.",
        "`hemosight benchmark` shows every stage of reading.",
        "",
        "| what | baseline pipeline | a second | HemoSight a second | times |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['stage']}, {row['unit']} | {row['plain']} | {row['plain_per_second']:,.1f} | "
        f"{row['per_second']:,.1f} | **{row['ratio']:.1f}** |"
        for row in facts["rows"]
    ]
    lines += [
        "",
        "- *Reading*: from file to class, novelty, neighbours and place. The baseline pipeline: Pillow and",
        "  onnxruntime, one crop after another through EfficientNet-Lite0 at 224 pixels in single precision, no more.",
        f"- *Teaching*: one more label, and {PROJECT:,} cells read again. The SVC is fitted anew to {LABELS} labels a",
        "  type, HemoSight's classifier to all of the bundle's and the new one.",
        f"- *Placing*: {QUERIES} cells on a map of {KNOWN:,}.",
        "- `python benchmarks/speed.py` compares with these ratios, and fails where one has fallen by a third.",
        "",
    ]
    return "\n".join(lines) + "\n"


def main(
    images: Annotated[Path | None, typer.Option("--images", help="Folder of crops; else drawn ones.")] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle to read with; the built-in one.")] = None,
    crops: Annotated[int, typer.Option("--crops", min=1, help="How many crops a round reads.")] = 800,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Rounds of each row.")] = 5,
    only: Annotated[list[str] | None, typer.Option("--only", help="reading, teaching, placing; all.")] = None,
    processor: Annotated[
        bool, typer.Option("--processor-time", help="Count seconds of processor instead: where other programs run.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Put the ratios on record, and into the figures.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Write ratios that have fallen, too.")] = False,
) -> None:
    """Measure and compare."""
    here = machine()
    engine = Engine(load(bundle))
    engine.network.choose(anew=True)
    timings: list[tuple[Timing, Timing]] = []
    with TemporaryDirectory() as folder:
        found = draw(Path(folder), crops) if images is None else gather(images, crops)
        plans = {
            "reading": lambda: reading(engine, found),
            "teaching": lambda: teaching(engine),
            "placing": lambda: placing(engine),
        }
        for name, plan in plans.items():
            if only and name not in only:
                continue
            plain, own = measure(
                plan(), repeats, seconds=120, clock=time.process_time if processor else time.perf_counter
            )
            timings.append((plain, own))
            print(
                f"{name}: {plain.variant} {plain.per_second:,.1f}, HemoSight {own.per_second:,.1f} {own.unit} "
                f"a second: {own.ratio:.2f} times"
            )
    manifest = engine.bundle.manifest
    facts = {
        "machine": str(here),
        "bundle": f"{manifest.name} {manifest.version}",
        "clock": "seconds of processor" if processor else "seconds",
        "backend": engine.network.backend.name,
        "crops": len(found),
        "origin": "drawn" if images is None else images.name,
        "rows": [
            {
                "stage": own.stage,
                "unit": own.unit,
                "plain": plain.variant,
                "plain_per_second": round(plain.per_second, 2),
                "per_second": round(own.per_second, 2),
                "ratio": round(own.ratio, 2),
            }
            for plain, own in timings
        ],
    }
    ratios = {row["stage"]: row["ratio"] for row in facts["rows"]}
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"rows": []}
    recorded = record["rows"]
    # Seconds and seconds of processor are two measures: the baseline pipeline uses its threads badly.
    comparable = recorded if record.get("clock") == facts["clock"] else []
    worse = fallen(ratios, {row["stage"]: row["ratio"] for row in comparable})
    for line in worse:
        typer.echo(f"fallen by a third: {line}", err=True)
    if write and (accept or not worse):
        measured_now = {row["stage"]: row for row in facts["rows"]}
        facts["rows"] = [measured_now.pop(row["stage"], row) for row in recorded] + list(measured_now.values())
        RECORD.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        page = FIGURES.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        FIGURES.write_text(before + section(facts) + END + rest.partition(END)[2], encoding="utf-8")
    if worse and not accept:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
