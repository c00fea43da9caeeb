"""The engine: a bundle and crops in, readings out. No HTTP, no database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hemosight.bundle import Bundle
from hemosight.bundle import load as load_bundle
from hemosight.errors import TooFewLabels, UnknownName
from hemosight.images.catalog import Catalog, Progress, content_id
from hemosight.network import BATCH, Crop, Network, Point
from hemosight.readings import OK, Reading
from hemosight.space import classifiers, explain
from hemosight.space.embeddings import Embeddings
from hemosight.space.explain import Heat, Vector
from hemosight.space.labels import CELL_TYPE, SupportSet
from hemosight.space.novelty import Novelty
from hemosight.space.readers import Reader
from hemosight.space.selftraining import Background

_TOGETHER = 4 * BATCH
"""Points read at a time: one matrix product against everything known."""
STRANGE = 0.95
"""Median novelty above which labelled cells are taken to be of another scanner than the bundle's. With the encoder that
comes with HemoSight a handful of cells of the same scanner has 0.6 to 0.94, one of another scanner 0.95 to 1.2
(``benchmarks/novelty.py``)."""
_NOTHING = content_id(b"")


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
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self.bundle = bundle
        self.network = Network(bundle.encoder, bundle.preprocessing, threads)

    # --- reading ---

    def classify(
        self,
        crops: Iterable[Crop],
        *,
        label_set: str = CELL_TYPE,
        support: SupportSet | None = None,
        scale: float = 1.0,
    ) -> list[Reading]:
        """One reading a crop, in order. Parameters as for :meth:`stream`."""
        return list(self.stream(crops, label_set=label_set, support=support, scale=scale))

    def stream(
        self,
        crops: Iterable[Crop],
        *,
        label_set: str = CELL_TYPE,
        support: SupportSet | None = None,
        scale: float = 1.0,
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
            Factor that brings the crops' pixels to the reference scale.

        Raises :class:`~hemosight.errors.UnknownName` for a label set nobody has labels in,
        :class:`~hemosight.errors.EncoderMismatch` when the support lies in another space. An unreadable crop raises
        nothing: its reading says why.
        """
        reader, novelty = self._reader(label_set, support)
        return self._read(crops, reader, novelty, scale)

    def read(
        self, embeddings: Embeddings, label_set: str = CELL_TYPE, support: SupportSet | None = None
    ) -> list[Reading]:
        """Readings of cells embedded before; refuses embeddings of another space."""
        self.bundle.space.require(embeddings.space)
        reader, novelty = self._reader(label_set, support)
        points = [Point(cell, vector) for cell, vector in zip(embeddings.ids, embeddings.vectors, strict=True)]
        return list(_readings([None] * len(points), points, reader, novelty))

    def _read(self, crops: Iterable[Crop], reader: Reader, novelty: Novelty, scale: float) -> Iterator[Reading]:
        names: list[str | None] = []

        def noting() -> Iterator[Crop]:
            for crop in crops:
                names.append(str(crop) if isinstance(crop, str | Path) else None)
                yield crop

        done, batch = 0, []
        for point in self.network.points(noting(), scale):
            batch.append(point)
            if len(batch) == _TOGETHER:
                yield from _readings(names[done : done + _TOGETHER], batch, reader, novelty)
                done, batch = done + _TOGETHER, []
        yield from _readings(names[done:], batch, reader, novelty)

    def classes(self, label_set: str = CELL_TYPE, support: SupportSet | None = None) -> tuple[str, ...]:
        """The classes a reading can have, in the order of its probabilities."""
        return support.classes(label_set) if support is not None else self._bundled(label_set).classes

    def _bundled(self, label_set: str) -> Reader:
        if label_set not in self.bundle.readers:
            raise UnknownName(kind="label set", choices=", ".join(self.bundle.readers), name=label_set)
        return self.bundle.readers[label_set]

    def _reader(self, label_set: str, support: SupportSet | None) -> tuple[Reader, Novelty]:
        if support is not None:
            self.bundle.space.require(support.embeddings.space)
            reader = classifiers.fit(*support.labelled(label_set), background=self._background(support))
            return reader, Novelty.fit(support.embeddings.vectors)
        return self._bundled(label_set), self.bundle.novelty

    def _background(self, support: SupportSet) -> Background | None:
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
        reader: Reader | None = None,
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
        return explain.onto_crop(heat, height, width, crop=self.network.preprocessing.crop, scale=scale)

    # --- labels on the spot ---

    def support(self, catalog: Catalog, label_set: str = CELL_TYPE, *, progress: Progress | None = None) -> Support:
        """Embed a catalog's labelled cells so that they can replace the bundle's labels.

        Unreadable files, and cells whose copies carry different labels, are left out and named; a copy with the
        same label counts once. Raises :class:`~hemosight.errors.TooFewLabels` when fewer than two classes remain.
        """
        labels, ids, paths = catalog.labels(label_set), catalog.ids, catalog.table["path"].to_list()
        kept, left_out = _agreeing(labels, ids, paths)
        points = self.network.points_of(catalog.take(kept), progress)
        read = [(row, point) for row, point in zip(kept, points, strict=True) if point.vector is not None]
        left_out |= {paths[row]: str(p.fault) for row, p in zip(kept, points, strict=True) if p.fault is not None}
        classes = {labels[row] for row, _ in read}
        if len(classes) < 2:
            came = f"only {classes.pop()!r}" if classes else f"no readable labelled cell ({len(left_out)} left out)"
            raise TooFewLabels(came=came)
        vectors = np.stack([point.vector for _, point in read if point.vector is not None])
        ids = tuple(str(point.id) for _, point in read)
        cells = SupportSet(
            Embeddings(ids, vectors, self.network.space),
            {label_set: tuple(labels[row] for row, _ in read)},
            tuple(catalog.table["source"][row] for row, _ in read),
        )
        return Support(cells, left_out)


def load(path: str | Path | None = None, threads: int | None = None) -> Engine:
    """Load a bundle, ready to classify; the one that comes with HemoSight where no path is given.

    >>> import hemosight
    >>> for reading in hemosight.load().classify(["cell.png"]):
    ...     reading.label, reading.probability
    """
    return Engine(load_bundle(path), threads)


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


def _readings(
    names: Sequence[str | None], points: Sequence[Point], reader: Reader, novelty: Novelty
) -> Iterator[Reading]:
    vectors = [point.vector for point in points if point.vector is not None]
    if vectors:
        stacked = np.stack(vectors)
        rows = iter(zip(reader.probabilities(stacked), novelty.score(stacked), strict=True))
    else:
        rows = iter(())
    for name, point in zip(names, points, strict=True):
        if point.vector is None:
            yield Reading(name, point.id, None, None, {}, None, str(point.fault))
            continue
        probabilities, far = next(rows)
        best = int(probabilities.argmax())
        by_class = dict(zip(reader.classes, (float(value) for value in probabilities), strict=True))
        yield Reading(name, point.id, reader.classes[best], float(probabilities[best]), by_class, float(far), OK)
