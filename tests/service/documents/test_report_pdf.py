"""The report on paper, read back from the file: what it says, in which scripts, on how many pages, and equal bytes."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import Any

import pypdfium2
import pytest
from signed_report import FIRST, SECOND, counts, pictures, record, report, with_excluded, with_finer

from hemosight.service.documents.content import Report
from hemosight.service.documents.pdf import PRELIMINARY, pdf


def _pages(body: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(body)
    texts = []
    for page in document:
        read = page.get_textpage()
        texts.append(read.get_text_range().replace("\r\n", "\n"))
        read.close()
        page.close()
    document.close()
    return texts


def _text(made: Report) -> str:
    return "\n".join(_pages(pdf(made, pictures())))


@pytest.fixture(scope="module")
def body() -> bytes:
    return pdf(report(), pictures())


def test_it_says_what_was_signed(body: bytes) -> None:
    text = "\n".join(_pages(body))
    for line in (
        "H\u00e4matologie am Fluss",
        "Final report",
        "24-1187 \u03a0\u03b1\u03c0\u03b1\u03b4\u03cc\u03c0\u03bf\u03c5\u03bb\u03bf\u03c2",
        "H26|0047^11",
        "11.4 \u00d7 10\u2079/L",
        "2 Mar 2026, 08:40 CET (UTC+01:00)",
        "190 leukocytes",
        "Left shift | toxic ^ granulation & D\u00f6hle bodies ~ \\ 50%.",
        "Estimated from the film: decreased",
        "signed 2 Mar 2026, 11:41 CET (UTC+01:00), initials AD",
        "signed second 2 Mar 2026, 13:05 CET (UTC+01:00), confirmed with a password",
        "\u041d\u0438\u043a\u043e\u043b\u0430\u0439 \u738b\u5c0f\u660e",
        "Counted nowhere: 2 unsure, 1 not readable.",
        "25 cells not reviewed by a person",
    ):
        assert line in re.sub(r"\s+", " ", text), line
    rows = re.sub(r"\s+", " ", text)
    assert "Band neutrophil 21 11.1 up to 5 H high" in rows, "out of range in words, not by colour alone"
    assert "Lymphocyte 35 18.4 20\u201345 L low" in rows
    assert re.search(r"Anisocytosis \+ slight", rows)
    assert re.search(r"Schistocytes 0 not seen", rows)
    assert "Blast 2 1 2 3" in rows, "model alone, reviewed, not reviewed, counted"
    assert PRELIMINARY not in text


def test_it_names_the_panels_that_taught_the_model() -> None:
    text = " ".join(_text(report(differential={**counts(), "panel_titles": ["Blasts of March"]})).split())
    assert "\u201cBlasts of March\u201d agreed on, of the same scanner profile" in text


def test_it_says_how_the_cells_were_drawn() -> None:
    drawn = {
        "method": "battlement",
        "target_leukocytes": 100,
        "seed": 77,
        "counted_leukocytes": 100,
        "counted_cells": 104,
        "eligible_cells": 400,
        "cells_in_unfair_fields": 0,
    }
    text = " ".join(_text(report(differential={**counts(), "counting": drawn})).split())
    assert "104 cells drawn field after field" in text
    assert "(seed 77)" in text


def test_every_page_has_its_foot(body: bytes) -> None:
    pages = _pages(body)
    for number, page in enumerate(pages, 1):
        assert (
            "Read by home 2.0.0 \u00b7 scanner profile Night desk (pixel scale 1.28) \u00b7 record a1b2c3d4a1b2" in page
        )
        assert f"page {number} of {len(pages)}" in page
        assert "version 1 \u00b7 Research use only. Not for primary diagnosis." in page


def test_pages_are_a4_and_hold_the_chosen_cells(body: bytes) -> None:
    document = pypdfium2.PdfDocument(body)
    images = 0
    for page in document:
        assert page.get_size() == pytest.approx((595.28, 841.89), abs=0.1)
        images += sum(isinstance(one, pypdfium2.PdfImage) for one in page.get_objects())
    assert images == 2
    assert "labelled by a person" in _pages(body)[-1] + _pages(body)[0]


def test_the_same_content_gives_the_same_bytes(body: bytes) -> None:
    assert pdf(report(), pictures()) == body
    assert b"D:20260302120500" in body, "made when it was signed"
    assert pdf(report(record=record(remark="another")), pictures()) != body


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"signers": ()}, "PRELIMINARY, NOT SIGNED"),
        ({"signers": (FIRST,)}, "PRELIMINARY: the second signature is not given yet"),
        ({"version": 2, "reason": "Two blasts."}, "Corrected report, version 2"),
    ],
)
def test_what_is_not_final_says_so_first(changes: dict[str, Any], words: str) -> None:
    pages = _pages(pdf(report(**changes), pictures()))
    assert words in pages[0]
    if not changes.get("signers", ("some",)):
        assert all(PRELIMINARY in page for page in pages), "on every page"
    if "reason" in changes:
        assert "It replaces version 1. Reason: Two blasts." in pages[0]


def test_text_of_any_script_comes_out_or_is_named() -> None:
    names = "\u767d\u8840\u7403\u5206\u985e \u041a\u0440\u043e\u0432\u044c \u03b1\u03af\u03bc\u03b1 \u305b\u3063\u3051"
    text = _text(report(record=record(remark=names)))
    assert names in text
    assert "do not have" not in text
    text = _text(report(record=record(remark="odd \U0001d51b, \u0928 and \U0001f9ea\x07\u202e")))
    assert re.search(r"do not have\s+are printed as .: U\+0928, U\+1D51B, U\+1F9EA", text)


ARABIC = (
    "\u062a\u0645\u062a \u0627\u0644\u0645\u0631\u0627\u062c\u0639"
    "\u0629\u060c \u0644\u0627 \u0623\u0631\u0648\u0645\u0627\u062a"
)
HEBREW = "\u05d3\u05f4\u05e8 \u05d9\u05e9\u05e8\u05d0\u05dc \u05db\u05d4\u05df"


def test_names_and_remarks_from_right_to_left_are_printed() -> None:
    """PDFium gives such text back in the order of reading, with the forms of letters, which NFKC takes back."""
    signer = dataclasses.replace(FIRST, name=HEBREW)
    # PDFium turns the words of a run within a line of another script; one word alone it gives back as it is.
    remark = f"{ARABIC}.\n{HEBREW}\nLeft shift; ask {HEBREW[-3:]} again."
    made = report(record=record(remark=remark, laboratory=ARABIC), signers=(signer, SECOND))
    text = unicodedata.normalize("NFKC", _text(made))
    assert "do not have" not in text
    assert text.count(ARABIC) == 2, "laboratory and remark"
    assert text.count(HEBREW) == 2, "in the remark, and as the signer"
    assert f"Left shift; ask {HEBREW[-3:]} again." in text, (
        "what follows another script is in the page's own font again"
    )


def test_a_paragraph_from_right_to_left_begins_at_the_right_and_is_broken_in_its_own_order() -> None:
    document = pypdfium2.PdfDocument(
        pdf(report(record=record(remark=f"{HEBREW} " * 12 + "\n" + "Blasts.")), pictures())
    )
    page = document[0].get_textpage()
    found = [page.get_rect(place) for place in range(page.count_rects())]
    levels = {round(rect[1] / 8) for rect in found if "\u05db" in page.get_text_bounded(*rect)}
    top, below = ([rect for rect in found if round(rect[1] / 8) == level] for level in sorted(levels, reverse=True))
    edge = 595.28 - 16 * 72 / 25.4
    for line in (top, below):
        assert max(rect[2] for rect in line) == pytest.approx(edge, abs=3)
    assert min(rect[0] for rect in below) > min(rect[0] for rect in top) + 40, "the last line is short at its left"


def test_scripts_that_are_mixed_do_not_confuse_the_fonts() -> None:
    remark = "\u767d\u8840\u7403" * 40 + " see Dr. Amina.\nThen Latin again, 12.5%."
    text = _text(report(record=record(remark=remark)))
    assert "".join(text.split()).count("\u767d\u8840\u7403") == 40
    assert "see Dr. Amina." in text
    assert "Then Latin again, 12.5%." in text


@pytest.mark.slow
def test_long_remarks_and_names_go_on_over_pages() -> None:
    long = " ".join(["Polychromasia with basophilic stippling."] * 120)
    pages = _pages(pdf(report(record=record(remark=long, laboratory="x" * 200, address="y\n" * 20)), pictures()))
    assert len(pages) > 2
    assert "".join(pages).count("stippling") == 120
    odd = {**record(), "specimen": {**record()["specimen"], "key": "k" * 200, "note": ""}}
    assert _pages(pdf(report(record=odd), {})), "a picture that cannot be decoded leaves its place empty"


def test_a_record_of_an_older_version_prints() -> None:
    text = _text(report(record={}, checks=None, fingerprint=None, signers=(FIRST, SECOND)))
    assert "Final report" in text
    assert "95% interval" in text


def test_erythroblasts_are_printed_with_their_finer_types_under_them() -> None:
    text = re.sub(r"\s+", " ", _text(report(differential=with_finer())))
    assert "Erythroblast 25 25.0 0\N{EN DASH}0.5 H high for 100 leukocytes" in text
    assert "not told apart 10 10.0 for 100 leukocytes" in text
    assert "orthochromatic 15 15.0 for 100 leukocytes" in text
    assert "Platelet 7 seen on these pictures; no count of platelets" in text
    assert "Giant platelet 3" in text
    assert "Giant platelet 3 3.0" not in text
    # All of them told finely: the leukocyte count may hold them all the same.
    alone = re.sub(r"\s+", " ", _text(report(differential=with_finer(0, 25))))
    assert "not corrected for erythroblasts" in alone


def test_it_says_how_many_cells_people_reviewed_and_which_count_nowhere() -> None:
    text = " ".join(_text(report(differential=with_excluded())).split())
    assert (
        "People reviewed 120 of 130 cells; 0 are counted as the model reads them; 10 are read as a type that counts "
        "nowhere." in text
    )
    assert "Counted nowhere: 30 \u201cArtefact\u201d." in text
    assert "are read as a type" not in _text(report())


@pytest.mark.parametrize("changes", [{}, {"version": 2, "reason": "Two blasts."}, {"signers": (FIRST,)}])
def test_a_replaced_record_says_so_on_every_page(changes: dict[str, Any]) -> None:
    pages = _pages(pdf(report(**changes, replaced_by=3), pictures()))
    version = changes.get("version", 1)
    assert f"Replaced by version 3; this is version {version}" in pages[0]
    for page in pages:
        assert f"version {version}, replaced by version 3" in page, "at the foot"
        assert "REPLACED BY VERSION 3" in page, "across the page"
    text = "\n".join(pages)
    assert "Final report" not in text
    assert "Corrected report" not in text
    assert "eplaced by" not in _text(report(**changes))


def test_a_chosen_cell_that_is_not_among_those_drawn_says_so() -> None:
    said = "not counted"
    assert said not in _text(report())
    made = record()
    made["cells"][0]["outside"] = True
    assert " ".join(_text(report(record=made)).split()).count(said) == 1
