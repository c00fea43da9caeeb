"""Agreement: Cohen's kappa of two who judged the same cells, with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import sqrt

import numpy as np

_Z = 1.959963984540054
"""The 97.5 % point of the standard normal."""


@dataclass(frozen=True)
class Judgement:
    """One fact, as far as agreement goes: what a person said, and what the model had said.

    ``single`` is whether the cell was labelled by itself: who labels many at once has not judged each. ``earlier`` is
    whether another model than today's was read then: what that one said is not in ``predicted``.
    """

    image: int
    user: int
    label: str
    predicted: str | None
    single: bool = True
    earlier: bool = False


@dataclass(frozen=True)
class Agreement:
    """How far two agree beyond chance.

    Parameters
    ----------
    kappa, low, high
        Cohen's kappa (1960) with the 95 % interval of Fleiss, Cohen and Everitt (1969); None where chance alone would
        agree on everything or nothing was compared.
    share
        Share of cells they agree on; None where nothing was compared.
    n
        Cells.
    table
        (one, other, count), most frequent first.
    """

    kappa: float | None
    low: float | None
    high: float | None
    share: float | None
    n: int
    table: list[tuple[str, str, int]]


def agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Compare what two said, one pair a cell."""
    counts = Counter(pairs)
    table = [(one, other, n) for (one, other), n in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]
    n = len(pairs)
    if not n:
        return Agreement(None, None, None, None, 0, table)
    names = sorted({name for pair in counts for name in pair})
    p = np.zeros((len(names), len(names)))
    for (one, other), count in counts.items():
        p[names.index(one), names.index(other)] = count / n
    rows, columns, same = p.sum(axis=1), p.sum(axis=0), np.diag(p)
    share, chance = float(same.sum()), float(rows @ columns)
    if chance > 1.0 - 1e-12:
        return Agreement(None, None, None, share, n, table)
    kappa = (share - chance) / (1.0 - chance)
    # Fleiss, Cohen and Everitt (1969), Psychological Bulletin 72:323, formula 13.
    hits = float((same * (1.0 - (rows + columns) * (1.0 - kappa)) ** 2).sum())
    crossed = p * (columns[:, None] + rows[None, :]) ** 2
    misses = (1.0 - kappa) ** 2 * float(crossed.sum() - np.diag(crossed).sum())
    variance = (hits + misses - (kappa - chance * (1.0 - kappa)) ** 2) / (n * (1.0 - chance) ** 2)
    half = _Z * sqrt(max(variance, 0.0))
    return Agreement(kappa, max(kappa - half, -1.0), min(kappa + half, 1.0), share, n, table)


def with_model(judgements: Sequence[Judgement]) -> Agreement:
    """People against the model: each cell's label that was given last against what the model said before anybody had.

    What the model says later it may have learnt from that very label. Cells first labelled many at once do not count.
    """
    first: dict[int, str] = {}
    last: dict[int, str] = {}
    seen: set[int] = set()
    for judgement in judgements:
        if judgement.image not in seen and judgement.single and judgement.predicted is not None:
            first[judgement.image] = judgement.predicted
        seen.add(judgement.image)
        last[judgement.image] = judgement.label
    return agreement([(last[image], said) for image, said in first.items()])


@dataclass(frozen=True)
class InBulk:
    """Cells that were first labelled many at once: how many, and how many of them as the model had read them."""

    cells: int
    as_read: int


def in_bulk(judgements: Sequence[Judgement]) -> InBulk:
    """What :func:`with_model` leaves out: whoever agrees with a whole bin has not judged each of its cells.

    Of today's model alone: the others are left out whoever labelled them.
    """
    seen: set[int] = set()
    firsts = [one for one in judgements if not (one.image in seen or seen.add(one.image))]
    bulk = [one for one in firsts if not one.single and not one.earlier]
    return InBulk(len(bulk), sum(one.label == one.predicted for one in bulk))


def among_people(judgements: Sequence[Judgement]) -> list[tuple[int, int, Agreement]]:
    """Every two people who labelled the same cells, each by their last label."""
    said: dict[int, dict[int, str]] = {}
    for judgement in judgements:
        said.setdefault(judgement.user, {})[judgement.image] = judgement.label
    found = []
    for one, other in combinations(sorted(said), 2):
        common = sorted(said[one].keys() & said[other].keys())
        if common:
            found.append((one, other, agreement([(said[one][image], said[other][image]) for image in common])))
    return found


MILESTONES = (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240)


def so_far(judgements: Sequence[Judgement]) -> list[tuple[int, list[str], list[str]]]:
    """The review in stretches: labels given until then, and of the stretch what people and what the model said.

    Each cell counts once, by its first label and what the model said before it: tested, then taught. Cells labelled
    many at once do not count: agreeing with a bin measures nothing.
    """
    seen: set[int] = set()
    firsts = [one for one in judgements if not (one.image in seen or seen.add(one.image))]
    firsts = [one for one in firsts if one.single and one.predicted is not None]
    ends = [end for end in MILESTONES if end <= len(firsts)]
    return [
        (end, [one.label for one in firsts[start:end]], [str(one.predicted) for one in firsts[start:end]])
        for start, end in pairwise([0, *ends])
    ]
