"""A statement of trust: how well a case is read, from what people said of its cells.

What counts are single answers, each the first of its cell: agreeing with a whole bin is no measurement. "Right before
you said so" compares an answer with what the model said at that moment. That is a past model's score, on cells asked
because they were hard. The interval is of the model as it is now: of *check cells* alone, a fixed random part of a
case that the queue asks in a fixed order whatever the model thinks of them, each read by a classifier that learnt
every label but its own.

An answer measures the model that was read when it was given: those under another bundle of the project are counted
apart, and nothing is made of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.intervals import exact
from hemosight.scoring.agreement import Judgement

CHECKS, MOST_CHECKS = 0.4, 20
"""Share of a case's cells that are check cells, and how many at most."""
EVERY = 4
"""After the typical cells every so many-th answer is a check."""
START = 10
"""Typical cells that the queue begins with."""
LEAST, MOST = 10, 32
"""Answers before which the queue does not end, and after which it asks only what a foreign case still lacks."""
STEP, STILL = 8, 0.02
"""The queue ends when its last so many answers moved at most this share of the open cells."""
LAST = 10
"""Answers that "the last ones" are."""


def draws(images: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number between 0 and 1 for each image, fixed and without order (splitmix64)."""
    with np.errstate(over="ignore"):
        x = images.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return x.astype(np.float64) / 2.0**64


def check_cells(images: NDArray[np.int64]) -> NDArray[np.int64]:
    """The check cells among the images of one case, in the order in which they are asked: the smallest draws.

    They are kept from being asked for any other reason, so few are better: of every cell that the queue may not ask
    because it is hard, a mistake may stay.
    """
    count = min(MOST_CHECKS, int(CHECKS * len(images)))
    return images[np.argsort(draws(images), kind="stable")[:count]]


@dataclass(frozen=True)
class TypeTrust:
    """Of the cells that people called one type: how many were asked, and how many the model had read so."""

    label: str
    asked: int
    right: int


@dataclass(frozen=True)
class Trust:
    """What was asked of a case, and what the model had said.

    Parameters
    ----------
    asked, right
        Single answers, and those that the model had read so before.
    last, last_right
        The same of the newest :data:`LAST`.
    checks, checks_right
        Answers on check cells, and those that the model reads so now without their own label.
    low, high
        The exact 95 % interval of the accuracy on check cells, which are few; 0 and 1 before there is one.
    by_type
        By what people said, most frequent first.
    never_seen
        Types of the label set that no person has named in this case.
    in_bulk
        Labels given to several cells at once: no measurement.
    earlier
        Single answers that were given while another bundle read the project: they measure that one.
    """

    asked: int
    right: int
    last: int
    last_right: int
    checks: int
    checks_right: int
    low: float
    high: float
    by_type: list[TypeTrust]
    never_seen: list[str]
    in_bulk: int
    earlier: int


def trust(
    judgements: Sequence[Judgement], types: Sequence[str], left_out: Mapping[int, str], checks: Collection[int]
) -> Trust:
    """The statement for a case, or for the cases of a scanner profile.

    Parameters
    ----------
    judgements
        Every label of the cells, in order.
    types
        The classes of the label set.
    left_out
        What labelled images are read as by a classifier that learnt every label but theirs.
    checks
        Images that are check cells of their case.
    """
    seen: set[int] = set()
    firsts = [one for one in judgements if not (one.image in seen or seen.add(one.image))]
    said = [one for one in firsts if one.single and one.predicted is not None]
    right = np.array([one.label == one.predicted for one in said], np.bool_)
    checked = [one for one in said if one.image in checks and one.image in left_out]
    checks_right = sum(left_out[one.image] == one.label for one in checked)
    low, high = exact(checks_right, len(checked))
    labels = np.array([one.label for one in said], np.str_)
    by_type = [
        TypeTrust(name, int((labels == name).sum()), int(right[labels == name].sum()))
        for name in np.unique(labels).tolist()
    ]
    named = {one.label for one in judgements}
    return Trust(
        asked=len(said),
        right=int(right.sum()),
        last=len(right[-LAST:]),
        last_right=int(right[-LAST:].sum()),
        checks=len(checked),
        checks_right=checks_right,
        low=low,
        high=high,
        by_type=sorted(by_type, key=lambda one: -one.asked),
        never_seen=[name for name in types if name not in named],
        in_bulk=sum(not one.single for one in firsts),
        earlier=sum(one.single and one.earlier for one in firsts),
    )
