"""What is wrong with a catalog: files that cannot be read, copies, copies with two labels, odd sizes.

Copies are found in two steps: byte-identical files share their content id; near copies are looked for by
:mod:`hemosight.images.near_copies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hemosight.errors import UnreadableImage
from hemosight.images.catalog import Catalog, Progress, over_files
from hemosight.images.decode import decode_cell, read_bytes
from hemosight.images.names import from_text
from hemosight.images.near_copies import POSITIONS, SIDE, Miniatures, miniature, near_pairs

TINY = 64
"""Pixels on the shorter side below which a cell's chromatin cannot be judged."""
ODD = 1.25
"""Factor from its source's median size beyond which a picture is odd."""


@dataclass(frozen=True)
class CheckReport:
    """What :func:`check` found; tables have one row per finding.

    Parameters
    ----------
    cells
        Rows looked at.
    unreadable
        ``path``, ``reason``.
    identical
        Byte-identical pairs: ``path``, ``copy``, ``label``, ``copy_label``; of k copies, k - 1 pairs with the first.
    near
        Near-identical pairs of different bytes: the same columns, ``position`` (how the copy must be moved) and
        ``difference`` (grey levels).
    conflicts
        Copies whose labels differ: ``path``, ``copy``, ``label``, ``copy_label``, ``kind`` (identical or near). Each
        is set against the first labelled copy; a copy without label contradicts none.
    straddling
        Copies of either kind on both sides of a boundary that a model must not see across: ``path``, ``copy``,
        ``side``, ``copy_side``, ``across`` (official_split, fold or patient). Each is
        set against the first of its group.
    sizes
        ``path``, ``width``, ``height``, ``reason``: tiny pictures, and those unlike the rest of their source.
    groups
        One number per row of the catalog, int64, shape (cells,), shared by copies of either kind, for splits.
    """

    cells: int
    unreadable: pl.DataFrame
    identical: pl.DataFrame
    near: pl.DataFrame
    conflicts: pl.DataFrame
    straddling: pl.DataFrame
    sizes: pl.DataFrame
    groups: NDArray[np.int64]

    @property
    def distinct_files(self) -> int:
        """Files that are no byte-identical copy of another."""
        return self.cells - self.identical.height

    @property
    def distinct_cells(self) -> int:
        """Files that are no copy of either kind."""
        return int(np.unique(self.groups).size)

    @property
    def must_be_mended(self) -> bool:
        """Whether a file cannot be read, or one cell carries two labels."""
        return bool(self.unreadable.height or self.conflicts.height)

    def to_json(self) -> dict[str, Any]:
        """Counts and tables as plain values."""
        tables = {
            "unreadable": self.unreadable,
            "identical": self.identical,
            "near": self.near,
            "conflicts": self.conflicts,
            "straddling": self.straddling,
            "sizes": self.sizes,
        }
        return {
            "cells": self.cells,
            "distinct_files": self.distinct_files,
            "distinct_cells": self.distinct_cells,
            **{name: table.to_dicts() for name, table in tables.items()},
        }


def check(
    catalog: Catalog,
    progress: Progress | None = None,
    comparing: Progress | None = None,
    *,
    bits: int | None = None,
) -> CheckReport:
    """Decode every file once (``progress``) and compare every pair of pictures (``comparing``).

    ``bits`` hold the values of deep samples in files that do not say, where the catalog does not know either.
    """
    table = catalog.table
    given = table["bits"].fill_null(bits) if bits is not None else table["bits"]
    seen = over_files(_look, list(zip(given, map(str, table["path"]), strict=True)), progress)
    readable = np.array([not isinstance(look, str) for look in seen], dtype=bool)
    reasons = [look for look in seen if isinstance(look, str)]
    unreadable = pl.DataFrame(
        {"path": table["path"].filter(~pl.Series(readable)), "reason": reasons},
        schema={"path": pl.String, "reason": pl.String},
    )
    ids = np.unique(table["id"].to_numpy().astype(str), return_inverse=True)[1].astype(np.int64)
    first = _first_of_each(ids, readable)
    rows = np.nonzero(readable)[0]
    copies = rows[first[ids[rows]] != rows]
    originals = first[ids[copies]]
    leaders = rows[first[ids[rows]] == rows]
    looks = [look for look in (seen[row] for row in leaders) if not isinstance(look, str)]
    miniatures = np.stack(looks) if looks else np.empty((0, SIDE, SIDE, 3), np.uint8)
    one, other, position, difference = near_pairs(miniatures, comparing)
    identical = _pairs(table, originals, copies)
    near = _pairs(table, leaders[one], leaders[other]).with_columns(
        pl.Series("position", [POSITIONS[p] for p in position], dtype=pl.String),
        pl.Series("difference", difference.astype(np.float64), dtype=pl.Float64),
    )
    ends = (np.concatenate([originals, leaders[one]]), np.concatenate([copies, leaders[other]]))
    graph = coo_array((np.ones(ends[0].size, bool), ends), shape=(len(catalog),) * 2)
    groups = connected_components(graph, directed=False)[1].astype(np.int64)
    grouped = table.with_columns(pl.Series("group", groups)).filter(pl.Series(readable))
    conflicts, straddling = _conflicts(grouped), _straddling(grouped)
    return CheckReport(len(catalog), unreadable, identical, near, conflicts, straddling, odd_sizes(catalog), groups)


def odd_sizes(catalog: Catalog) -> pl.DataFrame:
    """Readable pictures that are tiny, or unlike their source's usual (median) size: path, width, height, reason."""
    usual_width, usual_height = (pl.col(name).median().over("source") for name in ("width", "height"))
    wider, higher = pl.col("width") / usual_width, pl.col("height") / usual_height
    factor = pl.max_horizontal(wider, 1 / wider, higher, 1 / higher)
    tiny = pl.min_horizontal("width", "height") < TINY
    usual = pl.format(
        "usual size of {} is {} x {}",
        pl.col("source").fill_null("unknown"),
        usual_width.round().cast(pl.Int64),
        usual_height.round().cast(pl.Int64),
    )
    reason = pl.when(tiny).then(pl.lit(f"shorter side below {TINY} pixels")).when(factor > ODD).then(usual)
    return (
        catalog.readable()
        .table.with_columns(reason.alias("reason"))
        .filter(pl.col("reason").is_not_null())
        .select("path", "width", "height", "reason")
    )


def _look(file: tuple[int | None, str]) -> Miniatures | str:
    """A miniature of a file whose deep samples have so many bits, or why there is none."""
    bits, path = file
    try:
        return miniature(decode_cell(read_bytes(from_text(path)), bits))
    except UnreadableImage as error:
        return str(error)


def _first_of_each(ids: NDArray[np.int64], readable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each id the first readable row that has it, or -1."""
    first = np.full(int(ids.max(initial=-1)) + 1, -1, np.int64)
    rows = np.nonzero(readable)[0][::-1]
    first[ids[rows]] = rows  # the last assignment wins, and that is the first row
    return first


def _conflicts(rows: pl.DataFrame) -> pl.DataFrame:
    """Copies whose label is not that of the first labelled one: of one id, then of one group."""
    labelled = rows.filter(pl.col("label").is_not_null())
    identical, near = (
        labelled.select(
            pl.col("path").first().over(by),
            pl.col("path").alias("copy"),
            pl.col("label").first().over(by),
            pl.col("label").alias("copy_label"),
            pl.lit(kind).alias("kind"),
        ).filter(pl.col("label") != pl.col("copy_label"))
        for by, kind in (("id", "identical"), ("group", "near"))
    )
    return pl.concat([identical, near.join(identical, on=["path", "copy"], how="anti", maintain_order="left")])


def _straddling(rows: pl.DataFrame) -> pl.DataFrame:
    """Copies on another side than the first of their group that has one: of the published split, fold, or patient."""
    shared = pl.col("patient").is_not_null() & (pl.col("source").n_unique().over("patient") > 1)
    apart = pl.when(shared).then(pl.format("{} of {}", "patient", "source")).otherwise("patient")
    rows = rows.with_columns(apart.alias("patient"))  # two laboratories may both have a Case_1
    found = [
        rows.filter(pl.col(across).is_not_null())
        .select(
            pl.col("path").first().over("group"),
            pl.col("path").alias("copy"),
            pl.col(across).first().over("group").alias("side"),
            pl.col(across).alias("copy_side"),
            pl.lit(across).alias("across"),
        )
        .filter(pl.col("side") != pl.col("copy_side"))
        for across in ("official_split", "fold", "patient")
    ]
    return pl.concat(found)


def _pairs(table: pl.DataFrame, one: NDArray[np.int64], other: NDArray[np.int64]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "path": table["path"][one],
            "copy": table["path"][other],
            "label": table["label"][one],
            "copy_label": table["label"][other],
        }
    )
