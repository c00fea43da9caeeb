"""Letters that join, and lines in the order in which signs stand on paper, against Unicode's own rules."""

from __future__ import annotations

import unicodedata

import pytest

from hemosight.service.documents.right_to_left import begins_right, joined, on_paper, unjoined

BEH, ALEF, LAM, MEEM, REH = "\u0628", "\u0627", "\u0644", "\u0645", "\u0631"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (BEH, ["isolated"]),
        (BEH * 3, ["initial", "medial", "final"]),
        (REH + BEH, ["isolated", "isolated"]),  # reh joins what stands before it alone
        (BEH + REH + BEH, ["initial", "final", "isolated"]),
        (BEH + "\u200c" + BEH, ["isolated", "", "isolated"]),  # what keeps letters apart
    ],
)
def test_letters_take_the_form_that_their_neighbours_ask_for(text: str, kinds: list[str]) -> None:
    shaped = joined(text)
    found = [(unicodedata.decomposition(sign).split() or [""])[0].strip("<>") for sign in shaped]
    assert found == kinds
    assert unicodedata.normalize("NFKC", shaped) == text, "no letter becomes another"


def test_lam_and_alef_are_one_sign_and_marks_part_no_letters() -> None:
    assert joined(LAM + ALEF) == "\ufefb"
    assert joined(BEH + LAM + ALEF) == "\ufe91\ufefc"
    fatha = "\u064e"
    assert joined(BEH + fatha + MEEM) == "\ufe91" + fatha + "\ufee2"
    assert joined(LAM + fatha + ALEF) == "\ufefb" + fatha


def test_every_letter_of_the_block_is_set_or_said_not_to_be() -> None:
    letters = [chr(code) for code in range(0x620, 0x6FF) if unicodedata.category(chr(code)) == "Lo"]
    without = [sign for sign in letters if unjoined(sign)]
    assert set("\u0621\u0622\u0628\u0644\u064a\u067e\u06a9\u06af\u06cc\u06d5").isdisjoint(without)
    assert all(joined(sign) == sign for sign in without)
    assert unjoined("\u0620"), "a letter of Kashmiri, of which Unicode has no forms"
    assert not unjoined("a")


def test_other_scripts_stay_as_they_are() -> None:
    for text in ("Left shift (12%)", "\u05e9\u05dc\u05d5\u05dd", "\u767d\u8840\u7403", ""):
        assert joined(text) == text
        assert joined(joined(BEH * 3)) == joined(BEH * 3)


@pytest.mark.parametrize(
    ("line", "paper"),
    [
        ("abc", "abc"),
        ("\u05d0\u05d1\u05d2", "\u05d2\u05d1\u05d0"),
        ("see \u05d0\u05d1 now", "see \u05d1\u05d0 now"),
        ("\u05d0\u05d1 12.5 \u05d2", "\u05d2 12.5 \u05d1\u05d0"),  # numbers are read from left to right
        ("\u05d0 (\u05d1)", "(\u05d1) \u05d0"),  # brackets open towards what they hold
        ("\u05d0\u05d1.", ".\u05d1\u05d0"),
    ],
)
def test_a_line_stands_on_paper_as_the_algorithm_has_it(line: str, paper: str) -> None:
    assert on_paper(line) == paper


def test_the_second_line_of_a_paragraph_is_turned_as_its_first() -> None:
    assert begins_right("\u05d0 CBC")
    assert not begins_right("CBC \u05d0")
    assert on_paper("CBC \u05d0.", from_right=True) == ".\u05d0 CBC"
    assert on_paper("CBC \u05d0.", from_right=False) == "CBC \u05d0."
