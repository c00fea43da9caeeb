"""The engine: a bundle and crops in, readings out. No HTTP, no database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine import backends
from hemosight.engine.backend_choice import MANY
from hemosight.engine.bundle import Bundle
from hemosight.engine.bundle import load as load_bundle
from hemosight.engine.judge import Judge
from hemosight.engine.network import BATCH, Crop, CropEmbedding, Network
from hemosight.engine.readings import Reading
from hemosight.engine.surroundings import Surveyor
from hemosight.errors import TooFewLabels, UnknownName
from hemosight.images import pixel_scale
from hemosight.images.catalog import Catalog, Progress, content_id
from hemosight.space import classifiers, explain
from hemosight.space.embeddings import Embeddings
from hemosight.space.explain import Heat, Vector
from hemosight.space.labels import SupportSet
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.novelty import Novelty
from hemosight.space.selftraining import Background

_TOGETHER = 4 * BATCH
"""Points read at a time: one matrix product against everything known."""
STRANGE = 0.95
"""Median novelty above which labelled cells are taken to be of another scanner than the bundle's. With the encoder that
comes with HemoSight 2.5% of handfuls of the same scanner lie above it and all of another scanner, which has 0.97 to 1.2
(``benchmarks/novelty.py``)."""
_NOTHING = content_id(b"")
Scale = float | Sequence[float] | Literal["auto"]
"""What brings crops to the reference scale: a factor for all, one a crop, or measured."""


@dataclass(frozen=True)
class Support:
    """Labels gathered from a user's own crops, and what was left out of them."""

    cells: SupportSet
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Path -> why it was left out."""


class Engine:
    """Reads crops with a bundle's encoder and labels, or with labels given on the spot.

    Parameters
    ----------
    bundle
        A loaded bundle.
    threads
        Processor threads; all cores where None.
    backend
        What computes the vectors (:mod:`hemosight.engine.backends`); where None what the environment's
        ``HEMOSIGHT_BACKEND`` says, and otherwise ``auto``.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None, backend: str | None = None) -> None:
        self.bundle = bundle
        self.network = Network(bundle.encoder, bundle.preprocessing, threads, backend or backends.asked_for())

    @cached_property
    def surveyor(self) -> Surveyor:
        """Looks around new cells, among the bundle's labelled ones."""
        return Surveyor(self.bundle, self.network.backend.product(self.bundle.support.embeddings.vectors))

    # --- reading ---

    def classify(
        self,
        crops: Iterable[Crop],
        *,
        label_set: str = CELL_TYPE,
        support: SupportSet | None = None,
        scale: Scale = "auto",
    ) -> list[Reading]:
        """One reading a crop, in order. Parameters as for :meth:`stream`."""
        return list(self.stream(crops, label_set=label_set, support=support, scale=scale))

    def stream(
        self,
        crops: Iterable[Crop],
        *,
        label_set: str = CELL_TYPE,
        support: SupportSet | None = None,
        scale: Scale = "auto",
    ) -> Iterator[Reading]:
        """Readings in the order of the crops, as they are ready.

        Parameters
        ----------
        crops
            Paths, bytes or decoded RGB arrays.
        label_set
            ``cell_type``, an attribute's name, or a user's own.
        support
            Labelled cells that replace the bundle's.
        scale
            Factor that brings the crops' pixels to the reference scale; one for all, or one a crop. ``auto`` measures
            it on their red cells (:mod:`hemosight.images.pixel_scale`); of an iterator on those of the first 200.

        Raises :class:`~hemosight.errors.UnknownName` for a label set nobody has labels in,
        :class:`~hemosight.errors.EncoderMismatch` when the support lies in another space. An unreadable crop raises
        nothing: its reading says why.
        """
        judge = self._judge(label_set, support)
        if isinstance(crops, Sequence) and len(crops) >= MANY:
            self.network.choose()
        if scale == "auto":
            crops, scale = _measured(crops, self.network.bits)
        return self._read(crops, judge, scale)

    def read(
        self, embeddings: Embeddings, label_set: str = CELL_TYPE, support: SupportSet | None = None
    ) -> list[Reading]:
        """Readings of cells embedded before; refuses embeddings of another space."""
        self.bundle.space.require(embeddings.space)
        judge = self._judge(label_set, support)
        points = [CropEmbedding(cell, vector) for cell, vector in zip(embeddings.ids, embeddings.vectors, strict=True)]
        return list(judge.readings([None] * len(points), points))

    def read_catalog(
        self,
        catalog: Catalog,
        *,
        label_set: str = CELL_TYPE,
        support: SupportSet | None = None,
        progress: Progress | None = None,
    ) -> list[Reading]:
        """One reading a row of a catalog, in its order, each cell at its own source's pixel scale."""
        judge = self._judge(label_set, support)
        points = self.network.points_of(catalog, progress)
        return list(judge.readings([str(path) for path in catalog.paths], points))

    def _read(self, crops: Iterable[Crop], judge: Judge, scale: float | Sequence[float]) -> Iterator[Reading]:
        names: list[str | None] = []

        def noting() -> Iterator[Crop]:
            for crop in crops:
                names.append(str(crop) if isinstance(crop, str | Path) else None)
                yield crop

        done, batch = 0, []
        for point in self.network.points(noting(), scale):
            batch.append(point)
            if len(batch) == _TOGETHER:
                yield from judge.readings(names[done : done + _TOGETHER], batch)
                done, batch = done + _TOGETHER, []
        yield from judge.readings(names[done:], batch)

    def classes(self, label_set: str = CELL_TYPE, support: SupportSet | None = None) -> tuple[str, ...]:
        """The classes a reading can have, in the order of its probabilities."""
        return support.classes(label_set) if support is not None else self._bundled(label_set).classes

    def _bundled(self, label_set: str) -> LinearClassifier:
        if label_set not in self.bundle.classifiers:
            raise UnknownName(kind="label set", choices=", ".join(self.bundle.classifiers), name=label_set)
        return self.bundle.classifiers[label_set]

    def _reader(self, label_set: str, support: SupportSet | None) -> tuple[LinearClassifier, Novelty]:
        if support is not None:
            self.bundle.space.require(support.embeddings.space)
            reader = classifiers.fit(*support.labelled(label_set), background=self.background_for(support))
            return reader, Novelty.fit(support.embeddings.vectors)
        return self._bundled(label_set), self.bundle.novelty

    def _judge(self, label_set: str, support: SupportSet | None) -> Judge:
        """What turns embeddings into readings; own labels make their laboratory a known one."""
        reader, novelty = self._reader(label_set, support)
        return Judge(reader, novelty, self.bundle.familiarity if support is None else None, label_set == CELL_TYPE)

    def background_for(self, support: SupportSet) -> Background | None:
        """The bundle's cells without their labels, where they are more than the labels and of the same kind.

        Labels from another scanner lie outside of them (median novelty above :data:`STRANGE`), and would be misled.
        """
        cells = self.bundle.support.embeddings
        if len(support) >= len(cells) or np.median(self.bundle.novelty.score(support.embeddings.vectors)) > STRANGE:
            return None
        others = [row for row, cell in enumerate(cells.ids) if cell not in support]
        return self.bundle.background if len(others) == len(cells) else Background(cells.vectors[others])

    # --- why ---

    def heat(
        self,
        crop: Crop,
        label: str | None = None,
        *,
        like: Vector | None = None,
        label_set: str = CELL_TYPE,
        support: SupportSet | None = None,
        reader: LinearClassifier | None = None,
        scale: float = 1.0,
    ) -> Heat:
        """Where in a crop its reading comes from (Grad-CAM++), in the crop's own pixels: height x width, 0 to 1.

        Parameters
        ----------
        label
            The class that is asked about; what the crop is read as where None.
        like
            Another cell's vector: where the crop resembles it, instead of where a class comes from.
        reader
            Reads instead of the label set's reader, such as one that has learnt from corrections.

        The other parameters are as for :meth:`stream`. Raises :class:`~hemosight.errors.UnreadableImage` and
        :class:`~hemosight.errors.UnknownName`. ``explain.png(explain.overlay(heat))`` is a layer for a page.
        """
        pixels = self.network.open(crop)
        features, vectors = self.network.maps(self.network.preprocessing(pixels, scale)[None])
        surrogate = self.network.surrogate
        if like is not None:
            heat = explain.likeness_heat(features[0], like, surrogate=surrogate)
        else:
            reader = reader or self._reader(label_set, support)[0]
            label = label or str(reader.predict(vectors)[0])
            heat = explain.class_heat(features[0], reader, label, vectors[0], surrogate)
        height, width, _ = pixels.shape
        road = self.network.preprocessing
        return explain.onto_crop(heat, height, width, crop=road.crop, scale=scale, middle=road.middle(pixels))

    # --- labels on the spot ---

    def support(self, catalog: Catalog, label_set: str = CELL_TYPE, *, progress: Progress | None = None) -> Support:
        """Embed a catalog's labelled cells so that they can replace the bundle's labels.

        Unreadable files, and cells whose copies carry different labels, are left out and named; a copy with the
        same label counts once. Raises :class:`~hemosight.errors.TooFewLabels` when fewer than two classes remain.
        """
        labels, ids, paths = catalog.labels(label_set), catalog.ids, catalog.table["path"].to_list()
        kept, left_out = _agreeing(labels, ids, paths)
        embedded, unreadable = self.network.embed(catalog.take(kept), progress)
        left_out |= {path: str(fault) for path, fault in unreadable.items()}
        row_of = {ids[row]: row for row in kept}
        read = [row_of[cell] for cell in embedded.ids]
        classes = {labels[row] for row in read}
        if len(classes) < 2:
            came = f"only {classes.pop()!r}" if classes else f"no readable labelled cell ({len(left_out)} left out)"
            raise TooFewLabels(came=came)
        cells = SupportSet(
            embedded,
            {label_set: tuple(labels[row] for row in read)},
            tuple(catalog.table["source"][row] for row in read),
        )
        return Support(cells, left_out)


def load(path: str | Path | None = None, threads: int | None = None, backend: str | None = None) -> Engine:
    """Load a bundle, ready to classify; the one that comes with HemoSight where no path is given.

    ``threads`` and ``backend`` are as for :class:`Engine`.

    >>> import hemosight
    >>> for reading in hemosight.load().classify(["cell.png"]):
    ...     reading.label, reading.probability
    """
    return Engine(load_bundle(path), threads, backend)


def _measured(crops: Iterable[Crop], bits: int | None) -> tuple[Iterable[Crop], float | Sequence[float]]:
    """The crops, and what their red cells say of their scale."""
    if isinstance(crops, Sequence):
        return crops, pixel_scale.measure_each(crops, bits=bits).factors
    coming = iter(crops)
    first = list(islice(coming, pixel_scale.SAMPLE))
    return chain(first, coming), pixel_scale.measure(first, bits=bits).used


def _agreeing(
    labels: Sequence[str | None], ids: Sequence[str], paths: Sequence[str]
) -> tuple[list[int], dict[str, str]]:
    """Rows to learn from: one of each cell whose copies agree; and why the others are left out."""
    claimed: dict[str, set[str]] = {}
    for identity, label in zip(ids, labels, strict=True):
        if label is not None:
            claimed.setdefault(identity, set()).add(label)
    kept: list[int] = []
    left_out: dict[str, str] = {}
    seen: set[str] = set()
    for row, (identity, label) in enumerate(zip(ids, labels, strict=True)):
        if label is None:
            continue
        if identity == _NOTHING:
            kept.append(row)  # reading it will say what is wrong
        elif len(claimed[identity]) > 1:
            left_out[paths[row]] = f"copies of it are labelled {' and '.join(sorted(claimed[identity]))}"
        elif identity not in seen:
            seen.add(identity)
            kept.append(row)
    return kept, left_out
