"""What one picture may cost, known before it is decoded."""

from __future__ import annotations

from hemosight.errors import UnreadableImage

MEGAPIXELS = 50
"""More than this is a field of view or a slide, not a crop."""
DECODED = MEGAPIXELS * 1_000_000 * 24
"""Bits that a picture's samples may take: that many pixels of three times eight."""
LEAST_SIDE = 16
"""Fewer pixels than this on a side cannot show a cell."""
FILE_BYTES = 256 << 20
"""No crop's file is larger, whatever its format."""
SCAN_PIXELS = 500_000_000
"""Pixels of all passes of a progressive JPEG together, which is what decoding costs."""


def require_size(width: int, height: int, bits_per_pixel: int = 24) -> None:
    """Raise :class:`~hemosight.errors.UnreadableImage` unless the size is a crop's."""
    if width * height > MEGAPIXELS * 1e6:
        raise too_large(width * height / 1e6)
    if width * height * bits_per_pixel > DECODED:
        # Deep samples cost more than their number of pixels tells.
        raise too_large(width * height / 1e6, limit=round(DECODED / bits_per_pixel / 1e6, 1))
    if min(width, height) < LEAST_SIDE:
        raise UnreadableImage(
            f"{width} x {height} pixels",
            code="image_too_small",
            expected=f"a crop of one cell, at least {LEAST_SIDE} x {LEAST_SIDE} pixels",
            mend="Export the crop at the scanner's full resolution.",
        )


def too_large(megapixels: float, limit: float = MEGAPIXELS) -> UnreadableImage:
    """The fault of a picture with more pixels than a crop of one cell can have."""
    return UnreadableImage(
        f"{megapixels:.3g} megapixels",
        code="image_too_large",
        expected=f"a crop of one cell, at most {limit} megapixels",
        mend="Cut single cells out of the field of view first.",
    )


def several(came: str) -> UnreadableImage:
    """The fault of a file of several pictures, where nothing says that they are one."""
    return UnreadableImage(
        came,
        code="several_pictures",
        expected="one picture in a file",
        mend="Export each crop as its own file, in colour.",
    )
