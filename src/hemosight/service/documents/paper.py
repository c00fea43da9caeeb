"""A4 pages with the report's fonts: text of any script as far as they reach, and what they lack is told."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

from hemosight.service.documents.right_to_left import begins_right, joined, on_paper, unjoined

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
_BODY = "NotoSans-Regular.ttf"
_OTHERS = {
    "east": "NotoSansSC-Regular.ttf",
    "arabic": "NotoSansArabic-Regular.ttf",
    "hebrew": "NotoSansHebrew-Regular.ttf",
}
"""Fonts that are opened when a text has their signs."""
_MISSING = "\ufffd"
_EAST = "\u2e80-\u9fff\uf900-\ufaff\uff01-\uffef"
_WORD = re.compile(f" *(?:[{_EAST}][\u3001\u3002\uff0c\uff09\u300d]*|[^ {_EAST}]+)")
"""What is kept in one line: a word, or an East Asian character with the sign that closes behind it."""


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
        self._opened: list[str] = []
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
        """A text as these fonts can print it, in the order of reading; what they lack is noted in :attr:`missing`.

        Arabic letters come in the forms in which they join.
        """
        return "".join(self._sign(sign) for sign in joined(unicodedata.normalize("NFC", text)))

    def _sign(self, sign: str) -> str:
        if sign == "\n" or ord(sign) in _signs(_BODY):
            return sign
        if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            return "" if unicodedata.category(sign) == "Cf" else " "
        for name, file in _OTHERS.items():
            if ord(sign) in _signs(file) and not unjoined(sign):
                if name not in self._opened:
                    self._opened.append(name)
                    self.add_font(name, "", FONTS / file)
                    self.set_fallback_fonts(self._opened, exact_match=False)
                return sign
        self.missing.add(sign)
        return _MISSING

    def ink(self, size: float, style: str = "", color: Color = INK) -> None:
        """Choose size, weight (``B`` or nothing) and color of what is written next."""
        self.set_font("body", style, size)
        # A font that fpdf2 fell back to within a line stays that of the page, which it forgets.
        self.current_font_is_set_on_page = False
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
        self.cell(width, size * 0.45, on_paper(fitted), align=align)

    def words(
        self, text: str, size: float = 9, style: str = "", color: Color = INK, x: float = MARGIN, width: float = BODY
    ) -> None:
        """A text over as many lines, and pages, as it takes.

        A paragraph that begins at the right is set there where it has the whole width of the page.
        """
        self.ink(size, style, color)
        self.c_margin = 0
        fitted, height = self.fit(text), size * 0.5
        if all(sign == "\n" or ord(sign) in _signs(_BODY) for sign in fitted):
            self.set_x(x)
            self.multi_cell(width, height, fitted, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            return
        for paragraph in fitted.split("\n"):
            right = begins_right(paragraph)
            align = Align.R if right and width >= BODY else Align.L
            # Lines are broken in the order of reading, and each is then turned for itself.
            for line in self._lines(paragraph, width):
                self.ink(size, style, color)
                self.set_x(x)
                turned = on_paper(line, from_right=right)
                self.cell(width, height, turned, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _lines(self, paragraph: str, width: float) -> list[str]:
        """A paragraph broken at its blanks and East Asian characters; a word that is too long for a line is cut."""
        lines = [""]
        for word in _WORD.findall(paragraph):
            longer = lines[-1] + word if lines[-1] else word.lstrip()
            if self.get_string_width(longer) <= width:
                lines[-1] = longer
                continue
            lines = [*lines, word.lstrip()] if lines[-1] else [*lines[:-1], word.lstrip()]
            while self.get_string_width(lines[-1]) > width and len(lines[-1]) > 1:
                whole = lines[-1]
                fits = len(whole) - 1
                while fits > 1 and self.get_string_width(whole[:fits]) > width:
                    fits -= 1
                lines[-1:] = [whole[:fits], whole[fits:]]
        return lines

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
