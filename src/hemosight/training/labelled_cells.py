"""The labelled cells of several laboratories, ready to be drawn: pixels, masks, types, and how often each is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.vocabulary import FINE_TYPE, NOT_COUNTED
from hemosight.errors import TooFewCells, TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.training import pixel_cache
from hemosight.training.display import Display
from hemosight.training.partial_labels import finest_classes
from hemosight.training.scanners import Scanners, cell_masks
from hemosight.training.supervised_config import SupervisedConfig
from hemosight.training.trainer import seed_for

NO_CELL = "not_counted"
"""The class of what is no cell to be counted."""


@dataclass(frozen=True)
class LabelledCells:
    """What is learnt from: pixels with room around them, masks, types, laboratories, and how often each is drawn.

    ``classes`` are what the network tells apart, ``allowed[n, classes]`` which of them each cell may be
    (:mod:`hemosight.training.partial_labels`).
    """

    pixels: pixel_cache.PixelCache
    cells: NDArray[np.int64]
    masks: NDArray[np.uint8]
    types: tuple[str, ...]
    codes: NDArray[np.int64]
    classes: tuple[str, ...]
    allowed: NDArray[np.bool_]
    laboratories: tuple[str, ...]
    whose: NDArray[np.int64]
    shares: NDArray[np.float64]
    hash: str

    @classmethod
    def prepare(cls, catalog: Catalog, config: SupervisedConfig, cache: Path, display: Display) -> LabelledCells:
        """Prepare a catalog's labelled cells; of copies one stays, unreadable files are left out.

        Raises :class:`~hemosight.errors.TooFewLabels` with fewer than two types.
        """
        catalog = Catalog(catalog.readable().table.unique("id", keep="first", maintain_order=True))
        labels = training_labels(catalog)
        pixels = pixel_cache.build(
            catalog,
            config.wide_preprocessing,
            cache,
            on_progress=lambda done, total: display.show("pixels", done, total),
        )
        paths = dict(catalog.table.select("id", "path").iter_rows())
        for name, reason in pixels.unreadable.items():
            display.say(f"left out: {paths[name]}: {reason}")
        cells = np.flatnonzero((pixels.rows >= 0) & np.array([label is not None for label in labels]))
        types, codes = np.unique(np.array([str(label) for label in labels], np.str_)[cells], return_inverse=True)
        if len(types) < 2:
            raise TooFewLabels(came=f"only {types[0]!r}" if len(types) else "no labelled cell")
        sources = np.array(catalog.table["source"].fill_null("").to_list(), np.str_)[cells]
        laboratories, whose = np.unique(sources, return_inverse=True)
        finest = np.array(catalog.labels(FINE_TYPE), object)[cells]
        classes, allowed = finest_classes(types[codes].tolist(), finest.tolist(), sources.tolist())
        side = config.wide_preprocessing.size // 4
        masks = np.empty((len(cells), side, side), np.uint8)
        for start in range(0, len(cells), 256):
            part = slice(start, start + 256)
            masks[part] = cell_masks(pixels[cells[part]])
            display.show("masks", min(start + 256, len(cells)), len(cells))
        lines = sorted(
            f"{i} {t} {f} {s}\n"
            for i, t, f, s in zip(np.array(catalog.ids)[cells], types[codes], finest, sources, strict=True)
        )
        return cls(
            pixels,
            cells,
            masks,
            tuple(str(name) for name in types),
            codes.astype(np.int64),
            classes,
            allowed,
            tuple(str(name) for name in laboratories),
            whose.astype(np.int64),
            drawing_shares(sources, types[codes], config.power, config.doubtful),
            hashlib.sha256("".join(lines).encode()).hexdigest()[:16],
        )

    def scanners(self, config: SupervisedConfig, most: int = 150) -> Scanners | None:
        """What each laboratory's scanner does, measured on cells of one type; None with a single laboratory."""
        if len(self.laboratories) < 2:
            return None
        rng = np.random.default_rng(seed_for(config.seed, "scanners"))
        known = np.array(self.types)[self.codes] == config.scanner_type
        rows = np.concatenate(
            [
                np.sort(rng.permutation(np.flatnonzero(known & (self.whose == code)))[:most])
                for code in range(len(self.laboratories))
            ]
        )
        try:
            return Scanners.fit(self.pixels[self.cells[rows]], self.masks[rows], self.whose[rows], self.laboratories)
        except TooFewCells as fault:
            raise TooFewCells(
                expected=f"{fault.expected}, of the type {config.scanner_type}",
                came=fault.came,
                mend="Name a type that every laboratory has (--set scanner_type=TYPE; there are "
                f"{', '.join(self.types)}), or leave the laboratory out (--without).",
            ) from fault


def training_labels(catalog: Catalog) -> list[str | None]:
    """The cell type of every row, ``not_counted`` for what is known to be no cell to be counted, None elsewhere."""
    return [
        label if label is not None else (NO_CELL if fine in NOT_COUNTED and fine != "unidentified" else None)
        for label, fine in zip(catalog.labels(), catalog.labels(FINE_TYPE), strict=True)
    ]


def drawing_shares(
    laboratories: NDArray[np.str_], types: NDArray[np.str_], power: float, doubtful: Mapping[str, float] | None = None
) -> NDArray[np.float64]:
    """How often each cell is drawn; sums to one.

    All cells of one type and laboratory together are drawn as often as their number to ``power``, times the weight that
    ``doubtful`` gives to ``laboratory/type``.
    """
    names = np.array([f"{where}/{what}" for where, what in zip(laboratories, types, strict=True)])
    groups, group, counts = np.unique(names, return_inverse=True, return_counts=True)
    trust = np.array([(doubtful or {}).get(str(name), 1.0) for name in groups])
    shares = (trust * counts**power / counts)[group]
    return shares / shares.sum()
