"""The page itself: one HTML file that needs no network, no script and no other file.

It shows what a reviewer looks at: the differential, every type's crops with the least certain first, and, where the
true labels are known, how far the two agree.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import simplejpeg

from hemosight.blood.differential import differential
from hemosight.blood.palette import PAGE, UNSURE, marks, ordered
from hemosight.blood.vocabulary import CELL_TYPE, title
from hemosight.engine.readings import Reading
from hemosight.errors import BadTable, UnreadableImage
from hemosight.images.catalog import over_files
from hemosight.images.decode import decode, read_bytes
from hemosight.images.preprocess import Preprocessing
from hemosight.scoring.metrics import Scores, scores
from hemosight.sheet.provenance import Provenance
from hemosight.space.novelty import UNUSUAL

SURE = 0.6
"""Below this probability a reading is called unsure."""
CROPS = 120
"""Crops of one type that are shown; the file stays below a few megabytes."""
LISTED = 200
"""Unreadable files that are listed."""
THUMBNAIL = 96
"""Side of a thumbnail in pixels."""
_QUALITY = 82
_LIKELY = 3

Thumbnails = Callable[[int], bytes | None]
"""The JPEG of a row's thumbnail, by row number; None where there is none to show."""


@dataclass(frozen=True)
class Cell:
    """One crop as the sheet shows it."""

    row: int
    reading: Reading
    truth: str | None

    @property
    def wrong(self) -> bool:
        """Whether the true label is known and another one was read."""
        return self.truth is not None and self.truth != self.reading.label

    @property
    def unsure(self) -> bool:
        """Whether no type is probable enough."""
        return (self.reading.probability or 0.0) < SURE

    @property
    def unusual(self) -> bool:
        """Whether it lies farther out than labelled cells do."""
        return (self.reading.novelty or 0.0) > UNUSUAL

    @property
    def likely(self) -> list[tuple[str, float]]:
        """The three most probable types."""
        return sorted(self.reading.probabilities.items(), key=lambda pair: -pair[1])[:_LIKELY]


@dataclass(frozen=True)
class Group:
    """All cells read as one type, and those of them that are shown, the least certain first."""

    label: str
    cells: tuple[Cell, ...]
    shown: tuple[Cell, ...]


def write_sheet(
    file: str | Path,
    readings: Sequence[Reading],
    truth: Sequence[str | None] | None = None,
    *,
    title: str,
    provenance: Provenance,
    thumbnails: Thumbnails | None = None,
    crops: int = CROPS,
) -> Path:
    """Write the contact sheet of some readings.

    Parameters
    ----------
    file
        The HTML file; its folder is made.
    readings
        One a crop, unreadable ones included.
    truth
        One true label a crop, None where unknown; None where no label is known.
    title
        What was read, in a few words.
    provenance
        How it was read.
    thumbnails
        Where pictures come from; the readings' own paths if not given.
    crops
        How many crops of one type are shown: those that differ from a known label first, then the least certain.

    Raises :class:`~hemosight.errors.BadTable` when there are not as many true labels as readings.
    """
    if truth is not None and len(truth) != len(readings):
        raise BadTable(
            expected=f"one true label for each of {len(readings)} readings",
            came=str(len(truth)),
            path="the contact sheet",
            mend="Give None where a label is unknown.",
        )
    labels = list(truth) if truth is not None else [None] * len(readings)
    cells = [Cell(row, *pair) for row, pair in enumerate(zip(readings, labels, strict=True)) if pair[0].readable]
    groups = grouped(cells, crops)
    source = thumbnails or from_paths([reading.path for reading in readings], provenance.preprocessing)
    rows = [cell.row for group in groups for cell in group.shown]
    pictures = {
        row: base64.b64encode(data).decode()
        for row, data in zip(rows, over_files(source, rows), strict=True)
        if data is not None
    }
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_render(title, provenance, readings, cells, groups, pictures), encoding="utf-8")
    return file


def grouped(cells: Sequence[Cell], crops: int = CROPS) -> tuple[Group, ...]:
    """Cells by the type they were read as, in the order of a differential."""
    found = []
    for label in ordered(str(cell.reading.label) for cell in cells):
        own = sorted((cell for cell in cells if cell.reading.label == label), key=_certainty)
        first = sorted(own, key=lambda cell: not cell.wrong)[:crops]  # stable: still the least certain first
        found.append(Group(label, tuple(own), tuple(sorted(first, key=_certainty))))
    return tuple(found)


def agreement(cells: Sequence[Cell]) -> Scores | None:
    """True against read labels of the cells that have both; None where no cell has."""
    known = [(cell.truth, str(cell.reading.label)) for cell in cells if cell.truth is not None]
    return scores([true for true, _ in known], [read for _, read in known]) if known else None


def from_paths(
    paths: Sequence[str | Path | None], preprocessing: Preprocessing, scales: Sequence[float] | None = None
) -> Thumbnails:
    """Thumbnails of files: the part of the crop that the encoder sees, in the stain's own colours."""
    prepare = replace(preprocessing, grey_world=False, size=THUMBNAIL)

    def picture(row: int) -> bytes | None:
        path = paths[row]
        if path is None:
            return None
        try:
            pixels = prepare(decode(read_bytes(path)), scales[row] if scales is not None else 1.0)
        except UnreadableImage:  # it was readable a moment ago; the sheet can do without
            return None
        return simplejpeg.encode_jpeg(pixels, quality=_QUALITY, colorspace="RGB", colorsubsampling="420")

    return picture


def _certainty(cell: Cell) -> tuple[float, int]:
    return cell.reading.probability or 0.0, cell.row


# --- the page -------------------------------------------------------------------------------------------------


def _render(
    heading: str,
    provenance: Provenance,
    readings: Sequence[Reading],
    cells: Sequence[Cell],
    groups: Sequence[Group],
    pictures: Mapping[int, str],
) -> str:
    truths = {cell.truth for cell in cells if cell.truth is not None}
    types = ordered({*provenance.classes, *truths, *(str(cell.reading.label) for cell in cells)})
    agreed = agreement(cells)
    unreadable = [reading for reading in readings if not reading.readable]
    counted = differential([str(cell.reading.label) for cell in cells], provenance.classes, provenance.label_set)
    base = _common(readings)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hemosight.sheet"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    return environment.get_template("sheet.html.j2").render(
        heading=heading,
        provenance=provenance,
        page=PAGE,
        unsure_letter=UNSURE,
        sure=SURE,
        cells=cells,
        total=len(readings),
        groups=groups,
        pictures=pictures,
        side=THUMBNAIL,
        counted=counted,
        marks=marks(types),
        number={name: number for number, name in enumerate(types)},
        grouped={group.label for group in groups},
        title_of=title if provenance.label_set == CELL_TYPE else str,
        is_cell_type=provenance.label_set == CELL_TYPE,
        agreed=agreed,
        matrix=None if agreed is None else _matrix(agreed),
        unreadable=unreadable[:LISTED],
        unreadable_count=len(unreadable),
        reasons=Counter(reading.status for reading in unreadable),
        base=base,
        relative=lambda path: _relative(path, base),
    )


def _matrix(agreed: Scores) -> dict[str, Any]:
    """The confusion matrix in the order of a differential; only classes that are true somewhere have a row."""
    where = {name: place for place, name in enumerate(agreed.classes)}
    columns = ordered(agreed.classes)
    rows = []
    for name in columns:
        at = where[name]
        counts = [int(agreed.confusion[at, where[other]]) for other in columns]
        if sum(counts):
            figures = {key: float(getattr(agreed, key)[at]) for key in ("precision", "recall", "f1")}
            rows.append({"label": name, "cells": sum(counts), "counts": counts, **figures})
    return {"columns": columns, "rows": rows}


def _percent(share: float) -> str:
    """A share as a per cent figure that never rounds something to nothing or to everything."""
    value = 100 * share
    if 0 < value < 0.05:
        return "<0.1"
    return "99.9" if 99.9 < value < 100 else f"{value:.1f}"


def _common(readings: Sequence[Reading]) -> str:
    """The folder that all crops lie in; empty where there is none."""
    paths = [os.path.dirname(reading.path) for reading in readings if reading.path]
    try:
        return os.path.commonpath(paths) if paths else ""
    except ValueError:  # relative beside absolute, or two drives
        return ""


def _relative(path: str | None, base: str) -> str:
    if path is None:
        return "a crop without a path"
    return os.path.relpath(path, base) if base else path
