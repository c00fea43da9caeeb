"""The catalog: one frozen table with a row for every crop on disk.

A cell's identity is the sha256 of its file's bytes, so that a copy under another name is the same cell and a
cache outlives a move. Columns, in this order:

==================  ========  =====================================================================
``id``              text      sha256 of the file's bytes, hexadecimal
``path``            text      where the file lies
``label``           text      cell type, null when unknown or not counted (:mod:`hemosight.blood.vocabulary`)
``subtype``         text      a finer type where the source has one (band neutrophil, promyelocyte, smudge)
``source``          text      which data set or laboratory
``patient``         text      null when unknown
``diagnosis``       text      the patient's, null when unknown
``official_split``  text      train, val or test where the source's authors published a split
``fold``            text      fold where the source's authors published folds
``width``           integer   pixels, null when the file cannot be read
``height``          integer   pixels, null when the file cannot be read
``bits``            integer   bits that hold the values of deep samples in files that do not say, null otherwise
``scale``           number    factor by which the source's pixels are resized to the reference scale
==================  ========  =====================================================================

followed by one text column ``attribute.<name>`` for each morphological attribute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.blood.vocabulary import FINE_TYPE
from hemosight.errors import BadTable, PathMissing, UnknownName, UnreadableImage
from hemosight.images.decode import image_size, read_bytes
from hemosight.images.formulas import guarded_table, unguarded_table
from hemosight.images.names import from_text, to_text

COLUMNS: Mapping[str, type[pl.DataType]] = {
    "id": pl.String,
    "path": pl.String,
    "label": pl.String,
    "subtype": pl.String,
    "source": pl.String,
    "patient": pl.String,
    "diagnosis": pl.String,
    "official_split": pl.String,
    "fold": pl.String,
    "width": pl.Int32,
    "height": pl.Int32,
    "bits": pl.Int32,
    "scale": pl.Float64,
}
ATTRIBUTE = "attribute."

Progress = Callable[[int, int], None]
"""Called with how many of how many are done, in the calling thread."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Catalog:
    """A frozen table of cells; every method returns a new one.

    Raises :class:`~hemosight.errors.BadTable` when ``id`` or ``path`` is missing or null, or when a path
    stands twice.
    """

    table: pl.DataFrame

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _conform(self.table))

    # --- making one ---

    @classmethod
    def scan(cls, records: Iterable[Mapping[str, Any]], progress: Progress | None = None) -> Catalog:
        """Read every record's file once for its content id and size.

        ``records`` are rows with at least ``path``; an unreadable file keeps its row, with null sizes (a file
        that cannot even be opened has the id of no bytes).
        """
        rows = [dict(record) for record in records]
        facts = over_files(_facts, [from_text(row["path"]) for row in rows], progress)
        rows = [{"scale": 1.0, **row, **fact} for row, fact in zip(rows, facts, strict=True)]
        return cls(pl.DataFrame(rows, infer_schema_length=None) if rows else pl.DataFrame(schema=dict(COLUMNS)))

    @classmethod
    def read(cls, path: str | Path) -> Catalog:
        """Read a catalog written by :meth:`write`; relative paths start at the table's own folder."""
        path = Path(path)
        if not path.is_file():
            raise PathMissing(path=path, cwd=Path.cwd())
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
        else:
            table = unguarded_table(pl.read_csv(path, infer_schema=False, null_values=""))
        if "path" in table.columns:
            table = table.with_columns(
                pl.col("path").map_elements(lambda p: str(path.parent / p), return_dtype=pl.String)
            )
        return cls(table)

    def write(self, path: str | Path) -> None:
        """Write Parquet or CSV, by the suffix."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Absolute paths: the table may be moved away from where the pictures lie.
        table = self.table.with_columns(pl.col("path").map_elements(_absolute, return_dtype=pl.String))
        if path.suffix == ".parquet":
            table.write_parquet(path)
        else:
            guarded_table(table).write_csv(path)

    @classmethod
    def concat(cls, catalogs: Sequence[Catalog]) -> Catalog:
        """Stack catalogs; an attribute that one of them lacks becomes null there."""
        if not catalogs:
            return cls(pl.DataFrame(schema=dict(COLUMNS)))
        return cls(pl.concat([catalog.table for catalog in catalogs], how="diagonal"))

    # --- looking at it ---

    def __len__(self) -> int:
        return self.table.height

    @property
    def ids(self) -> list[str]:
        """Content ids, one per row."""
        return self.table["id"].to_list()

    @property
    def paths(self) -> list[Path]:
        """Paths, one per row."""
        return [from_text(path) for path in self.table["path"]]

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes, without their prefix."""
        return tuple(name.removeprefix(ATTRIBUTE) for name in self.table.columns if name.startswith(ATTRIBUTE))

    def labels(self, label_set: str = "cell_type") -> list[str | None]:
        """Labels of one label set, one per row: ``cell_type``, ``subtype``, ``fine_type`` or an attribute's name.

        ``fine_type`` is the finest type that is known: the subtype, or the cell type where there is none.
        """
        if label_set == FINE_TYPE:
            return self.table.select(pl.coalesce("subtype", "label").alias(FINE_TYPE))[FINE_TYPE].to_list()
        column = {"cell_type": "label", "subtype": "subtype"}.get(label_set, ATTRIBUTE + label_set)
        if column not in self.table.columns:
            raise UnknownName(
                kind="label set",
                choices=", ".join(("cell_type", "subtype", FINE_TYPE, *self.attributes)),
                name=label_set,
            )
        return self.table[column].to_list()

    # --- narrowing it ---

    def where(self, predicate: pl.Expr) -> Catalog:
        """The rows for which a polars expression holds."""
        return Catalog(self.table.filter(predicate))

    def take(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Catalog:
        """These rows, in this order."""
        return Catalog(self.table[np.asarray(rows, dtype=np.int64)])

    def readable(self) -> Catalog:
        """The rows whose file is an image."""
        return self.where(pl.col("width").is_not_null())


def over_files(work: Callable[[_In], _Out], items: Sequence[_In], progress: Progress | None = None) -> list[_Out]:
    """``work`` on every item in threads, in order; an interruption drops what has not begun.

    Reading and decoding release the interpreter's lock, so threads are enough.
    """
    pool = ThreadPoolExecutor()
    try:
        done: list[_Out] = []
        for result in pool.map(work, items):
            done.append(result)
            if progress is not None:
                progress(len(done), len(items))
        return done
    finally:
        pool.shutdown(cancel_futures=True)


def content_id(data: bytes) -> str:
    """The identity of a cell: sha256 of its file's bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _absolute(path: str) -> str:
    place = from_text(path)
    try:
        return to_text(place.resolve())
    except ValueError:  # a null byte, which no file has in its name
        return to_text(place.absolute())


def _facts(path: Path) -> dict[str, Any]:
    try:
        data = read_bytes(path)
    except UnreadableImage:
        data = b""
    try:
        size = image_size(data)
    except UnreadableImage:
        size = None
    width, height = size if size is not None else (None, None)
    return {"id": content_id(data), "width": width, "height": height}


def _conform(table: pl.DataFrame) -> pl.DataFrame:
    for name in ("id", "path"):
        if name not in table.columns or table[name].null_count():
            raise BadTable(
                expected=f"a value for {name!r} in every row",
                came=f"{'none' if name not in table.columns else 'empty values'}",
                path="the catalog",
                mend="Make it with `hemosight data add`.",
            )
    if table["path"].n_unique() != table.height:
        doubled = table["path"].filter(table["path"].is_duplicated())[0]
        raise BadTable(
            expected="every path once", came=f"{doubled} twice", path="the catalog", mend="Drop one of the rows."
        )
    attributes = sorted(name for name in table.columns if name.startswith(ATTRIBUTE))
    columns = [
        (pl.col(name) if name in table.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in COLUMNS.items()
    ]
    return table.select(
        *columns[:-1], columns[-1].fill_null(1.0), *(pl.col(name).cast(pl.String) for name in attributes)
    )
