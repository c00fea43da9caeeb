"""The FHIR Bundle: the published R4 shapes validate it, its references hold, and every value is that of the record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from signed_report import FIRST, record, report, with_excluded, with_finer

from hemosight.service.documents import fhir
from hemosight.service.documents.content import Report

PLACES: list[dict[str, Any]] = [
    {},
    {"signers": (FIRST,)},
    {"version": 2, "reason": "Two blasts."},
    {"record": {}, "checks": None, "fingerprint": None},
    {"record": record(remark="", grades={}, platelets=None, cells=[], ranges=[], laboratory="")},
    {"replaced_by": 2},
    {"differential": with_finer()},
    {"differential": with_excluded()},
]


def _resources(made: Report) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in json.loads(fhir.bundle(made))["entry"]]


def _observations(made: Report) -> dict[str, dict[str, Any]]:
    found = (one for one in _resources(made) if one["resourceType"] == "Observation")
    return {one["code"]["coding"][0]["code"]: one for one in found}


NAMES = ["final", "awaiting", "corrected", "older", "bare", "replaced", "finer", "excluded"]


@pytest.mark.parametrize("changes", PLACES, ids=NAMES)
def test_it_validates_and_its_references_hold(changes: dict[str, Any]) -> None:
    body = fhir.bundle(report(**changes))
    Bundle.model_validate_json(body)
    text = json.loads(body)
    assert [entry["resource"]["resourceType"] for entry in text["entry"]][:2] == ["DiagnosticReport", "Specimen"]
    there = {entry["fullUrl"] for entry in text["entry"]}
    assert len(there) == len(text["entry"])
    referred = {word for word in body.decode().split('"') if word.startswith("urn:uuid:")}
    assert referred - {text["identifier"]["value"]} <= there
    results = {one["reference"] for one in text["entry"][0]["resource"]["result"]}
    assert results == {
        entry["fullUrl"] for entry in text["entry"] if entry["resource"]["resourceType"] == "Observation"
    }
    assert fhir.bundle(report(**changes)) == body


def test_values_are_those_of_the_record() -> None:
    found = _observations(report())
    neutrophils = found["26511-6"]
    assert neutrophils["valueQuantity"] == {
        "value": 65.3,
        "unit": "%",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    }
    assert neutrophils["referenceRange"][0]["high"]["value"] == 66.8
    flags = {
        code: one["interpretation"][0]["coding"][0]["code"] for code, one in found.items() if "interpretation" in one
    }
    assert flags == {"26511-6": "N", "26499-4": "N", "26508-2": "H", "26478-8": "L", "19048-8": "H"}
    assert found["26499-4"]["valueQuantity"]["value"] == 7.44
    assert found["26464-8"]["valueQuantity"]["value"] == 11.4
    assert found["19048-8"]["valueQuantity"]["code"] == "/100{WBCs}"
    assert found["800-3"]["valueCodeableConcept"]["coding"][0]["code"] == "LA6111-4"
    assert found["58445-8"]["valueString"] == report().remark
    finer = {one["reference"] for one in neutrophils["hasMember"]}
    assert finer == {f"urn:uuid:{found[code]['id']}" for code in ("26505-8", "26508-2")}


def test_report_and_specimen_say_whose_and_when() -> None:
    shown, specimen, *_ = _resources(report())
    assert shown["status"] == "final"
    assert shown["code"]["coding"][0]["code"] == "24318-8"
    assert shown["issued"] == "2026-03-02T13:05:00+01:00"
    assert [one["display"] for one in shown["resultsInterpreter"]] == [one.name for one in report().signers]
    assert specimen["accessionIdentifier"]["value"] == "H26|0047^11"
    assert specimen["collection"]["collectedDateTime"] == "2026-03-02T08:40:00+01:00"
    assert "subject" not in shown, "the service knows no patients"


@pytest.mark.parametrize(("at", "status"), [(0, "final"), (1, "preliminary"), (2, "amended")])
def test_the_status_is_that_of_every_result(at: int, status: str) -> None:
    made = report(**PLACES[at])
    assert {one["status"] for one in _resources(made) if one["resourceType"] != "Specimen"} == {status}
    notes = [one["text"] for one in _observations(made)["leukocytes-counted"]["note"]]
    assert ("Version 2, replaces version 1: Two blasts." in notes) == (status == "amended")


def test_odd_texts_make_no_odd_resource() -> None:
    odd = {**record(remark="a\x07b\x85"), "specimen": {**record()["specimen"], "note": " \x00 ", "key": "\U0001d51b"}}
    made = report(record=odd)
    Bundle.model_validate_json(fhir.bundle(made))
    assert _resources(made)[0]["conclusion"] == "ab"
    assert "note" not in _resources(made)[1], "a text of nothing but signs that are not printed"
    assert _resources(made)[0]["identifier"][0]["value"] == "\U0001d51b"


def test_a_replaced_record_says_so_and_keeps_its_status() -> None:
    made, old = report(), report(replaced_by=2)
    before, shown = json.loads(fhir.bundle(made)), json.loads(fhir.bundle(old))
    assert before["identifier"] != shown["identifier"], "another Bundle"
    first, then = before["entry"][0]["resource"], shown["entry"][0]["resource"]
    # Of the same report, and no status says that it is replaced.
    assert (then["id"], then["status"]) == (first["id"], "final")
    assert then["conclusion"] == f"Replaced by version 2\n{made.remark}"
    notes = _observations(old)["leukocytes-counted"]["note"]
    assert notes[0]["text"] == "Replaced by version 2; what stands here is version 1."


def test_finer_types_beside_the_leukocytes_are_members_of_their_type() -> None:
    found = _observations(report(differential=with_finer()))
    assert found["19048-8"]["valueQuantity"]["value"] == 25
    (member,) = found["19048-8"]["hasMember"]
    assert member["reference"] == f"urn:uuid:{found['orthochromatic/100-leukocytes']['id']}"
