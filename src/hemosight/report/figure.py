"""What a report is made of: figures with the tables they were drawn from, claims, and sections that hold both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from hemosight.bundle import Bundle
from hemosight.charts.look import Spec
from hemosight.images.catalog import Progress
from hemosight.images.sources import SOURCES
from hemosight.study.material import Material
from hemosight.study.steps import Steps


@dataclass(frozen=True)
class Work:
    """What every study of a report is given.

    Parameters
    ----------
    material
        Cells, where they lie, and which are held out.
    bundle
        Whose encoder placed them.
    classifier
        Which is fitted; the default, or the paper's SVM.
    steps
        Runs pieces and keeps them.
    seed
        Of everything that is drawn.
    say, embedding
        Told what is going on, and how many cells have been embedded.
    features
        Of the network that the supervised baseline starts from; made where None.
    train
        Sizes at which that network is trained as well: labels of each class, None for all -> in how many folds.
    map
        How the landscape is laid out: ``tsne`` or ``umap``.
    """

    material: Material
    bundle: Bundle
    classifier: str
    steps: Steps
    seed: int = 0
    say: Callable[[str], None] = lambda words: None
    embedding: Progress | None = None
    features: Path | None = None
    train: Mapping[int | None, int] = field(default_factory=dict)
    map: str = "tsne"

    @property
    def basis(self) -> str:
        """On how many cells of what; what every caption ends with."""
        held = len(self.material.split.held)
        apart = f", {held:,} of them held out {self.split_by}" if held else ""
        return f"{len(self.material):,} cells of {self.sources}{apart}; seed {self.seed}"

    @property
    def sources(self) -> str:
        """The data sets, in words."""
        names = sorted(source_name(name) for name in set(self.material.sources.tolist()) - {""})
        return " and ".join(names) or "an unnamed source"

    @property
    def patients(self) -> int:
        """Cells of which the data say whose they are."""
        return int(self.material.catalog.table["patient"].is_not_null().sum())

    @property
    def split_by(self) -> str:
        """What no split tears apart: images, or patients as far as they are known."""
        if not self.patients:
            return "by image"
        known = self.patients == len(self.material)
        return "by patient" if known else f"by patient where one is known ({self.patients:,} cells), else by image"

    @property
    def split_means(self) -> str:
        """What follows from that for the figures."""
        if not self.patients:
            return "No file of these sets names a patient: splits are by image, and figures by patient may be lower."
        if self.patients == len(self.material):
            return "All cells of a patient stand on one side of every split."
        return (
            f"{self.patients:,} of {len(self.material):,} cells name a patient, whose cells stand on one side of every "
            "split; the others are split by image, and figures by patient may be lower."
        )


def source_name(name: str) -> str:
    """A source as a sentence calls it; one that is no public set keeps its name."""
    return (SOURCES[name].place if name in SOURCES else "") or name


@dataclass(frozen=True)
class Picture:
    """A crop, or a crop under its heat: JPEG bytes. It stays on the machine of whoever made the report."""

    data: bytes
    label: str


@dataclass(frozen=True)
class Figure:
    """A chart or a plate of crops, the table it was drawn from, and what it shows.

    Parameters
    ----------
    name
        Of its files: ``tables/<name>.csv``, ``figures/<name>.json``, ``.svg``, ``.png``.
    caption
        What it shows, with how many cells, folds and seeds of what data.
    table
        Every number in it.
    spec
        Vega-Lite; None for a plate.
    plate
        Pictures, row by row; ``columns`` of them a row.
    raster
        Drawn as PNG inside the page: a chart of thousands of points.
    small
        One of several alike, which stand side by side at the section's end.
    """

    name: str
    title: str
    caption: str
    table: pl.DataFrame
    spec: Spec | None = None
    plate: tuple[Picture, ...] = ()
    columns: int = 0
    raster: bool = False
    small: bool = False


@dataclass(frozen=True)
class Claim:
    """One measured statement: what, its value as it is written, and on what it rests."""

    what: str
    value: str
    basis: str
    paper: str = ""


@dataclass(frozen=True)
class Section:
    """One study: sentences, figures, and the tables they were computed from."""

    name: str
    title: str
    text: tuple[str, ...]
    figures: tuple[Figure, ...] = ()
    claims: tuple[Claim, ...] = ()
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Further tables, written as Parquet: what the figures' tables are summaries of."""


Study = Callable[[Work], Section]
