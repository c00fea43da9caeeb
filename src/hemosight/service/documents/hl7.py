r"""A signed record as an HL7 v2.5.1 message: ORU^R01, unsolicited result.

Segments: MSH, OBR with NTE, an OBX for each observation, SPM. There is no PID: the service knows specimens and no
patients, and who receives the message finds the patient by the accession number (OBR-2, SPM-2). Text is UTF-8; what
delimits is escaped (``\F\ \S\ \T\ \R\ \E\``).
"""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Iterator

from hemosight.service.documents import codes
from hemosight.service.documents.codes import Code
from hemosight.service.documents.content import Report, Signer, Value
from hemosight.service.documents.observations import Observation, notes, observations

_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\n": "\\.br\\"}
_STATUS = {"unsigned": "P", "awaiting": "P", "final": "F", "corrected": "C"}
"""HL7 table 0123 and 0085: preliminary, final, corrected.

Neither has a code of what a later version replaced: it stays what it was, and the first note says so.
"""


def escaped(text: str) -> str:
    r"""A text as a field may hold it: delimiters escaped, lines parted by ``\.br\``, no other control character."""
    return "".join(
        _ESCAPES.get(sign) or ("" if unicodedata.category(sign) in ("Cc", "Cs") else sign)
        for sign in text.replace("\r\n", "\n").replace("\r", "\n")
    )


def clipped(text: str, most: int) -> str:
    """An escaped text of so many characters at most, where the standard limits a field; notes hold all of it."""
    whole = escaped(text)
    if len(whole) <= most:
        return whole
    kept = ""
    for sign in text:
        if len(kept) + len(escaped(sign)) > most - 1:
            break
        kept += escaped(sign)
    return f"{kept}…"


def message(report: Report) -> bytes:
    """The message, its segments parted by carriage returns."""
    return ("\r".join(_segments(report)) + "\r").encode()


def _segments(report: Report) -> Iterator[str]:
    status, at = _STATUS[report.status], _time(report, report.at)
    yield _segment(
        "MSH",
        {
            3: "HEMOSIGHT",
            4: _facility(report.laboratory),
            7: at,
            9: "ORU^R01^ORU_R01",
            10: _control(report),
            11: "P",
            12: "2.5.1",
            18: "UNICODE UTF-8",
        },
    )
    signers = [_signer(report, one) for one in report.signers]
    yield _segment(
        "OBR",
        {
            1: "1",
            2: escaped(report.accession),
            3: f"{escaped(report.key)}^HEMOSIGHT",
            4: _coded(codes.PANEL),
            7: _time(report, report.collected_at),
            14: _time(report, report.received_at),
            22: at,
            25: status,
            32: signers[0] if signers else "",
            33: "~".join(signers[1:]),
        },
    )
    for place, note in enumerate(notes(report), 1):
        yield _segment("NTE", {1: str(place), 2: "L", 3: escaped(note)})
    for place, one in enumerate(observations(report), 1):
        yield _segment("OBX", {1: str(place), **_observed(report, one), 11: status})
    yield _segment(
        "SPM",
        {
            1: "1",
            2: f"{escaped(report.accession)}^{escaped(report.key)}&HEMOSIGHT",
            4: "BLD^Whole blood^HL70487",
            14: clipped(report.note, 199),
            17: _time(report, report.collected_at),
            18: _time(report, report.received_at),
        },
    )


def _control(report: Report) -> str:
    """MSH-10, unlike that of any message that says something else."""
    replaced = "" if report.replaced_by is None else f"-R{report.replaced_by}"
    return f"HS{report.number}-{len(report.signers)}{replaced}"


def _facility(name: str) -> str:
    """MSH-4, HD: a namespace has 20 characters at most; a longer name stands as a local universal id."""
    return escaped(name) if len(escaped(name)) <= 20 else f"^{clipped(name, 199)}^L"


def _segment(name: str, fields: dict[int, str]) -> str:
    texts = [fields.get(place, "") for place in range(1, max(fields) + 1)]
    if name == "MSH":  # whose first field is the delimiter itself
        texts = ["^~\\&", *texts[2:]]
    return "|".join([name, *texts])


def _observed(report: Report, one: Observation) -> dict[int, str]:
    fields = {3: _coded(one.code), 14: _time(report, report.collected_at), 19: _time(report, report.at)}
    if isinstance(one.value, Value):
        unit = "" if one.unit is None else f"{one.unit.code}^{escaped(one.unit.text)}^UCUM"
        return {**fields, 2: "NM", 5: one.value.text, 6: unit, 7: _range(one.value), 8: _flag(one.value)}
    if isinstance(one.value, str):
        return {**fields, 2: "FT", 5: escaped(one.value)}
    answer, words = one.value
    return {**fields, 2: "CWE", 5: f"{_coded(answer)}^^^^^^{escaped(words)}"}


def _coded(code: Code) -> str:
    return f"{escaped(code.code)}^{escaped(code.display)}^{code.system_v2}"


def _range(value: Value) -> str:
    """OBX-7; nothing is counted below zero."""
    if value.low is None and value.high is None:
        return ""
    return f">={value.low:g}" if value.high is None else f"{value.low or 0:g}-{value.high:g}"


def _flag(value: Value) -> str:
    return value.flag or ("N" if value.range else "")


def _signer(report: Report, signer: Signer) -> str:
    """NDL: who interpreted, and when; a name as it is shown stands in one piece."""
    return f"&{clipped(signer.name, 50)}^{_time(report, signer.at)}"


def _time(report: Report, at: datetime.datetime | None) -> str:
    return "" if at is None else f"{report.local(at):%Y%m%d%H%M%S%z}"
