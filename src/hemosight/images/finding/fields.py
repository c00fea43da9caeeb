"""From files to found cells: scale of the fields, search of each, crops at the reference scale."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from hemosight.errors import HemoSightError, UnreadableImage
from hemosight.images import pixel_scale
from hemosight.images.catalog import Progress
from hemosight.images.contrast import has_own_tint, has_tint, require_contrast
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.finding import slides
from hemosight.images.finding.cells import TWO_RED_CELLS, FoundCell, find
from hemosight.images.finding.fairness import Fairness, fairness
from hemosight.images.preprocess import crop_around, resize

CROP = 360
"""Side of a crop in pixels at the reference scale, as analyzers export them."""
RED_CELL_UM = 7.5
"""Width of a normal red cell on a smear."""
USUAL_PX = pixel_scale.REFERENCE_PX
"""Width of a red cell that is assumed where nothing tells it."""
_MEASURED = 24
"""Fields of a folder on which the scale is measured."""
_NUCLEUS = 1.45
"""Width of a white cell's nucleus in red cells, over the usual types (:mod:`hemosight.images.pixel_scale`)."""
OK = "ok"


@dataclass(frozen=True)
class Scale:
    """How wide red cells are in the pixels of some fields, and where that is known from.

    ``source`` is ``given``, ``red cells``, ``slide`` (what the file says), ``nuclei`` (too few red cells: by the size
    of nuclei, which depends on the types) or ``assumed``.
    """

    red_cell_px: float
    source: str


@dataclass(frozen=True)
class Searched:
    """One field or slide.

    Parameters
    ----------
    path
        The file.
    width, height
        Its size in pixels; 0 where it could not be read.
    scale
        The scale it was searched at; None where it could not be read.
    cells
        Its white cells, the surest first.
    status
        ``ok``, or why it could not be read.
    fairness
        Whether counting is fair there, where that was measured; None of a slide, which has places of every kind.
    tiles
        Of a slide: its parts, with whether counting is fair in each.
    """

    path: Path
    width: int
    height: int
    scale: Scale | None
    cells: list[FoundCell] = field(default_factory=list)
    status: str = OK
    fairness: Fairness | None = None
    tiles: tuple[slides.TileFound, ...] = ()
    _pixels: Callable[[int, int, int, int], Pixels] | None = None
    _close: Callable[[], None] = lambda: None

    def crop(self, cell: FoundCell, side: int = CROP) -> Pixels:
        """The square around a cell, as wide as 360 pixels at the reference scale, on ``side`` x ``side`` x 3 pixels.

        What lies beyond the field is its border mirrored and fading, as readings expect it.
        """
        assert self._pixels is not None  # noqa: S101 - only what was read has cells
        assert self.scale is not None  # noqa: S101 - measured with the pixels
        own = max(2, round(CROP * self.scale.red_cell_px / pixel_scale.REFERENCE_PX))
        x, y = cell.middle
        left, top = max(0, int(x - own)), max(0, int(y - own))
        right, bottom = min(self.width, int(x + own) + 1), min(self.height, int(y + own) + 1)
        around = self._pixels(left, top, right - left, bottom - top)
        square = crop_around(around, own, (y - top, x - left))
        return square if own == side else resize(square, side, side)


def crop_side(scale: float) -> int:
    """Pixels on a side of a crop that this scale of a scanner profile brings to the reference."""
    return max(16, round(CROP / scale))


def png(searched: Searched, cell: FoundCell, side: int) -> bytes:
    """A cell's crop, ``side`` x ``side`` pixels, as a file."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(searched.crop(cell, side))).save(out, "PNG")
    return out.getvalue()


def scales(paths: Sequence[Path], progress: Progress | None = None, bits: int | None = None) -> dict[Path, Scale]:
    """The scale of each field: measured on the red cells of its folder, or of all folders where its own has too few.

    Where red cells are too few everywhere, nuclei tell it roughly; a folder without either is taken to be at the
    reference scale. ``bits`` as in :func:`hemosight.images.decode.decode`.
    """
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    found: dict[Path, Scale] = {}
    for number, (folder, own) in enumerate(folders.items()):
        measured = pixel_scale.measure(pixel_scale.spread(own, _MEASURED), None, bits)
        if measured.red_cell_px is not None:
            found[folder] = Scale(measured.red_cell_px, "red cells")
        if progress is not None:
            progress(number + 1, len(folders))
    if len(found) < len(folders):
        together = None
        if len(folders) > 1:
            together = pixel_scale.measure(pixel_scale.spread(list(paths), _MEASURED), None, bits).red_cell_px
        for folder, own in folders.items():
            if folder not in found:
                found[folder] = Scale(together, "red cells") if together else _by_nuclei(own, bits)
    return {path: found[path.parent] for path in paths}


def _by_nuclei(paths: Sequence[Path], bits: int | None) -> Scale:
    pictures = []
    for path in pixel_scale.spread(list(paths), 8):
        try:
            pictures.append(decode(read_bytes(path), bits))
        except UnreadableImage:
            continue
    return by_nuclei(pictures)


def by_nuclei(pictures: Sequence[Pixels]) -> Scale:
    """The width at which the nuclei that are found have the size of nuclei; the reference's where none is found."""
    red_cell_px = USUAL_PX
    widths: list[float] = []
    for _ in range(3):
        cells = [cell for pixels in pictures for cell in find(pixels, red_cell_px) if not cell.marks]
        widths = [(cell.width + cell.height) / 2 for cell in cells]
        if not widths:
            return Scale(USUAL_PX, "assumed")
        # The box is the nucleus and a margin of cytoplasm that is a share of the assumed red cell.
        red_cell_px = float(np.median(widths)) / (_NUCLEUS + 0.45)
    return Scale(red_cell_px, "nuclei")


def search(
    paths: Sequence[Path],
    scale_of: dict[Path, Scale],
    *,
    bits: int | None = None,
    record: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Searched]:
    """Search fields and slides, in order, a few at a time; a file that cannot be read says why and costs nothing else.

    ``record`` is a folder for what slides have been searched; without it an interrupted slide begins anew.
    """
    threads = min(os.cpu_count() or 1, 8)
    with ThreadPoolExecutor(threads) as pool:
        coming = iter(paths)
        waiting = [pool.submit(_search, path, scale_of.get(path), bits, record) for path in islice(coming, 2 * threads)]
        done = 0
        while waiting:
            yield waiting.pop(0).result()
            done += 1
            if progress is not None:
                progress(done, len(paths))
            waiting += [pool.submit(_search, path, scale_of.get(path), bits, record) for path in islice(coming, 1)]


def _search(path: Path, scale: Scale | None, bits: int | None, record: Path | None) -> Searched:
    try:
        if slides.is_slide(path):
            return _slide(path, scale, record)
        pixels = decode(read_bytes(path), bits)
        scale = scale or Scale(USUAL_PX, "assumed")
        cells = _cells(pixels, scale)
        fair = fairness(pixels, scale.red_cell_px, cells)
        return replace(of_pixels(pixels, scale, cells), path=path, fairness=fair)
    except HemoSightError as fault:
        return Searched(path, 0, 0, None, [], str(fault))


def _cells(pixels: Pixels, scale: Scale) -> list[FoundCell]:
    """The white cells of a field that can show them.

    Red cells alone are shades of one tint, and few white cells among many hardly change that: whether there is colour
    is asked of the crops of what is found, one of which must have it. Where none has, red cells that lie upon one
    another were found, or the picture shows white cells without their colours.
    """
    require_contrast(pixels, colours=False)
    cells = find(pixels, scale.red_cell_px)
    try:
        require_contrast(pixels)
    except UnreadableImage:
        field = of_pixels(pixels, scale, cells)
        if not has_tint(pixels):
            raise
        if any(_coloured(field.crop(cell)) for cell in cells):
            return cells
        if has_own_tint(pixels):
            cells = find(pixels, scale.red_cell_px, over_red=TWO_RED_CELLS)
        if cells:
            raise
    return cells


def _coloured(crop: Pixels) -> bool:
    try:
        require_contrast(crop)
    except UnreadableImage:
        return False
    return True


def of_pixels(pixels: Pixels, scale: Scale, cells: list[FoundCell]) -> Searched:
    """A field that is in memory, with what was found in it."""
    height, width, _ = pixels.shape
    return Searched(Path(), width, height, scale, cells, _pixels=partial(_part, pixels))


def _part(pixels: Pixels, x: int, y: int, width: int, height: int) -> Pixels:
    return pixels[y : y + height, x : x + width]


def _slide(path: Path, scale: Scale | None, record: Path | None) -> Searched:
    slide = slides.open_slide(path)
    if scale is None:
        scale = Scale(RED_CELL_UM / slide.mpp, "slide") if slide.mpp else Scale(USUAL_PX, "assumed")
    folder = record or path.parent
    folder.mkdir(parents=True, exist_ok=True)
    cells, tiles = slides.mapped(
        slide, scale.red_cell_px, folder / f"{path.name}.tiles.jsonl", identity=slides.identity(path)
    )
    return Searched(
        path, slide.width, slide.height, scale, cells, tiles=tuple(tiles), _pixels=slide.region, _close=slide.close
    )


def without_pixels(searched: Searched) -> Searched:
    """The same without the picture, which would stay in memory, or the slide, which would stay open."""
    searched._close()
    return replace(searched, _pixels=None, _close=lambda: None)
