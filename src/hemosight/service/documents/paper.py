"""A4 pages with the report's fonts: text of any script as far as they reach, and what they lack is told."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

FONTS = Path(__file__).parent / "fonts"
MARGIN, WIDTH = 16.0, 210.0
BODY = WIDTH - 2 * MARGIN
Color = tuple[int, int, int]
INK: Color = (27, 30, 34)
SOFT: Color = (91, 96, 104)
RULE: Color = (205, 207, 210)
PALE: Color = (243, 244, 246)
WARN: Color = (140, 40, 12)
PER_LITRE = "\N{MULTIPLICATION SIGN} 10⁹/L"
_EAST = "NotoSansSC-Regular.ttf"
_MISSING = "\ufffd"


@cache
def _signs(name: str) -> frozenset[int]:
    with TTFont(FONTS / name, lazy=True) as font:
        return frozenset(font.getBestCmap() or ())


def color_of(text: str) -> Color:
    """A color from ``#rrggbb``; grey where it is none."""
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        return (119, 125, 131)
    return red, green, blue


class Paper(FPDF):
    """Pages of one document.

    Parameters
    ----------
    title
        For the reader's window.
    feet
        What stands left at the foot of every page, line by line.
    made
        The moment that stands in the file: with equal contents the bytes are equal.
    watermark
        Across every page, in a pale grey; empty for none.
    """

    def __init__(self, title: str, feet: Iterable[str], made: datetime.datetime, watermark: str = "") -> None:
        super().__init__(format="A4")
        self.missing: set[str] = set()
        """Characters that no font of the report has; they are printed as a replacement sign."""
        self._east = False
        self._watermark = watermark
        self.set_margins(MARGIN, 22, MARGIN)
        self.set_auto_page_break(True, 22)
        self.add_font("body", "", FONTS / "NotoSans-Regular.ttf")
        self.add_font("body", "B", FONTS / "NotoSans-Bold.ttf")
        self._feet = [self.fit(line) for line in feet]
        self._head = self.fit(title)
        self.set_title(title)
        self.set_creator("HemoSight")
        self.set_producer("HemoSight")
        self.set_lang("en")
        self.set_creation_date(made)

    def fit(self, text: str) -> str:
        """A text as these fonts can print it; what they lack is noted in :attr:`missing`."""
        composed = unicodedata.normalize("NFC", text)
        return "".join(self._sign(sign) for sign in composed)

    def _sign(self, sign: str) -> str:
        if sign == "\n" or ord(sign) in _signs("NotoSans-Regular.ttf"):
            return sign
        if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            return "" if unicodedata.category(sign) == "Cf" else " "
        if ord(sign) in _signs(_EAST):
            if not self._east:
                self._east = True
                self.add_font("east", "", FONTS / _EAST)
                self.set_fallback_fonts(["east"], exact_match=False)
            return sign
        self.missing.add(sign)
        return _MISSING

    def ink(self, size: float, style: str = "", color: Color = INK) -> None:
        """Choose size, weight (``B`` or nothing) and color of what is written next."""
        self.set_font("body", style, size)
        self.set_text_color(*color)

    def put(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        size: float,
        style: str = "",
        color: Color = INK,
        align: Align = Align.L,
    ) -> None:
        """One line of text in a box; too long a text is cut with an ellipsis."""
        self.ink(size, style, color)
        fitted = self.fit(text).replace("\n", " ")
        while fitted and self.get_string_width(fitted) > width - 0.2:
            fitted = fitted.rstrip("…")[:-1].rstrip() + "…" if len(fitted) > 1 else ""
        self.set_xy(x, y)
        self.c_margin = 0
        self.cell(width, size * 0.45, fitted, align=align)

    def words(
        self, text: str, size: float = 9, style: str = "", color: Color = INK, x: float = MARGIN, width: float = BODY
    ) -> None:
        """A text over as many lines, and pages, as it takes."""
        self.ink(size, style, color)
        self.set_x(x)
        self.c_margin = 0
        self.multi_cell(width, size * 0.5, self.fit(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def heading(self, text: str, room: float = 24) -> None:
        """A heading, on the next page where less than ``room`` millimetres are left under it."""
        self.ln(4.5)
        if self.will_page_break(room):
            self.add_page()
        self.words(text, 10.5, "B")
        self.ln(1.2)

    def rule(self, y: float, x: float = MARGIN, width: float = BODY, color: Color = RULE, weight: float = 0.2) -> None:
        """A level line."""
        self.set_draw_color(*color)
        self.set_line_width(weight)
        self.line(x, y, x + width, y)

    def chip(self, x: float, y: float, letter: str, color: Color, size: float = 3.6) -> None:
        """A type's letter on its color."""
        self.set_fill_color(*color)
        self.rect(x, y, size, size, style="F", round_corners=True, corner_radius=0.6)
        self.ink(6.2, "B", (255, 255, 255))
        self.set_xy(x, y)
        self.c_margin = 0
        self.cell(size, size, self.fit(letter[:2]), align=Align.C)

    def header(self) -> None:
        """What stands above every page but the first, and the watermark under all of them."""
        if self._watermark:
            with self.local_context(fill_opacity=0.09):
                self.ink(46, "B", (120, 30, 10))
                width = self.get_string_width(self._watermark)
                with self.rotation(52, WIDTH / 2, 150):
                    self.text(WIDTH / 2 - width / 2, 150, self._watermark)
        if self.page_no() > 1:
            self.put(MARGIN, 10, BODY, self._head, 8, color=SOFT)
            self.rule(15)
            self.set_y(20)

    def footer(self) -> None:
        """Feet, and which page of how many."""
        self.rule(297 - 18)
        for row, line in enumerate(self._feet):
            self.put(MARGIN, 297 - 16 + 3.6 * row, BODY - 24, line, 6.8, color=SOFT)
        self.ink(6.8, color=SOFT)
        width = self.get_string_width(f"page {self.page_no()} of 9")  # how many there are is filled in at the end
        self.set_xy(WIDTH - MARGIN - width, 297 - 16)
        self.c_margin = 0
        self.cell(width, 3.1, f"page {self.page_no()} of {{nb}}")
