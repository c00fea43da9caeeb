"""The HL7 message: hl7apy reads and validates it, and every value is that of the record, whatever signs names hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.parser import parse_message
from signed_report import FIRST, record, report, with_excluded, with_finer

from hemosight.service.documents import hl7
from hemosight.service.documents.content import Report

_DECODED = {"\\F\\": "|", "\\S\\": "^", "\\T\\": "&", "\\R\\": "~", "\\.br\\": "\n", "\\E\\": "\\"}


def _parsed(made: Report) -> Message:
    return parse_message(hl7.message(made).decode(), find_groups=True, validation_level=VALIDATION_LEVEL.STRICT)


def _segments(made: Report, name: str) -> list[list[str]]:
    text = hl7.message(made).decode()
    assert text.endswith("\r")
    return [line.split("|") for line in text.rstrip("\r").split("\r") if line.startswith(name)]


def _plain(text: str) -> str:
    for code, sign in _DECODED.items():
        text = text.replace(code, sign)
    return text


def _results(made: Report) -> dict[str, list[str]]:
    return {fields[3].split("^")[0]: fields for fields in _segments(made, "OBX")}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"signers": (FIRST,)},
        {"version": 2, "reason": "a|b"},
        {"replaced_by": 2},
        {"differential": with_finer()},
        {"differential": with_excluded()},
        {"record": {}, "checks": None, "fingerprint": None},
        {"record": record(remark="", grades={}, platelets=None, cells=[], ranges=[], laboratory="")},
        {
            "record": {
                **record(laboratory="Hematology of the Riverside Hospital & its houses"),
                "specimen": {**record()["specimen"], "note": "a|b " * 90},
            },
            "signers": (replace(FIRST, name="Prof. Dr. " + "Maria~" * 12),),
        },
    ],
    ids=["final", "awaiting", "corrected", "replaced", "finer", "excluded", "older", "bare", "long"],
)
def test_it_validates(changes: dict[str, Any], tmp_path: Path) -> None:
    message = _parsed(report(**changes))
    said = tmp_path / "said.txt"
    assert message.validate(report_file=str(said))
    wrong = [line for line in said.read_text().splitlines() if line.startswith("Error")]
    assert wrong == []
    (head,) = _segments(report(**changes), "MSH")
    assert (head[8], head[11], head[17]) == ("ORU^R01^ORU_R01", "2.5.1", "UNICODE UTF-8")


def test_values_are_those_of_the_record() -> None:
    found = _results(report())
    assert found["26464-8"][5:7] == ["11.4", "10*9/L^10\u2079/L^UCUM"]
    assert found["26511-6"][2:9] == [
        "NM",
        "26511-6^Neutrophils/100 leukocytes in Blood^LN",
        "",
        "65.3",
        "%^%^UCUM",
        "40-66.8",
        "N",
    ]
    assert found["26499-4"][5:9] == ["7.44", "10*9/L^10\u2079/L^UCUM", "1.8-7.7", "N"]
    assert found["26508-2"][5:9] == ["11.1", "%^%^UCUM", "0-5", "H"]
    assert found["26478-8"][5:9] == ["18.4", "%^%^UCUM", "20-45", "L"]
    assert found["19048-8"][5:9] == ["10.0", "/100{WBCs}^for 100 leukocytes^UCUM", "0-0.5", "H"]
    assert found["38518-7"][5] == "5.3", "the sum of myelocytes and metamyelocytes"
    assert found["702-1"][5].startswith("LA11841-6^1+^LN")
    assert found["9317-9"][5].startswith("platelets-decreased^decreased^99HEMOSIGHT")
    assert found["leukocytes-counted"][5] == "190"
    assert all(fields[14] == "20260302084000+0100" for fields in found.values()), "collected, by the laboratory's clock"
    assert [fields[1] for fields in _segments(report(), "OBX")] == [str(n) for n in range(1, len(found) + 1)]


def test_delimiters_in_names_are_escaped_and_come_back() -> None:
    made = report()
    (order,), (specimen,) = _segments(made, "OBR"), _segments(made, "SPM")
    assert _plain(order[2]) == made.accession == "H26|0047^11"
    assert order[3] == f"{made.key}^HEMOSIGHT"
    assert specimen[2].split("^")[0] == "H26\\F\\0047\\S\\11"
    assert _plain(_results(made)["58445-8"][5]) == made.remark
    assert order[32] == "&Dr. Amina Diallo^20260302114107+0100"
    assert order[33] == "&\u041d\u0438\u043a\u043e\u043b\u0430\u0439 \u738b\u5c0f\u660e^20260302130500+0100"
    assert "Signed by Dr. Amina Diallo, 2 Mar 2026, 11:41 CET (UTC+01:00)" in [one[3] for one in _segments(made, "NTE")]
    odd = record(remark="a\rMSH|x\x0bb\x1cc")
    assert len(_segments(report(record=odd), "MSH")) == 1, "nothing in a text begins a segment"
    body = hl7.message(report(record=odd))
    assert b"\x0b" not in body
    assert b"\x1c" not in body


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, "F"), ({"signers": (FIRST,)}, "P"), ({"version": 2, "reason": "Two blasts."}, "C")],
)
def test_the_status_is_that_of_every_result(changes: dict[str, Any], status: str) -> None:
    made = report(**changes)
    (order,) = _segments(made, "OBR")
    assert order[25] == status
    assert {fields[11] for fields in _segments(made, "OBX")} == {status}
    notes = [fields[3] for fields in _segments(made, "NTE")]
    assert ("Version 2, replaces version 1: Two blasts." in notes) == (status == "C")
    assert notes[-1] == "Research use only. Not for primary diagnosis."
    assert "Open check: 25 cells not reviewed by a person" in notes
    assert hl7.message(made) == hl7.message(report(**changes))


def test_a_replaced_record_says_so_first_and_is_another_message() -> None:
    made, old = report(), report(replaced_by=2)
    (before,), (head,) = _segments(made, "MSH"), _segments(old, "MSH")
    assert before[9] != head[9], "MSH-10: who has taken the one has not taken the other"
    assert _segments(old, "NTE")[0][3] == "Replaced by version 2; what stands here is version 1."
    assert _segments(old, "OBR") == _segments(made, "OBR"), "no status of tables 0123 and 0085 says it: still F"
    assert _segments(old, "OBX") == _segments(made, "OBX")
