"""The tables and crops of a search: ``cells.csv``, ``fields.csv``, ``tiles.csv``, ``crops/``."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from PIL import Image

from hemosight.images.finding.cells import FoundCell
from hemosight.images.finding.fields import OK, Searched
from hemosight.images.finding.places import FieldPlace, FilmCell, by_name, in_pixels, seen_again
from hemosight.images.formulas import guarded, unguarded
from hemosight.images.names import fitting, to_text

CELL_COLUMNS = ("image", "x", "y", "width", "height", "score", "mark", "crop", "fair")
FIELD_COLUMNS = (
    *("image", "width", "height", "red_cell_px", "scale_from", "cells", "covered", "fair"),
    *("x", "y", "seen_again", "status"),
)
TILE_COLUMNS = ("image", "x", "y", "width", "height", "cells", "covered", "fair")
SEEN_AGAIN = "seen again"
"""Mark of a cell that is counted in another field, which shows it better."""


class Tables:
    """``cells.csv``, ``fields.csv``, ``tiles.csv`` and the crops of a search, written while it goes on.

    ``cells.csv`` has a row for each cell: image, x and y of its box's top left corner, width, height (pixels of the
    image), score, mark (what speaks against counting it, several with ``+``), the crop's file below the folder, and
    whether counting is fair where it lies (``yes``, or ``thick``, ``thin``, ``blurred``, several with ``+``).
    ``fields.csv`` has a row for each image: its size, the width of its red cells and where that is from, how many
    cells it counts, the share that red cells cover, whether counting is fair there, its place on the film where that
    is known, how many of its cells another field counts, and ``ok`` or why it could not be read. ``tiles.csv`` has a
    row for each part of a slide.

    ``places`` gives fields their place on the film by their name below ``root``; without it their names do
    (:mod:`hemosight.images.finding.places`). A cell that two fields show keeps its row in both and is marked ``seen
    again`` in one, where it has no crop.
    """

    def __init__(
        self, folder: Path, root: Path, crops: bool = True, places: Mapping[str, FieldPlace] | None = None
    ) -> None:
        self.folder = folder
        self._root = root
        self._crops = crops
        self._given = places
        folder.mkdir(parents=True, exist_ok=True)
        _forget(folder)
        self._files: list[IO[str]] = []
        self._cells = self._begin("cells.csv", CELL_COLUMNS)
        self._fields = self._begin("fields.csv", FIELD_COLUMNS)
        self._tiles: Any = None
        self.crops: list[Path] = []
        self._threads = min(os.cpu_count() or 1, 8)
        self._pool = ThreadPoolExecutor(self._threads)
        self._writing: list[Future[None]] = []
        self._placed: dict[str, tuple[FieldPlace, int, int]] = {}
        self._found: dict[str, list[FoundCell]] = {}
        self._read = 0
        self.seen_again = 0
        """Cells that are counted in another field; known when the tables are closed."""
        self.without_place = 0
        """Fields of which nothing says where they lie; known when the tables are closed."""

    def _begin(self, name: str, columns: Sequence[str]) -> Any:
        file = (self.folder / name).open("w", newline="", encoding="utf-8")
        self._files.append(file)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        return writer

    def add(self, searched: Searched) -> None:
        """Write what was found in one image."""
        name = to_text(os.path.relpath(searched.path, self._root))
        key = name.replace(os.sep, "/")
        shown = guarded(name)  # a spreadsheet computes nothing of it
        scale, found = searched.scale, searched.fairness
        cells = sorted(searched.cells, key=lambda cell: (cell.y, cell.x))
        if searched.status == OK and not searched.tiles:
            self._read += 1
            place = by_name(key) if self._given is None else self._given.get(key)
            if place is not None:
                self._placed[name], self._found[name] = (place, searched.width, searched.height), cells
        self._fields.writerow(
            [
                shown,
                searched.width or "",
                searched.height or "",
                "" if scale is None else f"{scale.red_cell_px:.1f}",
                "" if scale is None else scale.source,
                len(cells),
                "" if found is None else f"{found.covered:.2f}",
                "" if found is None else _said(found.reasons),
                *("", "", ""),
                searched.status,
            ]
        )
        for tile in searched.tiles:
            self._tiles = self._tiles or self._begin("tiles.csv", TILE_COLUMNS)
            place = (tile.x, tile.y, tile.width, tile.height)
            self._tiles.writerow([shown, *place, tile.cells, f"{tile.covered:.2f}", _said(tile.reasons)])
        for number, cell in enumerate(cells, start=1):
            crop = ""
            if self._crops:
                *above, last = key.replace("../", "").split("/")
                crop = "/".join(["crops", *map(fitting, above), fitting(last, f"_{number:03d}.png")])
                self._write(searched, cell, self.folder / crop)
            box = (f"{value:.1f}" for value in (cell.x, cell.y, cell.width, cell.height))
            fair = _said(_reasons(searched, cell))
            self._cells.writerow([shown, *box, f"{cell.score:.4f}", "+".join(cell.marks), crop, fair])
        if searched.tiles:
            self._wait(0)  # a slide is closed when it is done with

    def _write(self, searched: Searched, cell: FoundCell, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.crops.append(file)
        # Cutting and packing take as long as the search; both let go of the interpreter's lock.
        self._writing.append(self._pool.submit(_save, searched, cell, file))
        self._wait(4 * self._threads)

    def _wait(self, most: int) -> None:
        """Wait until at most so many crops are still to be written."""
        while len(self._writing) > most:
            self._writing.pop(0).result()

    def close(self) -> None:
        """Write what is still to be written, tell which cells two fields show, and end the tables."""
        try:
            self._wait(0)
        finally:
            self._pool.shutdown(cancel_futures=True)
            for file in self._files:
                file.close()
        places = in_pixels(self._placed)
        self.without_place = self._read - len(places)
        if places:
            self._mark(places, self._again(places))

    def _again(self, places: Mapping[str, FieldPlace]) -> set[tuple[str, int]]:
        films: dict[str, list[FilmCell]] = {}
        for name, place in places.items():
            shown = films.setdefault(place.film, [])
            for number, cell in enumerate(self._found[name], start=1):
                shown.append(FilmCell(name, number, cell.moved(place.x, place.y)))
        return {key for shown in films.values() for key in seen_again(shown)}

    def _mark(self, places: Mapping[str, FieldPlace], again: set[tuple[str, int]]) -> None:
        """Write the tables anew, with the places of the fields and the mark of what is counted elsewhere."""
        self.seen_again = len(again)
        numbers: dict[str, int] = {}
        gone: set[Path] = set()
        cells = []
        for row in _rows(self.folder / "cells.csv"):
            name = unguarded(row["image"])
            numbers[name] = number = numbers.get(name, 0) + 1
            if (name, number) in again:
                if row["crop"]:
                    gone.add(self.folder / row["crop"])
                marks = [mark for mark in (row["mark"], SEEN_AGAIN) if mark]
                row |= {"mark": "+".join(marks), "crop": ""}
            cells.append(row)
        for crop in gone:
            crop.unlink(missing_ok=True)
        self.crops = [crop for crop in self.crops if crop not in gone]
        fields = []
        for row in _rows(self.folder / "fields.csv"):
            image = unguarded(row["image"])
            if (place := places.get(image)) is not None:
                elsewhere = sum(name == image for name, _ in again)
                row |= {"x": f"{place.x:.1f}", "y": f"{place.y:.1f}", "seen_again": str(elsewhere)}
                row |= {"cells": str(int(row["cells"]) - elsewhere)}
            fields.append(row)
        for name, columns, rows in (("cells.csv", CELL_COLUMNS, cells), ("fields.csv", FIELD_COLUMNS, fields)):
            with (self.folder / name).open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)


def _said(reasons: Sequence[str] | None) -> str:
    return "" if reasons is None else "+".join(reasons) or "yes"


def _reasons(searched: Searched, cell: FoundCell) -> Sequence[str] | None:
    """What speaks against counting where a cell lies; None where that was not measured."""
    if searched.fairness is not None:
        return searched.fairness.reasons
    return next((tile.reasons for tile in searched.tiles if tile.holds(*cell.middle)), None)


def _forget(folder: Path) -> None:
    """Take away what an earlier search left in the folder: crops that its table names, its readings and its tiles.

    A crop of a field that is searched no more would otherwise go to the review desk with the others. Whatever no table
    of a search names stays.
    """
    table = folder / "cells.csv"
    if not table.is_file():
        return
    for row in _rows(table):
        crop = Path(row.get("crop") or "")
        if crop.parts[:1] == ("crops",) and ".." not in crop.parts:
            (folder / crop).unlink(missing_ok=True)
    for name in ("readings.csv", "tiles.csv"):
        (folder / name).unlink(missing_ok=True)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _save(searched: Searched, cell: FoundCell, file: Path) -> None:
    # A quarter of the time of zlib's usual level, for a sixth more room: noise does not compress.
    Image.fromarray(searched.crop(cell)).save(file, compress_level=1)
