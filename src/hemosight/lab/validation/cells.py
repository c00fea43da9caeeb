"""The cells of a validation: what the reference says, what the bundle reads, and of which case each is.

Readings are the bundle's own. At the review desk the model learns from every label, so that its later readings of a
signed case have seen the answer: they would prove nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.blood.differential import APART
from hemosight.blood.vocabulary import Level, at_level, counted
from hemosight.engine.engine import Engine
from hemosight.engine.readings import UNFAMILIAR
from hemosight.errors import BadProtocol, TooFewCells
from hemosight.images.catalog import Catalog, Progress
from hemosight.lab.validation.protocol import Protocol
from hemosight.space.embeddings import Embeddings, Vectors

FEWEST_CASES = 3
"""Cases below which a validation says nothing."""

Readers = Mapping[str, Mapping[str, str | None]]
"""Further readers: name -> content id of a cell -> type, None where they were unsure."""
UNLABELLED = "that nobody labelled"
WITHOUT_A_TYPE = "without a type (unsure, or not counted: smudges, artefacts)"
"""Why cells do not count."""
LEARNT = "of which the bundle has learnt cells"
"""Why cases do not count."""
_ROUNDING = 1e-9
_REVIEWED = {"case": pl.String, "cells": pl.Int64, "labelled": pl.Int64}


@dataclass(frozen=True)
class ValidationCells:
    """Cells that a validation is made of, row by row.

    Parameters
    ----------
    table
        ``id``, ``case``, ``source``, ``truth``, ``read``, ``confidence``, ``novelty``, ``unfamiliar``.
    probabilities
        Cells x ``classes``.
    vectors
        Where each lies; cells x dimensions.
    catalog
        Where their pictures are, in the same order.
    readers
        Further readers: name -> one type a cell, null where they did not read it, or were unsure.
    left_out
        Why cells that were given do not count -> how many.
    cases_left_out
        Why cases do not count -> their names.
    readers_left_out
        Further readers whom the protocol does not name.
    reviewed
        How far people labelled each case, also those that are left out: ``case``, ``cells``, ``labelled``.
    """

    table: pl.DataFrame
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]
    vectors: Vectors
    catalog: Catalog
    readers: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    cases_left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    readers_left_out: tuple[str, ...] = ()
    reviewed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_REVIEWED))

    def __len__(self) -> int:
        return self.table.height

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of the cases, sorted."""
        return tuple(sorted(self.table["case"].unique().to_list()))

    def column(self, name: str) -> NDArray[np.str_]:
        """A column of text, one a cell."""
        return self.table[name].to_numpy().astype(np.str_)

    @property
    def hash(self) -> str:
        """Changes whenever a cell, its case or what anybody says of it does; not with the bundle's readings."""
        said = self.table.select("id", "case", "source", "truth")
        said = said.with_columns(
            *(pl.Series(f"reader.{name}", list(labels), dtype=pl.String) for name, labels in self.readers.items())
        )
        return hashlib.sha256(said.sort("id").write_csv().encode()).hexdigest()


def too_few_cases(least: int, came: str) -> TooFewCells:
    """What is said where fewer than ``least`` cases fit a protocol; ``came`` tells how many do, and why no more."""
    return TooFewCells(
        code="nothing_to_validate",
        expected=f"at least {least} cases that fit what is asked",
        came=came,
        mend="Give more cases, or ask for less: --least, or another protocol (written before looking at its results).",
    )


def reasons(cases: Mapping[str, Sequence[str]], cells: Mapping[str, int]) -> list[str]:
    """What does not count, a line for each reason: cases by the reason with their names, cells with how many."""
    counted = [(len(names), "case", why) for why, names in cases.items()]
    counted += [(number, "cell", why) for why, number in cells.items()]
    return [f"{number:,} {what}{'' if number == 1 else 's'} {why}" for number, what, why in counted]


def gather(
    catalog: Catalog,
    engine: Engine,
    protocol: Protocol,
    readers: Readers | None = None,
    progress: Progress | None = None,
) -> ValidationCells:
    """The cells of a catalog that fit a protocol, read by an engine; a catalog's patients are the cases.

    Raises :class:`~hemosight.errors.TooFewCells` with fewer than :data:`FEWEST_CASES` cases, and
    :class:`~hemosight.errors.BadProtocol` where a reader whom the protocol names read none of them.
    """
    wanted, left_out, cases_left_out, reviewed = _chosen(catalog, protocol, set(engine.bundle.support.embeddings.ids))
    chosen, others = _readers(readers or {}, protocol, set(wanted.ids))
    points = engine.network.points_of(wanted, progress)
    seen = [row for row, point in enumerate(points) if point.vector is not None]
    if len(seen) < len(points):
        left_out["not readable"] = left_out.get("not readable", 0) + len(points) - len(seen)
    cells = wanted.take(seen)
    if cells.table["patient"].n_unique() < FEWEST_CASES:
        why = reasons(cases_left_out, left_out)
        other = sorted(set(catalog.table["label"].drop_nulls().to_list()) - set(protocol.cells.types))
        why += [f"labels that are none of {', '.join(protocol.cells.types)}: {', '.join(other[:9])}"] if other else []
        came = f"{cells.table['patient'].n_unique()}; left out: {'; '.join(why) or 'nothing'}"
        raise too_few_cases(FEWEST_CASES, came)
    vectors = np.stack([vector for point in points if (vector := point.vector) is not None])
    rows = engine.read(Embeddings(tuple(cells.ids), vectors, engine.bundle.space))
    classes = engine.classes()
    types = sorted(set(cells.table["label"].to_list()))
    if not set(classes) & set(types):  # every reading would be wrong by its name alone
        raise TooFewCells(
            code="nothing_to_validate",
            expected=f"a bundle that reads types of these cells ({', '.join(types)})",
            came=f"{engine.bundle.manifest.name} {engine.bundle.manifest.version}, which reads {', '.join(classes)}",
            mend="Pack it from labels of the same names.",
        )
    table = pl.DataFrame(
        {
            "id": cells.ids,
            "case": cells.table["patient"],
            "source": cells.table["source"].fill_null(""),
            "truth": cells.table["label"],
            "read": [str(row.label) for row in rows],
            "confidence": [float(row.probability or 0.0) for row in rows],
            "novelty": [float(row.novelty or 0.0) for row in rows],
            "unfamiliar": [row.status == UNFAMILIAR for row in rows],
        }
    )
    probabilities = np.array([[row.probabilities[name] for name in classes] for row in rows])
    further = {name: tuple(_type_of(said.get(cell)) for cell in cells.ids) for name, said in chosen.items()}
    return ValidationCells(
        table, probabilities, classes, vectors, cells, further, left_out, cases_left_out, others, reviewed
    )


def reviewed(cells: Catalog) -> pl.DataFrame:
    """How many readable cells each case (patient) has, and how many of them a person labelled, with whatever.

    Columns: ``case``, ``cells``, ``labelled``. A cell without a type that has a subtype was labelled: as unsure, or as
    something that is not counted.
    """
    own = cells.table.filter(pl.col("patient").is_not_null() & pl.col("width").is_not_null())
    own = own.group_by("patient", "id").agg(said=pl.coalesce("label", "subtype").is_not_null().any())
    found = own.group_by("patient").agg(cells=pl.len().cast(pl.Int64), labelled=pl.col("said").sum().cast(pl.Int64))
    return found.rename({"patient": "case"}).sort("case")


def _readers(readers: Readers, protocol: Protocol, cells: set[str]) -> tuple[Readers, tuple[str, ...]]:
    """The readers whom the protocol names in its order, or all where it names none; and who read besides."""
    if not protocol.readers:
        return readers, ()
    read = {name for name, said in readers.items() if any(cell in cells and said[cell] is not None for cell in said)}
    missing = [name for name in protocol.readers if name not in read]
    if missing:
        raise BadProtocol(
            f"none of these cells by {', '.join(missing)}; readings are by {', '.join(sorted(read)) or 'nobody'}",
            code="readers_differ",
            expected=f"a reading of every reader whom the protocol names: {', '.join(protocol.readers)}",
            mend="Give a table of theirs (--readings), spell names alike, or write another protocol before looking.",
        )
    others = tuple(sorted(readers.keys() - set(protocol.readers)))
    return {name: readers[name] for name in protocol.readers}, others


def _chosen(
    catalog: Catalog, protocol: Protocol, learnt: set[str]
) -> tuple[Catalog, dict[str, int], dict[str, tuple[str, ...]], pl.DataFrame]:
    """The rows that fit, why the others do not, and how far each case was labelled."""
    asked = protocol.cells
    left_out: dict[str, int] = {}
    cases_left_out: dict[str, tuple[str, ...]] = {}

    def keep(cells: Catalog, fits: pl.Expr, why: str) -> Catalog:
        kept = cells.where(fits.fill_null(False))
        if len(kept) < len(cells):
            left_out[why] = len(cells) - len(kept)
        return kept

    def keep_cases(cells: Catalog, bad: set[str], why: str) -> Catalog:
        if bad:
            cases_left_out[why] = tuple(sorted(bad))
        return cells.where(~pl.col("patient").is_in(sorted(bad)))

    cells = catalog
    if asked.sources:
        cells = keep(cells, pl.col("source").is_in(list(asked.sources)), "of another source than the protocol names")
    cells = keep(cells, pl.col("patient").is_not_null(), "of no known case")
    if asked.learnt == "exclude":
        known = cells.table.filter(pl.col("id").is_in(list(learnt)))["patient"].unique().to_list()
        cells = keep_cases(cells, set(known), LEARNT)
    names = set(cells.table["patient"].to_list())
    if asked.cases:
        cells = keep_cases(cells, names - set(asked.cases), "that the protocol does not name")
    cells = keep_cases(cells, names & set(asked.without), "that the protocol excludes")
    labelled = reviewed(cells)
    few = labelled.filter(pl.col("labelled") < asked.least_reviewed * pl.col("cells") - _ROUNDING)["case"].to_list()
    why = f"of which people labelled less than {asked.least_reviewed:.0%} of the cells"
    cells = keep_cases(cells, set(few), why)
    cells = keep(cells, pl.coalesce("label", "subtype").is_not_null(), UNLABELLED)
    cells = keep(cells, pl.col("label").is_not_null(), WITHOUT_A_TYPE)
    cells = keep(cells, pl.col("width").is_not_null(), "not readable")
    cells = keep(cells, pl.col("label").is_in(list(asked.types)), "of a type that the protocol does not ask for")
    cells = keep(cells, pl.col("label").n_unique().over("id") == 1, "copies of one file with several types")
    cells = keep(cells, pl.col("path") == pl.col("path").first().over("id"), "copies of a cell that is there already")
    sizes = dict(cells.table["patient"].value_counts().iter_rows())
    small = {name for name, size in sizes.items() if size < asked.least}
    kept = keep_cases(cells, small, f"with fewer than {asked.least} cells")
    return kept, left_out, cases_left_out, labelled


def _type_of(label: str | None) -> str | None:
    return None if label is None else at_level(label, Level.TYPE) or label


def leukocyte(label: str) -> bool:
    """Whether a type is counted among the leukocytes of a differential."""
    return counted(label) and at_level(label, Level.TYPE) not in APART


def leukocytes(labels: Sequence[str] | NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which cells are counted among the leukocytes."""
    names, codes = np.unique(np.asarray(labels, np.str_), return_inverse=True)
    return np.array([leukocyte(str(name)) for name in names], bool)[codes]
