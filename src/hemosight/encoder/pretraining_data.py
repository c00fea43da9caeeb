"""Which cells train and which are watched, and the pixels of both, a batch at a time."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.encoder.display import Display
from hemosight.encoder.distributed import Processes
from hemosight.encoder.recipes import PretrainConfig
from hemosight.errors import BatchTooLarge
from hemosight.images import pixel_cache, splits
from hemosight.images.catalog import Catalog
from hemosight.images.pixel_cache import PixelCache

Cells = NDArray[np.int64]
"""Positions in a catalog."""


def seed_for(seed: int, purpose: str, *numbers: int) -> int:
    """A seed of 63 bits for one purpose at one place of a run.

    Everything random is seeded by where it is and not by what came before, so that a resumed run needs no state of
    any generator.
    """
    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *numbers])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


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

        steps = range(start, self.steps(config.batch))
        with ThreadPoolExecutor(1) as reader:
            ahead = [reader.submit(read, step) for step in steps[:1]]
            for step in steps:
                pixels = ahead.pop().result()
                ahead += [reader.submit(read, later) for later in steps[step + 1 - start : step + 2 - start]]
                yield step, pixels

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

    Raises :class:`~hemosight.errors.BatchTooLarge` where less than one batch is left to train on.
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
        for name, reason in pixels.unreadable.items():
            display.say(f"left out {name[:12]}: {reason}")
    usable = np.nonzero(pixels.rows >= 0)[0]
    catalog, pixels = catalog.take(usable), PixelCache(pixels.pixels, pixels.rows[usable])
    train, validation = _carve(catalog, config)
    if len(train) < config.batch:
        raise BatchTooLarge(batch=config.batch, images=len(train), purpose="training")
    if config.validation and len(validation) < 2:
        raise BatchTooLarge(batch=2, images=len(validation), purpose="validation")
    lines = sorted(f"{name} {scale!r}\n" for name, scale in catalog.table.select("id", "scale").iter_rows())
    return PretrainingData(catalog, pixels, train, validation, hashlib.sha256("".join(lines).encode()).hexdigest()[:16])


def _carve(catalog: Catalog, config: PretrainConfig) -> tuple[Cells, Cells]:
    everything = np.arange(len(catalog))
    if config.validation == 0 or len(catalog) < 2:
        return everything, everything[:0]
    # Blank labels: a stratified split would already be a use of them.
    blank = Catalog(catalog.table.with_columns(label=pl.lit(None, pl.String)))
    split = splits.hold_out(blank, config.validation, config.seed)
    return split.rest, split.held


def cache_home(environment: Mapping[str, str] | None = None) -> Path:
    """Where prepared pixels lie: ``hemosight/pixels`` in the XDG cache folder."""
    environment = os.environ if environment is None else environment
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hemosight" / "pixels"
