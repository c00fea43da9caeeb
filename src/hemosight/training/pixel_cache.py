"""Prepared pixels on disk, decoded once: a memory-mapped array that grows and is never rewritten.

A cache folder holds one store per preprocessing, named by its hash: ``pixels.u8`` (rows of ``size`` x ``size`` x 3
bytes), ``cells.txt`` (one line per row: content id and scale), ``preprocessing.json``. A row counts once its line is
written, and its line is written after its pixels; whatever a killed process left behind a last whole line is cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hemosight.errors import UnreadableImage
from hemosight.images.catalog import Catalog
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.preprocess import Preprocessing

Cell = tuple[str, float]
"""Content id, and the scale its source's pixels are resized by. Where the catalog says how many bits hold a file's
values, they stand behind the id: read otherwise, it is another picture."""


@dataclass(frozen=True)
class PixelCache:
    """Prepared pixels of cells, by row.

    Parameters
    ----------
    pixels
        ``[rows, size, size, 3]``, uint8, mapped from disk, read only.
    rows
        For each cell of the catalog the cache was opened for, its row in ``pixels``; -1 where it is unreadable.
    unreadable
        Why, by content id.
    """

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    unreadable: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, cells: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pixels of cells, by their position in the catalog: ``[n, size, size, 3]``, a copy."""
        return self.pixels[self.rows[np.asarray(cells, dtype=np.int64)]]


def build(
    catalog: Catalog,
    preprocessing: Preprocessing,
    folder: str | Path,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> PixelCache:
    """Open the cache for a catalog, preparing the cells it does not hold yet.

    Safe to kill and run again, and safe in two processes at once: the second waits, then finds the work done.

    Parameters
    ----------
    catalog
        Copies of one file (the same content id and scale) share a row.
    preprocessing
        How each picture is prepared; pictures prepared otherwise are stored beside these.
    folder
        Where stores lie; made if missing.
    on_progress
        Called with how many of the missing cells are done, and how many there are.
    threads
        Decoding threads; by default one per processor.
    """
    store = Path(folder) / preprocessing.hash
    store.mkdir(parents=True, exist_ok=True)
    stated = catalog.table["bits"].to_list()
    names = [cell if depth is None else f"{cell}/{depth}" for cell, depth in zip(catalog.ids, stated, strict=True)]
    cells = list(zip(names, catalog.table["scale"].to_list(), strict=True))
    unreadable: dict[str, str] = {}
    with _locked(store):
        (store / "preprocessing.json").write_text(json.dumps(preprocessing.to_json(), indent=2) + "\n")
        known = _repair(store, preprocessing)
        missing = {cell: path for cell, path in zip(cells, catalog.paths, strict=True) if cell not in known}
        if missing:
            unreadable = _append(store, missing, preprocessing, on_progress, threads)
            known = _repair(store, preprocessing)
    rows = np.fromiter((known.get(cell, -1) for cell in cells), np.int64, len(cells))
    side = preprocessing.size
    shape = (len(known), side, side, 3)
    # An empty file cannot be mapped.
    pixels = np.memmap(store / "pixels.u8", np.uint8, "r", shape=shape) if known else np.zeros(shape, np.uint8)
    return PixelCache(pixels, rows, unreadable)


def _append(
    store: Path,
    missing: dict[Cell, Path],
    preprocessing: Preprocessing,
    on_progress: Callable[[int, int], None] | None,
    threads: int | None,
) -> dict[str, str]:
    """Prepare cells and write them down in chunks; returns what could not be read, and why."""

    def prepare(item: tuple[Cell, Path]) -> Pixels | UnreadableImage:
        (name, scale), path = item
        depth = name.partition("/")[2]
        try:
            return preprocessing(decode(read_bytes(path), int(depth) if depth else None), scale)
        except UnreadableImage as error:
            return error

    unreadable: dict[str, str] = {}
    done = 0
    with (
        open(store / "pixels.u8", "ab") as pixels,
        open(store / "cells.txt", "ab") as lines,
        ThreadPoolExecutor(threads or os.cpu_count()) as pool,
    ):
        for chunk in _chunks(list(missing.items()), 64):
            entries = []
            for (cell, _), outcome in zip(chunk, pool.map(prepare, chunk), strict=True):
                if isinstance(outcome, UnreadableImage):
                    unreadable[cell[0].partition("/")[0]] = str(outcome)
                else:
                    pixels.write(outcome.data)
                    entries.append(_line(cell))
            _settle(pixels)
            lines.write(b"".join(entries))
            _settle(lines)
            done += len(chunk)
            if on_progress:
                on_progress(done, len(missing))
    return unreadable


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _line(cell: Cell) -> bytes:
    return f"{cell[0]} {cell[1]!r}\n".encode()


def _repair(store: Path, preprocessing: Preprocessing) -> dict[Cell, int]:
    """Cut off what a killed process left unfinished; returns the row of each cell."""
    pixels, lines = store / "pixels.u8", store / "cells.txt"
    pixels.touch()
    lines.touch()
    size = 3 * preprocessing.size**2
    whole = lines.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    entries = whole.splitlines(keepends=True)[: pixels.stat().st_size // size]
    os.truncate(lines, sum(len(entry) for entry in entries))
    os.truncate(pixels, size * len(entries))
    known: dict[Cell, int] = {}
    for row, entry in enumerate(entries):
        name, scale = entry.decode().split()
        known[name, float(scale)] = row
    return known


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    with open(store / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, even by a kill
        yield


def _chunks(items: list[tuple[Cell, Path]], size: int) -> Iterator[list[tuple[Cell, Path]]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
