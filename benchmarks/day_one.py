"""The first day in a laboratory that the model does not know: how far answers to the desk's own queue carry.

A case is drawn from the left-out laboratory's cells, read by the bundle's labels of the others, and answered cell
by cell in the order in which *Adapt to this scanner* asks (:func:`hemosight.service.desk.queue.choose`), with the
service's incremental classifier fitted after each answer. Printed are, after 0, 5, 10, 25, 32 and 50 answers, the
accuracy on the cells nobody answered and the share of them that is still unfamiliar; and how often the interval of
the statement of trust holds the accuracy on the rest::

    hemosight embed --data DATA --out all.safetensors
    python benchmarks/day_one.py --data DATA --embeddings all.safetensors --laboratory chula
    python benchmarks/day_one.py --data DATA --embeddings all.safetensors --laboratory jhu_aml --held-out

The encoder of a bundle may have seen the laboratory: its manifest says which laboratories it was trained on. With
``--held-out`` only the cells are drawn that no training saw (whole patients, where patients are known).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle, load
from hemosight.lab.studies.study_data import gather
from hemosight.scoring.agreement import Judgement
from hemosight.service.desk import foreign
from hemosight.service.desk.label_set_state import LabelSetSpec
from hemosight.service.desk.queue import choose
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.trust import LEAST, MOST, STEP, STILL, check_cells, trust
from hemosight.space import classifiers
from hemosight.space.embeddings import Vectors
from hemosight.space.incremental_lda import IncrementalLDA, Reference
from hemosight.space.linear_classifier import LinearClassifier

ANSWERS = (0, 5, 10, 25, 32, 50)
CELLS = 150
CASE = 1

Labels = NDArray[np.str_]


@dataclass
class Day:
    """One replay: accuracy on the rest and unfamiliar share by number of answers, and the statement after the last."""

    accuracy: dict[int, float]
    share: dict[int, float]
    held: bool
    width: float
    enough: int | None
    """After how many answers the queue would have ended by itself."""


def without(bundle: Bundle, laboratory: str) -> tuple[Bundle, Reference]:
    """The bundle as if it had no label of a laboratory, and what teaching begins from."""
    vectors, labels = bundle.support.labelled(CELL_TYPE)
    support = bundle.support
    kept = [row for row, source in enumerate(support.sources) if source != laboratory]
    if len(kept) == len(support):
        reader = classifiers.fit(vectors, labels, "discriminant")
        return bundle, Reference.of(support, CELL_TYPE, reader)
    support = support.take(kept)
    reader = classifiers.fit(*support.labelled(CELL_TYPE), "discriminant")
    return replace(bundle, support=support), Reference.of(support, CELL_TYPE, reader)


def replay(bundle: Bundle, reference: Reference, vectors: Vectors, truth: Labels, seed: int) -> Day:
    """Answer a case's queue with the truth."""
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(10**7, len(vectors), replace=False)).astype(np.int64)
    classes = reference.classifier.classes
    spec = LabelSetSpec(1, CELL_TYPE, "Cell type", "bundle", tuple({"name": n, "title": n} for n in classes))
    code = np.array([classes.index(name) for name in truth], np.int16)
    lda = IncrementalLDA(classes, lambda cells: vectors[cells], vectors.shape[1], reference)
    novelty = bundle.novelty.score(vectors)
    label = np.full(len(vectors), -1, np.int16)
    said: list[Judgement] = []
    day = Day({}, {}, False, 1.0, None)
    order: list[int] = []
    asked = 0
    while True:
        classifier = lda.classifier()
        assert classifier is not None
        now = snapshot(spec, ids, vectors, novelty, label, classifier)
        open_ = label == -1
        if asked in ANSWERS:
            day.accuracy[asked] = float((now.predicted[open_] == code[open_]).mean())
            day.share[asked] = foreign.by_case(now, bundle)[CASE].share
        if day.enough is None and asked >= LEAST and not foreign.by_case(now, bundle)[CASE].foreign:
            without_last = lda.classifier_without(order[-STEP:])
            assert without_last is not None
            moved = (without_last.scores(vectors).argmax(axis=1) != now.predicted)[open_].sum()
            day.enough = asked if moved <= STILL * open_.sum() or asked >= MOST else None
        if asked == max(ANSWERS):
            break
        row = choose(now, "adapt", 1, CASE)[0].row
        said.append(Judgement(int(ids[row]), 1, str(truth[row]), classes[now.predicted[row]]))
        label[row] = code[row]
        lda.update([row], [int(code[row])])
        order.append(row)
        asked += 1
    left = lda.leave_one_out()
    read = {int(ids[row]): classes[code] for row, code in zip(left.cells, left.read, strict=True)}
    statement = trust(said, classes, read, set(check_cells(ids).tolist()))
    # What the statement is of: any cell of the case. The cells nobody answered are easier, the hard ones were asked.
    without_own = [read.get(int(ids[row]), classes[now.predicted[row]]) == truth[row] for row in range(len(ids))]
    day.held = statement.low <= float(np.mean(without_own)) <= statement.high
    day.width = statement.high - statement.low
    return day


def snapshot(
    spec: LabelSetSpec,
    ids: NDArray[np.int64],
    vectors: Vectors,
    novelty: NDArray[np.float64],
    label: NDArray[np.int16],
    classifier: LinearClassifier,
) -> Snapshot:
    """What the service would hold of the case."""
    probabilities = classifier.probabilities(vectors).astype(np.float32)
    two = np.sort(probabilities, axis=1)[:, -2:]
    count = len(ids)
    zeros = np.zeros(count, np.int64)
    return Snapshot(
        spec=spec,
        event=0,
        taught_until=0,
        taught_by_panels={},
        ids=ids,
        case=np.full(count, CASE, np.int64),
        profile=np.ones(count, np.int64),
        status=np.ones(count, np.uint8),
        novelty=novelty.astype(np.float32),
        x=np.zeros(count, np.float32),
        y=np.zeros(count, np.float32),
        label=label.copy(),
        version=zeros,
        by=zeros,
        predicted=probabilities.argmax(axis=1).astype(np.int16),
        alone=zeros.astype(np.int16),
        probabilities=probabilities,
        probability=two[:, 1],
        margin=two[:, 1] - two[:, 0],
        outside=np.zeros(count, np.bool_),
        held_back=np.zeros(count, np.bool_),
        asked=np.ones(count, np.bool_),
        vectors=vectors,
        rows=np.arange(count),
        stamp=zeros,
        floor=0,
    )


def report(name: str, bundle: Bundle, reference: Reference, vectors: Vectors, truth: Labels, replays: int) -> None:
    """Replay many cases and print the means."""
    days = []
    for seed in range(replays):
        rows = np.random.default_rng([7, seed]).permutation(len(vectors))[:CELLS]
        days.append(replay(bundle, reference, np.ascontiguousarray(vectors[rows]), truth[rows], seed))
    print(f"{name}: {min(CELLS, len(vectors))} cells a case, {replays} replays")
    for asked in ANSWERS:
        accuracy = np.array([day.accuracy[asked] for day in days])
        share = float(np.mean([day.share[asked] for day in days]))
        print(
            f"  {asked:3} answers: rest read right {accuracy.mean():.1%}"
            f" ({np.quantile(accuracy, 0.1):.1%} to {np.quantile(accuracy, 0.9):.1%}), unfamiliar {share:.1%}"
        )
    held = float(np.mean([day.held for day in days]))
    print(f"  statement of trust: interval holds in {held:.1%}, mean width {np.mean([day.width for day in days]):.2f}")
    ends = [day.enough for day in days if day.enough is not None]
    if ends:
        print(f"  the queue ends by itself in {len(ends)} of {len(days)}, after {np.median(ends):.0f} answers (median)")


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--laboratory", action="append", required=True, help="the name of its source; may be repeated")
    parser.add_argument("--replays", type=int, default=20)
    parser.add_argument("--bundle", type=Path, help="instead of the default one; the embeddings must be its encoder's")
    parser.add_argument("--held-out", action="store_true", help="only cells that no training saw")
    options = parser.parse_args()
    data = gather(options.data, embeddings=options.embeddings)
    labels = data.labels()
    for laboratory in options.laboratory:
        bundle, reference = without(load(options.bundle) if options.bundle else load(), laboratory)
        rows = np.flatnonzero((data.sources == laboratory) & np.isin(labels, reference.classifier.classes))
        if options.held_out:
            rows = np.intersect1d(rows, data.split.held)
        report(laboratory, bundle, reference, data.vectors[rows], labels[rows], options.replays)


if __name__ == "__main__":
    main()
