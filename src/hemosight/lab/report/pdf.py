"""A report as a PDF of A4 pages, from the same sections as the HTML page: no browser, no network.

Charts are the page's, as pictures; a figure that is a chart leaves its table to the files beside the report.
"""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout, TableCellFillMode, XPos, YPos
from fpdf.fonts import FontFace

from hemosight.engine.bundle import NOTICE
from hemosight.lab.charts import draw
from hemosight.lab.report.figure import Claim, Figure, Section
from hemosight.lab.report.page import SHOWN, Cover, headings, written_cells

FONTS = Path(__file__).parent / "fonts"
_INK, _SOFT, _LINE, _LOUD = (27, 30, 34), (91, 96, 104), (200, 200, 196), (124, 45, 18)
_WIDTH, _MARGIN = 210.0, 18.0
_BODY = _WIDTH - 2 * _MARGIN
_NUMBER = re.compile(r"^$|^-?[\d.,]+%?( |$)")
"""What stands to the right of its column: numbers, and numbers with their interval."""
_PIXEL = 0.235
"""Millimetres of a chart's pixel: a chart of the page's width fills the page."""


class _Paper(FPDF):
    def __init__(self, title: str, mark: str) -> None:
        super().__init__(format="A4")
        self._of, self._mark = title, mark
        self.set_margins(_MARGIN, 20, _MARGIN)
        self.set_auto_page_break(True, 20)
        self.add_font("body", "", FONTS / "DejaVuSans.ttf")
        self.add_font("body", "B", FONTS / "DejaVuSans-Bold.ttf")
        self.set_title(title)
        self.set_creator("HemoSight")
        self.set_lang("en")

    def ink(self, size: float, style: str = "", color: tuple[int, int, int] = _INK) -> None:
        self.set_font("body", style, size)
        self.set_text_color(*color)

    def header(self) -> None:
        if self.page_no() > 1:
            self.ink(7.5, color=_SOFT)
            self.set_y(10)
            self.cell(_BODY / 2, 4, self._of[:90], align=Align.L)
            self.cell(_BODY / 2, 4, NOTICE, align=Align.R)
            self.set_y(20)

    def footer(self) -> None:
        self.set_y(-13)
        self.ink(7.5, color=_SOFT)
        self.cell(_BODY / 2, 4, self._mark, align=Align.L)
        self.cell(_BODY / 2, 4, f"page {self.page_no()} of {{nb}}", align=Align.R)

    def words(self, text: str, size: float = 9.5, color: tuple[int, int, int] = _INK, gap: float = 2.5) -> None:
        self.ink(size, color=color)
        self.multi_cell(_BODY, size * 0.52, text, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(gap)

    def heading(self, text: str) -> None:
        self.ln(4)
        if self.will_page_break(32):
            self.add_page()
        self.ink(14, "B")
        self.multi_cell(_BODY, 7, text, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1.5)

    def grid(self, heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
        """A table as wide as the page; the first column and long texts take what they need."""
        if not rows:
            return
        longest = [max(3, len(head) * 0.95, *(len(row[place]) for row in rows)) for place, head in enumerate(heads)]
        size = 7.2 if sum(longest) < 105 else 6.2
        widths = [min(max(value, 6), 46) for value in longest]
        self.ink(size)
        self.set_draw_color(*_LINE)
        self.set_line_width(0.15)
        with self.table(
            width=_BODY,
            col_widths=tuple(widths),
            text_align=tuple(
                Align.R if number or all(_NUMBER.match(row[place]) for row in rows) else Align.L
                for place, number in enumerate(numeric)
            ),
            line_height=size * 0.56,
            padding=0.7,
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            cell_fill_mode=TableCellFillMode.NONE,
            headings_style=FontFace(emphasis="BOLD", color=_SOFT),
        ) as table:
            for row in (heads, *rows):
                line = table.row()
                for value in row:
                    line.cell(value)
        self.ln(3)


def write(
    file: Path,
    sections: Sequence[Section],
    facts: Sequence[tuple[str, str]],
    left_out: Mapping[str, str],
    cover: Cover,
    *,
    made: datetime.datetime,
    mark: str = "",
) -> Path:
    """Write a report as PDF.

    Parameters
    ----------
    sections, facts, left_out, cover
        As for :func:`hemosight.lab.report.page.write`.
    made
        The moment that stands in the file.
    mark
        What stands at the foot of each page: by which a loose sheet is known.
    """
    paper = _Paper(cover.title, mark)
    paper.set_creation_date(made)
    paper.add_page()
    paper.ink(8.5, color=_SOFT)
    paper.cell(_BODY, 5, "HemoSight", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ink(20, "B")
    paper.multi_cell(_BODY, 9.5, cover.title, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(2)
    paper.words(cover.intro, color=_SOFT, gap=4)
    if cover.loud:
        _loud(paper, cover.loud)
    claims = [claim for section in sections for claim in section.claims]
    if claims:
        _glance(paper, claims, cover)
    figures = tables = 0
    for section in sections:
        paper.heading(section.title)
        for text in section.text:
            paper.words(text)
        for figure in section.figures:
            pictured = figure.spec is not None or bool(figure.plate)
            figures, tables = figures + pictured, tables + (not pictured)
            _figure(paper, figure, f"Figure {figures}" if pictured else f"Table {tables}")
    paper.heading("How this was made")
    known = [*facts, *((f"Left out: {name}", why) for name, why in left_out.items())]
    paper.grid(["What", ""], [[name, value] for name, value in known], [False, False])
    part = file.with_suffix(".part")
    paper.output(str(part))
    part.replace(file)
    return file


def _loud(paper: _Paper, lines: Sequence[str]) -> None:
    paper.ink(9, "B", _LOUD)
    paper.set_draw_color(*_LOUD)
    paper.set_line_width(0.5)
    top = paper.get_y()
    paper.set_y(top + 2)
    for line in lines:
        paper.set_x(_MARGIN + 3)
        paper.multi_cell(_BODY - 6, 4.8, line, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.rect(_MARGIN, top, _BODY, paper.get_y() - top + 2)
    paper.set_y(paper.get_y() + 6)


def _glance(paper: _Paper, claims: Sequence[Claim], cover: Cover) -> None:
    paper.heading("At a glance")
    heads = [name for name in cover.columns if name]
    rows = [[claim.what, claim.value, claim.basis, claim.paper][: len(heads)] for claim in claims]
    paper.grid(heads, rows, [False] * len(heads))


def _figure(paper: _Paper, figure: Figure, name: str) -> None:
    if figure.spec is not None:
        _chart(paper, draw.png(figure.spec, 2.5))
    if figure.plate:
        _plate(paper, figure)
    paper.ink(8, "B")
    if paper.will_page_break(14):
        paper.add_page()
        paper.ink(8, "B")
    paper.write(4, f"{name}. {figure.title}. ")
    paper.ink(8, color=_SOFT)
    paper.write(4, figure.caption)
    paper.ln(6)
    if figure.spec is None and not figure.plate:
        table: pl.DataFrame = figure.table if figure.shown is None else figure.shown
        rows, numeric = written_cells(table.head(SHOWN))
        paper.grid(headings(table), rows, numeric)
        if table.height > SHOWN:
            paper.words(f"{table.height - SHOWN:,} further rows in tables/{figure.name}.csv.", 8, _SOFT)


def _chart(paper: _Paper, png: bytes) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
    wide = min(width / 2.5 * _PIXEL, _BODY)
    high = wide * height / width
    room = paper.h - 20 - 24
    if high > room:  # a column of many charts: as large as a page lets it be
        wide, high = wide * room / high, room
    if paper.will_page_break(high + 16):
        paper.add_page()
    paper.image(io.BytesIO(png), x=_MARGIN + (_BODY - wide) / 2, w=wide)
    paper.ln(2)


def _plate(paper: _Paper, figure: Figure) -> None:
    columns = max(figure.columns, 1)
    side = (_BODY - 2 * (columns - 1)) / columns
    for start in range(0, len(figure.plate), columns):
        if paper.will_page_break(side + 12):
            paper.add_page()
        top = paper.get_y()
        for place, picture in enumerate(figure.plate[start : start + columns]):
            left = _MARGIN + place * (side + 2)
            paper.image(io.BytesIO(picture.data), x=left, y=top, w=side, h=side)
            paper.set_xy(left, top + side + 0.6)
            paper.ink(5.8, color=_SOFT)
            paper.multi_cell(side, 2.6, picture.label, align=Align.L)
        paper.set_y(top + side + 9.5)
    paper.set_x(_MARGIN)
