"""Readings: what was read from crops, and the table they are written as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hemosight.errors import BadTable, UnknownName

OK = "ok"


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
        ``ok``, or why the crop could not be read.
    """

    path: str | None
    id: str | None
    label: str | None
    probability: float | None
    probabilities: Mapping[str, float]
    novelty: float | None
    status: str

    @property
    def readable(self) -> bool:
        """Whether there is a label."""
        return self.label is not None


_FIXED = ("path", "label", "probability", "novelty", "status")
_FORMATS = (".csv", ".parquet", ".json")


def table(readings: Sequence[Reading], classes: Sequence[str]) -> pl.DataFrame:
    """One row a reading, in order: path, label, probability, one column a class, novelty, status.

    Raises :class:`~hemosight.errors.BadTable` when a class is named like one of the other columns.
    """
    for name in classes:
        if name in _FIXED:
            raise BadTable(
                expected=f"classes with other names than the columns {', '.join(_FIXED)}",
                came=f"a class {name!r}",
                path="the labels",
                mend="Rename the class.",
            )
    columns = {
        "path": pl.Series([reading.path for reading in readings], dtype=pl.String),
        "label": pl.Series([reading.label for reading in readings], dtype=pl.String),
        "probability": pl.Series([reading.probability for reading in readings], dtype=pl.Float64),
        **{
            name: pl.Series([reading.probabilities.get(name) for reading in readings], dtype=pl.Float64)
            for name in classes
        },
        "novelty": pl.Series([reading.novelty for reading in readings], dtype=pl.Float64),
        "status": pl.Series([reading.status for reading in readings], dtype=pl.String),
    }
    return pl.DataFrame(columns)


def check_format(file: Path) -> None:
    """Raise :class:`~hemosight.errors.UnknownName` unless the suffix is .csv, .parquet or .json."""
    if file.suffix.lower() not in _FORMATS:
        raise UnknownName(kind="the output's suffix", choices=", ".join(_FORMATS), name=file.suffix)


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


def csv(rows: pl.DataFrame) -> str:
    """The table as CSV text with six decimals."""
    return rows.write_csv(float_precision=6)
