"""Workbooks of several sheets: the one that names pictures is read, and none is left out in silence."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from hemosight.errors import BadTable
from hemosight.images import sources

Sheet = tuple[str, Sequence[tuple[str, ...]]]
CELLS: Sheet = ("Cells", [("path", "label"), ("0.png", "ig"), ("1.png", "blast")])
LEGEND: Sheet = ("Legend", [("code", "meaning"), ("ig", "immature granulocyte")])
EMPTY: Sheet = ("Sheet3", [])
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def write(path: Path, sheets: Sequence[Sheet], hidden: Sequence[str] = ()) -> None:
    """The smallest workbook of these sheets."""
    numbered = list(enumerate(sheets, 1))

    def state(name: str) -> str:
        return "hidden" if name in hidden else "visible"

    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_KIND}.worksheet+xml"/>' for n, _ in numbered
    )
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" state="{state(name)}" r:id="r{n}"/>' for n, (name, _) in numbered
    )
    places = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in numbered
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.'
            f'openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="{_KIND}.'
            f'sheet.main+xml"/>{parts}</Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r" Type="{_OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{places}</Relationships>'
        )
        for n, (_, rows) in numbered:
            cells = "".join(
                f'<row r="{r}">'
                + "".join(f'<c r="{"ABCDEF"[c]}{r}" t="inlineStr"><is><t>{v}</t></is></c>' for c, v in enumerate(row))
                + "</row>"
                for r, row in enumerate(rows, 1)
            )
            archive.writestr(
                f"xl/worksheets/sheet{n}.xml", f'<worksheet xmlns="{_MAIN}"><sheetData>{cells}</sheetData></worksheet>'
            )


def read(folder: Path, sheets: Sequence[Sheet], hidden: Sequence[str] = ()) -> tuple[list[str | None], list[str]]:
    """The labels in order, and what was said but that no patient is named."""
    for number in range(3):
        Image.new("RGB", (20, 24), (number, 9, 7)).save(folder / f"{number}.png")
    write(folder / "t.xlsx", sheets, hidden)
    said: list[str] = []
    found = sources.read(folder / "t.xlsx", say=said.append).labels()
    return found, [one for one in said if not one.startswith("no column of patients")]


@pytest.mark.parametrize("sheets", [[LEGEND, CELLS], [CELLS, LEGEND], [EMPTY, LEGEND, CELLS]])
def test_the_sheet_that_names_pictures_is_read_and_the_others_are_told(tmp_path: Path, sheets: list[Sheet]) -> None:
    assert read(tmp_path, sheets) == (
        ["ig", "blast"],
        ["of the workbook 'Cells' is read; other sheets, without paths: Legend"],
    )


def test_of_one_sheet_beside_empty_ones_nothing_is_said(tmp_path: Path) -> None:
    assert read(tmp_path, [EMPTY, CELLS]) == (["ig", "blast"], [])


def test_two_sheets_that_name_pictures_are_refused_by_name(tmp_path: Path) -> None:
    second: Sheet = ("Case2", [("File name", "Class"), ("2.png", "monocyte")])
    with pytest.raises(BadTable, match=r"2 sheets that name pictures \('Cells', 'Case2'\).*one sheet"):
        read(tmp_path, [CELLS, second])
    assert read(tmp_path, [CELLS, second], hidden=["Case2"])[0] == ["ig", "blast"], "what is hidden is nobody's table"


@pytest.mark.parametrize("sheets", [[CELLS, LEGEND], [LEGEND, CELLS]])
def test_a_damaged_sheet_is_named_and_half_a_workbook_is_not_read(tmp_path: Path, sheets: list[Sheet]) -> None:
    """It may hold the other half of the labels; what is hidden is nobody's table, damaged or not."""
    read(tmp_path, sheets)
    whole = (tmp_path / "t.xlsx").read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    parts["xl/worksheets/sheet2.xml"] = parts["xl/worksheets/sheet2.xml"].partition(b"</row>")[0]
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(BadTable, match=f"whose sheet '{sheets[1][0]}' is damaged.*save it again"):
        sources.read(tmp_path / "t.xlsx")


def test_a_fault_names_its_sheet(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="the columns code, meaning in the sheet 'Legend'"):
        read(tmp_path, [LEGEND, ("Notes", [("remark", "by"), ("none", "me")])])
    doubled: Sheet = ("Cells", [("path", "label", "label"), ("0.png", "ig", "ig")])
    with pytest.raises(BadTable, match="the column 'label' twice in the sheet 'Cells'"):
        read(tmp_path, [LEGEND, doubled])
