"""What the readings of a panel say together: agreement, consensus, each reader's figures, what it may teach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.palette import UNSURE, ordered
from hemosight.scoring import raters
from hemosight.scoring.agreement import Agreement, agreement
from hemosight.scoring.dawid_skene import Consensus, counts_of, dawid_skene, reader_intervals, suspects
from hemosight.scoring.metrics import Interval
from hemosight.scoring.qualitative import share
from hemosight.scoring.raters import Chance
from hemosight.service.storage.panels import AGAIN, AIDED, FIRST

_PRIOR = 0.05
"""Added to a reader's matrix: a reader of few cells is not believed infallible."""


@dataclass(frozen=True)
class PanelAnswer:
    """One reading."""

    image: int
    user: int
    turn: int
    label: str
    ms: int | None = None


@dataclass(frozen=True)
class CellOfPanel:
    """A cell and its case; what was known of it: the model's reading, what was shown in the aided turn, its mark."""

    image: int
    predicted: str | None = None
    shown: str | None = None
    mark: str | None = None
    case: int | None = None


@dataclass(frozen=True)
class CaseTime:
    """How long a reader took over the cells of one case, in milliseconds.

    ``cells`` are those of the case that were timed in both turns where the session has an aided one, so that the two
    sums are of the same cells; ``aided`` is None without one.
    """

    user: int
    case: int
    cells: int
    blind: int
    aided: int | None


@dataclass(frozen=True)
class ReaderResult:
    """One reader.

    Parameters
    ----------
    read, unsure
        First readings given, and those of them that are ``?``.
    own
        Agreement with themselves on the repeated cells (Cohen's kappa); None where none was repeated.
    accuracy
        Share named right if the consensus' model of readers holds; None without a consensus.
    score
        Share of the marked cells named right (unsure counts as wrong); None where nothing is marked.
    aided_score
        The same with the model's reading shown.
    followed
        Of the wrong readings that were planted and shown, the share that the reader kept: automation bias.
    misled
        Of those planted readings, the share that the reader had given blind: what would be kept without any bias.
    median_ms, aided_ms
        Median time of a reading, blind and aided.
    case_ms, aided_case_ms
        Median over cases of the time for a case's cells, blind and aided.
    confusion
        (reference, said, count) of the first readings; the reference is the mark, without marks the consensus.
    """

    user: int
    read: int
    unsure: int
    own: Agreement | None
    accuracy: Interval | None
    score: Interval | None
    aided_score: Interval | None
    followed: Interval | None
    misled: Interval | None
    median_ms: float | None
    aided_ms: float | None
    case_ms: float | None
    aided_case_ms: float | None
    confusion: list[tuple[str, str, int]]


@dataclass(frozen=True)
class CellResult:
    """One cell: what each reader called it at first, and what the consensus has."""

    image: int
    said: dict[int, str]
    consensus: str | None
    probability: float | None
    differing: bool
    suspect: list[int]
    """Readers whose label is probably wrong."""


@dataclass(frozen=True)
class PanelResult:
    """What a panel came to."""

    together: list[tuple[str, Chance, Chance]]
    """All types, then each type against the rest: AC1 and Fleiss' kappa."""
    pairs: list[tuple[int, int, Agreement]]
    readers: list[ReaderResult]
    cells: list[CellResult]
    times: list[CaseTime]
    """By reader and case; empty where nothing was timed."""


def results(cells: Sequence[CellOfPanel], said: Sequence[PanelAnswer], readers: Sequence[int]) -> PanelResult:
    """Agreement, consensus, and every reader's figures, from whatever has been read so far."""
    first: dict[int, dict[int, str]] = {}
    for one in said:
        if one.turn == FIRST:
            first.setdefault(one.image, {})[one.user] = one.label
    sure = {image: {user: label for user, label in by.items() if label != UNSURE} for image, by in first.items()}
    types = list(ordered({label for by in sure.values() for label in by.values()}))
    images = [cell.image for cell in cells if sure.get(cell.image)]
    found = _consensus(images, sure, readers, types)
    best = {image: types[int(found.labels[place])] for place, image in enumerate(images)} if found is not None else {}
    counts = _counts(images, sure, readers, types)
    bad = _suspects(images, readers, counts, found)
    intervals = reader_intervals(counts, prior=_PRIOR, draws=100) if found is not None else None
    times = case_times(cells, said, readers)
    right = {cell.image: cell.mark for cell in cells if cell.mark is not None} or best
    marked = any(cell.mark is not None for cell in cells)
    return PanelResult(
        together=_together(images, sure, types),
        pairs=_pairs(sure, readers),
        readers=[
            _reader(
                user,
                cells,
                said,
                right,
                marked,
                None if intervals is None else intervals[place],
                [one for one in times if one.user == user],
            )
            for place, user in enumerate(readers)
        ],
        times=times,
        cells=[
            CellResult(
                image=cell.image,
                said=first.get(cell.image, {}),
                consensus=best.get(cell.image),
                probability=None
                if found is None or cell.image not in best
                else float(found.posterior[images.index(cell.image)].max()),
                differing=len(set(first.get(cell.image, {}).values())) > 1,
                suspect=sorted(bad.get(cell.image, set())),
            )
            for cell in cells
        ],
    )


def case_times(cells: Sequence[CellOfPanel], said: Sequence[PanelAnswer], readers: Sequence[int]) -> list[CaseTime]:
    """How long each reader took over the cells of each case, by reader and case; repeated readings do not count."""
    case_of = {cell.image: cell.case for cell in cells if cell.case is not None}
    timed: dict[tuple[int, int], dict[int, int]] = {}
    for one in said:
        if one.ms is not None and one.image in case_of and one.turn in (FIRST, AIDED):
            timed.setdefault((one.user, one.turn), {})[one.image] = one.ms
    aided = any(turn == AIDED for _, turn in timed)
    found = []
    for user in readers:
        first, second = timed.get((user, FIRST), {}), timed.get((user, AIDED), {})
        both = first.keys() & second.keys() if aided else first.keys()
        for case in sorted({case_of[image] for image in both}):
            own = [image for image in both if case_of[image] == case]
            sums = [sum(turn[image] for image in own) for turn in ((first, second) if aided else (first,))]
            found.append(CaseTime(user, case, len(own), sums[0], sums[1] if aided else None))
    return found


def teaching(
    cells: Sequence[CellOfPanel], said: Sequence[PanelAnswer], readers: Sequence[int], decided: Mapping[int, str]
) -> dict[int, dict[str, float]]:
    """What a panel teaches of each cell: type -> its probability by the consensus; a decision stands for itself alone.

    Cells of which nobody named a type are left out, and all that nobody decided where there is no consensus. A type
    that is no cell's most probable one, and that nobody decided for, is not taught: all types are read as equally
    likely beforehand, so that a class made of crumbs of other types would be read as often as a real one.
    """
    first: dict[int, dict[int, str]] = {}
    for one in said:
        if one.turn == FIRST and one.label != UNSURE:
            first.setdefault(one.image, {})[one.user] = one.label
    types = list(ordered({label for by in first.values() for label in by.values()}))
    images = [cell.image for cell in cells if first.get(cell.image)]
    found = _consensus(images, first, readers, types)
    known = {cell.image for cell in cells}
    sure = {image: label for image, label in decided.items() if image in known and label != UNSURE}
    shares = {} if found is None else _of_taught_types(found.posterior, images, types, set(sure.values()))
    return shares | {image: {label: 1.0} for image, label in sure.items()}


def _of_taught_types(
    posterior: NDArray[np.float64], images: Sequence[int], types: Sequence[str], decided: Collection[str]
) -> dict[int, dict[str, float]]:
    """Probabilities (cells x types) of the types that are some cell's most probable or decided, to a sum of 1."""
    most = set(posterior.argmax(axis=1).tolist())
    kept = [code for code, name in enumerate(types) if code in most or name in decided]
    rows = posterior[:, kept]
    rows /= rows.sum(axis=1, keepdims=True)
    names = [types[code] for code in kept]
    return {image: dict(zip(names, row, strict=True)) for image, row in zip(images, rows.tolist(), strict=True)}


def _counts(
    images: Sequence[int], sure: Mapping[int, Mapping[int, str]], readers: Sequence[int], types: Sequence[str]
) -> NDArray[np.float64]:
    place, column = {user: at for at, user in enumerate(readers)}, {name: at for at, name in enumerate(types)}
    triples = [
        (row, place[user], column[label])
        for row, image in enumerate(images)
        for user, label in sure[image].items()
        if user in place
    ]
    return counts_of(triples, len(images), len(readers), len(types))


def _consensus(
    images: Sequence[int], sure: Mapping[int, Mapping[int, str]], readers: Sequence[int], types: Sequence[str]
) -> Consensus | None:
    """None with fewer than two types or readers: there is nothing to weigh."""
    if len(types) < 2 or len(readers) < 2 or not images:
        return None
    return dawid_skene(_counts(images, sure, readers, types), prior=_PRIOR)


def _suspects(
    images: Sequence[int], readers: Sequence[int], counts: NDArray[np.float64], found: Consensus | None
) -> dict[int, set[int]]:
    named: dict[int, set[int]] = {}
    if found is not None:
        for cell, reader, _, _ in suspects(counts, found):
            named.setdefault(images[cell], set()).add(readers[reader])
    return named


def _together(
    images: Sequence[int], sure: Mapping[int, Mapping[int, str]], types: Sequence[str]
) -> list[tuple[str, Chance, Chance]]:
    labels = [list(sure[image].values()) for image in images if len(sure[image]) > 1]
    if not labels or not types:
        return []
    counts = raters.counted(labels, types)
    rows = [("all", raters.gwet(counts), raters.fleiss(counts))]
    for column, name in enumerate(types):
        own = counts[:, column]
        both = np.stack([own, counts.sum(axis=1) - own], axis=1)
        rows.append((name, raters.gwet(both), raters.fleiss(both)))
    return rows


def _pairs(sure: Mapping[int, Mapping[int, str]], readers: Sequence[int]) -> list[tuple[int, int, Agreement]]:
    return [
        (one, other, agreement([(by[one], by[other]) for by in sure.values() if one in by and other in by]))
        for one, other in combinations(readers, 2)
    ]


def _reader(
    user: int,
    cells: Sequence[CellOfPanel],
    said: Sequence[PanelAnswer],
    right: Mapping[int, str],
    marked: bool,
    accuracy: Interval | None,
    times: Sequence[CaseTime],
) -> ReaderResult:
    by_turn: dict[int, dict[int, PanelAnswer]] = {FIRST: {}, AGAIN: {}, AIDED: {}}
    for one in said:
        if one.user == user:
            by_turn[one.turn][one.image] = one
    first, again, aided = (by_turn[turn] for turn in (FIRST, AGAIN, AIDED))
    twice = [(first[image].label, one.label) for image, one in again.items() if image in first]
    planted = [
        cell for cell in cells if cell.shown is not None and cell.shown != cell.predicted and cell.image in aided
    ]

    blind = [cell for cell in planted if cell.image in first]

    def score(of: Mapping[int, PanelAnswer]) -> Interval | None:
        judged = [image for image in of if image in right]
        return (
            share(sum(of[image].label == right[image] for image in judged), len(judged)) if marked and judged else None
        )

    pairs = Counter((right[image], one.label) for image, one in first.items() if image in right)
    return ReaderResult(
        user=user,
        read=len(first),
        unsure=sum(one.label == UNSURE for one in first.values()),
        own=agreement(twice) if twice else None,
        accuracy=accuracy,
        score=score(first),
        aided_score=score(aided),
        followed=share(sum(aided[cell.image].label == cell.shown for cell in planted), len(planted))
        if planted
        else None,
        misled=share(sum(first[cell.image].label == cell.shown for cell in blind), len(blind)) if blind else None,
        median_ms=_median(first),
        aided_ms=_median(aided),
        case_ms=_middle([one.blind for one in times]),
        aided_case_ms=_middle([one.aided for one in times if one.aided is not None]),
        confusion=[(reference, label, n) for (reference, label), n in sorted(pairs.items(), key=lambda pair: -pair[1])],
    )


def _median(of: Mapping[int, PanelAnswer]) -> float | None:
    return _middle([one.ms for one in of.values() if one.ms is not None])


def _middle(times: Sequence[int]) -> float | None:
    return float(np.median(times)) if times else None
