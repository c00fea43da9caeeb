"""The cells of a table as text, whatever saved it: CSV of any separator and Unicode encoding, Excel, Parquet."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from hemosight.errors import BadTable, UnreadableImage
from hemosight.images.decode import read_bytes
from hemosight.images.formulas import unguarded
from hemosight.images.sources import sheet
from hemosight.images.sources.columns import column_of

_SHEETS = (".xlsx", ".xls", ".ods")
_SEPARATORS = ",;\t|"
_SECONDS = 60.0
"""For a workbook; of a hundred thousand rows it takes two or three."""
_ABOVE = 10
"""Lines of a title or of comments above the header that are passed over."""


@dataclass(frozen=True)
class TextTable:
    """A table as text.

    Parameters
    ----------
    columns
        Names as written, distinct.
    lines
        For each row, the line it stands in and its values, as many as columns.
    sheet, others
        Of a workbook of several sheets, the one that is read and those that are not.
    """

    columns: tuple[str, ...]
    lines: Sequence[tuple[int, Sequence[str]]]
    sheet: str = ""
    others: tuple[str, ...] = ()

    @property
    def of_sheet(self) -> str:
        """Which sheet a fault is in, as a sentence ends; empty where there is one."""
        return _of_sheet(self.sheet)

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Line and values by column."""
        for line, values in self.lines:
            yield line, dict(zip(self.columns, values, strict=True))

    def column(self, name: str) -> list[str]:
        """One column's values."""
        at = self.columns.index(name)
        return [values[at] for _, values in self.lines]


def read_cells(path: Path) -> TextTable:
    """Read a table; rows without any value are left out.

    Raises :class:`~hemosight.errors.BadTable` that says why it cannot be read.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            table = pl.read_parquet(path)
            written = [["" if value is None else str(value) for value in row] for row in table.iter_rows()]
            return _cells(path, [(0, table.columns), *((line, row) for line, row in enumerate(written, 1))])
        return parse_cells(read_bytes(path), path)
    except UnreadableImage as error:
        raise _bad(path, error.came) from error
    except BadTable:
        raise
    except (OSError, UnicodeError, csv.Error, pl.exceptions.PolarsError, ValueError) as error:
        raise _bad(path, (str(error).splitlines() or [type(error).__name__])[0]) from error


def parse_cells(data: bytes, path: str | Path) -> TextTable:
    """A table that is in memory, CSV or a workbook; ``path`` is what it is called. Raises as :func:`read_cells`."""
    path = Path(path)
    try:
        if path.suffix.lower() in _SHEETS or data[:4] == b"PK\3\4":
            return _of_workbook(path, _sheets(path, data))
        return _cells(path, _csv(data))
    except (UnicodeError, csv.Error, ValueError) as error:
        raise _bad(path, (str(error).splitlines() or [type(error).__name__])[0]) from error


def _bad(path: Path, came: str, mend: str = "Save it again as CSV (UTF-8), or as .xlsx.") -> BadTable:
    return BadTable(
        expected="a table with a header (CSV in UTF-8 or UTF-16, Excel, Parquet)", came=came, path=path, mend=mend
    )


def _of_sheet(name: str) -> str:
    return f" in the sheet {name!r}" if name else ""


def _of_workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[str]]]) -> TextTable:
    """The one sheet whose header has a column of pictures; where none has, the first that holds anything."""
    filled = {name: rows for name, rows in sheets.items() if any(value.strip() for row in rows for value in row)}
    fitting = [name for name, rows in filled.items() if _names_pictures(rows)]
    if len(fitting) > 1:
        came = f"{len(fitting)} sheets that name pictures ({', '.join(map(repr, fitting))})"
        raise _bad(path, came, "Put their rows into one sheet, or save each as a table of its own.")
    name = next(iter(fitting or filled), "")
    several = len(filled) > 1
    read = _cells(path, list(enumerate(filled.get(name, ()), 1)), name if several else "")
    return replace(read, others=tuple(other for other in filled if other != name) if fitting else ())


def _names_pictures(rows: Sequence[Sequence[str]]) -> bool:
    written = [(line, row) for line, row in enumerate(rows, 1) if any(value.strip() for value in row)]
    header = [unguarded(name.strip()) for name in written[_header(written)][1]]
    return any(column_of(kind, header) is not None for kind in ("path", "sha256"))


def _cells(path: Path, lines: Sequence[tuple[int, Sequence[str]]], sheet: str = "") -> TextTable:
    written = [(line, row) for line, row in lines if any(value.strip() for value in row)]
    if not written:
        raise _bad(path, "nothing")
    at = _header(written)
    columns = [name.strip() for name in written[at][1]]
    while columns and not columns[-1]:
        columns.pop()
    body: list[tuple[int, Sequence[str]]] = []
    for line, row in written[at + 1 :]:
        if any(value.strip() for value in row[len(columns) :]):
            raise _bad(path, f"{len(row)} values in line {line} under {len(columns)} columns{_of_sheet(sheet)}")
        body.append((line, [*row[: len(columns)], *[""] * (len(columns) - len(row))]))
    # A column without a name is one that somebody emptied, or a program's numbers of the rows.
    named = [place for place, name in enumerate(columns) if name or any(row[place].strip() for _, row in body)]
    columns = [columns[place] for place in named]
    if len(set(columns)) < len(columns):
        doubled = next(name for name in columns if columns.count(name) > 1)
        came = f"the column {doubled!r} twice" if doubled else f"{columns.count('')} columns with values and no name"
        raise _bad(path, came + _of_sheet(sheet))
    columns = [unguarded(name) for name in columns]
    body = [(line, [unguarded(row[place]) for place in named]) for line, row in body]
    return TextTable(tuple(columns), body, sheet)


def _header(written: Sequence[tuple[int, Sequence[str]]]) -> int:
    """Which row names the columns: the first with several values, below a title or comments; else the first."""
    wide = (at for at, (_, row) in enumerate(written[:_ABOVE]) if len([value for value in row if value.strip()]) > 1)
    return next(wide, 0)


def _sheets(path: Path, data: bytes) -> dict[str, list[list[str]]]:
    """The sheets of a workbook by name, read by a process of its own (:mod:`hemosight.images.sources.sheet`)."""
    command = [sys.executable, "-I", sheet.__file__]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise ValueError("a workbook that takes more memory or time to read than any table of labels") from error
    found = json.loads(done.stdout)
    if isinstance(found, str):
        raise ValueError(found)
    if isinstance(found, list):
        name, fault = found
        why = f" ({fault})" if " " in fault else ""  # some are the name of a tag alone
        mend = "Open the workbook and save it again; or, where that sheet holds no labels, delete it."
        raise _bad(path, f"a workbook whose sheet {name!r} is damaged{why}", mend)
    return found


def _csv(data: bytes) -> list[tuple[int, list[str]]]:
    text = _decoded(data).rstrip("\x1a")  # DOS's end of a file
    first, _, rest = text.partition("\n")
    separator, skipped = None, 0
    if (hint := first.strip().strip('"')).lower().startswith("sep="):  # Excel's own word for it
        separator, text, skipped = hint[4:5] or "\t", rest, 1
    if separator is None:
        separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines: list[tuple[int, list[str]]] = []
    begun = 1
    for row in reader:
        lines.append((begun + skipped, row))
        begun = reader.line_num + 1
    return lines


def _separator(text: str) -> str:
    """What separates the values: what gives the header a column of paths, else most columns; signs in quotes are none.

    Only lines near the top count, and of a title above the header nothing is known.
    """
    lines = [line for line in text[: 1 << 16].splitlines() if line.strip()][:_ABOVE]
    best, chosen = (False, 0), _SEPARATORS[0]
    for one in _SEPARATORS:
        try:
            rows = list(csv.reader(lines, delimiter=one))
        except csv.Error:
            continue
        header = next((row for row in rows if len([value for value in row if value.strip()]) > 1), [])
        found = column_of("path", header) is not None, len(header)
        if found > best:
            best, chosen = found, one
    return chosen


def _decoded(data: bytes) -> str:
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return data.decode("utf-32")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    if data[1:2] == b"\0" or data[:1] == b"\0":
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"bytes that are no UTF-8, in line {line} (an older code page such as Latin-1?)") from error
