"""Which cells of a film are counted: an order over its cells that a seed fixes, and how far one goes in it.

A differential of 200 leukocytes says something of a film only where nobody chose them by their looks. So the order is
fixed before anybody counts, and one counts along it until so many leukocytes have been met; what is no leukocyte and is
met on the way is told beside them. Shares of leukocytes that were met so are those of a simple random sample: where to
stop depends on how many they are, not on what they are. (The other way round, every cell up to a fixed number, the
hundred would have fewer than a hundred where many platelets lie.)

``random``
    Every order of the cells is as likely: a simple random sample without replacement. Each cell has its own random
    number, so that a cell that comes later takes its place among the others and moves none of them.
``battlement``
    From a field that is drawn on, field after field in the order they were taken, and from the last on to the first; in
    a field from left to right. This is how a differential is counted at the microscope (CLSI H20-A2: battlement track,
    every leukocyte of a field before the next one). Cells of one field go together, so that it says less of a film
    whose types lie unevenly than as many random cells do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemosight.errors import BadSetting

RANDOM, BATTLEMENT = "random", "battlement"
METHODS = (RANDOM, BATTLEMENT)
_ODD = 0x9E3779B97F4A7C15


def numbers(images: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each image, fixed by the seed and without order (splitmix64, Steele et al. 2014).

    Parameters
    ----------
    images
        Numbers of images, shape (n,).
    seed
        From 0 on, below 2**63.
    """
    words = _mixed(_mixed(images.astype(np.uint64)) ^ _mixed(np.array([seed], np.uint64)))
    return (words >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):  # modulo 2**64 is what is meant
        x = words + np.uint64(_ODD)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def order(
    images: NDArray[np.int64],
    seed: int,
    method: str,
    fields: NDArray[np.int64] | None = None,
    across: NDArray[np.float64] | None = None,
    first: int | None = None,
) -> NDArray[np.int64]:
    """Rows of ``images`` in the order in which they are counted.

    Parameters
    ----------
    images
        Numbers of the cells that may be counted, shape (n,), each once.
    seed
        Fixes the order.
    method
        Of :data:`METHODS`.
    fields
        Of ``battlement``: which field each cell lies in, shape (n,); fields were taken in the order of their numbers.
    across
        Of ``battlement``: where in its field each cell lies from left to right, shape (n,), in any unit.
    first
        Of ``battlement``: the field to begin in, as :func:`first_field` drew it; the next one where it has no cells by
        now. Drawn where None: from the fields of these cells, so that another field may come of it once there are more.

    Raises :class:`~hemosight.errors.BadSetting` for another method, and for a battlement without fields.
    """
    if method == RANDOM:
        return np.argsort(numbers(images, seed), kind="stable")
    if method != BATTLEMENT or fields is None or across is None:
        raise BadSetting(
            expected=f"one of {', '.join(METHODS)}, the second with the field of every cell",
            came=repr(method) + (" without fields" if method == BATTLEMENT else ""),
            mend="Draw at random; that needs no fields.",
        )
    taken, place = np.unique(fields, return_inverse=True)
    if not len(taken):
        return np.empty(0, np.int64)
    begun = int(np.searchsorted(taken, first_field(fields, seed) if first is None else first)) % len(taken)
    return np.lexsort((images, across, (place - begun) % len(taken)))


def first_field(fields: NDArray[np.int64], seed: int) -> int:
    """The field that a battlement begins in: every one of ``fields``, shape (n,), n > 0, is as likely.

    Keep it with the seed: of more fields the same seed may draw another.
    """
    taken = np.unique(fields)
    return int(taken[np.argmin(numbers(taken, seed))])


def met(leukocyte: NDArray[np.bool_], wanted: int) -> int:
    """How far along an order one goes until so many leukocytes have been met; to its end where there are fewer.

    >>> met(np.array([True, False, True, True]), 2)
    3
    """
    among = np.flatnonzero(leukocyte)
    return int(among[wanted - 1]) + 1 if 0 < wanted <= len(among) else len(leukocyte)
