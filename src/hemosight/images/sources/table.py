"""A CSV or Parquet table that names its pictures: ``path``, and any other column of a catalog."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from hemosight.errors import BadTable, PathMissing
from hemosight.images.catalog import ATTRIBUTE, COLUMNS, Catalog, Progress

SUFFIXES = frozenset({".csv", ".parquet"})
LAYOUT = "a CSV or Parquet file with the columns path, label, ... attribute.<name>"
_TAKEN = frozenset(COLUMNS) - {"id", "width", "height"}


def read(path: Path, progress: Progress | None = None) -> Catalog:
    """The table's rows; relative paths start at the table's own folder, other columns are left out.

    A table with an ``id`` for every row is a catalog already and its files are not read again. Raises
    :class:`~hemosight.errors.BadTable` without a ``path`` column, and
    :class:`~hemosight.errors.PathMissing` when none of its files is there.
    """
    try:
        table = pl.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise BadTable(
            expected="a CSV (UTF-8, with a header) or Parquet table",
            came=str(error).splitlines()[0],
            path=path,
            mend="Save it again as CSV or Parquet.",
        ) from error
    if {"id", "path", "width", "height"} <= set(table.columns) and not table["id"].null_count():
        return Catalog.read(path)
    table = table.rename({name: name.strip() for name in table.columns}, strict=False)
    if "path" not in table.columns or table["path"].null_count():
        raise BadTable(
            expected="a column 'path' with a value in every row",
            came=f"the columns {', '.join(table.columns)}" if "path" not in table.columns else "empty paths",
            path=path,
            mend="Name the column of the pictures' paths 'path'.",
        )
    kept = [name for name in table.columns if name in _TAKEN or name.startswith(ATTRIBUTE)]
    rows = table.select(kept).to_dicts()
    for row in rows:
        row["path"] = str(path.parent / str(row["path"]))
        row["source"] = row.get("source") or path.stem
        row["scale"] = _scale(row.get("scale"), path)
    if rows and not any(Path(row["path"]).exists() for row in rows):
        raise PathMissing(path=rows[0]["path"], cwd=path.parent)
    return Catalog.scan(rows, progress)


def _read_csv(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False, null_values="")


def _scale(value: object, path: Path) -> float:
    if value is None:
        return 1.0
    try:
        scale = float(str(value))
    except ValueError:
        scale = 0.0
    if not 0 < scale < float("inf"):
        raise BadTable(
            expected="a number above 0 as scale", came=repr(value), path=path, mend="1 keeps the pixels as they are."
        )
    return scale
