"""Readings: what was read from crops, and the table they are written as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import polars as pl

from hemosight.errors import BadTable, UnknownName
from hemosight.images.formulas import guarded_table
from hemosight.images.names import to_text

OK = "ok"
UNFAMILIAR = "unfamiliar"
"""Status of a cell that lies beyond what the bundle knows: its label is a best guess."""
BLAST_SUSPICION = "blast_suspicion"


@dataclass(frozen=True)
class Reading:
    """What was read from one crop.

    Parameters
    ----------
    path
        Where the crop came from; None for bytes and arrays.
    id
        Content id; None where nothing could be opened.
    label, probability
        The most probable class and its calibrated probability; None where the crop is unreadable.
    probabilities
        Every class's probability; empty where the crop is unreadable.
    novelty
        How far the crop lies from everything known; above 1 is unusual (:mod:`hemosight.space.novelty`).
    status
        ``ok``; ``unfamiliar`` where the crop lies beyond what the bundle knows, so that the label is a best guess
        (:mod:`hemosight.space.familiarity`); or why the crop could not be read.
    """

    path: str | None
    id: str | None
    label: str | None
    probability: float | None
    probabilities: Mapping[str, float]
    novelty: float | None
    status: str
    blast_suspicion: float | None = None
    """How soon to look at the cell when blasts are sought, 0 to 1: the probability of a blast as the classifier has it,
    before it is tempered for foreign cells. A score to sort by, highest first, not a probability: among unfamiliar
    cells it keeps the order that tempering would flatten. None where the crop is unreadable or the label set knows no
    blast."""

    @property
    def readable(self) -> bool:
        """Whether there is a label."""
        return self.label is not None


@dataclass(frozen=True)
class Foreignness:
    """How foreign the cells of one run are to the bundle that read them.

    Parameters
    ----------
    cells
        Readable ones.
    unfamiliar
        How many of them have the status ``unfamiliar``.
    median_novelty
        Of all of them; 0 where there is none.
    """

    cells: int
    unfamiliar: int
    median_novelty: float

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Foreignness:
        """Count one run's readings."""
        novelties = [reading.novelty for reading in readings if reading.novelty is not None]
        unfamiliar = sum(reading.status == UNFAMILIAR for reading in readings)
        return cls(len(novelties), unfamiliar, median(novelties) if novelties else 0.0)

    @property
    def share(self) -> float:
        """Share of the readable cells that are unfamiliar."""
        return self.unfamiliar / self.cells if self.cells else 0.0

    @property
    def looks_foreign(self) -> bool:
        """Whether so many are that another scanner, stain or scale is likelier than unusual cells."""
        return self.unfamiliar >= FEWEST and self.share >= FOREIGN_SHARE


FOREIGN_SHARE = 0.2
"""Share of unfamiliar cells from which a folder looks foreign: of known laboratories' cells one in a hundred is."""
FEWEST = 3
"""Unfamiliar cells below which nothing is said of a folder: single ones are single cells."""

_FIXED = ("path", "label", "probability", "novelty", "status")
FORMATS = (".csv", ".parquet", ".json")


def table(readings: Sequence[Reading], classes: Sequence[str], *, suspicion: bool = False) -> pl.DataFrame:
    """One row a reading, in order: path, label, probability, one column a class, novelty, status.

    With ``suspicion`` a last column ``blast_suspicion`` (:class:`Reading`) follows.

    Raises :class:`~hemosight.errors.BadTable` when a class is named like one of the other columns.
    """
    fixed = (*_FIXED, BLAST_SUSPICION) if suspicion else _FIXED
    for name in classes:
        if name in fixed:
            raise BadTable(
                expected=f"classes with other names than the columns {', '.join(fixed)}",
                came=f"a class {name!r}",
                path="the labels",
                mend="Rename the class.",
            )
    columns = {
        "path": pl.Series([None if row.path is None else to_text(row.path) for row in readings], dtype=pl.String),
        "label": pl.Series([reading.label for reading in readings], dtype=pl.String),
        "probability": pl.Series([reading.probability for reading in readings], dtype=pl.Float64),
        **{
            name: pl.Series([reading.probabilities.get(name) for reading in readings], dtype=pl.Float64)
            for name in classes
        },
        "novelty": pl.Series([reading.novelty for reading in readings], dtype=pl.Float64),
        "status": pl.Series([to_text(reading.status) for reading in readings], dtype=pl.String),
    }
    if suspicion:
        columns[BLAST_SUSPICION] = pl.Series([reading.blast_suspicion for reading in readings], dtype=pl.Float64)
    return pl.DataFrame(columns)


def check_format(file: Path) -> None:
    """Raise :class:`~hemosight.errors.UnknownName` unless the suffix is .csv, .parquet or .json."""
    if file.suffix.lower() not in FORMATS:
        raise UnknownName(kind="the output's suffix", choices=", ".join(FORMATS), name=file.suffix)


def write(rows: pl.DataFrame, file: Path) -> None:
    """Write CSV (six decimals), Parquet or JSON (a list of objects), by the suffix; the folder is made."""
    check_format(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    match file.suffix.lower():
        case ".csv":
            file.write_text(csv(rows), encoding="utf-8")
        case ".parquet":
            rows.write_parquet(file)
        case _:
            rows.write_json(file)


def csv(rows: pl.DataFrame, decimals: int | None = 6) -> str:
    """The table as CSV text with so many decimals (all where None), safe to open in a spreadsheet.

    Text that a spreadsheet would compute (``=1+1``, ``@SUM``) stands behind an apostrophe, which HemoSight's own reader
    takes away again.
    """
    return guarded_table(rows).write_csv(float_precision=decimals)
