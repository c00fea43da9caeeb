"""A table that names its pictures: ``path``, and any other column of a catalog, however it was saved."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

from hemosight.errors import BadTable, PathMissing, UnreadableImage
from hemosight.images.catalog import ATTRIBUTE, COLUMNS, Catalog, Progress, content_id, over_files
from hemosight.images.decode import read_bytes
from hemosight.images.names import composed, from_text, some, to_text
from hemosight.images.sources import layout, values
from hemosight.images.sources.cells import TextTable, read_cells
from hemosight.images.sources.columns import ALIASES, column_of, is_reading, require_single
from hemosight.images.sources.roles import fold_of, is_person, split_of, which_fold
from hemosight.images.sources.source import Record
from hemosight.images.sources.tasks import local_path, one_choice, read_tasks, url_parts

SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls", ".ods", ".json"})
LAYOUT = "a CSV, Excel or Parquet table with path, label, ... attribute.<name>; or labels of FiftyOne or Label Studio"
_OF_A_SERVER = re.compile(r"/data/upload/|/data/local-files/|(?:https?|s3|gs)://", re.IGNORECASE)
"""How Label Studio's table names pictures."""
_OF_A_ROW = ("patient", "official_split", "fold", "source", "diagnosis")
_OF_A_CELL = frozenset(("patient", "diagnosis", "source", "fold", "official_split"))
"""Columns in which None and NULL mean nothing; of an attribute they may be a value."""
_TAKEN = frozenset(COLUMNS) - {"id", "width", "height"}
_CHECKSUM = re.compile("[0-9a-f]{64}")
_SHOWN = 20
"""Rows or values that one sentence names."""


def read(path: Path, progress: Progress | None = None, say: values.Say | None = None) -> Catalog:
    """The table's rows; relative paths start at the table's own folder, other columns are left out.

    A table with an ``id`` for every row is a catalog already and its files are not read again. A row with a ``sha256``
    is of the picture that has this content, whatever is called as the row says, and is left out where there is none. A
    file that stands in several rows with one label counts once; with several, it is left out; ``say`` is called with
    all of these. Raises :class:`~hemosight.errors.BadTable` without a column of paths or a row, where no picture has
    the content that its row states, and for what a model wrote; :class:`~hemosight.errors.PathMissing` when none of
    its files is there.
    """
    cells = read_tasks(path) if path.suffix.lower() == ".json" else read_cells(path)
    if say is not None and cells.others:
        say(f"of the workbook {cells.sheet!r} is read; other sheets, without paths: {some(list(cells.others), _SHOWN)}")
    if not cells.lines:
        raise BadTable(
            expected="a row for each picture", came="no row", path=path, mend="Write a line for each below the header."
        )
    if {"id", "path", "width", "height"} <= set(cells.columns) and all(cells.column("id")):
        return Catalog.read(path)
    rows = _rows(cells, path, say)
    rows = _of_content(rows, path, progress, say)
    _below([row for row in rows if row.get("sha256") is None], path.parent)
    values.settle(rows, say)
    if rows and not any(_there(row) for row in rows):
        raise PathMissing(path=rows[0]["path"], cwd=path.parent.resolve(), what=f"the pictures that {path} names")
    rows = _once(rows, path, say)
    if not any(_there(row) for row in rows):
        raise BadTable(
            expected="a picture whose rows have one label",
            came="rows that differ, for each picture",
            path=path,
            mend="Delete the wrong lines, or write each case's folder before the names of its pictures.",
        )
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
            came=f"the columns {', '.join(cells.columns)}{cells.of_sheet}",
            path=path,
            mend="Name the column of the pictures' paths 'path'.",
        )
    require_single(cells.columns, path, _TAKEN)
    kept = {column: name for column, name in names.items() if name in _TAKEN or name.startswith(ATTRIBUTE)}
    kept |= {column: kind for kind, column in found.items() if column is not None}
    if found["sha256"] is None:  # a part of a catalog, whose id it is
        ids = [column for column, name in names.items() if name == "id" and all(map(_checksum, cells.column(column)))]
        kept |= dict.fromkeys(ids[:1], "sha256")
    if say is not None and found["label"] is None and "subtype" not in kept.values():
        say(f"no column of labels (label, class, cell type) among {', '.join(cells.columns)}: no cell has a label")
    if say is not None and found["patient"] is None and path.suffix.lower() != ".json":
        say(f"no column of patients (patient, subject, donor, case) among {', '.join(cells.columns)}: no cell has one")
    rows: list[Record] = []
    no_split, no_checksum, unknown, no_fold = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for line, one in cells.rows():
        row: Record = {"line": line}
        fold_of_split: str | None = None
        for column, name in kept.items():
            value = one[column].strip()
            row[name] = value if value.lower() not in ("", "na", "nan") else None
            if name == "label":
                row[name] = one_choice(one[column])
            elif name in _OF_A_CELL and values.without_label(value):
                row[name] = None
            elif name == "patient" and values.nobody(value):
                row[name] = None
                unknown[value] += 1
            elif name == "official_split" and value:
                row[name], fold_of_split = split_of(value), fold_of(value)
                no_split[value] += row[name] is None and fold_of_split is None
            elif name == "sha256" and row[name] is not None:
                row[name] = _checksum(value)
                no_checksum[f"line {line}"] += row[name] is None and not values.without_label(value)
        if row.get("path") is None:
            raise BadTable(
                expected="a value for the path in every row",
                came=f"none in line {line} (empty paths)",
                path=path,
                mend="Give the picture's path, or delete the line.",
            )
        if fold_of_split is not None:
            row["fold"] = row.get("fold") or fold_of_split
            no_fold[f"line {line}"] += which_fold(str(row["fold"])) != which_fold(fold_of_split)
        given = str(row["path"])
        given = local_path(given, path.parent) if _OF_A_SERVER.match(given) else given
        row["path"] = to_text(_place(given, path.parent))
        row["source"] = row.get("source") or path.stem
        row["scale"] = _scale(row.get("scale"), path)
        row["bits"] = _bits(row.get("bits"), path)
        rows.append(row)
    if say is not None and (dropped := +no_split):
        named = [f"{value!r} ({number:,})" for value, number in dropped.items()]
        say(f"no split (train, val or test), and left out: {some(named, _SHOWN)}")
    if say is not None and (other := +no_fold):
        say(f"the fold is that of its own column, where the split names another: {some(list(other), _SHOWN)}")
    if say is not None and unknown:
        say(f"no patient: {some([f'{value!r} ({number:,})' for value, number in unknown.items()], _SHOWN)}")
    if say is not None and (wrong := +no_checksum):
        say(f"no sha256, so that the path alone says which picture it is: {some(list(wrong), _SHOWN)}")
    return rows


def _checksum(value: str) -> str | None:
    digits = value.strip().lower().removeprefix("sha256:")
    return digits if _CHECKSUM.fullmatch(digits) else None


def _same(column: str) -> str:
    name = column.strip()
    return name if name.startswith(ATTRIBUTE) else name.lower()


def _once(rows: list[Record], path: Path, say: values.Say | None) -> list[Record]:
    """Each file once; those that stand in several rows with different labels are left out."""
    tell = say or (lambda _: None)
    files: dict[tuple[str | int, ...], list[Record]] = defaultdict(list)
    for row in rows:
        files[_file(row["path"])].append(row)
    lines: dict[str, list[Record]] = {same[0]["path"]: same for same in files.values()}
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
        why = "its rows differ" if _there(doubled[name][0]) else "no such file is there, and its rows differ"
        tell(f"left out, because {why}: {name} ({differing})")
    return [same[0] for name, same in lines.items() if name not in clashing]


# --- where a picture lies ---------------------------------------------------------------------------------------


def _place(given: str, folder: Path) -> Path:
    """The file that a path in a table means: URLs, backslashes and drives of Windows, accents of other systems."""
    url = given.lower().startswith("file:")
    candidates = [unquote(url_parts(given).path) if url else given]
    if "\\" in given:
        candidates.append(given.replace("\\", "/"))
    first, nowhere = folder / from_text(candidates[0]), folder / candidates[-1]
    if "%" in given and not url:  # written as in an URL, where there is no file of the plain name
        candidates += [unquote(candidate) for candidate in candidates]
    for candidate in candidates:
        for form in (candidate, unicodedata.normalize("NFC", candidate), unicodedata.normalize("NFD", candidate)):
            for place in (folder / from_text(form), folder / form):
                if os.path.exists(place):
                    return place
    if re.match(r"[A-Za-z]:[\\/]|file:|/|\\\\", given):
        # Of another machine: the longest end of it that is here.
        for candidate in candidates:
            parts = [part for part in PureWindowsPath(candidate).parts if part.strip("\\/:") and part[1:2] != ":"]
            for start in range(len(parts)):
                if os.path.exists(place := folder.joinpath(*parts[start:])):
                    return place
    return nowhere if "\\" in given else first


def _below(rows: list[Record], folder: Path) -> None:
    """Files that are not where the table says, by their names among those below its folder, where no two fit.

    Many tables name files without their folders, or without a suffix, or in capitals. A row that names a patient means
    the file in a folder of that name, and none in another patient's.
    """
    missing = [row for row in rows if not _there(row)]
    if not missing:
        return
    named: dict[str, list[Path]] = defaultdict(list)
    for path in layout.survey(folder).images:
        inside = composed(path.relative_to(folder).as_posix()).casefold()
        for name in {inside, path.name.casefold(), inside.rpartition(".")[0], path.stem.casefold()}:
            named[composed(name)].append(path)
    cases = {name for row in rows if row.get("patient") for name in _names_of(row["patient"])}
    for row in missing:
        given = composed(os.path.normpath(os.path.relpath(from_text(row["path"]), folder))).casefold()
        for name in (given, composed(unquote(given)).casefold()):
            fitting = _of_case(named.get(name, []), row.get("patient"), cases, folder)
            if len(fitting) == 1:
                row["path"] = to_text(fitting[0])
                break


def _of_case(paths: list[Path], case: str | None, cases: set[str], folder: Path) -> list[Path]:
    """The pictures in a folder of the case's name, else those in no folder of another case's (names of ``cases``)."""
    if case is None:
        return paths
    above = {path: path.relative_to(folder).parts[:-1] for path in paths}
    named = {path: {name for part in parts for name in _names_of(part)} for path, parts in above.items()}
    own = [path for path in paths if _names_of(case) & named[path]]
    return own or [path for path in paths if not cases & named[path] and not any(map(is_person, above[path]))]


def _names_of(case: str) -> set[str]:
    """What a case may be called: ``Patient_01`` and ``P1`` are 1 too."""
    name = composed(case).casefold()
    number = re.search(r"\d+$", name)
    return {name, number[0].lstrip("0")} if number and (name.isdecimal() or is_person(name)) else {name}


def _of_content(rows: list[Record], table: Path, progress: Progress | None, say: values.Say | None) -> list[Record]:
    """The rows, those that state their picture's content with the file that has it; left out where none has.

    Equal names are the norm (0001.jpg in every case), so that a file called as the row says may be another cell's: its
    own path comes first, then any picture beside the table. Of copies, each row takes another one, that of its own name
    and case first.
    """
    stating = [row for row in rows if row.get("sha256") is not None]
    contents = over_files(_content, [from_text(row["path"]) for row in stating], progress)
    lost = [row for row, content in zip(stating, contents, strict=True) if content != row["sha256"]]
    if not lost:
        return rows
    wanted = {row["sha256"] for row in lost}
    taken = {row["path"] for row, content in zip(stating, contents, strict=True) if content == row["sha256"]}
    holding: dict[str, list[Path]] = defaultdict(list)
    images = layout.survey(table.parent).images
    for path, content in zip(images, over_files(_content, images, progress), strict=True):
        if content is not None and content in wanted:
            holding[content].append(path)
    left_out: list[Record] = []
    for row in lost:
        name, case = from_text(row["path"]).name, row.get("patient")
        found = holding.get(row["sha256"])
        if not found:
            left_out.append(row)
            continue
        best = min(found, key=lambda path: (to_text(path) in taken, path.name != name, case not in path.parts))
        row["path"] = to_text(best)
        taken.add(row["path"])
    if not left_out:
        return rows
    said = [f"line {row['line']}: {row['path']}{_another(row)}" for row in left_out]
    tell = say or (lambda _: None)
    tell(f"{len(said):,} left out, because no picture here has the content (sha256) of the row: {some(said, _SHOWN)}")
    if len(left_out) == len(rows):
        if not any(_there(row) for row in left_out):
            raise PathMissing(path=left_out[0]["path"], cwd=table.parent.resolve(), what=f"pictures of {table}")
        raise BadTable(
            expected="pictures with the content (sha256) that the rows state",
            came=f"none ({said[0]})",
            path=table,
            mend="Put the table beside its own pictures, or leave its column sha256 out where they were changed.",
        )
    dropped = {row["line"] for row in left_out}
    return [row for row in rows if row["line"] not in dropped]


def _another(row: Record) -> str:
    return " (another picture)" if _there(row) else " (not there)"


def _content(path: Path) -> str | None:
    """A file's content id; None where it cannot be read."""
    try:
        return content_id(read_bytes(path))
    except UnreadableImage:
        return None


def _file(place: str) -> tuple[str | int, ...]:
    """Equal for every way to write the path of one file, in other cases too where the disk takes them for one."""
    real = place
    try:
        real = os.path.realpath(from_text(place))
        found = os.stat(real)
    except (OSError, ValueError):  # ValueError: a name with a null byte
        return (real,)
    return composed(real).casefold(), found.st_dev, found.st_ino


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
