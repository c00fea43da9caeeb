"""Where fields lie on their film, and which of their cells another field shows as well.

Tiles that a program exports carry their place in the name (``x=1024,y=2048``, as QuPath writes it, or
``x1024_y2048``); of a motorized stage a table gives it. Where nothing tells it, fields that overlap count a cell once
each, and whoever searches them is told so.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hemosight.errors import BadTable
from hemosight.images.finding.cells import BORDER, SAME, FoundCell, shared

_NAMED = re.compile(
    r"(?<![A-Za-z])x ?[=:_-]? ?(?P<x>\d+(?:\.\d+)?)[ ,;_-]*y ?[=:_-]? ?(?P<y>\d+(?:\.\d+)?)(?![A-Za-z0-9])"
    r"(?:[ ,;_-]*w ?= ?\d+(?:\.\d+)?[ ,;_-]*h ?= ?\d+(?:\.\d+)?)?",
    re.IGNORECASE,
)
_REDUCED = re.compile(r"(?<![A-Za-z])d ?= ?(?P<d>\d+(?:\.\d+)?) ?,", re.IGNORECASE)
_LEAST_STEP = 0.05
"""Fields whose places differ by less than this share of their size show nearly the same picture: such numbers count
columns and rows and are no pixels."""
_FARTHEST = 1e9
"""Pixels from a film's corner from which a number is no place: films have some hundred thousand."""
COLUMNS = ("image", "x", "y")
MICRONS = ("image", "x_um", "y_um")


@dataclass(frozen=True)
class FieldPlace:
    """Where a field lies.

    Parameters
    ----------
    film
        What fields of one film share: folder and name, without the place in it.
    x, y
        Upper left corner on the film, in the field's pixels.
    """

    film: str
    x: float
    y: float


def by_name(name: str) -> FieldPlace | None:
    """The place that a file's name gives (with its folders, ``/`` between them); None where it gives none.

    >>> by_name("film/7 [d=2,x=1024,y=512,w=2048,h=2048].tif")
    FieldPlace(film='film/7 []', x=512.0, y=256.0)
    """
    path = PurePosixPath(name)
    found = _NAMED.search(path.stem)
    if found is None:
        return None
    reduced = _REDUCED.search(path.stem)
    by = max(float(reduced["d"]), 1e-6) if reduced else 1.0
    x, y = float(found["x"]) / by, float(found["y"]) / by
    if not (x < _FARTHEST and y < _FARTHEST):  # a number of many digits is infinite
        return None
    rest = _REDUCED.sub("", path.stem[: found.start()]) + path.stem[found.end() :]
    return FieldPlace((path.parent / rest).as_posix(), x, y)


def read(table: Path, mpp: Mapping[str, float]) -> dict[str, FieldPlace]:
    """Places by image from a table with the columns image, x, y (pixels), or image, x_um, y_um (micrometres).

    ``mpp`` is the micrometres a pixel of each image. Images of one folder are of one film. Raises
    :class:`~hemosight.errors.BadTable`.
    """
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    given = tuple(rows[0]) if rows else ()
    columns = next((names for names in (COLUMNS, MICRONS) if set(names) <= set(given)), None)
    if columns is None:
        raise _bad(table, f"the columns {', '.join(COLUMNS)} or {', '.join(MICRONS)}", ", ".join(given) or "no row")
    found: dict[str, FieldPlace] = {}
    for number, row in enumerate(rows, start=2):
        name = (row["image"] or "").replace("\\", "/")
        try:
            x, y = float(row[columns[1]]), float(row[columns[2]])
            by = mpp.get(name, 1.0) if columns == MICRONS else 1.0
            x, y = x / by, y / by
            if not (abs(x) < _FARTHEST and abs(y) < _FARTHEST):  # infinite, or no number
                raise ValueError
        except (TypeError, ValueError):
            raise _bad(table, f"numbers in line {number}", f"{row[columns[1]]!r}, {row[columns[2]]!r}") from None
        found[name] = FieldPlace(PurePosixPath(name).parent.as_posix(), x, y)
    return found


def _bad(table: Path, expected: str, came: str) -> BadTable:
    return BadTable(
        expected=expected,
        came=came,
        path=str(table),
        mend="Write a row for each field: its file and its upper left corner.",
    )


def in_pixels(placed: Mapping[str, tuple[FieldPlace, int, int]]) -> dict[str, FieldPlace]:
    """Those places that can be pixels, of fields with their width and height.

    Numbers so near one another that fields would show nearly the same are of columns and rows: how far such fields
    overlap they do not tell. Of a film on which two fields lie at one place no place is known
    (:func:`is_of_two_films`).
    """
    films: dict[str, list[str]] = {}
    for name, (place, _, _) in placed.items():
        films.setdefault(place.film, []).append(name)
    kept: dict[str, FieldPlace] = {}
    for names in films.values():
        own = [placed[name][0] for name in names]
        if not is_of_two_films(own) and all(_apart(placed, names, axis) for axis in (0, 1)):
            kept |= {name: placed[name][0] for name in names}
    return kept


def is_of_two_films(places: Sequence[FieldPlace]) -> bool:
    """Whether two fields lie at one place of a film: they are of two slides that were exported under the same names."""
    return len({(place.film, place.x, place.y) for place in places}) < len(places)


def _apart(placed: Mapping[str, tuple[FieldPlace, int, int]], names: Sequence[str], axis: int) -> bool:
    values = sorted({(placed[name][0].x, placed[name][0].y)[axis] for name in names})
    size = max(placed[name][1:][axis] for name in names)
    steps = [after - before for before, after in itertools.pairwise(values)]
    # A stage does not come back to the very pixel: only steps beyond its play tell.
    steps = [step for step in steps if step >= 1]
    return not steps or max(steps) >= _LEAST_STEP * size


@dataclass(frozen=True)
class FilmCell:
    """A cell as one field shows it: the field's name, the cell's number in it, and its box on the film."""

    field: str
    number: int
    cell: FoundCell


def seen_again(cells: Sequence[FilmCell]) -> dict[tuple[str, int], FilmCell]:
    """Which cells of a film are counted in another field: by field and number, with the one that stands for them.

    Two boxes of different fields that share most of the smaller one are of one cell, so that places may be wrong by
    half a red cell. The one that no border cuts stands; of several the surest.
    """
    ordered = sorted(cells, key=lambda one: (BORDER in one.cell.marks, -one.cell.score, one.field, one.number))
    widest = max((max(one.cell.width, one.cell.height) for one in ordered), default=1.0)
    squares: dict[tuple[int, int], list[FilmCell]] = {}
    found: dict[tuple[str, int], FilmCell] = {}
    for one in ordered:
        column, row = int(one.cell.x // widest), int(one.cell.y // widest)
        near = (
            other
            for down in (row - 1, row, row + 1)
            for across in (column - 1, column, column + 1)
            for other in squares.get((across, down), ())
        )
        same = next(
            (other for other in near if other.field != one.field and shared(one.cell, other.cell) >= SAME), None
        )
        if same is None:
            squares.setdefault((column, row), []).append(one)
        else:
            found[one.field, one.number] = same
    return found
