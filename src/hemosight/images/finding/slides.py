"""Whole slides, tile by tile in constant memory, so that an interrupted search goes on where it was."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tifffile

from hemosight.errors import UnreadableImage
from hemosight.images.decode import Pixels
from hemosight.images.finding.cells import FoundCell, find, without_doubles
from hemosight.images.finding.fairness import THIN, fairness
from hemosight.images.limits import MEGAPIXELS

SUFFIXES = frozenset({".svs", ".ndpi", ".scn", ".mrxs", ".bif", ".vms", ".vmu"})
"""Suffixes of slides; large tiled TIFF files are slides as well."""
TILE = 2048
"""Side of a tile's own square, in the slide's pixels."""
_OVERLAP = 2.0
"""In red cells: how far a tile is read beyond its own square, so that no cell is cut on all of its pictures."""
_SEAM = 0.6
"""In red cells: how near the border of a tile's own square a cell may be found by two tiles."""
_EMPTY = 6.0
"""Standard deviation of grey levels below which a tile is glass."""
_VERSION = 2
_ENDS = 1 << 20
"""Bytes of either end of a slide's file by which it is known again."""


class Slide(Protocol):
    """A slide at full resolution."""

    width: int
    height: int
    mpp: float | None

    def region(self, x: int, y: int, width: int, height: int) -> Pixels:
        """RGB pixels of a part that lies inside."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def is_slide(path: Path) -> bool:
    """Whether a file is read tile by tile: a slide's suffix, or a tiled TIFF larger than a picture may be."""
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.suffix.lower() not in (".tif", ".tiff"):
        return False
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            return bool(page.is_tiled) and page.imagewidth * page.imagelength > MEGAPIXELS * 1e6
    except Exception:  # a damaged file raises anything; opening it as a picture will say what is wrong
        return False


def open_slide(path: Path) -> Slide:
    """A slide by OpenSlide or TiffSlide where one is installed, a tiled TIFF without either.

    Raises :class:`~hemosight.errors.UnreadableImage`.
    """
    for name, kind in (("openslide", "OpenSlide"), ("tiffslide", "TiffSlide")):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        try:
            return _Opened(getattr(module, kind)(os.fspath(path)))
        except Exception:  # noqa: S112 - of another format: the next one tries
            continue
    try:
        return _Tiled(path)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UnreadableImage(
            f"{path}: {reason}",
            code="slide_not_read",
            expected="a slide that OpenSlide or TiffSlide reads, or a tiled TIFF",
            mend="Install openslide-python (with openslide-bin) or tiffslide for scanners' own formats, or export the "
            "slide as a tiled TIFF or as fields.",
        ) from error


class _Opened:
    """A slide by OpenSlide's interface, which TiffSlide shares."""

    def __init__(self, slide: Any) -> None:
        self._slide = slide
        self._lock = threading.Lock()
        self.width, self.height = slide.dimensions
        given = slide.properties.get("openslide.mpp-x") or slide.properties.get("tiffslide.mpp-x")
        self.mpp = float(given) if given else None

    def region(self, x: int, y: int, width: int, height: int) -> Pixels:
        with self._lock:
            picture = np.asarray(self._slide.read_region((x, y), 0, (width, height)).convert("RGBA"))
        # Where nothing was scanned there is glass.
        opaque = picture[..., 3:].astype(np.uint16)
        return ((picture[..., :3] * opaque + 255 * (255 - opaque)) // 255).astype(np.uint8)

    def close(self) -> None:
        self._slide.close()


class _Tiled:
    """The first page of a tiled TIFF, of which only the tiles that are asked for are decoded."""

    def __init__(self, path: Path) -> None:
        self._file = tifffile.TiffFile(path)
        self._lock = threading.Lock()
        page: Any = self._file.pages.first
        if not page.is_tiled or page.dtype != np.uint8 or page.samplesperpixel < 3 or page.planarconfig != 1:
            self._file.close()
            raise ValueError("no tiled RGB picture of 8 bits")
        self._page = page
        self.width, self.height = int(page.imagewidth), int(page.imagelength)
        self.mpp = _aperio(page) or _resolution(page)

    def region(self, x: int, y: int, width: int, height: int) -> Pixels:
        page = self._page
        wide, high = int(page.tilewidth), int(page.tilelength)
        across = -(-self.width // wide)
        out = np.full((height, width, 3), 255, np.uint8)
        for row in range(y // high, (y + height - 1) // high + 1):
            for column in range(x // wide, (x + width - 1) // wide + 1):
                tile = self._tile(row * across + column)
                if tile is None:
                    continue
                top, left = row * high, column * wide
                y0, x0 = max(y, top), max(x, left)
                y1, x1 = min(y + height, top + tile.shape[0]), min(x + width, left + tile.shape[1])
                out[y0 - y : y1 - y, x0 - x : x1 - x] = tile[y0 - top : y1 - top, x0 - left : x1 - left]
        return out

    def _tile(self, index: int) -> Pixels | None:
        page, handle = self._page, self._file.filehandle
        with self._lock:
            handle.seek(page.dataoffsets[index])
            data = handle.read(page.databytecounts[index])
        if not data:
            return None
        decoded = page.decode(data, index, jpegtables=page.jpegtables)[0]
        return None if decoded is None else np.asarray(decoded)[0, ..., :3]

    def close(self) -> None:
        self._file.close()


def _aperio(page: Any) -> float | None:
    """Micrometres a pixel as Aperio writes it into the description."""
    found = re.search(r"\|\s*MPP\s*=\s*(\d+(?:\.\d+)?)", str(page.description or ""))
    mpp = float(found[1]) if found else 0.0
    return mpp if 0.02 < mpp < 2 else None


def _resolution(page: Any) -> float | None:
    """Micrometres a pixel by the TIFF's own resolution, where that can be a microscope's."""
    unit = {2: 25400.0, 3: 10000.0}.get(int(getattr(page.tags.get("ResolutionUnit"), "value", 0) or 0))
    given = getattr(page.tags.get("XResolution"), "value", None)
    if unit is None or not given or not given[0]:
        return None
    mpp = unit * given[1] / given[0]
    return float(mpp) if 0.02 < mpp < 2 else None


@dataclass(frozen=True)
class Tile:
    """A tile's own square (left, top, right, bottom) in the slide's pixels."""

    left: int
    top: int
    right: int
    bottom: int


def tiles(width: int, height: int, side: int = TILE) -> Iterator[Tile]:
    """Squares that cover a slide without a gap and without sharing a pixel, row by row."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield Tile(left, top, min(left + side, width), min(top + side, height))


@dataclass(frozen=True)
class TileFound:
    """A part of a slide, in its pixels: the cells whose middle lies there, and whether counting is fair."""

    x: int
    y: int
    width: int
    height: int
    cells: int
    covered: float
    reasons: tuple[str, ...]

    def holds(self, x: float, y: float) -> bool:
        """Whether a place lies in it."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


@dataclass(frozen=True)
class _Of:
    """What was found of one tile, with what its neighbours may have found at the seams."""

    cells: list[FoundCell]
    covered: float = 0.0
    reasons: tuple[str, ...] = (THIN,)


def search(
    slide: Slide,
    red_cell_px: float,
    record: Path,
    progress: Callable[[int, int], object] | None = None,
    side: int = TILE,
) -> list[FoundCell]:
    """The white cells of a slide, in its own pixels; none is found twice. As :func:`mapped`."""
    return mapped(slide, red_cell_px, record, progress, side)[0]


def mapped(
    slide: Slide,
    red_cell_px: float,
    record: Path,
    progress: Callable[[int, int], object] | None = None,
    side: int = TILE,
    identity: str = "",
) -> tuple[list[FoundCell], list[TileFound]]:
    """The white cells of a slide, in its own pixels and none twice, and where on it counting is fair, tile by tile.

    A cell belongs to the tile in whose own square its middle lies; at the seams, where two tiles may see the middle on
    either side, the surer of two boxes of one cell stays. After each tile a line is added to ``record``: called again
    with the same slide (``identity`` tells it from others of its size) and scale, the search goes on behind the last
    whole line.
    """
    size = [slide.width, slide.height]
    head = {"version": _VERSION, "slide": identity, "size": size, "red_cell_px": red_cell_px, "side": side}
    every = list(tiles(slide.width, slide.height, side))
    found = _recorded(record, head)
    margin = round(_OVERLAP * red_cell_px)
    with record.open("a" if found else "w", encoding="utf-8") as file:
        if not found:
            file.write(json.dumps(head) + "\n")
        for number, tile in enumerate(every):
            if number < len(found):
                continue
            own = _of_tile(slide, tile, red_cell_px, margin)
            found.append(own)
            file.write(json.dumps(asdict(own)) + "\n")
            file.flush()
            if progress is not None:
                progress(number + 1, len(every))
    cells = without_doubles([cell for own in found for cell in own.cells])
    across = -(-slide.width // side)
    counts = np.zeros(len(every), int)
    for cell in cells:
        x, y = cell.middle
        column, row = (
            min(max(int(at // side), 0), -(-most // side) - 1) for at, most in zip((x, y), size, strict=True)
        )
        counts[row * across + column] += 1
    return cells, [
        TileFound(
            tile.left, tile.top, tile.right - tile.left, tile.bottom - tile.top, int(count), own.covered, own.reasons
        )
        for tile, own, count in zip(every, found, counts, strict=True)
    ]


def identity(path: Path) -> str:
    """What tells a slide's file from others, without reading all of it: hash of its size, beginning and end."""
    own, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        own.update(f"{size} ".encode() + file.read(_ENDS))
        file.seek(max(0, size - _ENDS))
        own.update(file.read(_ENDS))
    return own.hexdigest()


def _of_tile(slide: Slide, tile: Tile, red_cell_px: float, margin: int) -> _Of:
    x0, y0 = max(0, tile.left - margin), max(0, tile.top - margin)
    x1, y1 = min(slide.width, tile.right + margin), min(slide.height, tile.bottom + margin)
    pixels = slide.region(x0, y0, x1 - x0, y1 - y0)
    if pixels[::8, ::8].std(axis=(0, 1)).max() < _EMPTY:
        return _Of([])
    seam = _SEAM * red_cell_px
    kept = []
    found = find(pixels, red_cell_px)
    for cell in found:
        moved = cell.moved(x0, y0)
        x, y = moved.middle
        if tile.left - seam <= x < tile.right + seam and tile.top - seam <= y < tile.bottom + seam:
            kept.append(moved)
    fair = fairness(pixels, red_cell_px, found)
    return _Of(kept, round(fair.covered, 4), fair.reasons)


def _recorded(record: Path, head: dict[str, Any]) -> list[_Of]:
    """What was found of each tile that was searched before; nothing where the record is of another search.

    A line that was cut short by an interruption is cut off the file.
    """
    if not record.exists():
        return []
    lines = record.read_text(encoding="utf-8").split("\n")
    whole = lines[:-1]
    try:
        if not whole or json.loads(whole[0]) != head:
            return []
        found = [_read(json.loads(line)) for line in whole[1:]]
    except (ValueError, TypeError, KeyError):
        return []
    if lines[-1]:
        record.write_text("\n".join(whole) + "\n", encoding="utf-8")
    return found


def _read(line: dict[str, Any]) -> _Of:
    cells = [FoundCell(**{**cell, "marks": tuple(cell["marks"])}) for cell in line["cells"]]
    return _Of(cells, float(line["covered"]), tuple(line["reasons"]))
