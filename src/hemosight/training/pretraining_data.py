"""Which cells train and which are watched, and the pixels of both, a batch at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.images.catalog import Catalog
from hemosight.images.laboratory_splits import hold_out_by_source
from hemosight.training import pixel_cache
from hemosight.training.display import Display
from hemosight.training.distributed import Processes
from hemosight.training.pixel_cache import PixelCache
from hemosight.training.recipes import PretrainConfig
from hemosight.training.trainer import read_ahead, require_batch, seed_for

Cells = NDArray[np.int64]
"""Positions in a catalog."""


@dataclass(frozen=True)
class PretrainingData:
    """Cells by their position in a catalog of distinct, readable ones.

    Parameters
    ----------
    catalog
        Training and validation cells; no held-out one among them.
    pixels
        Of every cell, wide enough to cut views from.
    train, validation
        Positions, ascending; no copy of a cell, and no other cell of its patient, is on the other side.
    hash
        Of the ids and scales of both sides.
    """

    catalog: Catalog
    pixels: PixelCache
    train: Cells
    validation: Cells
    hash: str

    def steps(self, batch: int) -> int:
        """Whole batches in an epoch."""
        return len(self.train) // batch

    def batches(
        self, config: PretrainConfig, epoch: int, processes: Processes, start: int = 0
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """An epoch (from 0): each step's number and the pixels of this process' share, read one step ahead."""
        order = np.random.default_rng(seed_for(config.seed, "order", epoch)).permutation(self.train)
        share = processes.share(config.batch)

        def read(step: int) -> NDArray[np.uint8]:
            return self.pixels[order[step * config.batch : (step + 1) * config.batch][share]]

        return read_ahead(read, range(start, self.steps(config.batch)))

    def split(self, held_out: Catalog | None) -> pl.DataFrame:
        """Id, scale and part of every cell: ``train``, ``validation``, ``held-out``."""
        sides = np.full(len(self.catalog), "train", dtype=object)
        sides[self.validation] = "validation"
        parts = [self.catalog.table.select("id", "scale").with_columns(pl.Series("part", sides, pl.String))]
        if held_out is not None:
            parts.append(
                held_out.table.select("id", "scale").unique(maintain_order=True).with_columns(part=pl.lit("held-out"))
            )
        return pl.concat(parts)


def prepare(
    catalog: Catalog,
    held_out: Catalog | None,
    config: PretrainConfig,
    cache: Path,
    processes: Processes,
    display: Display,
) -> PretrainingData:
    """Drop held-out cells, copies and unreadable files; prepare pixels; keep a share for validation.

    Raises :class:`~hemosight.errors.TooFewCells` where less than one batch is left to train on.
    """
    table = catalog.readable().table.unique("id", keep="first", maintain_order=True)
    if held_out is not None:
        table = table.filter(~pl.col("id").is_in(held_out.ids))
    catalog = Catalog(table)
    # The first process decodes; the others then find everything there.
    if not processes.first:
        processes.wait()
    pixels = pixel_cache.build(
        catalog, config.wide_preprocessing, cache, on_progress=lambda done, total: display.show("pixels", done, total)
    )
    if processes.first:
        processes.wait()
    if processes.first:
        paths = dict(catalog.table.select("id", "path").iter_rows())
        for name, reason in pixels.unreadable.items():
            display.say(f"left out: {paths[name]}: {reason}")
    usable = np.nonzero(pixels.rows >= 0)[0]
    catalog, pixels = catalog.take(usable), PixelCache(pixels.pixels, pixels.rows[usable])
    train, validation = _carve(catalog, config)
    require_batch(len(train), config.batch)
    if config.validation:
        require_batch(len(validation), 2, "validation")
    lines = sorted(f"{name} {scale!r}\n" for name, scale in catalog.table.select("id", "scale").iter_rows())
    return PretrainingData(catalog, pixels, train, validation, hashlib.sha256("".join(lines).encode()).hexdigest()[:16])


def _carve(catalog: Catalog, config: PretrainConfig) -> tuple[Cells, Cells]:
    everything = np.arange(len(catalog))
    if config.validation == 0 or len(catalog) < 2:
        return everything, everything[:0]
    # Blank labels: a stratified split would already be a use of them.
    blank = Catalog(catalog.table.with_columns(label=pl.lit(None, pl.String)))
    split = hold_out_by_source(blank, config.validation, config.seed)
    return split.rest, split.held


def cache_home(environment: Mapping[str, str] | None = None) -> Path:
    """Where prepared pixels lie: ``hemosight/pixels`` in the XDG cache folder."""
    environment = os.environ if environment is None else environment
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hemosight" / "pixels"
