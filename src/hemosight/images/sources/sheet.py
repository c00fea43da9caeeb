"""The sheets of a workbook as JSON on standard output, read from standard input: a program of its own.

A workbook of a few bytes may name a cell at the far end of a sheet, and what reads it asks for room for all before it:
so it is read by a process that may take no more than :data:`MOST` bytes, and whose end is nobody else's.
"""

from __future__ import annotations

import io
import json
import sys

MOST = 1 << 30
"""Bytes of memory."""


def text(value: object) -> str:
    """A cell's value as it is written. A sheet has no whole numbers: patient 7 is 7.0 in it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def main() -> int:
    """Give the rows of each visible sheet by its name, or what is wrong: a text, or name and fault of a damaged sheet.

    0 where any of these is said. One damaged sheet ends the reading: whether it names pictures too nobody can say, and
    half of a table is not taken for all of it.
    """
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        import resource
    except ImportError:  # not on Windows: there the limit of the file's size has to do
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        sheets: dict[str, list[list[str]]] = {}
        said: object = sheets
        for sheet in workbook.sheets_metadata:
            if sheet.typ != SheetTypeEnum.WorkSheet or sheet.visible != SheetVisibleEnum.Visible:
                continue
            try:
                rows = workbook.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False)
            except CalamineError as error:
                said = [sheet.name, str(error)]
                break
            sheets[sheet.name] = [[text(value) for value in row] for row in rows]
    except CalamineError as error:
        said = f"a damaged workbook ({error})"
    sys.stdout.write(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
