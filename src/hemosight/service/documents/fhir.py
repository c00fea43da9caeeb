"""A signed record as FHIR R4: a Bundle of a DiagnosticReport, its Observations and the Specimen.

There is no Patient: the service knows specimens and no patients; who receives the Bundle finds the patient by the
accession number. Ids follow from the record, so that the same record gives the same Bundle.
"""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

from hemosight.service.documents import codes
from hemosight.service.documents.codes import UCUM, Code
from hemosight.service.documents.content import WORDS, Report, Value
from hemosight.service.documents.observations import Observation, Unit, notes, observations

_STATUS = {"unsigned": "preliminary", "awaiting": "preliminary", "final": "final", "corrected": "amended"}
"""No status says that a later version replaced a report: it stays what it was, and its words say so."""
_SPACE = uuid.UUID("6f0f5c1e-2f6b-5b0a-9d55-8d3f3c0a7f11")
"""Of the ids of this service's resources."""
_NORMAL = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_LABORATORY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]
}
_HEMATOLOGY = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "HM"}]}
_BLOOD = {
    "coding": [
        {"system": "http://snomed.info/sct", "code": "119297000", "display": "Blood specimen"},
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0487", "code": "BLD", "display": "Whole blood"},
    ]
}
CASES = "urn:hemosight:case"
"""The system of case keys."""


def bundle(report: Report) -> bytes:
    """The Bundle as JSON."""
    found = list(observations(report))
    resources = [_report(report, found), _specimen(report), *(_observation(report, one, found) for one in found)]
    keys = ["report", "specimen", *(one.key for one in found)]
    whole = "bundle" if report.replaced_by is None else f"bundle, replaced by {report.replaced_by}"
    made = {
        "resourceType": "Bundle",
        "id": _id(report, whole),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": _urn(report, whole)},
        "type": "collection",
        "timestamp": _instant(report, report.at),
        "entry": [
            {"fullUrl": _urn(report, key), "resource": resource} for key, resource in zip(keys, resources, strict=True)
        ],
    }
    return json.dumps(made, ensure_ascii=False, indent=1).encode()


def _report(report: Report, found: list[Observation]) -> dict[str, Any]:
    return _filled(
        {
            "resourceType": "DiagnosticReport",
            "id": _id(report, "report"),
            "identifier": [{"system": CASES, "value": _text(report.key)}] if _text(report.key) else None,
            "status": _STATUS[report.status],
            "category": [_HEMATOLOGY],
            "code": _concept(codes.PANEL),
            "effectiveDateTime": _instant(report, report.collected_at),
            "issued": _instant(report, report.at),
            "performer": [{"display": _text(report.laboratory)}] if _text(report.laboratory) else None,
            "resultsInterpreter": [{"display": _text(signer.name)} for signer in report.signers],
            "specimen": [{"reference": _urn(report, "specimen")}],
            "result": [{"reference": _urn(report, one.key)} for one in found],
            "conclusion": _text("\n".join(filter(None, (report.replaced, report.remark)))),
        }
    )


def _specimen(report: Report) -> dict[str, Any]:
    return _filled(
        {
            "resourceType": "Specimen",
            "id": _id(report, "specimen"),
            "accessionIdentifier": {"value": _text(report.accession)} if _text(report.accession) else None,
            "status": "available",
            "type": _BLOOD,
            "receivedTime": _instant(report, report.received_at),
            "collection": None
            if report.collected_at is None
            else {"collectedDateTime": _instant(report, report.collected_at)},
            "note": [{"text": _text(report.note)}] if _text(report.note) else None,
        }
    )


def _observation(report: Report, one: Observation, found: list[Observation]) -> dict[str, Any]:
    members = [{"reference": _urn(report, other.key)} for other in found if other.part_of == one.key]
    return _filled(
        {
            "resourceType": "Observation",
            "id": _id(report, one.key),
            "status": _STATUS[report.status],
            "category": [_LABORATORY],
            "code": _concept(one.code),
            "effectiveDateTime": _instant(report, report.collected_at),
            "issued": _instant(report, report.at),
            **_value(one),
            "note": [{"text": _text(note)} for note in notes(report)] if one.key == "counted" else None,
            "specimen": {"reference": _urn(report, "specimen")},
            "hasMember": members,
        }
    )


def _value(one: Observation) -> dict[str, Any]:
    if isinstance(one.value, str):
        return {"valueString": _text(one.value)}
    if not isinstance(one.value, Value):
        answer, words = one.value
        return {"valueCodeableConcept": {**_concept(answer), "text": words}}
    value, unit = one.value, one.unit
    flag = value.flag or ("N" if value.range else "")
    shown = {"H": "High", "L": "Low", "N": "Normal"}
    limits = {
        side: _quantity(limit, unit) for side, limit in (("low", value.low), ("high", value.high)) if limit is not None
    }
    return {
        "valueQuantity": _quantity(value.number, unit),
        "interpretation": [
            {
                "coding": [{"system": _NORMAL, "code": flag, "display": shown[flag]}],
                "text": WORDS[value.flag] or "within the reference range",
            }
        ]
        if flag
        else None,
        "referenceRange": [{**limits, "text": value.range}] if limits else None,
    }


def _quantity(number: float, unit: Unit | None) -> dict[str, Any]:
    named = {} if unit is None else {"unit": unit.text, "system": UCUM, "code": unit.code}
    return {"value": int(number) if float(number).is_integer() else number, **named}


def _concept(code: Code) -> dict[str, Any]:
    return {
        "coding": [{"system": code.system, "code": _text(code.code), "display": _text(code.display)}],
        "text": _text(code.display),
    }


def _filled(resource: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing: FHIR has no empty texts and lists."""
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}


def _text(text: str) -> str:
    """A text without control characters, which FHIR's strings do not hold; line breaks stay."""
    return "".join(sign for sign in text if sign in "\n\t" or (sign >= " " and not 0x7F <= ord(sign) < 0xA0)).strip()


def _id(report: Report, key: str) -> str:
    signed = "/".join(f"{signer.at.isoformat()}" for signer in report.signers)
    return str(uuid.uuid5(_SPACE, f"{report.number}/{report.fingerprint}/{signed}/{key}"))


def _urn(report: Report, key: str) -> str:
    return f"urn:uuid:{_id(report, key)}"


def _instant(report: Report, at: datetime.datetime | None) -> str | None:
    return None if at is None else report.local(at).isoformat(timespec="seconds")
