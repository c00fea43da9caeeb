"""Lists of images: filters over the columns of a snapshot, sorted, in pages that hold while predictions move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.palette import UNSURE
from hemosight.service.desk.label_set_state import UNDECIDED
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.errors import NothingThere, Refusal

Sort = Literal["id", "confidence", "uncertainty", "novelty"]


@dataclass(frozen=True)
class ImageFilter:
    """Which images; None leaves a question open.

    Parameters
    ----------
    predicted, label
        Names of classes; ``?`` as a label is unsure.
    labelled
        Whether a person gave a class (unsure is none).
    unsure
        Whether a person was unsure.
    among
        Ids that another question left over (a case, a text).
    """

    predicted: str | None = None
    label: str | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    min_novelty: float | None = None
    labelled: bool | None = None
    unsure: bool | None = None
    case: int | None = None
    among: NDArray[np.int64] | None = None


def rows(snapshot: Snapshot, wanted: ImageFilter) -> NDArray[np.int64]:
    """Rows of a snapshot that fit, in the order of ids.

    Raises :class:`~hemosight.service.errors.NothingThere` for a class that the label set does not have.
    """
    fits = np.ones(len(snapshot.ids), np.bool_)
    names = snapshot.spec.names
    if wanted.predicted is not None:
        fits &= snapshot.predicted == _class(names, wanted.predicted)
    if wanted.label is not None:
        fits &= snapshot.label == (UNDECIDED if wanted.label == UNSURE else _class(names, wanted.label))
    with np.errstate(invalid="ignore"):  # what was not read has no number, and fits no range
        if wanted.min_confidence is not None:
            fits &= snapshot.probability >= wanted.min_confidence
        if wanted.max_confidence is not None:
            fits &= snapshot.probability <= wanted.max_confidence
        if wanted.min_novelty is not None:
            fits &= snapshot.novelty >= wanted.min_novelty
    if wanted.labelled is not None:
        fits &= (snapshot.label >= 0) == wanted.labelled
    if wanted.unsure is not None:
        fits &= (snapshot.label == UNDECIDED) == wanted.unsure
    if wanted.case is not None:
        fits &= snapshot.of_case(wanted.case)
    if wanted.among is not None:
        fits &= np.isin(snapshot.ids, wanted.among)
    return np.flatnonzero(fits)


def page(
    snapshot: Snapshot, chosen: NDArray[np.int64], sort: Sort, after: str | None, limit: int
) -> tuple[NDArray[np.int64], str | None]:
    """A page of chosen rows, and the cursor of the next one; None where this is the last.

    ``confidence`` begins with the most certain, ``uncertainty`` with those whose two first classes are closest,
    ``novelty`` with the most unusual; images without a reading come last. A cursor is a place in that order, not a
    count: what is inserted or removed before it shifts nothing.

    Raises :class:`~hemosight.service.errors.Refusal` for a cursor of another list.
    """
    ids = snapshot.ids[chosen]
    if sort == "id":
        begin = 0 if after is None else int(np.searchsorted(ids, _parsed(after)[1], side="right"))
        shown = chosen[begin : begin + limit]
        more = begin + limit < len(chosen)
        return shown, str(int(snapshot.ids[shown[-1]])) if more else None
    keys = _keys(snapshot, sort)[chosen]
    if after is not None:
        key, number = _parsed(after)
        behind = (keys > key) | ((keys == key) & (ids > number))
        chosen, ids, keys = chosen[behind], ids[behind], keys[behind]
    order = np.lexsort((ids, keys))[:limit]
    shown = chosen[order]
    if limit >= len(chosen):
        return shown, None
    return shown, f"{float(keys[order[-1]])!r}_{int(ids[order[-1]])}"


def _keys(snapshot: Snapshot, sort: Sort) -> NDArray[np.float64]:
    """What to sort by, smallest first."""
    values = {"confidence": -snapshot.probability, "uncertainty": snapshot.margin, "novelty": -snapshot.novelty}[sort]
    return np.where(np.isnan(values), np.inf, values).astype(np.float64)


def _parsed(cursor: str) -> tuple[float, int]:
    try:
        key, _, number = cursor.rpartition("_")
        parsed = float(key or 0), int(number)
    except ValueError:
        parsed = np.nan, 0
    if np.isnan(parsed[0]) or not 0 <= parsed[1] < 2**63:
        raise Refusal(
            "unfit", expected="`next` of the page before", came="another cursor", mend="Begin without `after`."
        )
    return parsed


def _class(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise NothingThere(kind="a class of this label set")
    return names.index(name)
