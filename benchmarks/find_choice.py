"""What ``--choose`` of find.py does: every choice made without a laboratory, and that laboratory then read once.

The rule, stated before any laboratory was read by it. Inside are the fields of all other laboratories, 50 drawn fields
of as many laboratories and 25 drawn ones without a white cell, and crops of other laboratories. Every combination of
``GRID`` is fitted on four fifths of the fields inside and judged on the rest, five times over; the F1 of each source
(drawn, laboratory) is taken over all its fields, and the highest mean of the sources wins. Means that are alike to four
digits go to the combination that comes first: candidates stand from simple to less so. Then each of ``FURTHER`` is
tried, one at a time and in order, beside what was chosen so far, and kept where the mean rises; the margin, where the
mean IoU rises and F1 does not fall. Crops of a laboratory whose fields are judged take no part in that, since they show
the same cells; the weights that the left-out laboratory is read with are fitted on everything inside.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from find_fields import Known, drawn
from find_weights import (
    COLOUR,
    CROPS,
    DENSITY,
    EVERY,
    Candidates,
    Model,
    Seen,
    Shown,
    candidates,
    fit,
    measured,
    see,
    shown,
)

from hemosight.images.finding import cells, nuclei, stain
from hemosight.images.finding.cells import FoundCell
from hemosight.images.finding.evidence import FEATURES
from hemosight.scoring.boxes import Box, matched

FEW = ("share", "area", "solid", "edge", "clear")
SETS = {
    "few": FEW,
    "relative": FEATURES,
    "relative and density": (*FEATURES, *DENSITY),
    "relative and colour": (*FEATURES, *COLOUR),
    "all": EVERY,
}
FOLDS = 5
_PLACES = {
    "blue": (stain, "_BLUE"),
    "rim": (stain, "_RIM"),
    "gap": (nuclei, "_GAP"),
    "joined": (nuclei, "_JOINED"),
    "neck": (nuclei, "_NECK"),
    "same": (cells, "SAME"),
    "margin": (cells, "_MARGIN"),
}


@dataclass(frozen=True)
class Choice:
    """The free choices of the search; the defaults are what ships, as are the names (``images/finding``).

    ``features`` is one of :data:`SETS`, ``over_red`` 0 where nuclei are not compared with red cells, ``least`` the
    score from which something is a white cell.
    """

    features: str = "relative"
    over_red: float = cells._OVER_RED
    least: float = cells.FOUND
    blue: float = stain._BLUE
    rim: float = stain._RIM
    gap: float = nuclei._GAP
    joined: float = nuclei._JOINED
    neck: float = nuclei._NECK
    same: float = cells.SAME
    margin: float = cells._MARGIN

    @property
    def pieces(self) -> tuple[float, ...]:
        """What the nuclei depend on."""
        return self.blue, self.rim, self.gap, self.joined, self.neck


START = Choice(margin=0.2)
"""What is not in the grid begins as shipped, but the margin, which is the mean of all laboratories."""
GRID: dict[str, tuple[Any, ...]] = {
    "features": tuple(SETS),
    "over_red": (0.0, 1.5, 2.1, 2.8),
    "least": (0.5, 0.4, 0.6, 0.3, 0.7),
    "same": (0.45, 0.3, 0.6),
}
FURTHER: dict[str, tuple[float, ...]] = {
    "margin": (0.15, 0.25, 0.3),
    "blue": (0.0, 1.0),
    "rim": (1.5, 3.5),
}


@dataclass(frozen=True)
class Looked:
    """A field as it is searched, and all that may be a nucleus in it."""

    known: Known
    field: stain.Prepared
    found: list[nuclei.Nucleus]
    values: np.ndarray


@contextmanager
def shipping(choice: Choice) -> Iterator[None]:
    """``images/finding`` with these constants, and then with its own again."""
    before = [(module, name, getattr(module, name)) for module, name in _PLACES.values()]
    for own, (module, name) in _PLACES.items():
        setattr(module, name, getattr(choice, own))
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def look(known: Known, choice: Choice) -> Looked:
    """Prepare a field and cut its nuclei."""
    with shipping(choice):
        field = stain.prepare(known.pixels, known.red_cell_px)
        found = nuclei.nuclei(field)
        return Looked(known, replace(field, stain=field.stain[:0]), found, measured(field, found))


def found(looked: Looked, model: Model, choice: Choice) -> list[FoundCell]:
    """What ``finder.find`` finds with these weights and choices, the surest first, without marks for touching."""
    if not looked.found:
        return []
    scores = model.scored(looked.values)
    return _kept(looked, scores, _over(looked, scores), choice)


def _over(looked: Looked, scores: np.ndarray) -> np.ndarray:
    return cells.over_red_cells(looked.field, looked.found, scores >= cells.FOUND)


def _kept(looked: Looked, scores: np.ndarray, over: np.ndarray, choice: Choice) -> list[FoundCell]:
    height, width, _ = looked.known.pixels.shape
    with shipping(choice):
        over_red = choice.over_red or -np.inf
        own = []
        for row in np.flatnonzero((scores >= choice.least) & (over >= over_red)).tolist():
            shipped = looked.values[row, : len(FEATURES)]
            own.append(cells._cell(looked.found[row], shipped, float(scores[row]), looked.field, (width, height)))
        return cells.without_doubles(own)


def boxes_of(own: Sequence[FoundCell]) -> list[Box]:
    """Their boxes."""
    return [(cell.x, cell.y, cell.x + cell.width, cell.y + cell.height) for cell in own]


class Inside:
    """The fields and crops that a choice is made on; there is nothing else that it could see."""

    def __init__(self, fields: dict[str, list[Known]], pictures: Sequence[Shown]) -> None:
        """Take fields by source, and pictures to learn from, changed fields of the same names among them."""
        self.fields = fields
        # Crops of a laboratory whose fields are judged show the same cells.
        self.pictures = [one for one in pictures if one.boxes is not None or one.source not in fields]
        self._pieces: tuple[float, ...] = ()
        self._seen: list[Seen] = []
        self._looked: list[tuple[str, Looked]] = []
        self._known: list[Candidates] = []

    def judged(self, choices: Sequence[Choice]) -> list[tuple[float, float]]:
        """Cross-validated F1 and IoU, means over sources, of choices that have nuclei and margin in common."""
        self._look(choices[0])
        tally = np.zeros((len(choices), len(self.fields), 4))  # met, known, found, sum of IoU
        names = list(self.fields)
        for features in dict.fromkeys(choice.features for choice in choices):
            for fold in range(FOLDS):
                model = fit([one for one in self._known if not self._tested(one, fold)], SETS[features])
                for source, looked in self._looked:
                    if _fold(source, looked.known.name) == fold:
                        rows = [row for row, choice in enumerate(choices) if choice.features == features]
                        counted = _counts(looked, model, [choices[row] for row in rows])
                        tally[rows, names.index(source)] += counted
        met, known, found_, iou = np.moveaxis(tally, 2, 0)
        f1 = 2 * met / np.maximum(known + found_, 1)
        return list(zip(f1.mean(axis=1).tolist(), (iou / np.maximum(met, 1)).mean(axis=1).tolist(), strict=True))

    def _tested(self, one: Candidates, fold: int) -> bool:
        return one.source in self.fields and _fold(one.source, one.name) == fold

    def _look(self, choice: Choice) -> None:
        if choice.pieces != self._pieces:
            with shipping(choice):
                self._seen = [see(one) for one in self.pictures]
            self._looked = [(name, look(field, choice)) for name, own in self.fields.items() for field in own]
        self._known = [candidates(one, choice.margin) for one in self._seen]
        self._pieces = choice.pieces


def choose(
    inside: Inside, grid: dict[str, tuple[Any, ...]] | None = None, further: dict[str, tuple[float, ...]] | None = None
) -> tuple[Choice, float]:
    """What the rule of this module chooses, and its cross-validated F1."""
    grid, further = GRID if grid is None else grid, FURTHER if further is None else further
    choices = [replace(START, **dict(zip(grid, own, strict=True))) for own in product(*grid.values())]
    judged = inside.judged(choices)
    place = max(range(len(choices)), key=lambda row: (round(judged[row][0], 4), -row))
    choice, f1, iou = choices[place], round(judged[place][0], 4), judged[place][1]
    for features in grid.get("features", ()):
        best = max(one for own, (one, _) in zip(choices, judged, strict=True) if own.features == features)
        print(f"  {features}: at most {best:.4f}", file=sys.stderr, flush=True)
    print(f"  of the grid {f1:.4f}: {told(choice)}", file=sys.stderr, flush=True)
    for name, values in further.items():
        if f1 == 1 and name != "margin":  # nothing can rise
            continue
        begun = choice
        for value in values:
            other = replace(begun, **{name: value})
            ((its_f1, its_iou),) = inside.judged([other])
            its_f1 = round(its_f1, 4)
            print(f"  {name} {value}: {its_f1:.4f}, beside {f1:.4f}", file=sys.stderr, flush=True)
            if its_f1 > f1 or (name == "margin" and its_f1 == f1 and its_iou > iou + 1e-4):
                choice, f1, iou = other, its_f1, its_iou
    return choice, f1


def _fold(source: str, name: str) -> int:
    return zlib.crc32(f"{source}/{name}".encode()) % FOLDS


def _counts(looked: Looked, model: Model, choices: Sequence[Choice]) -> np.ndarray:
    """A row for each choice: pairs that meet, known, found, sum of their IoU."""
    known = looked.known.boxes
    counts = np.tile([0.0, len(known), 0.0, 0.0], (len(choices), 1))
    if not looked.found:
        return counts
    scores = model.scored(looked.values)
    over = _over(looked, scores)
    lowest = min(choice.least for choice in choices)
    # Only a surer box takes a box away: what is kept from a score upwards is what the lowest score keeps.
    kept: dict[tuple[float, ...], list[FoundCell]] = {}
    for row, choice in enumerate(choices):
        key = (choice.over_red, choice.same, choice.margin)
        if key not in kept:
            kept[key] = _kept(looked, scores, over, replace(choice, least=lowest))
        own = [cell for cell in kept[key] if cell.score >= choice.least]
        pairs = matched(boxes_of(own), known)
        counts[row] = [len(pairs), len(known), len(own), sum(iou for _, _, iou in pairs)]
    return counts


@dataclass(frozen=True)
class Chosen:
    """What was chosen without a laboratory, its cross-validated F1, and weights by that and by what ships."""

    choice: Choice
    f1: float
    model: Model
    as_shipped: Model


def drawings() -> list[Known]:
    """The drawn fields of the rule."""
    return [*drawn(50, seed=21), *drawn(25, seed=22, most=0)]


def without(
    name: str,
    fields: dict[str, list[Known]],
    data: Path | None,
    drawings: list[Known],
    grid: dict[str, tuple[Any, ...]] | None = None,
    further: dict[str, tuple[float, ...]] | None = None,
) -> Chosen:
    """Choose by all laboratories but one, crops in ``data``, and drawn fields."""
    own = {"drawn": drawings}
    own |= {other: known for other, known in fields.items() if other != name}
    pictures = shown(own, {pattern: px for pattern, px in CROPS.items() if pattern.split("/")[0] != name}, data)
    choice, f1 = choose(Inside(own, pictures), grid, further)
    return Chosen(choice, f1, _weights(pictures, choice), _weights(pictures, Choice()))


def _weights(pictures: Sequence[Shown], choice: Choice) -> Model:
    with shipping(choice):
        return fit([candidates(see(one), choice.margin) for one in pictures], SETS[choice.features])


def searched(known: Known, model: Model, choice: Choice) -> list[Box]:
    """Boxes that are found in a field."""
    return boxes_of(found(look(known, choice), model, choice))


def told(choice: Choice) -> str:
    """A choice in a line."""
    return ", ".join(f"{name} {value}" for name, value in asdict(choice).items())


def amiss(title: str, pairs: Sequence[tuple[list[Box], Known]]) -> None:
    """Print what was found beside the known boxes of fields that have a name of their own, and what was missed."""
    for own, field in pairs:
        met = matched(own, field.boxes)
        beside = [box for row, box in enumerate(own) if row not in {one for one, _, _ in met}]
        missed = [box for row, box in enumerate(field.boxes) if row not in {one for _, one, _ in met}]
        for what, those in (("beside", beside), ("missed", missed)):
            if those and not field.name.startswith("drawn"):
                print(f"{title}: {field.name}, {what} {[tuple(round(value) for value in box) for box in those]}")
