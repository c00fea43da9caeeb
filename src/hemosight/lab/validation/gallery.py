"""Pictures of cells that were read wrong, for the dossier's gallery."""

from __future__ import annotations

import io

from PIL import Image

from hemosight.blood.vocabulary import title
from hemosight.errors import UnreadableImage
from hemosight.images.decode import decode, read_bytes
from hemosight.lab.report.figure import PlatePicture
from hemosight.lab.validation.cells import ValidationCells

_SIDE = 160
"""Pixels of a picture's sides."""


def picture(cells: ValidationCells, row: int) -> PlatePicture | None:
    """The middle of a cell's crop, square, with what it is and what it was read as; None where it cannot be read."""
    try:
        pixels = decode(read_bytes(cells.catalog.paths[row]))
    except UnreadableImage:  # it was readable a moment ago; the gallery can do without
        return None
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = Image.fromarray(pixels[top : top + side, left : left + side]).resize((_SIDE, _SIDE))
    buffer = io.BytesIO()
    cut.save(buffer, "JPEG", quality=88)
    truth, read, sure, case = cells.table.select("truth", "read", "confidence", "case").row(row)
    return PlatePicture(buffer.getvalue(), f"{title(truth)}, read as {title(read)} {sure:.2f}; {case}")
