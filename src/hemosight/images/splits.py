"""Splits in which no cell stands on both sides: seeded, stratified by label, grouped by copy and by patient.

Cells that share a content id, a patient or a given group (near copies) are tied together; what is tied, directly or
through others, moves as one. The order in which groups are dealt is the order of sha256(seed, group), so that a
split depends on the cells and the seed and not on the order of the rows.

The paper holds out 10 % of the cells and takes 5 folds of the rest::

    split = hold_out(catalog, 0.1)
    training = catalog.take(split.rest)
    for fold in folds(training, 5):
        ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hemosight.errors import BadSplit
from hemosight.images.catalog import Catalog

Rows = NDArray[np.int64]
"""Row numbers, ascending."""


@dataclass(frozen=True)
class Split:
    """Row numbers of the two sides, ascending; every row is on one of them."""

    rest: Rows
    held: Rows


def hold_out(
    catalog: Catalog, fraction: float = 0.1, seed: int = 0, groups: Sequence[Any] | NDArray[Any] | None = None
) -> Split:
    """Hold out a fraction of the cells of every label.

    Parameters
    ----------
    fraction
        Between 0 and 1, both excluded.
    groups
        One value per row; rows with the same value stay together (``CheckReport.groups``), null ties nothing.

    Raises
    ------
    BadSplit
        When the fraction is none, there are fewer than two groups, or ``groups`` has another length.
    """
    if not 0 < fraction < 1:
        raise BadSplit(
            expected="a fraction between 0 and 1", came=f"{fraction:g}", mend="The paper holds out 0.1 of the cells."
        )
    parts = _deal(catalog, np.array([1 - fraction, fraction]), seed, groups)
    return Split(rest=np.nonzero(parts == 0)[0], held=np.nonzero(parts == 1)[0])


def folds(
    catalog: Catalog, k: int = 5, seed: int = 0, groups: Sequence[Any] | NDArray[Any] | None = None
) -> list[Split]:
    """Cut into k parts; each is held once. ``groups`` and errors as in :func:`hold_out`."""
    if k < 2:
        raise BadSplit(expected="at least two folds", came=f"{k}", mend="The paper takes 5.")
    parts = _deal(catalog, np.full(k, 1 / k), seed, groups)
    return [Split(rest=np.nonzero(parts != fold)[0], held=np.nonzero(parts == fold)[0]) for fold in range(k)]


def tied(catalog: Catalog, groups: Sequence[Any] | NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Number of the group that each row moves with, shape (rows,): 0 is the group that appears first.

    Connected components of three relations: same content id, same patient of the same source, same given group.
    """
    n = len(catalog)
    relations = [_codes(catalog.table["id"]), _codes(_patients(catalog))]
    if groups is not None:
        given = pl.Series(groups, strict=False) if not isinstance(groups, pl.Series) else groups
        if len(given) != n:
            raise BadSplit(
                expected=f"one group for each of {n} cells",
                came=f"{len(given)}",
                mend="Give the groups of this very catalog, row by row.",
            )
        relations.append(_codes(given))
    # Each shared value is a node of its own: a relation then costs one edge a row, however large its groups.
    rows, nodes, size = [], [], n
    for codes in relations:
        has = codes >= 0
        rows.append(np.nonzero(has)[0])
        nodes.append(codes[has] + size)
        size += int(codes.max(initial=-1)) + 1
    ends = (np.concatenate(rows), np.concatenate(nodes))
    graph = coo_array((np.ones(ends[0].size, np.int8), ends), shape=(size, size))
    component = connected_components(graph, directed=False)[1][:n]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]


def few_shot(labels: Sequence[str | None], per_class: int, rng: np.random.Generator) -> Rows:
    """Row numbers of ``per_class`` cells of every class, or all of a class that has fewer; ascending.

    Unlabelled rows are never drawn. With the same seed a smaller draw lies inside a larger one.
    """
    if per_class < 1:
        raise BadSplit(expected="at least one cell of each class", came=f"{per_class}", mend="Ask for one or more.")
    drawn = [rng.permutation(rows)[:per_class] for rows in _by_class(labels)]
    return np.sort(np.concatenate(drawn)) if drawn else np.empty(0, np.int64)


def support_sample(labels: Sequence[str | None], n: int, rng: np.random.Generator) -> Rows:
    """Row numbers of ``n`` labelled cells in the classes' own proportions; ascending.

    Every class gets at least one cell as far as ``n`` reaches, the larger classes first.

    Raises
    ------
    BadSplit
        When there are fewer than ``n`` labelled cells.
    """
    classes = _by_class(labels)
    sizes = np.array([rows.size for rows in classes], dtype=np.int64)
    if not 1 <= n <= sizes.sum():
        raise BadSplit(
            expected=f"a sample of 1 to {sizes.sum()} labelled cells",
            came=f"{n}",
            mend="Label more cells, or ask for fewer.",
        )
    shares = np.zeros(sizes.size, np.int64)
    shares[np.argsort(-sizes, kind="stable")[:n]] = 1
    left = n - int(shares.sum())
    if left:
        # What exceeds the first cell of each class is shared by what each class has left.
        shares += _apportion(left, sizes - 1)
    drawn = [rng.permutation(rows)[:share] for rows, share in zip(classes, shares, strict=True)]
    return np.sort(np.concatenate(drawn))


# --- dealing groups to parts --------------------------------------------------------------------------------


def _deal(
    catalog: Catalog, shares: NDArray[np.float64], seed: int, groups: Sequence[Any] | NDArray[Any] | None
) -> NDArray[np.int64]:
    """The part that each row goes to, shape (rows,).

    Groups of several cells go first, the larger before the smaller, each to the part that lacks its labels most;
    single cells then fill every part up, label by label, to its exact quota.
    """
    group = tied(catalog, groups)
    count = int(group.max(initial=-1)) + 1
    if count < len(shares):
        raise BadSplit(
            expected=f"at least {len(shares)} independent groups of cells",
            came=f"{count}",
            mend="Copies and cells of one patient stay together: add cells or patients.",
        )
    labels = catalog.table["label"].fill_null("")
    names = np.unique(labels.to_numpy().astype(str))
    label = np.searchsorted(names, labels.to_numpy().astype(str))
    order = _order(catalog, group, seed)
    size = np.bincount(group, minlength=count)
    totals = np.bincount(label, minlength=names.size)
    quota = _quotas(totals, shares)
    part = np.full(len(catalog), -1, np.int64)
    filled = np.zeros((len(shares), names.size), np.int64)

    several = size[group] > 1
    rows = np.nonzero(several)[0]
    # Sizes of one power of two are shuffled among each other: else the largest patients would never change sides.
    rows = rows[np.lexsort((order[rows], -np.log2(size[group[rows]]).astype(np.int64)))]
    starts = np.nonzero(np.diff(group[rows], prepend=-1))[0]
    need = np.maximum(totals * shares[:, None], 1e-9)
    for members in np.split(rows, starts[1:]) if rows.size else []:
        which, amount = np.unique(label[members], return_counts=True)
        # Growth of the squared misfit, each part's measured by its own need.
        cost = (amount * (amount + 2 * (filled[:, which] - need[:, which])) / need[:, which]).sum(axis=1)
        to = int(np.argmin(cost))
        part[members] = to
        filled[to, which] += amount

    singles = np.nonzero(~several)[0]
    singles = singles[np.lexsort((order[singles], label[singles]))]
    bounds = np.searchsorted(label[singles], np.arange(names.size + 1))
    for name in range(names.size):
        dealt = singles[bounds[name] : bounds[name + 1]]
        lack = np.maximum(quota[:, name] - filled[:, name], 0)
        part[dealt] = np.repeat(np.arange(len(shares)), _apportion(dealt.size, lack))
    if np.bincount(part, minlength=len(shares)).min() == 0:
        raise BadSplit(
            expected="cells in every part",
            came=f"too few: {len(catalog)} in {count} independent groups",
            mend="Add cells, or ask for fewer folds or a fraction nearer to a half.",
        )
    return part


def _quotas(totals: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers of each label for each part, parts x labels, whose sums are ``totals``.

    What rounding leaves goes to the largest remainders, and among equal ones to the part that is emptiest so far,
    so that many small classes do not all favour the first part.
    """
    quota = np.floor(totals * shares[:, None] + 1e-9).astype(np.int64)
    remainder = totals * shares[:, None] - quota
    given = quota.sum(axis=1)
    for name in range(totals.size):
        order = np.lexsort((given / shares, -np.round(remainder[:, name], 9)))
        lucky = order[: totals[name] - quota[:, name].sum()]
        quota[lucky, name] += 1
        given[lucky] += 1
    return quota


def _apportion(n: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """``n`` in whole numbers in proportion to ``weights``, none above its weight while n <= their sum."""
    total = int(weights.sum())
    if not total:
        return np.zeros_like(weights)
    shares = n * weights // total
    left = n - int(shares.sum())
    shares[np.argsort(-(n * weights % total), kind="stable")[:left]] += 1
    return shares


def _order(catalog: Catalog, group: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """A pseudo-random number for each row, the same throughout a group, that row order does not change."""
    names = (
        pl.DataFrame({"group": group, "id": catalog.table["id"]})
        .group_by("group")
        .agg(pl.col("id").min())
        .sort("group")
    )["id"].to_list()
    salt = hashlib.sha256(f"{seed}:".encode())
    digests = bytearray()
    for name in names:
        salted = salt.copy()
        salted.update(name.encode())
        digests += salted.digest()[:8]
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)[group]


def _patients(catalog: Catalog) -> pl.Series:
    """Patients, told apart by source: two laboratories may both have a patient 1."""
    source = pl.col("source").fill_null("")
    return catalog.table.select((source + "\0" + pl.col("patient")).alias("patient"))["patient"]


def _codes(values: pl.Series) -> NDArray[np.int64]:
    """Equal values get equal numbers from 0 up; null gets -1."""
    return (values.rank("dense").cast(pl.Int64).fill_null(0) - 1).to_numpy()


def _by_class(labels: Sequence[str | None]) -> list[Rows]:
    """Row numbers of each class, classes in alphabetical order."""
    names = np.array(["" if label is None else label for label in labels], dtype=str)
    labelled = np.nonzero(np.array([label is not None for label in labels], dtype=bool))[0]
    return [labelled[names[labelled] == name] for name in np.unique(names[labelled])]
