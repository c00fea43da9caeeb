"""The bundle: everything that reading cells needs, in one checksummed folder or file.

========================= ==================================================================================
``manifest.json``         what it is: format, preprocessing, label sets, sources, licences, figures, commands
``encoder.onnx``          the exported network
``support.safetensors``   the labelled cells' vectors, one byte a value
``support.parquet``       their ids, sources and labels
``readers.safetensors``   a fitted classifier for each label set
``novelty.safetensors``   where classes lie and how they spread; a bundle of few labelled cells comes without
``landscape.safetensors`` where the labelled cells lie on the map; a bundle may come without
========================= ==================================================================================

It holds no pickle and no picture. Every file's sha256 stands in the manifest and is checked at loading.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle_parts import (
    readers_of_bytes,
    readers_to_bytes,
    support_of_bytes,
    table_to_bytes,
    vectors_to_bytes,
)
from hemosight.errors import BadFile, PathMissing
from hemosight.images.preprocess import Preprocessing
from hemosight.space.class_distance import ClassDistance
from hemosight.space.classifiers import DEFAULT as DEFAULT_CLASSIFIER
from hemosight.space.classifiers import STANDARDISED
from hemosight.space.classifiers import fit as fit_classifier
from hemosight.space.embeddings import Embeddings, EmbeddingSpace, quantise, widen
from hemosight.space.familiarity import Familiarity
from hemosight.space.labels import SupportSet
from hemosight.space.landscape import Landscape
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.novelty import Novelty
from hemosight.space.selftraining import Background

FORMAT = 1
SUFFIX = ".hemosight"
NOTICE = "Research use only. Not for primary diagnosis."
LANDSCAPE = "landscape.safetensors"
NOVELTY = "novelty.safetensors"
_EPOCH = (1980, 1, 1, 0, 0, 0)


class LabelSetFacts(BaseModel):
    """One label set of a bundle: its classes, how many cells each has, and how it is read."""

    model_config = ConfigDict(frozen=True)
    classes: tuple[str, ...]
    counts: dict[str, int]
    classifier: str


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int
    name: str
    version: str
    created: str
    notice: str
    backbone: str
    encoder_provenance: dict[str, Any]
    preprocessing: dict[str, Any]
    label_sets: dict[str, LabelSetFacts]
    novelty_unit: float
    familiarity: dict[str, Any] = {}
    """From which foreign score a cell is unfamiliar, how temperatures grow with it (the parameters of
    :class:`hemosight.space.familiarity.Familiarity`), and on which laboratories that was fitted; empty in bundles that
    call no cell unfamiliar."""
    sources: list[dict[str, Any]]
    """Data sets the labels come from: name, title, licence, citation, number of cells."""
    figures: dict[str, Any]
    """Measured figures, each with the data it was measured on."""
    landscape: dict[str, Any] = {}
    """How the map was fitted and how true it is; empty where the bundle has none."""
    commands: list[str]
    """What was typed to make it."""
    files: dict[str, str]
    """sha256 of every other file."""


@dataclass(frozen=True)
class Bundle:
    """An encoder, the road its pixels take, the labelled cells, and a reader for each label set."""

    manifest: Manifest
    encoder: bytes
    support: SupportSet
    classifiers: Mapping[str, LinearClassifier]
    landscape: Landscape | None = None
    """The map of its labelled cells, where it has one."""
    class_distance: ClassDistance | None = None
    """What novelty is measured by, where it has enough labelled cells; else it is measured by the nearest of them."""

    @property
    def preprocessing(self) -> Preprocessing:
        """The road its pixels take."""
        return Preprocessing(**self.manifest.preprocessing)

    @property
    def space(self) -> EmbeddingSpace:
        """What its vectors can be compared with."""
        return EmbeddingSpace(hashlib.sha256(self.encoder).hexdigest(), self.preprocessing.hash)

    @cached_property
    def novelty(self) -> Novelty:
        """Measures distance from this bundle's labelled cells."""
        return Novelty(self.support.embeddings.vectors, self.manifest.novelty_unit, self.class_distance)

    @cached_property
    def familiarity(self) -> Familiarity | None:
        """How far its readings can be believed, cell by cell; None where the bundle does not say."""
        return Familiarity.of(self.manifest.familiarity) if self.manifest.familiarity else None

    @cached_property
    def background(self) -> Background:
        """The support's cells without their labels, for a few labels of one's own to learn from as well."""
        return Background(self.support.embeddings.vectors)

    @classmethod
    def pack(
        cls,
        *,
        name: str,
        version: str,
        encoder: bytes,
        backbone: str,
        encoder_provenance: dict[str, Any],
        preprocessing: Preprocessing,
        support: SupportSet,
        classifier: str = DEFAULT_CLASSIFIER,
        attributes: str = STANDARDISED,
        sources: list[dict[str, Any]] | None = None,
        commands: list[str] | None = None,
    ) -> Bundle:
        """Fit a reader for each label set that has two classes or more, and describe the whole.

        ``classifier`` reads cell types, which encoders may be taught, and ``attributes`` all other label sets.

        Raises :class:`~hemosight.errors.EncoderMismatch` when the support set was embedded by another encoder or
        preprocessing.
        """
        EmbeddingSpace(hashlib.sha256(encoder).hexdigest(), preprocessing.hash).require(support.embeddings.space)
        # Rounded first, so that the bundle in hand reads exactly like the one loaded from disk.
        rounded = widen(*quantise(support.embeddings.vectors))
        support = SupportSet(
            Embeddings(support.embeddings.ids, rounded, support.embeddings.space), support.labels, support.sources
        )
        readers, facts = _fitted(support, classifier, attributes)
        manifest = Manifest(
            format=FORMAT,
            name=name,
            version=version,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            notice=NOTICE,
            backbone=backbone,
            encoder_provenance=encoder_provenance,
            preprocessing=preprocessing.to_json(),
            label_sets=facts,
            novelty_unit=Novelty.fit(rounded).unit,
            sources=sources or [],
            figures={},
            commands=commands or [],
            files={},
        )
        known = support.labelled(CELL_TYPE) if CELL_TYPE in support.labels else None
        return cls(manifest, encoder, support, readers, class_distance=known and ClassDistance.fit(*known))

    def refitted(self, attributes: str = STANDARDISED, *, command: str) -> Bundle:
        """The same bundle, all label sets but cell types fitted anew on its own labelled cells; see :meth:`pack`."""
        others = replace(self.support, labels={k: v for k, v in self.support.labels.items() if k != CELL_TYPE})
        readers, facts = _fitted(others, attributes, attributes)
        changed = {
            "label_sets": {**self.manifest.label_sets, **facts},
            "commands": [*self.manifest.commands, command],
        }
        manifest = self.manifest.model_copy(update=changed)
        return replace(self, manifest=manifest, classifiers={**self.classifiers, **readers})

    def with_figures(self, figures: dict[str, Any]) -> Bundle:
        """The same bundle with these measured figures in its manifest."""
        return replace(self, manifest=self.manifest.model_copy(update={"figures": figures}))

    def with_familiarity(self, familiarity: Familiarity, **facts: Any) -> Bundle:
        """The same bundle, tempering foreign cells and calling them unfamiliar; ``facts`` say on what it was fitted."""
        described = {**familiarity.to_json(), **facts}
        return replace(self, manifest=self.manifest.model_copy(update={"familiarity": described}))

    def with_landscape(self, landscape: Landscape) -> Bundle:
        """The same bundle with this map of its labelled cells.

        Raises :class:`~hemosight.errors.BadTable` when the map is not one of as many cells.
        """
        vectors = self.support.embeddings.vectors
        laid = Landscape(vectors, landscape.positions, landscape.facts)
        manifest = self.manifest.model_copy(update={"landscape": landscape.facts})
        return replace(self, manifest=manifest, landscape=laid)

    def save(self, path: str | Path) -> Path:
        """Write a folder, or one file where the path ends in ``.hemosight``."""
        path = Path(path)
        files = {
            "encoder.onnx": self.encoder,
            "support.safetensors": vectors_to_bytes(self.support),
            "support.parquet": table_to_bytes(self.support),
            "readers.safetensors": readers_to_bytes(self.classifiers),
        }
        if self.class_distance is not None:
            files[NOVELTY] = save_tensors(self.class_distance.tensors())
        if self.landscape is not None:
            files[LANDSCAPE] = save_tensors({"positions": np.ascontiguousarray(self.landscape.positions)})
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        manifest = self.manifest.model_copy(update={"files": sums})
        files = {"manifest.json": (manifest.model_dump_json(indent=2) + "\n").encode(), **files}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == SUFFIX:
            part = path.with_suffix(SUFFIX + ".part")
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in files.items():
                    archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
            part.replace(path)
        else:
            path.mkdir(exist_ok=True)
            for name, data in files.items():
                (path / name).write_bytes(data)
        return path


def _fitted(
    support: SupportSet, classifier: str, attributes: str
) -> tuple[dict[str, LinearClassifier], dict[str, LabelSetFacts]]:
    """A reader for each label set of two classes or more, and what is said of it."""
    names = {
        label_set: classifier if label_set == CELL_TYPE else attributes
        for label_set in support.labels
        if len(support.classes(label_set)) >= 2
    }
    readers = {label_set: fit_classifier(*support.labelled(label_set), name) for label_set, name in names.items()}
    facts = {
        label_set: LabelSetFacts(classes=reader.classes, counts=support.counts(label_set), classifier=names[label_set])
        for label_set, reader in readers.items()
    }
    return readers, facts


def default_path() -> Path:
    """Where the bundle that comes with HemoSight lies."""
    return Path(str(resources.files("hemosight"))) / "bundles" / f"default{SUFFIX}"


def load(path: str | Path | None = None) -> Bundle:
    """Load and verify a bundle; the one that comes with HemoSight where no path is given.

    Raises :class:`~hemosight.errors.PathMissing` or :class:`~hemosight.errors.BadFile`.
    """
    path = default_path() if path is None else Path(path)
    files = _files(path)
    try:
        facts = json.loads(files["manifest.json"])
        if facts.get("format") != FORMAT:
            raise _bad(f"format {facts.get('format')!r}", path)
        manifest = Manifest.model_validate(facts)
        for name, expected in manifest.files.items():
            if (came := hashlib.sha256(files[name]).hexdigest()) != expected:
                raise BadFile(
                    code="checksum_mismatch",
                    expected=f"sha256 {expected} for {path / name}",
                    came=came,
                    mend="The bundle is damaged or was changed: fetch or pack it again.",
                )
        preprocessing = Preprocessing(**manifest.preprocessing)
        encoder = files["encoder.onnx"]
        space = EmbeddingSpace(hashlib.sha256(encoder).hexdigest(), preprocessing.hash)
        support = support_of_bytes(files["support.safetensors"], files["support.parquet"], space)
        readers = readers_of_bytes(
            files["readers.safetensors"], {name: facts.classes for name, facts in manifest.label_sets.items()}
        )
        landscape = None
        if LANDSCAPE in manifest.files:
            positions = load_tensors(files[LANDSCAPE])["positions"]
            landscape = Landscape(support.embeddings.vectors, positions, manifest.landscape)
        spread = ClassDistance.of(load_tensors(files[NOVELTY])) if NOVELTY in manifest.files else None
    except KeyError as error:
        raise _bad(f"no {error.args[0]}", path) from error
    except (ValueError, ValidationError, TypeError, SafetensorError, pl.exceptions.PolarsError) as error:
        why = str(error).splitlines()[0]
        if isinstance(error, ValidationError):  # pydantic's own first line only counts
            first = error.errors()[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise _bad(f"an unreadable part ({why})", path) from error
    return Bundle(manifest, encoder, support, readers, landscape, spread)


def _bad(reason: str, path: Path) -> BadFile:
    return BadFile(
        expected=f"a HemoSight bundle (a folder or a .hemosight file) of format {FORMAT}",
        came=f"{reason} in {path}",
        mend="Pack it again (`hemosight pack`), update HemoSight where the bundle is newer, or use its own.",
    )


def _files(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}
    if not path.is_file():
        raise PathMissing(path=path, cwd=Path.cwd(), what="a HemoSight bundle (a folder or a .hemosight file)")
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise _bad(f"no archive ({error})", path) from error
