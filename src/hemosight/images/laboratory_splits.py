"""The held-out part of every source by itself: by patient where patients are known, by image elsewhere.

What is held out of one laboratory does not depend on which others stand beside it, so that a figure measured before a
laboratory was added stays comparable. Barcelona and Munich, whose files name no patient, were dealt as one when the
first figures were published, and are still: their tenth (seed 0) is the cells it always was.

A patient's side depends on the patient's name alone: those whose sha256 is divisible by four are held out. A new
patient therefore moves nobody, and whoever trains elsewhere can tell the sides apart without this program. With very
few patients that can take nearly all cells of a common type away from learning; then whole patients are dealt so that
every type stays on both sides as far as may be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.errors import BadSplit
from hemosight.images.catalog import Catalog
from hemosight.images.splits import Rows, Split, hold_out, tied

BY_PATIENT, BY_IMAGE = "by patient", "by image"
PATIENT_PARTS = 4
"""Every so many-th patient is held out: a tenth of a few dozen patients would be too few to measure on."""
_DEALT_AS_ONE = ("pbc", "lmu_aml")
_COMMON, _LEAST_KEPT = 1 / 10, 1 / 3
"""A type with this share of a source's cells is common, and is to keep this share of its own for learning."""


def hold_out_by_source(
    catalog: Catalog, fraction: float = 0.1, seed: int = 0, groups: Sequence[Any] | NDArray[Any] | None = None
) -> Split:
    """Hold out a part of every source.

    Sources in which every cell names its patient give every fourth patient (:data:`PATIENT_PARTS`) with all cells;
    where all or none of a source's patients would be held out, or a tenth of its cells are of a type that would keep
    less than a third of its own for learning, and where no or not every cell names a patient, the source is dealt by
    :func:`hemosight.images.splits.hold_out`, patients whole. A source that cannot be cut is not held out; where none
    can, all are dealt as one. Cells that are tied across sources (copies, ``groups``) are held out together where one
    of them is.

    Parameters
    ----------
    fraction
        Of the cells of sources that are dealt; between 0 and 1, both excluded.
    seed
        0 hashes patients' names as they are.
    groups
        One value per row; rows with the same value stay together, null ties nothing.

    Raises
    ------
    BadSplit
        As :func:`hemosight.images.splits.hold_out` does, when not even all cells together can be cut.
    """
    held = np.zeros(len(catalog), bool)
    given = None if groups is None else np.asarray(groups, dtype=object)
    for rows in _sources(catalog):
        with suppress(BadSplit):
            held[rows] = _held(catalog.take(rows), fraction, seed, None if given is None else given[rows].tolist())
    if not held.any():
        return hold_out(catalog, fraction, seed, groups)
    group = tied(catalog, groups)
    held = np.isin(group, np.unique(group[held]))
    return Split(rest=np.flatnonzero(~held), held=np.flatnonzero(held))


def units(catalog: Catalog) -> dict[str, str]:
    """Source -> ``by patient`` where every cell of it names its patient, else ``by image``; sorted by source."""
    known = (
        catalog.table.group_by(pl.col("source").fill_null(""))
        .agg(by_patient=pl.col("patient").is_not_null().all())
        .sort("source")
    )
    return {source: BY_PATIENT if patient else BY_IMAGE for source, patient in known.iter_rows()}


def described(by_source: Mapping[str, str]) -> str:
    """How sources are split, in words: ``by patient: jhu_aml; by image: lmu_aml, pbc``."""
    parts = []
    for unit in (BY_PATIENT, BY_IMAGE):
        names = [source or "unnamed" for source, its in by_source.items() if its == unit]
        if names:
            parts.append(f"{unit}: {', '.join(names)}")
    return "; ".join(parts)


def is_held_patient(patient: str, seed: int = 0) -> bool:
    """Whether a patient is held out, told by the name alone."""
    salted = f"{seed}:{patient}" if seed else patient
    return int(hashlib.sha256(salted.encode()).hexdigest(), 16) % PATIENT_PARTS == 0


def _sources(catalog: Catalog) -> Iterator[Rows]:
    source = catalog.table["source"].fill_null("").to_numpy().astype(str)
    yield from filter(len, (np.flatnonzero(np.isin(source, _DEALT_AS_ONE)),))
    for name in np.unique(source[~np.isin(source, _DEALT_AS_ONE)]):
        yield np.flatnonzero(source == name)


def _held(part: Catalog, fraction: float, seed: int, groups: Sequence[Any] | None) -> NDArray[np.bool_]:
    patients = part.table["patient"]
    if not patients.null_count():
        held = np.array([is_held_patient(patient, seed) for patient in patients], bool)
        if held.any() and not held.all() and not _robs_a_common_type(part, held):
            return held
        fraction = 1 / PATIENT_PARTS
    held = np.zeros(len(part), bool)
    held[hold_out(part, fraction, seed, groups).held] = True
    return held


def _robs_a_common_type(part: Catalog, held: NDArray[np.bool_]) -> bool:
    """Whether a type with a tenth of the cells would keep less than a third of its own for learning."""
    kept = (
        pl.DataFrame({"type": part.labels(), "kept": ~held})
        .drop_nulls()
        .group_by("type")
        .agg(pl.len(), pl.col("kept").mean())
    )
    return not kept.filter((pl.col("len") >= _COMMON * len(part)) & (pl.col("kept") < _LEAST_KEPT)).is_empty()
