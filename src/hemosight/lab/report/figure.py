"""What a report is made of: figures with the tables they were drawn from, claims, and sections that hold both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from hemosight.engine.bundle import Bundle
from hemosight.images.catalog import Progress
from hemosight.images.laboratory_splits import BY_IMAGE, described
from hemosight.images.sources import SOURCES
from hemosight.lab.charts.look import Spec
from hemosight.lab.studies.baseline import BaselineNetwork
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData


@dataclass(frozen=True)
class ReportInputs:
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
        Called with a line of text on what is being done, and with the cells embedded so far and in all.
    features
        Embeddings by the network that the supervised baseline starts from; made with ``network`` where None.
    network
        Exports and trains that network; None where neither is asked for.
    train
        Sizes at which that network is trained as well: labels of each class, None for all -> in how many folds.
    map
        How the landscape is laid out: ``tsne`` or ``umap``.
    """

    material: StudyData
    bundle: Bundle
    classifier: str
    steps: Steps
    seed: int = 0
    say: Callable[[str], None] = lambda words: None
    embedding: Progress | None = None
    features: Path | None = None
    network: BaselineNetwork | None = None
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
    def split_by(self) -> str:
        """What no split tears apart: patients or images, source by source where they differ."""
        by_source = self.material.split_by
        kinds = set(by_source.values())
        return kinds.pop() if len(kinds) == 1 else described({source_name(name): by for name, by in by_source.items()})

    @property
    def split_means(self) -> str:
        """What follows from that for the figures."""
        by_image = [source_name(name) for name, by in self.material.split_by.items() if by == BY_IMAGE]
        if not by_image:
            return "All cells of a patient stand on one side of every split."
        if len(by_image) == len(self.material.split_by):
            return "No file of these sets names a patient: splits are by image, and figures by patient may be lower."
        return (
            f"Cells of a patient stand on one side of every split, except of {' and '.join(by_image)}, whose files "
            "name no patient: those are split by image, and figures by patient may be lower."
        )


def source_name(name: str) -> str:
    """A source as a sentence calls it; one that is no public set keeps its name."""
    return (SOURCES[name].place if name in SOURCES else "") or name


@dataclass(frozen=True)
class PlatePicture:
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
    shown
        What stands on the page instead of ``table``, which has more columns than a reader wants.
    """

    name: str
    title: str
    caption: str
    table: pl.DataFrame
    spec: Spec | None = None
    plate: tuple[PlatePicture, ...] = ()
    columns: int = 0
    raster: bool = False
    small: bool = False
    shown: pl.DataFrame | None = None


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


Study = Callable[[ReportInputs], Section]
