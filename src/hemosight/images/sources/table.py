"""A table that names its pictures: ``path``, and any other column of a catalog, however it was saved."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from hemosight.errors import BadTable, PathMissing, UnreadableImage
from hemosight.images.catalog import ATTRIBUTE, COLUMNS, Catalog, Progress, content_id
from hemosight.images.decode import read_bytes
from hemosight.images.names import composed, from_text, to_text
from hemosight.images.sources import layout, values
from hemosight.images.sources.cells import TextTable, read_cells
from hemosight.images.sources.columns import ALIASES, column_of, is_reading
from hemosight.images.sources.roles import split_of
from hemosight.images.sources.source import Record
from hemosight.images.sources.tasks import local_path, one_choice, read_tasks

SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls", ".ods", ".json"})
LAYOUT = "a CSV, Excel or Parquet table with path, label, ... attribute.<name>; or labels of FiftyOne or Label Studio"
_OF_A_SERVER = re.compile(r"/data/upload/|/data/local-files/|(?:https?|s3|gs)://", re.IGNORECASE)
"""How Label Studio's table names pictures."""
_OF_A_ROW = ("patient", "official_split", "fold", "source", "diagnosis")
_OF_A_CELL = frozenset(("patient", "diagnosis", "source", "fold", "official_split"))
"""Columns in which None and NULL mean nothing; of an attribute they may be a value."""
_TAKEN = frozenset(COLUMNS) - {"id", "width", "height"}


def read(path: Path, progress: Progress | None = None, say: values.Say | None = None) -> Catalog:
    """The table's rows; relative paths start at the table's own folder, other columns are left out.

    A table with an ``id`` for every row is a catalog already and its files are not read again. A file that stands in
    several rows with one label counts once; with several, it is left out; ``say`` is called with both. Raises
    :class:`~hemosight.errors.BadTable` without a column of paths, or for what a model wrote, and
    :class:`~hemosight.errors.PathMissing` when none of its files is there.
    """
    cells = read_tasks(path) if path.suffix.lower() == ".json" else read_cells(path)
    if {"id", "path", "width", "height"} <= set(cells.columns) and all(cells.column("id")):
        return Catalog.read(path)
    rows = _rows(cells, path, say)
    _below(rows, path.parent)
    values.settle(rows, say)
    rows = _once(rows, path, say)
    _by_content(rows, path.parent)
    if rows and not any(_there(row) for row in rows):
        raise PathMissing(path=rows[0]["path"], cwd=path.parent)
    for row in rows:
        row.pop("line")
        row.pop("sha256", None)
    return Catalog.scan(rows, progress)


def _rows(cells: TextTable, path: Path, say: values.Say | None) -> list[Record]:
    names = {column: _same(column) for column in cells.columns}
    if is_reading(cells.columns):
        raise BadTable(
            expected="labels that a person gave",
            came="what a model read (columns probability, novelty and status)",
            path=path,
            mend="Labels come from a review (`hemosight export --to labels`), or from a table path,label of your own.",
        )
    found = {kind: column_of(kind, cells.columns) for kind in ALIASES}
    if found["path"] is None:
        raise BadTable(
            expected="a column 'path' with a value in every row",
            came=f"the columns {', '.join(cells.columns)}",
            path=path,
            mend="Name the column of the pictures' paths 'path'.",
        )
    kept = {column: name for column, name in names.items() if name in _TAKEN or name.startswith(ATTRIBUTE)}
    kept |= {column: "sha256" for column, name in names.items() if name in ("sha256", "content id")}
    kept |= {column: kind for kind, column in found.items() if column is not None}
    if say is not None and found["label"] is None and "subtype" not in kept.values():
        say(f"no column of labels (label, class, cell type) among {', '.join(cells.columns)}: no cell has a label")
    rows: list[Record] = []
    for line, one in cells.rows():
        row: Record = {"line": line}
        for column, name in kept.items():
            value = one[column].strip()
            row[name] = value if value.lower() not in ("", "na", "nan") else None
            if name == "label":
                row[name] = one_choice(one[column])
            elif name in _OF_A_CELL and values.without_label(value):
                row[name] = None
            elif name == "official_split" and value:
                row[name] = split_of(value) or (value if value.lower() in ("train", "val", "test") else None)
        if row.get("path") is None:
            raise BadTable(
                expected="a value for the path in every row",
                came=f"none in line {line} (empty paths)",
                path=path,
                mend="Give the picture's path, or delete the line.",
            )
        given = str(row["path"])
        given = local_path(given, path.parent) if _OF_A_SERVER.match(given) else given
        row["path"] = to_text(_place(given, path.parent))
        row["source"] = row.get("source") or path.stem
        row["scale"] = _scale(row.get("scale"), path)
        row["bits"] = _bits(row.get("bits"), path)
        rows.append(row)
    return rows


def _same(column: str) -> str:
    name = column.strip()
    return name if name.startswith(ATTRIBUTE) else name.lower()


def _once(rows: list[Record], path: Path, say: values.Say | None) -> list[Record]:
    """Each file once; those that stand in several rows with different labels are left out."""
    tell = say or (lambda _: None)
    lines: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        lines[row["path"]].append(row)
    doubled = {name: same for name, same in lines.items() if len(same) > 1}
    if not doubled:
        return rows
    clashing = {name for name, same in doubled.items() if len({row.get("label") for row in same}) > 1}
    if agreeing := len(doubled) - len(clashing):
        stand, count = ("picture stands", "counts") if agreeing == 1 else ("pictures stand", "count")
        tell(f"{agreeing:,} {stand} in {path.name} more than once with one label, and {count} once")
    for name, same in doubled.items():
        unlike = [column for column in _OF_A_ROW if len({row.get(column) for row in same}) > 1]
        if name not in clashing and unlike:
            differing = "; ".join(
                f"{column}: " + ", ".join(f"line {row['line']}: {row.get(column) or 'none'}" for row in same)
                for column in unlike
            )
            tell(f"rows of one picture differ, and the first counts: {name} ({differing})")
    for name in sorted(clashing):
        differing = ", ".join(f"line {row['line']}: {row.get('label') or 'no label'}" for row in doubled[name])
        tell(f"left out, because its rows differ: {name} ({differing})")
    return [same[0] for name, same in lines.items() if name not in clashing]


# --- where a picture lies ---------------------------------------------------------------------------------------


def _place(given: str, folder: Path) -> Path:
    """The file that a path in a table means: URLs, backslashes and drives of Windows, accents of other systems."""
    candidates = [given]
    if given.lower().startswith("file:"):
        candidates = [unquote(urlsplit(given).path)]
    if "\\" in given:
        candidates.append(given.replace("\\", "/"))
    first = folder / from_text(candidates[0])
    for candidate in candidates:
        for form in (candidate, unicodedata.normalize("NFC", candidate), unicodedata.normalize("NFD", candidate)):
            for place in (folder / from_text(form), folder / form):
                if os.path.exists(place):
                    return place
    if re.match(r"[A-Za-z]:[\\/]|file:|/|\\\\", given):
        # Of another machine: the longest end of it that is here.
        parts = [part for part in PureWindowsPath(candidates[-1]).parts if part.strip("\\/:") and part[1:2] != ":"]
        for start in range(len(parts)):
            if os.path.exists(place := folder.joinpath(*parts[start:])):
                return place
    return folder / candidates[-1] if len(candidates) > 1 else first


def _below(rows: list[Record], folder: Path) -> None:
    """Files that are not where the table says, by their names among those below its folder, where no two fit.

    Many tables name files without their folders, or without a suffix, or in capitals.
    """
    missing = [row for row in rows if not _there(row)]
    if not missing:
        return
    named: dict[str, list[Path]] = defaultdict(list)
    for path in layout.survey(folder).images:
        inside = composed(path.relative_to(folder).as_posix()).casefold()
        for name in {inside, path.name.casefold(), inside.rpartition(".")[0], path.stem.casefold()}:
            named[composed(name)].append(path)
    for row in missing:
        given = composed(os.path.normpath(os.path.relpath(from_text(row["path"]), folder))).casefold()
        for name in (given, given.rpartition("/")[2]) if "/" not in given else (given,):
            if len(named.get(name, ())) == 1:
                row["path"] = to_text(named[name][0])
                break


def _by_content(rows: list[Record], folder: Path) -> None:
    """Files that are not where the table says, by their content id among those beside the table."""
    missing = {str(row["sha256"]).lower(): row for row in rows if row.get("sha256") and not _there(row)}
    if not missing:
        return
    for path in layout.survey(folder).images:
        try:
            row = missing.pop(content_id(read_bytes(path)), None)
        except UnreadableImage:
            continue
        if row is not None:
            row["path"] = to_text(path)
        if not missing:
            return


def _there(row: Record) -> bool:
    return os.path.exists(from_text(row["path"]))


def _bits(value: object, path: Path) -> int | None:
    if value is None:
        return None
    bits = str(value).removesuffix(".0")
    if not (bits.isdecimal() and 1 <= int(bits) <= 32):
        raise BadTable(
            expected="bits from 1 to 32", came=repr(value), path=path, mend="Leave them out where the files say."
        )
    return int(bits)


def _scale(value: object, path: Path) -> float:
    if value is None:
        return 1.0
    try:
        scale = float(str(value).replace(",", "."))
    except ValueError:
        scale = 0.0
    if not 0 < scale < float("inf"):
        raise BadTable(
            expected="a number above 0 as scale", came=repr(value), path=path, mend="1 keeps the pixels as they are."
        )
    return scale
