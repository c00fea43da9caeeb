"""The report as PDF: A4 pages, no browser; the same content gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from fpdf.enums import Align
from numpy.typing import NDArray
from PIL import Image

from hemosight.blood.morphology import GRADES
from hemosight.engine.bundle import NOTICE
from hemosight.service.documents import results
from hemosight.service.documents.content import ChosenCell, Graded, Report, Signer
from hemosight.service.documents.paper import (
    BODY,
    INK,
    MARGIN,
    PALE,
    PER_LITRE,
    SOFT,
    WARN,
    WIDTH,
    Color,
    Paper,
    color_of,
)

PRELIMINARY = "PRELIMINARY, NOT SIGNED"
_CROP = 288
"""Pixels of a printed crop's side at most: 300 for an inch."""


def pdf(report: Report, pictures: Mapping[int, NDArray[np.uint8]]) -> bytes:
    """The report as PDF.

    Parameters
    ----------
    pictures
        The chosen cells as RGB of shape (h, w, 3); one that is missing leaves an empty square.
    """
    named = f"Case {report.key}" + (f", accession {report.accession}" if report.accession else "")
    version = "not signed" if report.status == "unsigned" else f"version {report.version}"
    if report.replaced:
        version += f", {report.replaced.lower()}"
    paper = Paper(
        f"White blood cell differential · {named} · {version}",
        (_origin(report), f"{named} · {version} · {NOTICE}"),
        report.at,
        PRELIMINARY if report.status == "unsigned" else report.replaced.upper(),
    )
    paper.add_page()
    _head(paper, report)
    _standing(paper, report)
    _specimen(paper, report)
    results.differential(paper, report)
    _remark(paper, report)
    _grades(paper, report)
    if report.cells:
        _cells(paper, report, pictures)
    results.counting(paper, report)
    _checks(paper, report)
    _signatures(paper, report)
    _missing(paper)
    return bytes(paper.output())


def _origin(report: Report) -> str:
    scale = "" if report.scale is None else f" (pixel scale {report.scale:.2f})"
    scanner = f" · scanner profile {report.scanner}{scale}" if report.scanner else ""
    record = f" · record {report.fingerprint[:12]}" if report.fingerprint else ""
    return f"Read by {report.bundle}{scanner}{record}"


def _head(paper: Paper, report: Report) -> None:
    paper.put(MARGIN + BODY / 2, 14, BODY / 2, "White blood cell differential", 13, "B", align=Align.R)
    paper.put(
        MARGIN + BODY / 2, 20.2, BODY / 2, "Blood film, by microscopy of single cells", 8, color=SOFT, align=Align.R
    )
    paper.set_y(13.6)
    half = BODY / 2 + 8
    paper.words(report.laboratory or report.project or "HemoSight", 13, "B", width=half)
    if report.address:
        paper.words(report.address, 8, color=SOFT, width=half)
    paper.set_y(max(paper.get_y() + 2.5, 27))


def _standing(paper: Paper, report: Report) -> None:
    """The line that says what this paper is: in words, on a box that a copier keeps."""
    newest = report.signers[-1] if report.signers else None
    given = "" if newest is None else f"signed {report.moment(newest.at)}"
    loud, texts = {
        "unsigned": (True, (PRELIMINARY, f"as counted {report.moment(report.at)}")),
        "awaiting": (True, ("PRELIMINARY: the second signature is not given yet", given)),
        "corrected": (False, (f"Corrected report, version {report.version}", given)),
        "final": (False, ("Final report", given)),
    }[report.status]
    if report.replaced:
        loud, texts = True, (f"{report.replaced}; this is version {report.version}", given)
    top, fill = paper.get_y(), WARN if loud else PALE
    ink: Color = (255, 255, 255) if loud else INK
    paper.set_fill_color(*fill)
    paper.rect(MARGIN, top, BODY, 8, style="F", round_corners=True, corner_radius=1)
    paper.put(MARGIN + 3, top + 2, 100, texts[0], 10, "B", ink)
    paper.put(MARGIN + 103, top + 2.4, BODY - 106, texts[1], 8, color=ink if loud else SOFT, align=Align.R)
    paper.set_y(top + 9.4)
    if report.status == "corrected" or (report.status == "awaiting" and report.version > 1):
        paper.words(f"It replaces version {report.version - 1}. Reason: {report.reason}", 8.5, color=INK)
        paper.ln(0.8)
    if report.amended_by:
        paper.words(f"A signed record of this case is being amended: {report.amended_by}", 8.5, color=WARN)
        paper.ln(0.8)


def _specimen(paper: Paper, report: Report) -> None:
    wbc = "" if report.wbc is None else f"{report.wbc:g} {PER_LITRE}"
    facts = [
        ("Case", report.key),
        ("Accession", report.accession),
        ("Leukocytes (WBC)", wbc),
        ("Collected", report.moment(report.collected_at)),
        ("Received", report.moment(report.received_at)),
        ("Counted", f"{report.total:,} leukocytes"),
    ]
    third, top = BODY / 3, paper.get_y() + 1.2
    for place, (name, value) in enumerate(facts):
        x, y = MARGIN + place % 3 * third, top + place // 3 * 9.4
        paper.put(x, y, third - 3, name, 7, color=SOFT)
        paper.put(x, y + 3.4, third - 3, value or "\N{EN DASH}", 9.5, "B" if place < 3 else "")
    paper.set_y(top + 19)
    if report.note:
        paper.words(f"Remark on the specimen: {report.note}", 8.5)


def _remark(paper: Paper, report: Report) -> None:
    if report.remark:
        paper.heading("Remark")
        paper.words(report.remark, 9.5)


def _grades(paper: Paper, report: Report) -> None:
    """Findings that were graded, in three columns; what was not graded is not printed."""
    for of, heading in (("red_cells", "Red cells"), ("platelets", "Platelets")):
        graded = [one for one in report.grades if one.finding.of == of]
        if not graded and not (of == "platelets" and report.platelets):
            continue
        paper.heading(heading, 16)
        if of == "platelets" and report.platelets:
            paper.words(f"Estimated from the film: {report.platelets_text}", 9)
            paper.ln(0.6)
        _columns(paper, graded)


def _columns(paper: Paper, graded: Sequence[Graded]) -> None:
    third = BODY / 3
    for start in range(0, len(graded), 3):
        if paper.will_page_break(6):
            paper.add_page()
        y = paper.get_y()
        for place, one in enumerate(graded[start : start + 3]):
            x = MARGIN + place * third
            paper.put(x, y + 0.6, 34, one.finding.title, 9)
            seen = one.grade != "0"
            paper.put(x + 34.5, y + 0.6, 7.5, one.grade, 9, "B" if seen else "", INK if seen else SOFT)
            paper.put(x + 42.5, y + 0.8, third - 45, GRADES[one.grade], 7.6, color=SOFT)
        paper.set_y(y + 5)


def _cells(paper: Paper, report: Report, pictures: Mapping[int, NDArray[np.uint8]]) -> None:
    paper.heading("Cells chosen for this report", 42)
    across, gap = 7, 2.5
    under = 11.4 if any(cell.outside for cell in report.cells) else 9
    side = (BODY - gap * (across - 1)) / across
    for start in range(0, len(report.cells), across):
        if paper.will_page_break(side + under):
            paper.add_page()
        top = paper.get_y()
        for place, cell in enumerate(report.cells[start : start + across]):
            x = MARGIN + place * (side + gap)
            _cell(paper, cell, pictures.get(cell.image), x, top, side)
        paper.set_y(top + side + under)


def _cell(paper: Paper, cell: ChosenCell, pixels: NDArray[np.uint8] | None, x: float, y: float, side: float) -> None:
    if pixels is None:
        paper.set_fill_color(*PALE)
        paper.rect(x, y, side, side, style="F")
    else:
        paper.image(_jpeg(pixels), x=x, y=y, w=side, h=side, alt_text=f"A cell: {cell.title or 'no type'}")
    paper.chip(x, y + side + 1, cell.letter, color_of(cell.color), 3.2)
    paper.put(x + 4, y + side + 1, side - 4, cell.title or "no type", 7, "B")
    said = "labelled by a person" if cell.labelled else "as the model reads"
    paper.put(x, y + side + 4.6, side, said, 6, color=SOFT)
    if cell.outside:
        paper.put(x, y + side + 7, side, "not counted", 6, color=SOFT)


def square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The centre square of a picture, no larger than it is printed."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    if side <= _CROP:
        return cut
    return np.asarray(Image.fromarray(cut).resize((_CROP, _CROP), Image.Resampling.LANCZOS))


def _jpeg(pixels: NDArray[np.uint8]) -> io.BytesIO:
    buffer = io.BytesIO()
    Image.fromarray(square(pixels)).save(buffer, "JPEG", quality=93, subsampling=0)
    buffer.seek(0)
    return buffer


def _checks(paper: Paper, report: Report) -> None:
    if not report.checks:
        return
    paper.heading("Checked before signing" if report.signers else "Checks", 20)
    for check in report.checks:
        if paper.will_page_break(5):
            paper.add_page()
        y = paper.get_y()
        paper.put(
            MARGIN,
            y + 0.4,
            12,
            "open" if check.open else "clear",
            8,
            "B" if check.open else "",
            WARN if check.open else SOFT,
        )
        paper.set_y(y + 0.2)
        paper.words(check.says, 8.5, color=INK if check.open else SOFT, x=MARGIN + 12, width=BODY - 12)
        paper.ln(0.3)


def _signatures(paper: Paper, report: Report) -> None:
    paper.heading("Signatures", 28)
    if not report.signers:
        paper.words(f"{PRELIMINARY}. Not to be filed as a result.", 9.5, "B", WARN)
    for signer in report.signers:
        if paper.will_page_break(16):
            paper.add_page()
        _signature(paper, report, signer)
    if report.status == "awaiting":
        paper.words("The second signature is wanted and not given yet.", 9, "B", WARN)


def _signature(paper: Paper, report: Report, signer: Signer) -> None:
    y = paper.get_y()
    paper.set_fill_color(*SOFT)
    paper.rect(MARGIN, y + 0.3, 0.7, 8.6, style="F")
    role = "signed" if signer.role == "first" else "signed second"
    confirmed = {"password": ", confirmed with a password", "initials": f", initials {signer.initials}"}
    paper.put(MARGIN + 3.5, y + 0.4, BODY - 4, signer.name, 10, "B")
    line = f"{role} {report.moment(signer.at)}{confirmed.get(signer.confirmed, '')}"
    paper.put(MARGIN + 3.5, y + 5.2, BODY - 4, line, 8.5, color=SOFT)
    paper.set_y(y + 9.6)
    if signer.note:
        paper.words(f"Note: {signer.note}", 8.5, x=MARGIN + 3.5, width=WIDTH - 2 * MARGIN - 3.5)
    paper.ln(1.6)


def _missing(paper: Paper) -> None:
    if paper.missing:
        named = ", ".join(f"U+{ord(sign):04X}" for sign in sorted(paper.missing)[:40])
        more = f" and {len(paper.missing) - 40} more" if len(paper.missing) > 40 else ""
        paper.ln(3)
        paper.words(
            f"Characters that the fonts of this report do not have are printed as \ufffd: {named}{more}. "
            "The record and its HL7, FHIR and CSV have them as they were written.",
            7.5,
            color=SOFT,
        )
