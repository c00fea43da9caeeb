"""From samples of any depth to eight bits: by the range that a file declares, never by a guess.

Twelve bits of a camera in a container of sixteen look like a dark picture if they are read as sixteen, and a dark cell
is read as a blast. So the value that stands for white comes from what the file states, else from ``bits``, which its
owner states; and where neither says and the values leave doubt, the picture is refused. A statement that only repeats
what the container holds (16 significant bits of 16) says nothing: programs write it around the values of any camera.

===================  ==========================================================================================
samples              white, where the file declares no range
===================  ==========================================================================================
1 to 15 bits         all bits set, which is what that many bits declare
16, 32 or 64 bits    all bits set if more than a few samples lie above half of it; else in doubt
signed               in doubt
floating point       1 if more than a few samples lie above 0.5 and none above 1; else in doubt
===================  ==========================================================================================

A few are one in fifty: hot pixels, a scale bar burnt into the picture and its frame decide nothing.

A stated lowest and highest value may be the range's ends or what happens to occur, and programs write both. An end is
one that the samples do not reach, a round number, or the highest of some number of bits; else it is in doubt. One that
the samples exceed is of another picture, and an owner's ``bits`` go before it (:func:`range_of`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemosight.errors import UnreadableImage

STRAY = 0.02
"""Share of the samples that may lie above the range that the others tell."""
HOT = 0.001
"""Share of the samples that may lie above white, and are white: hot pixels."""
LEAST_BLACK = 8
"""Levels of 255 that a stated lowest value must be above 0 to be taken for black: below it, no reading hangs on it."""
_LEAST_USED = 1 / 16
"""Share of the range of so many bits that floating point samples must reach: below it, bits make a black picture."""
_ROWS = 256
"""Rows that are scaled at a time: a large picture of floating point needs no second one of its size."""


def to_uint8(
    array: NDArray[Any], white: float, *, black: float = 0.0, white_is_zero: bool = False
) -> NDArray[np.uint8]:
    """Samples of any type -> uint8 of the same shape, black 0 and white 255.

    Parameters
    ----------
    array
        Boolean, integer or floating point samples of any shape.
    white, black
        The values of both (:func:`range_of`).
    white_is_zero
        The range's begin is white and its end black.

    A few hot pixels (:data:`HOT`) above white are white. Raises :class:`~hemosight.errors.UnreadableImage` for more
    samples outside of the range.
    """
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    low, high = _extremes(array)
    if low >= black and high > white and np.count_nonzero(array > white) <= HOT * array.size:
        array, high = np.minimum(array, np.asarray(white, array.dtype)), white
    if low < black or high > white:
        outside = low if low < black else high
        reason = f"samples outside of their range: {outside:g}, where black is {black:g}, white {white:g}"
        raise UnreadableImage(reason=reason)
    if (black, white) == (0, 255) and array.dtype == np.uint8:
        return 255 - array if white_is_zero else array
    factor = 255.0 / (white - black)
    if array.dtype.kind in "ui" and white < 1 << 16:
        steps = np.maximum(np.arange(int(white) + 1, dtype=np.float64) - black, 0)
        table = np.rint(steps * factor).astype(np.uint8)
        return (255 - table if white_is_zero else table)[array]
    scaled = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), _ROWS):
        part = np.rint((array[start : start + _ROWS].astype(np.float64) - black) * factor)
        scaled[start : start + _ROWS] = 255 - part if white_is_zero else part
    return scaled


def white_of(array: NDArray[Any], *, depth: int, declared: float | None = None, bits: int | None = None) -> float:
    """The value that stands for white in a picture's colours (its opacity left out).

    Parameters
    ----------
    depth
        Bits of a sample as the file states them (12 where twelve bits are packed).
    declared
        The value of white as the file states it; None where it does not. Of no more meaning than None where it is all
        that the container holds.
    bits
        Bits that hold the values, as the picture's owner states them; used where ``declared`` is None and the
        container leaves doubt. Of floating point they count only above 1, and where they do not make it black.

    Raises :class:`~hemosight.errors.UnreadableImage` where the range is in doubt (``sample_range_unknown``), and for
    samples that are no numbers.
    """
    kind, (_, highest) = array.dtype.kind, _extremes(array)
    if declared is not None and not (kind in "bu" and declared >= white_of_bits(depth)):
        return declared
    if kind in "bu" and depth < 16:
        return white_of_bits(depth)
    high = _high(array)
    if bits is not None and _may_have(kind, depth, high, bits):
        return white_of_bits(bits)
    if kind == "u" and high > 1 << (depth - 1):
        return white_of_bits(depth)
    if kind == "f" and high > 0.5 and highest <= 1:
        return 1.0
    stray = f" (a few up to {highest:g})" if high < highest else ""
    why = f"up to {high:g}{stray}, and nothing in the file that says which value is white"
    raise _in_doubt(array, depth, why, bits)


def range_of(
    array: NDArray[Any], *, depth: int, lowest: float | None, highest: float | None, bits: int | None = None
) -> tuple[float, float]:
    """The values of black and white in a picture's colours, by the lowest and highest value that its file states.

    Parameters
    ----------
    depth, bits
        As of :func:`white_of`.
    lowest, highest
        As stated; None where they are not.

    Eight bits without a sign hold 0 to 255 whatever is stated, as every program shows them, unless it is the highest of
    fewer bits (63, 127) and none lies above. Deeper integers whose highest is that of so many bits within one level of
    255 (4080 to 4095), or their number (4096 and other powers of two from 256 on), have all bits set as white; a lowest
    value of a few levels (:data:`LEAST_BLACK`) then is what happens to occur, and black is 0. Other ends are taken
    exactly, where the samples do not reach them, where the highest is a round number (10000, or 0.5), and where both
    span a number of bits (100 to 4195); else they may be what happens to occur. Raises as :func:`white_of`, for that
    doubt too. ``bits`` below the container's go before all ends but a span of just so many bits, unless more than a few
    samples (:data:`HOT`) exceed them. No end holds that more samples exceed: it is of another picture.
    """
    whole, (begin, end) = array.dtype.kind != "f", _extremes(array)
    if array.dtype.kind in "bu" and depth <= 8:
        fewer = None if highest is None else full_scale(highest)
        all_set = white_of_bits(depth)
        return 0.0, fewer if fewer is not None and fewer < all_set and end <= fewer else all_set
    low = lowest if lowest is not None and np.isfinite(lowest) else 0.0
    high = highest if highest is not None and _states(array, depth, highest) else None
    if whole and low < 0:
        low, high = 0.0, None
    if high is None:
        white = white_of(array, depth=depth, bits=bits)
        if (bits is None or not _may_have(array.dtype.kind, depth, _high(array), bits)) and abs(
            low
        ) * 255 > LEAST_BLACK * white:
            raise _in_doubt(array, depth, f"whose lowest value is stated as {low:g}, and no highest", bits)
        return 0.0, white
    span, full = full_scale(high - low), full_scale(high) if whole else None
    if full is not None and low * 255 > LEAST_BLACK * full:
        full = None
    stale = _exceed(array, end, high if full is None else full)
    # As many bits as the container has are said of every such file, whatever its samples are: ends say more.
    if bits is not None and (stale or bits < depth) and _may_have(array.dtype.kind, depth, _high(array), bits):
        owners = white_of_bits(bits)
        if stale or (span != owners and not _exceed(array, end, owners)):
            return 0.0, owners
    if stale:
        why = f"up to {end:g}, above the highest value that the file states ({highest:g})"
        raise _in_doubt(array, depth, why, bits)
    if full is not None:
        return 0.0, full
    spans_bits = span is not None
    stated_high = spans_bits or full_scale(high) is not None or _is_round(high)
    doubtful_high = _equal(end, high) and not stated_high
    doubtful_low = _equal(begin, low) and not spans_bits and low * 255 > LEAST_BLACK * high
    if high > low and not doubtful_high and not doubtful_low:
        return low, high
    stated = f"{low:g} to {high:g}" if low else f"up to {high:g}"
    raise _in_doubt(array, depth, f"stated as {stated}, which may be their range or what happens to occur", bits)


def _states(array: NDArray[Any], depth: int, highest: float) -> bool:
    """Whether a stated highest value can be meant as white, and is not all that the container holds."""
    kind = array.dtype.kind
    if not np.isfinite(highest) or highest <= 0 or highest >= 1 << 63:
        return False
    return kind == "f" or highest < white_of_bits(depth - (kind == "i"))


def _may_have(kind: str, depth: int, high: float, bits: int) -> bool:
    """Whether samples up to ``high`` may be of so many bits.

    Floating point up to 1 or far below is not, and no integers are of more than their container has beside a sign.
    """
    white = white_of_bits(bits)
    if kind != "f":
        return bits <= depth - (kind == "i")
    return white == 1 or (high > 1 and high > _LEAST_USED * white)


def _exceed(array: NDArray[Any], high: float, white: float) -> bool:
    """Whether more than hot pixels lie above a value; ``high`` is the highest sample."""
    return high > white and bool(np.count_nonzero(array > white) > HOT * array.size)


def _in_doubt(array: NDArray[Any], depth: int, why: str, bits: int | None = None) -> UnreadableImage:
    """The refusal; its mending names ``--bits`` only for samples whose range a number of bits can be."""
    kind, low = array.dtype.kind, _extremes(array)[0]
    what = {"i": "signed ", "f": "floating point "}.get(kind, "")
    if bits is not None and not _may_have(kind, depth, most := _high(array), bits):
        why += f"; up to {most:g} they are not of {bits} bits"
    mend = "Export 8 bits, or 16 without a sign, from black to white."
    # Floating point that was never scaled holds whole levels of a camera: the least bits that do are the likely ones.
    likely = next((b for b in (8, 10, 12, 14, 16) if _high(array) <= white_of_bits(b)), None) if kind == "f" else 12
    if low >= 0 and likely is not None and (kind != "f" or _may_have(kind, depth, _high(array), likely)):
        said = f"Say how many bits hold the values (`--bits {likely}`, or `bits` of an upload)"
        mend = f"{said}, or export 8 bits, or 16 over their full range."
    return UnreadableImage(
        f"{depth}-bit {what}samples {why}",
        code="sample_range_unknown",
        expected="samples whose range is known",
        mend=mend,
    )


def white_of_bits(bits: int) -> float:
    """The highest value that so many bits hold."""
    return float((1 << bits) - 1)


def full_scale(highest: float) -> float | None:
    """All bits set, where a highest value is that of some number of bits within one level of 255; else None.

    Programs state the range's end (4095), the highest value that occurs (4080) or the number of levels (4096, told by
    being a power of two from 256 on); all mean twelve bits.
    """
    if not np.isfinite(highest) or highest <= 0 or highest >= 1 << 63:
        return None
    if highest >= 256 and highest == 1 << (int(highest).bit_length() - 1):
        return highest - 1
    full = white_of_bits(max(1, int(np.ceil(highest)).bit_length()))
    return full if (full - highest) * 255 <= full else None


def _equal(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-6 * abs(other)


def _is_round(number: float) -> bool:
    """Whether a number has one digit besides zeros: 10000, 40000, 0.5; 200 and the like occur by chance, 100 counts."""
    digits = f"{number:.6e}".partition("e")[0].replace(".", "").strip("0")
    return digits == "1" or (len(digits) == 1 and not 1 <= number < 1000)


def _high(array: NDArray[Any]) -> float:
    """The value that all but a few samples do not exceed."""
    flat = array.reshape(-1)
    at = len(flat) - 1 - int(len(flat) * STRAY)
    return float(np.partition(flat, at)[at])


def _extremes(array: NDArray[Any]) -> tuple[float, float]:
    if array.dtype.kind not in "buif":
        raise UnreadableImage(reason=f"samples of type {array.dtype}, which are no levels of grey")
    if not array.size:
        raise UnreadableImage(reason="a picture without samples")
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnreadableImage(reason="samples that are no numbers (NaN or infinite)")
    return low, high
