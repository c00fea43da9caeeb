"""Labels a minute by whole groups, and how many of them are right: the figure of docs/how-to/review.md.

    hemosight embed --data "$HEMOSIGHT_DATA" --out points.safetensors
    python benchmarks/groups.py --data "$HEMOSIGHT_DATA" --embeddings points.safetensors

Each laboratory is a project whose cells nobody labelled. *held out*: the cells that neither the encoder nor the
classifier of the shipped bundle has met, read by that bundle; they are few, and so are the groups. *all*: every cell of
the laboratory, read by classifiers of the bundle's kind that were fitted without them (five folds, copies and patients
together) in the bundle's space. The encoder has met most of those.

A person is simulated for whom the known types are the truth. They take each bin, the largest first, and look for its
border: three cells around the middle of what is left, and the border moves outwards where all three are right. Then
they answer the sample that the service would draw, and accept where the bound is at least ``--bound``; as soon as it
cannot be reached any more they go on to the next bin, and the time is lost. Every group costs a start, every cell
looked at an answer. Cells of bins that are not accepted stay for the sweep; what a person says of single cells counts
as labels too. Means over ``--draws`` draws.

``right`` is the share of all labels that are the known type: of the groups' cells, which nobody looked at, and of those
that were answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from hemosight.engine.bundle import load
from hemosight.lab.studies.study_data import gather
from hemosight.service.desk.groups import bound, sampled, typical
from hemosight.space import classifiers

AROUND = 3
"""Cells that are looked at to find which way the border lies."""
NARROW = 0.1
"""The search ends where what is left is this share of the bin."""
FOLDS = 5


@dataclass
class Spent:
    """What a person did: labels of groups and of single cells, how many are right, seconds."""

    group: int = 0
    group_right: int = 0
    single: int = 0
    seconds: float = 0.0
    groups: int = 0
    tried: int = 0

    @property
    def labels(self) -> int:
        """Labels that stand at the end."""
        return self.group + self.single

    @property
    def right(self) -> float:
        """Share of them that are right; single answers are, as the person is."""
        return (self.group_right + self.single) / self.labels if self.labels else float("nan")

    @property
    def rate(self) -> float:
        """Labels a minute."""
        return 60 * self.labels / self.seconds if self.seconds else float("nan")


@dataclass(frozen=True)
class Way:
    """How a person works."""

    sample: int
    bound: float
    answer: float
    start: float
    border: bool


def work(vectors: NDArray[np.float32], read: NDArray[np.str_], truth: NDArray[np.str_], way: Way, seed: int) -> Spent:
    """Take every bin of a project once, the largest first."""
    spent = Spent()
    for name, size in sorted(zip(*np.unique(read, return_counts=True), strict=True), key=lambda one: -one[1]):
        if size <= way.sample:
            break  # every cell would be looked at: that is the sweep
        rows = np.flatnonzero(read == name)
        order = rows[typical(vectors[rows])]
        spent.seconds += way.start
        spent.tried += 1
        inside, looked = border(order, truth == name, way.border)
        spent.seconds += way.answer * looked
        group = order[:inside]
        if inside <= way.sample:
            continue
        sample = np.array(sampled(group.tolist(), way.sample, seed))
        wrong = np.cumsum(truth[sample] != name)  # how many were wrong up to here
        rest = np.setdiff1d(group, sample)
        reached = [bound(len(group), len(sample), len(sample) - int(one), len(rest)) >= way.bound for one in wrong]
        answered = reached.index(False) + 1 if False in reached else len(sample)
        spent.seconds += way.answer * answered
        spent.single += answered
        if False in reached:
            continue
        spent.groups += 1
        spent.group += len(rest)
        spent.group_right += int((truth[rest] == name).sum())
    return spent


def border(order: NDArray[np.int64], fits: NDArray[np.bool_], wanted: bool) -> tuple[int, int]:
    """How many of the most typical cells are in, and at how many somebody looked to find it, by bisection."""
    if not wanted:
        return len(order), 0
    low, high, looked = 0, len(order), 0
    last = order[-AROUND:]
    looked += len(last)
    if fits[last].all():
        return len(order), looked
    while high - low > max(AROUND, NARROW * len(order)):
        middle = (low + high) // 2
        shown = order[max(0, middle - 1) : middle + 2]
        looked += len(shown)
        low, high = (middle, high) if fits[shown].all() else (low, middle)
    return low, looked


def projects(data: Path, embeddings: Path) -> Iterator[tuple[str, str, NDArray, NDArray, NDArray]]:
    """Kind, laboratory, vectors, what was read, what is true."""
    bundle, material = load(None), gather(data, embeddings=embeddings)
    bundle.space.require(material.embeddings.space)
    truth, sources = material.labels(), material.sources
    reader = bundle.classifiers["cell_type"]
    read = {"held out": np.full(len(truth), "", truth.dtype), "all": np.full(len(truth), "", truth.dtype)}
    held = material.split.held
    read["held out"][held] = np.array(reader.classes)[reader.probabilities(material.vectors[held]).argmax(axis=1)]
    rows = np.flatnonzero(truth != "")
    for part in material.folds(FOLDS, 0, rows):
        fitted = classifiers.fit(material.vectors[part.rest], truth[part.rest])
        read["all"][part.held] = fitted.predict(material.vectors[part.held])
    for kind, its in read.items():
        for name in [*np.unique(sources), "together"]:
            chosen = np.flatnonzero((its != "") & (truth != "") & ((sources == name) | (name == "together")))
            yield kind, str(name), material.vectors[chosen], its[chosen], truth[chosen]


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    embeddings: Annotated[Path, typer.Option(help="What `hemosight embed` wrote with the shipped bundle.")],
    sample: Annotated[int, typer.Option(help="Cells of a sample.")] = 59,
    least: Annotated[float, typer.Option("--bound", help="Bound from which a group is accepted.")] = 0.95,
    answer: Annotated[float, typer.Option(help="Seconds for a cell.")] = 1.0,
    start: Annotated[float, typer.Option(help="Seconds to begin with a group.")] = 3.0,
    draws: Annotated[int, typer.Option(help="Draws that are averaged.")] = 20,
) -> None:
    """Print a row for each laboratory, with the border and without."""
    print(f"Samples of {sample}, accepted from a bound of {least:g}; {answer:g} s an answer, {start:g} s a group.\n")
    print("| cells | laboratory | border | cells in all | bins tried | groups | labels | right | labels a minute |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind, name, vectors, read, truth in projects(data, embeddings):
        for wanted in (False, True):
            way = Way(sample, least, answer, start, wanted)
            found = [work(vectors, read, truth, way, seed) for seed in range(draws)]
            labels, seconds = sum(one.labels for one in found), sum(one.seconds for one in found)
            right = sum(one.group_right + one.single for one in found)
            cells = [kind, name, "sought" if wanted else "none", f"{len(truth):,}"]
            cells += [f"{np.mean([one.tried for one in found]):.1f}", f"{np.mean([one.groups for one in found]):.1f}"]
            cells += [f"{labels / draws:,.0f}", f"{right / labels:.4f}" if labels else ""]
            cells += [f"{60 * labels / seconds:,.0f}" if labels else ""]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    typer.run(main)
