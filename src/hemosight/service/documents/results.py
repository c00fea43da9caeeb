"""The tables of a report on paper: the differential with its bars and ranges, and how the cells were counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fpdf.enums import Align

from hemosight.service.documents.content import WORDS, ApartLine, Report, ReportLine, Value
from hemosight.service.documents.paper import BODY, INK, MARGIN, PER_LITRE, RULE, SOFT, WARN, Color, Paper, color_of

_ROW = 5.4
_BAND: Color = (226, 229, 233)


@dataclass(frozen=True)
class _Column:
    """A column of a table: what it holds, its head, width, and where in it texts stand."""

    name: str
    head: str
    width: float
    align: Align = Align.R


def _columns(report: Report) -> tuple[list[_Column], float]:
    """Those that this report fills, and the width that is left for the bars."""
    shares = any(line.share.range for line in report.lines) or any(
        one.per_100 is not None and one.per_100.range for one in report.beside
    )
    absolutes = any(line.absolute is not None and line.absolute.range for line in report.lines)
    found = [_Column("type", "", 45, Align.L), _Column("count", "cells", 10), _Column("share", "%", 12)]
    if shares:
        found += [_Column("range", "reference", 17), _Column("flag", "", 13, Align.L)]
    after: list[_Column] = []
    if report.wbc is None:
        after.append(_Column("interval", "95% interval", 22))
    else:
        after.append(_Column("absolute", "10⁹/L", 12))
        if absolutes:
            after += [_Column("absolute range", "reference", 18), _Column("absolute flag", "", 13, Align.L)]
    wide = BODY - sum(column.width for column in (*found, *after))
    head = "share of leukocytes, with its 95% interval" if wide > 60 else "share, 95% interval"
    return [*found, _Column("bar", head, 0, Align.L), *after], wide


def differential(paper: Paper, report: Report) -> None:
    """Counts, shares, ranges and bars; under it what is counted beside the leukocytes."""
    paper.heading("Differential", 50)
    columns, wide = _columns(report)
    top = _top(report.lines)
    _heads(paper, columns, wide)
    for line in report.lines:
        if paper.will_page_break(_ROW):
            paper.add_page()
            _heads(paper, columns, wide)
        _line(paper, line, columns, wide, top)
    _axis(paper, columns, wide, top)
    beside = [one for one in report.beside if one.shown]
    if beside:
        paper.ln(1)
        for one in beside:
            if paper.will_page_break(_ROW):
                paper.add_page()
            _beside(paper, one, columns)
    _explained(paper, report)


def _top(lines: Sequence[ReportLine]) -> float:
    """Where the bars' scale ends, in percent: 25, 50, 75 or 100."""
    most = max((max(line.share.number, min(line.high, 100.0)) for line in lines), default=100.0)
    return next(end for end in (25.0, 50.0, 75.0, 100.0) if most <= end)


def _heads(paper: Paper, columns: Sequence[_Column], wide: float) -> None:
    x, y = MARGIN, paper.get_y()
    for column in columns:
        width = column.width or wide
        inset = 3.0 if column.name == "bar" else 0.0
        paper.put(x + inset, y, width - inset, column.head, 6.8, color=SOFT, align=column.align)
        x += width
    paper.rule(y + 4.2)
    paper.set_y(y + 4.8)


def _line(paper: Paper, line: ReportLine, columns: Sequence[_Column], wide: float, top: float) -> None:
    x, y = MARGIN, paper.get_y()
    inset = 4.5 if line.finer else 0.0
    texts = {
        "count": f"{line.count:,}",
        "interval": f"{line.low:.1f}\N{EN DASH}{line.high:.1f}",
        **_texts("share", "range", "flag", line.share),
        **_texts("absolute", "absolute range", "absolute flag", line.absolute),
    }
    for column in columns:
        width = column.width or wide
        if column.name == "type":
            if not line.rest:
                paper.chip(x + inset, y + 0.7, line.letter, color_of(line.color))
            paper.put(x + inset + 5, y + 0.8, width - inset - 5, line.title, 9, color=SOFT if line.rest else INK)
        elif column.name == "bar":
            _bar(paper, line, x + 3, y, wide - 8, top)
        else:
            _text(paper, column, texts.get(column.name, ""), x, y, bold=column.name in ("share", "absolute"))
        x += width
    paper.set_y(y + _ROW)


def _texts(number: str, usual: str, flag: str, value: Value | None) -> dict[str, str]:
    if value is None:
        return {}
    word = f"{value.flag} {WORDS[value.flag]}" if value.flag else ""
    return {number: value.text, usual: value.range, flag: word}


def _text(paper: Paper, column: _Column, text: str, x: float, y: float, *, bold: bool) -> None:
    flag = column.name.endswith("flag")
    soft = column.name.endswith(("range", "interval")) or column.name == "count"
    color = WARN if flag else SOFT if soft else INK
    paper.put(
        x + (2 if flag else 0),
        y + (1 if soft or flag else 0.8),
        column.width - (2 if flag else 0),
        text,
        8 if soft or flag else 9,
        "B" if bold or flag else "",
        color,
        column.align,
    )


def _bar(paper: Paper, line: ReportLine, x: float, y: float, width: float, top: float) -> None:
    """The share as a bar in the type's color over the reference range as a pale band, with the interval as a line."""
    scale = width / top
    if line.share.low is not None or line.share.high is not None:
        low = min(line.share.low or 0.0, top)
        high = min(line.share.high if line.share.high is not None else top, top)
        paper.set_fill_color(*_BAND)
        paper.rect(x + low * scale, y + 0.3, max((high - low) * scale, 0.3), _ROW - 0.6, style="F")
    tall = 2.0 if line.finer else 2.8
    middle = y + _ROW / 2
    paper.set_fill_color(*color_of(line.color))
    paper.rect(x, middle - tall / 2, line.share.number * scale, tall, style="F")
    paper.set_draw_color(*INK)
    paper.set_line_width(0.22)
    low, high = line.low * scale, min(line.high, top) * scale
    paper.line(x + low, middle, x + high, middle)
    for end in (low, high):
        paper.line(x + end, middle - 0.7, x + end, middle + 0.7)


def _axis(paper: Paper, columns: Sequence[_Column], wide: float, top: float) -> None:
    x = MARGIN
    for column in columns:
        if column.name == "bar":
            break
        x += column.width
    y, width = paper.get_y() + 0.4, wide - 8
    paper.rule(y, x + 3, width, SOFT, 0.2)
    for tick in range(0, int(top) + 1, 25 if top > 50 else 10 if top > 25 else 5):
        at = x + 3 + tick * width / top
        paper.set_draw_color(*SOFT)
        paper.line(at, y, at, y + 0.9)
        paper.put(at - 6, y + 1.3, 12, f"{tick}%", 6, color=SOFT, align=Align.C)
    banded = "range" in {column.name for column in columns}
    if banded:
        paper.set_fill_color(*_BAND)
        paper.rect(MARGIN + 5, y + 1.2, 4, 2.4, style="F")
        paper.put(MARGIN + 10, y + 1.2, 60, "reference range in the chart", 6.5, color=SOFT)
    paper.set_y(y + 5)


def _beside(paper: Paper, one: ApartLine, columns: Sequence[_Column]) -> None:
    x, y, inset = MARGIN, paper.get_y(), 4.5 if one.finer else 0.0
    texts = {"count": f"{one.count:,}", **_texts("share", "range", "flag", one.per_100)}
    for column in columns:
        if column.name == "type":
            if not one.rest:
                paper.chip(x + inset, y + 0.7, one.letter, color_of(one.color))
            paper.put(x + inset + 5, y + 0.8, column.width - inset - 5, one.title, 9, color=SOFT if one.rest else INK)
        elif column.name == "bar":
            words = "for 100 leukocytes" if one.per_100 is not None else "no leukocyte was counted"
            if one.family == "platelet":
                words = "" if one.finer else "seen on these pictures; no count of platelets"
            paper.put(x + 3, y + 1, 70, words, 7.6, color=SOFT)
            break
        else:
            _text(paper, column, texts.get(column.name, ""), x, y, bold=column.name == "share")
        x += column.width
    paper.set_y(y + _ROW)


def _explained(paper: Paper, report: Report) -> None:
    """What the numbers do not say by themselves."""
    said = []
    if report.wbc is not None:
        said.append(f"10⁹/L: share of the leukocyte count of {report.wbc:g} {PER_LITRE}.")
        if report.uncorrected:
            said.append("That count is as given, not corrected for erythroblasts.")
    if report.drawn:
        said.append(report.drawn)
    if report.nowhere:
        said.append(report.nowhere)
    if said:
        paper.ln(1)
        paper.words(" ".join(said), 7.6, color=SOFT)


def counting(paper: Paper, report: Report) -> None:
    """Whose word each cell counts by: the model alone, people, and cells that nobody reviewed."""
    rows = [one for one in (*report.lines, *report.beside) if not one.rest]
    heads = ("", "model alone", "reviewed by people", "not reviewed", "counted")
    widths = (BODY - 4 * 30, 30, 30, 30, 30)
    paper.heading("How the cells were counted", 30)
    _row(paper, heads, widths, SOFT, 6.8)
    paper.rule(paper.get_y() - 0.6, color=RULE)
    for one in rows:
        if not one.count and not one.before:
            continue
        if paper.will_page_break(4.6):
            paper.add_page()
            _row(paper, heads, widths, SOFT, 6.8)
        known = one.reviewed is not None
        reviewed, other = (f"{one.reviewed:,}", f"{one.count - (one.reviewed or 0):,}") if known else ("", "")
        name = f"    {one.title}" if one.finer else one.title
        _row(paper, (name, f"{one.before:,}", reviewed, other, f"{one.count:,}"), widths, INK, 8.5)
    paper.ln(0.6)
    if report.taught:
        paper.words(report.taught, 8, color=SOFT)
    whole = [*(one for one in rows if not one.finer), *report.excluded]
    if any(one.reviewed is None for one in whole):  # a record of an older version
        return
    people = sum(one.reviewed or 0 for one in whole) + report.unsure
    left = report.unreviewed_nowhere
    beyond = f"; {left:,} are read as a type that counts nowhere" if left else ""
    paper.words(
        f"People reviewed {people:,} of {people + report.unreviewed:,} cells; "
        f"{report.unreviewed - left:,} are counted as the model reads them{beyond}.",
        8,
        color=SOFT,
    )


def _row(paper: Paper, texts: Sequence[str], widths: Sequence[float], color: Color, size: float) -> None:
    x, y = MARGIN, paper.get_y()
    for place, (text, width) in enumerate(zip(texts, widths, strict=True)):
        last = "B" if place == len(texts) - 1 and color == INK else ""
        paper.put(x, y + 0.4, width, text, size, last, color, Align.R if place else Align.L)
        x += width
    paper.set_y(y + 4.6)
