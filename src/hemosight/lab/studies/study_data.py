"""What a study works on: labelled cells, where they lie, and the tenth of them that no encoder was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.engine.network import Network
from hemosight.errors import BadTable, TooFewLabels
from hemosight.images import sources
from hemosight.images.catalog import ATTRIBUTE, Catalog, Progress
from hemosight.images.laboratory_splits import hold_out_by_source, units
from hemosight.images.splits import Rows, Split, folds
from hemosight.space.embeddings import Embeddings, Vectors
from hemosight.space.labels import SupportSet

HELD_OUT = 0.1
SEED = 0
OFFICIAL_TEST = "test"


@dataclass(frozen=True)
class StudyData:
    """A catalog's readable, undisputed cells, row by row with their embeddings.

    Parameters
    ----------
    catalog
        One row a cell, each with a cell type.
    embeddings
        Where each lies, in the catalog's order.
    split
        Rows that are ``held`` out of everything that learns, encoders included, and the ``rest``.
    origin
        Where the cells come from, in words.
    """

    catalog: Catalog
    embeddings: Embeddings
    split: Split
    origin: str = ""

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def vectors(self) -> Vectors:
        """Cells x dimensions."""
        return self.embeddings.vectors

    @property
    def sources(self) -> NDArray[np.str_]:
        """Where each cell comes from."""
        return np.array(self.catalog.table["source"].fill_null("").to_list(), np.str_)

    @property
    def patients(self) -> NDArray[np.str_]:
        """The patient of each cell, told apart by source; the empty text where none is known."""
        named = zip(self.sources.tolist(), self.catalog.table["patient"].to_list(), strict=True)
        return np.array([f"{source}/{patient}" if patient else "" for source, patient in named], np.str_)

    @property
    def split_by(self) -> dict[str, str]:
        """Source -> ``by patient`` or ``by image``: what no split of it tears apart."""
        return units(self.catalog)

    def labels(self, label_set: str = CELL_TYPE) -> NDArray[np.str_]:
        """One label a cell; the empty text where it has none in this set."""
        return np.array([label or "" for label in self.catalog.labels(label_set)], np.str_)

    def folds(self, k: int, seed: int, rows: Rows) -> list[Split]:
        """Cut ``rows`` (of this material) into k parts, stratified by cell type, copies and patients together."""
        return [Split(rest=rows[part.rest], held=rows[part.held]) for part in folds(self.catalog.take(rows), k, seed)]

    @cached_property
    def hash(self) -> str:
        """Changes whenever a vector, a label or a side of the split does."""
        digest = hashlib.sha256(np.ascontiguousarray(self.vectors).tobytes())
        kept = ("id", "label", "source", "patient", "official_split")
        columns = [*kept, *(name for name in self.catalog.table.columns if name.startswith(ATTRIBUTE))]
        digest.update(self.catalog.table.select(columns).write_csv().encode())
        digest.update(self.split.held.tobytes())
        return digest.hexdigest()


def embed(
    catalog: Catalog,
    network: Network,
    *,
    split: Split | None = None,
    fraction: float = HELD_OUT,
    seed: int = SEED,
    progress: Progress | None = None,
) -> StudyData:
    """Embed a catalog's labelled cells and hold a part of them out.

    Unreadable files and cells whose copies carry different labels are left out; of equal copies one stays.

    Parameters
    ----------
    split
        Of the whole catalog; where None, a part of every source is held out with ``seed``, by patient where patients
        are known (:mod:`hemosight.images.laboratory_splits`), as ``hemosight pretrain`` holds it out of its training.
    """
    embedded, _ = network.embed(undisputed(catalog.readable()), progress)
    return _joined(catalog, embedded, split or hold_out_by_source(catalog, fraction, seed))


def gather(
    data: Path,
    *,
    bundle: Bundle | None = None,
    embeddings: Path | None = None,
    cache: Path | None = None,
    fraction: float = HELD_OUT,
    seed: int = SEED,
    reading: Progress | None = None,
    embedding: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> StudyData:
    """Read a folder of data sets and place its cells.

    Parameters
    ----------
    data
        Folder of crops or of data sets, or a catalog.
    bundle
        Whose encoder embeds the cells.
    embeddings
        Points that ``hemosight embed`` wrote before; no bundle is needed then.
    cache
        Folder in which points are kept, a file for each encoder; only cells that are not in it are embedded.
    fraction, seed
        Of the split; the same values as given to ``hemosight pretrain`` and ``hemosight pack``.
    say
        Told what was passed over and how the files were understood.

    Raises
    ------
    TooFewLabels
        When no labelled cell is left.
    """
    catalog = sources.read(data, progress=reading, say=say)
    if embeddings is not None:
        placed = Embeddings.load(embeddings)
    else:
        if bundle is None:
            raise BadTable(expected="a bundle or embeddings", came="neither", path=data, mend="Give one of the two.")
        network = Network(bundle.encoder, bundle.preprocessing)
        placed = placed_by(network, undisputed(catalog.readable()), cache=cache, progress=embedding)
    joined = _joined(catalog, placed, hold_out_by_source(catalog, fraction, seed), str(data))
    missing = len(undisputed(catalog.readable())) - len(joined)
    if missing and embeddings is not None and say is not None:
        say(f"{missing:,} labelled cells have no point in {embeddings}: they take no part")
    return joined


def bundled(bundle: Bundle) -> StudyData:
    """The labelled cells inside a bundle: no pictures, and nothing held out, since all of them are its support."""
    return supported(bundle.support, f"the labelled cells of {bundle.manifest.name} {bundle.manifest.version}")


def supported(support: SupportSet, origin: str = "") -> StudyData:
    """Labelled cells of any origin; cells without a cell type are left out, nothing is held out."""
    labels = {ATTRIBUTE + name: column for name, column in support.labels.items() if name != CELL_TYPE}
    table = pl.DataFrame(
        {
            "id": support.embeddings.ids,
            "path": support.embeddings.ids,
            "label": support.labels[CELL_TYPE],
            "source": support.sources,
            **labels,
        },
        schema_overrides={"label": pl.String, "source": pl.String, **dict.fromkeys(labels, pl.String)},
    )
    known = np.flatnonzero(table["label"].is_not_null().to_numpy())
    nothing = np.empty(0, np.int64)
    cells = Catalog(table).take(known)
    return StudyData(cells, support.embeddings.take(known), Split(np.arange(len(known)), nothing), origin)


def undisputed(catalog: Catalog) -> Catalog:
    """One row of each labelled cell whose copies agree on its label."""
    labelled = catalog.where(pl.col("label").is_not_null())
    agreeing = labelled.where(pl.col("label").n_unique().over("id") == 1)
    return Catalog(agreeing.table.unique("id", keep="first", maintain_order=True))


def _joined(catalog: Catalog, placed: Embeddings, split: Split, origin: str = "") -> StudyData:
    """A catalog's undisputed cells with their embeddings, on the sides of a split of the whole catalog."""
    cells = undisputed(catalog.readable())
    rows = placed.rows(cells.ids)
    cells = cells.take(np.flatnonzero(rows >= 0))
    if not len(cells):
        raise TooFewLabels(came="no readable labelled cell")
    held_ids = set(catalog.take(split.held).ids)
    held = np.array([cell in held_ids for cell in cells.ids])
    sides = Split(rest=np.flatnonzero(~held), held=np.flatnonzero(held))
    return StudyData(cells, placed.take(rows[rows >= 0]), sides, origin)


def placed_by(
    network: Network, cells: Catalog, *, cache: Path | None = None, progress: Progress | None = None
) -> Embeddings:
    """Embeddings of the cells of a catalog that can be read.

    They are kept in ``cache``, a file for each network; only cells that are not in it are embedded.
    """
    space = network.space
    file = None if cache is None else cache / f"embeddings-{space.encoder[:16]}-{space.preprocessing[:16]}.safetensors"
    known = Embeddings.load(file) if file is not None and file.exists() else None
    new = cells if known is None else cells.take(np.flatnonzero(known.rows(cells.ids) < 0))
    if known is not None and not len(new):
        return known
    made, _ = network.embed(new, progress)
    if known is not None:
        made = Embeddings((*known.ids, *made.ids), np.concatenate([known.vectors, made.vectors]), space)
    if file is not None:
        made.save(file)
    return made
