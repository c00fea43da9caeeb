"""What a report says: sums of finer types, flags by the numbers that are printed, grades, who signed and when."""

from __future__ import annotations

import csv
import datetime
import io
import re
from pathlib import Path

import pytest
from signed_report import FIRST, counts, record, report, with_excluded, with_finer

from hemosight.blood.morphology import ESTIMATES, FINDINGS, GRADES
from hemosight.blood.vocabulary import TYPES
from hemosight.service.documents import codes, table
from hemosight.service.documents.content import Value
from hemosight.service.documents.observations import notes, observations

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "report.md"
PAGE = Path(__file__).parents[3] / "web" / "src" / "findings" / "words.ts"


def test_finer_types_are_summed_before_they_are_listed() -> None:
    lines = [(line.name, line.title, line.count, line.finer) for line in report().lines]
    at = [name for name, *_ in lines].index("neutrophil")
    assert lines[at : at + 4] == [
        ("neutrophil", "Neutrophil", 124, False),
        ("neutrophil", "not told apart", 3, True),
        ("segmented_neutrophil", "Segmented neutrophil", 100, True),
        ("band_neutrophil", "Band neutrophil", 21, True),
    ]
    assert ("ig", "Immature granulocyte", 10, False) in lines, "a type that only finer ones were counted of"
    whole = [line for line in report().lines if not line.finer]
    assert sum(line.count for line in whole) == report().total == 190
    assert sum(line.reviewed or 0 for line in whole) + sum(line.unreviewed or 0 for line in whole) == 190
    assert sum(line.absolute.number for line in whole if line.absolute) == pytest.approx(11.4, abs=0.02)


def test_types_of_the_laboratory_are_summed_as_it_had_them_at_signing() -> None:
    differential = counts()
    above = {"eosinophil": "neutrophil", "band_neutrophil": None, "segmented_neutrophil": "neutrophil"}
    for row in differential["rows"]:
        row["parent"] = above.get(row["label"])
    lines = {(line.name, line.rest): line for line in report(differential=differential).lines}
    assert lines["neutrophil", False].count == 3 + 100 + 3, "what the laboratory put under it, and nothing else"
    assert lines["eosinophil", False].finer
    assert not lines["band_neutrophil", False].finer
    assert sum(line.count for line in lines.values() if not line.finer) == 190
    # Where the upper type is counted apart, what is counted in the hundred stands alone.
    differential["rows"][0]["parent"] = "smudge"
    names = [line.name for line in report(differential=differential).lines]
    assert "smudge" not in names


def test_a_value_is_flagged_as_it_is_printed() -> None:
    assert [Value(5.0, 1, None, 5.0).flag, Value(5.1, 1, None, 5.0).flag] == ["", "H"]
    assert [Value(20.0, 1, 20.0, 45.0).flag, Value(19.9, 1, 20.0, 45.0).flag] == ["", "L"]
    lines = {line.name: line for line in report().lines if not line.rest}
    # 124 of 190 are 65.26%: printed as 65.3, which is inside 40 to 66.8; 7.44 is inside up to 7.7.
    assert (lines["neutrophil"].share.text, lines["neutrophil"].share.flag) == ("65.3", "")
    assert (lines["neutrophil"].absolute or Value(0, 0)).text == "7.44"
    assert (lines["lymphocyte"].share.text, lines["lymphocyte"].share.flag) == ("18.4", "L")
    assert (lines["band_neutrophil"].share.range, lines["band_neutrophil"].share.flag) == ("up to 5", "H")
    assert lines["monocyte"].share.range == ""


def test_what_stands_beside_the_leukocytes_is_for_100_of_them() -> None:
    beside = {one.name: one for one in report().beside}
    assert (beside["erythroblast"].per_100 or Value(0, 0)).number == 10.0
    assert (beside["erythroblast"].per_100 or Value(0, 0)).flag == "H"
    assert set(beside) == {"erythroblast", "platelet", "smudge"}


def test_erythroblasts_for_100_leukocytes_are_those_of_their_finer_types_too() -> None:
    made = report(differential=with_finer())
    lines = {(one.name, one.rest): one for one in made.beside}
    keys = (("erythroblast", False), ("erythroblast", True), ("orthochromatic", False))
    whole, rest, finer = (lines[key] for key in keys)
    assert [(one.count, one.finer, one.per_100 and one.per_100.text) for one in (whole, rest, finer)] == [
        (25, False, "25.0"),
        (10, True, "10.0"),
        (15, True, "15.0"),
    ]
    assert whole.per_100 is not None
    assert (whole.per_100.range, whole.per_100.flag) == ("0\N{EN DASH}0.5", "H"), "the range is that of all of them"
    sent = {one.key: one for one in observations(made)}
    assert sent["beside:erythroblast"].value == whole.per_100
    assert sent["beside:orthochromatic"].part_of == "beside:erythroblast"
    rows = [row for row in csv.DictReader(io.StringIO(table.table(made))) if row["type"] == "erythroblast"]
    assert [(row["part"], row["cells"], row["code"]) for row in rows] == [
        ("beside", "25", "19048-8"),
        ("beside_rest", "10", ""),
    ]
    # Told by their finer types alone, they are erythroblasts all the same.
    alone = report(differential=with_finer(0, 25))
    (only,) = [one for one in alone.beside if one.name == "erythroblast"]
    assert (only.count, only.per_100 and only.per_100.text) == (25, "25.0")
    assert alone.uncorrected


def test_nothing_is_summed_under_a_type_that_counts_otherwise() -> None:
    differential = with_finer()
    differential["apart"]["plasma_cell"] = {"before": 1, "after": 1, "reviewed": 1, "parent": "lymphocyte"}
    differential["excluded"] = {"double_cell": {"before": 2, "after": 2, "reviewed": 2}}
    differential["apart"]["triple"] = {"before": 3, "after": 3, "reviewed": 3, "parent": "double_cell"}
    lymphocyte = {"count": 0, "share": 0.0, "low": 0.0, "high": 0.0}
    row = {"label": "lymphocyte", "title": "Lymphocyte", "before": lymphocyte, "after": lymphocyte, "reviewed": 0}
    differential["rows"].append(row)
    found = {one.name: one.finer for one in report(differential=differential).beside}
    assert (found["plasma_cell"], found["triple"]) == (False, False)
    assert not {"lymphocyte", "double_cell"} & set(found)


def test_all_forms_give_the_same_numbers_for_100_leukocytes() -> None:
    """None of platelets, none of what was not seen; that there was no erythroblast is a finding."""
    made = report(differential=with_finer(0, 0))
    rows = csv.DictReader(io.StringIO(table.table(made)))
    told = {row["type"] for row in rows if row["for_100_leukocytes"]}
    assert told == {"erythroblast"}
    assert told == {one.key.removeprefix("beside:") for one in observations(made) if one.key.startswith("beside:")}
    assert [one.name for one in made.beside if one.shown] == ["erythroblast", "platelet", "platelet", "giant_platelet"]
    assert {one.name for one in report(differential=with_finer(0, 0, smudges=2)).beside if one.per_100} == {
        "erythroblast",
        "smudge",
    }
    # Records of before do not say what is a kind of what; the vocabulary does.
    old = with_finer()
    for row in old["apart"].values():
        del row["parent"]
    assert {one.name for one in report(differential=old).beside if one.per_100} == {"erythroblast", "orthochromatic"}


def test_cells_that_nobody_reviewed_and_that_count_nowhere_are_not_called_counted() -> None:
    made = report(differential=with_excluded())
    said = list(notes(made))
    assert "10 cells were not reviewed by a person and are read as a type that counts nowhere." in said
    assert not [note for note in said if "counted as the model reads" in note]
    assert "Counted nowhere: 30 \u201cArtefact\u201d." in said
    some = report(differential={**with_excluded(), "unreviewed": 14})
    assert "4 cells were not reviewed by a person and are counted as the model reads them." in list(notes(some))


def test_notes_say_what_the_paper_says_of_absolute_counts_and_of_what_counts_nowhere() -> None:
    said = list(notes(report(checks=None)))
    assert "Counted nowhere: 2 unsure, 1 not readable." in said
    uncorrected = "Absolute counts are shares of the leukocyte count as given, not corrected for erythroblasts."
    assert uncorrected in said
    without = {**record(), "specimen": {**record()["specimen"], "wbc": None}}
    for other in (report(record=without), report(differential=counts({"neutrophil": 9}))):
        assert uncorrected not in list(notes(other))


def test_a_replaced_record_says_so_first_and_is_the_same_otherwise() -> None:
    made, old = report(), report(replaced_by=3)
    assert next(iter(notes(old))) == "Replaced by version 3; what stands here is version 1."
    assert list(notes(old))[1:] == list(notes(made))
    assert list(observations(old)) == list(observations(made))
    rows = list(csv.DictReader(io.StringIO(table.table(old))))
    assert {row["replaced_by"] for row in rows} == {"3"}
    assert {row["replaced_by"] for row in csv.DictReader(io.StringIO(table.table(made)))} == {""}


DRAWN = {
    "method": "random",
    "target_leukocytes": 200,
    "seed": 77,
    "counted_leukocytes": 200,
    "counted_cells": 213,
    "eligible_cells": 1520,
    "cells_in_unfair_fields": 61,
}


def test_it_names_the_panels_that_taught_and_says_nothing_of_them_where_the_record_has_no_titles() -> None:
    assert report(differential={**counts(), "taught_by_panels": [3], "panel_titles": []}) == report(), "of before"
    made = report(differential={**counts(), "taught_by_panels": [3, 7], "panel_titles": ["Blasts", "Of March"]})
    assert "the panels \u201cBlasts\u201d, \u201cOf March\u201d agreed on" in made.taught
    assert made.taught in list(notes(made)), "so that it goes with HL7 and FHIR"


def test_it_says_how_the_cells_that_count_were_drawn() -> None:
    assert report().drawn == ""
    made = report(differential={**counts(), "counting": DRAWN})
    words = "213 cells drawn at random from 1,520 until 200 leukocytes were met (seed 77); 61 left out"
    assert words in made.drawn
    assert made.drawn in list(notes(made)), "so that it goes with HL7 and FHIR"
    fewer = {**DRAWN, "counted_leukocytes": 150, "counted_cells": 1520, "cells_in_unfair_fields": 0}
    short = report(differential={**counts(), "counting": fewer})
    assert short.drawn.endswith("all there were: 150 of the 200 leukocytes that were wanted (seed 77).")
    since = {"counting": fewer, "drawn_cells_gone": 3, "cells_since_draw": 1}
    assert report(differential={**counts(), **since}).drawn.endswith(
        "(seed 77); since then 3 drawn cells are gone and 1 cell that counts nowhere has come."
    )


def test_it_says_how_often_and_why_the_cells_that_count_were_chosen() -> None:
    first = {"target_leukocytes": 100, "method": "random", "labelled_cells": 0, "reason": ""}
    again = {"target_leukocytes": 200, "method": "battlement", "labelled_cells": 1, "reason": "Asked for 200."}
    every = {"target_leukocytes": None, "method": None, "labelled_cells": 30, "reason": "All of them."}

    def drawn(*choices: dict[str, object], standing: bool = True) -> str:
        counting = DRAWN if standing else None
        return report(differential={**counts(), "counting": counting, "counting_choices": list(choices)}).drawn

    assert drawn(first).endswith("fields unfit for counting.")
    assert drawn(again).endswith("counting (1 cell labelled; Asked for 200.).")
    assert drawn(first, again).endswith(
        "; chosen for the 2nd time (1 cell labelled; Asked for 200.), "
        "before: 100 leukocytes at random (0 cells labelled; no reason given)."
    )
    # Drawn, and given up: the record says so although every cell counts.
    assert drawn(first, again, every, standing=False) == (
        "Counted: all cells; chosen for the 3rd time (30 cells labelled; All of them.), before: 100 leukocytes at "
        "random (0 cells labelled; no reason given), then 200 leukocytes field after field (battlement) (1 cell "
        "labelled; Asked for 200.)."
    )
    many = drawn(*[first] * 11, again)
    assert "chosen for the 12th time" in many
    assert "before: 6 more, then 100" in many


def test_it_says_how_it_stands() -> None:
    assert report().status == "final"
    assert report(signers=(FIRST,)).status == "awaiting"
    assert report(signers=(FIRST,), second_wanted=False).status == "final"
    assert report(version=2, reason="two blasts").status == "corrected"
    assert report(version=2, reason="two blasts", signers=(FIRST,)).status == "awaiting"
    assert report(signers=()).status == "unsigned"


@pytest.mark.parametrize(
    ("zone", "month", "text"),
    [
        ("Europe/Berlin", 3, "2 Mar 2026, 11:41 CET (UTC+01:00)"),
        ("Europe/Berlin", 7, "2 Jul 2026, 12:41 CEST (UTC+02:00)"),
        ("Asia/Kolkata", 3, "2 Mar 2026, 16:11 IST (UTC+05:30)"),
        ("America/Sao_Paulo", 3, "2 Mar 2026, 07:41 UTC-03:00"),
        ("UTC", 3, "2 Mar 2026, 10:41 UTC"),
    ],
)
def test_times_have_their_zone(zone: str, month: int, text: str) -> None:
    made = report(record=record(zone=zone))
    assert made.moment(datetime.datetime(2026, month, 2, 10, 41, tzinfo=datetime.UTC)) == text


def test_a_record_of_an_older_version_still_makes_a_report() -> None:
    old = counts()
    for row in (*old["rows"], *old["apart"].values()):
        row["reviewed"] = None
    made = report(record={}, differential=old, checks=None, fingerprint=None)
    assert (made.key, made.wbc, made.remark, made.cells, made.checks) == ("", None, "", (), ())
    assert [line.reviewed for line in made.lines] == [None] * len(made.lines)
    assert made.moment(made.at).endswith("UTC")


def test_the_table_has_every_line_with_its_code() -> None:
    rows = list(csv.DictReader(io.StringIO(table.table(report()))))
    found = {(row["type"], row["part"]): row for row in rows}
    band = found["band_neutrophil", "finer"]
    assert (band["cells"], band["percent"], band["flag"], band["code"]) == ("21", "11.100000", "H", "26508-2")
    assert (band["reviewed"], band["not_reviewed"], band["model_alone"]) == ("19", "2", "20")
    assert found["neutrophil", "rest"]["code"] == ""
    assert found["erythroblast", "beside"]["for_100_leukocytes"] == "10.000000"
    assert len(rows) == len(report().lines) + len(report().beside)
    odd = dict(record()["specimen"], key="=1+1")
    assert "'=1+1" in table.table(report(record={**record(), "specimen": odd})), "safe in a spreadsheet"


def test_every_code_is_used_once_and_types_without_one_have_ours() -> None:
    found = [one.code for one in observations(report())]
    assert len({(code.system, code.code) for code in found}) == len(found)
    own = codes.share("reactive_monocyte", "Reactive monocyte")
    assert (own.system, own.system_v2) == ("urn:hemosight:code", "99HEMOSIGHT")
    assert {codes.finding(one.name).system for one in FINDINGS} == {codes.LOINC}
    for code in (*found, *(codes.finding(one.name) for one in FINDINGS)):
        if code.loinc:
            assert _checks(code.code), f"{code.code} is no LOINC code: its check digit does not fit"


def _checks(code: str) -> bool:
    """Whether a LOINC code's last digit follows from the others (modulus 10)."""
    number, _, check = code.partition("-")
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(number))]
    return (10 - sum(digit // 10 + digit % 10 for digit in doubled) % 10) % 10 == int(check)


def test_the_page_has_the_same_findings_in_the_same_words() -> None:
    text = PAGE.read_text(encoding="utf-8")
    written = dict(re.findall(r'^  "?([\w+]+)"?: "([^"]+)",$', text, re.MULTILINE))
    known = {one.name: one.title for one in FINDINGS} | dict(GRADES) | dict(ESTIMATES)
    assert written == known


def test_the_documentation_lists_the_codes() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    shares = {row[0]: row[1:] for row in rows if len(row) == 3}
    findings = {row[0]: row[1] for row in rows if len(row) == 2}
    for name, known in TYPES.items():
        share, absolute = codes.share(name, known.title), codes.absolute(name, known.title)
        if share.loinc:
            assert shares[known.title] == [share.code, absolute.code]
    assert shares["Erythroblast, for 100 leukocytes"][0] == codes.beside("erythroblast", "").code
    assert {one.title: codes.finding(one.name).code for one in FINDINGS}.items() <= findings.items()
    for grade, code in codes.GRADE.items():
        assert f"`{grade}` {code.code}" in text
