"""What a report says as coded observations, the same for HL7 v2 and FHIR, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from hemosight.blood.morphology import GRADES
from hemosight.engine.bundle import NOTICE
from hemosight.service.documents import codes
from hemosight.service.documents.codes import Code
from hemosight.service.documents.content import Report, Value


@dataclass(frozen=True)
class Unit:
    """A unit by its UCUM code, and as people write it."""

    code: str
    text: str


PERCENT = Unit("%", "%")
BILLIONS = Unit("10*9/L", "10⁹/L")
FOR_100 = Unit("/100{WBCs}", "for 100 leukocytes")
CELLS = Unit("{cells}", "cells")


@dataclass(frozen=True)
class Observation:
    """One observation.

    Parameters
    ----------
    key
        Unlike that of any other observation of the report.
    value
        A number with its range in a ``unit``, a coded answer with words for it, or a text.
    part_of
        The key of the observation that sums this one up.
    """

    key: str
    code: Code
    value: Value | tuple[Code, str] | str
    unit: Unit | None = None
    part_of: str | None = None


def observations(report: Report) -> Iterator[Observation]:
    """Every observation of a report; what of a type was not told apart is in the sum alone."""
    if report.wbc is not None:
        digits = max(0, -int(Decimal(str(report.wbc)).as_tuple().exponent))  # as it was given
        yield Observation("wbc", codes.LEUKOCYTES, Value(report.wbc, digits), BILLIONS)
    yield Observation("counted", codes.COUNTED, Value(report.total, 0), CELLS)
    whole = None
    for line in report.lines:
        if line.rest:
            continue
        whole = whole if line.finer else line.name
        for kind, value, unit in (("share", line.share, PERCENT), ("absolute", line.absolute, BILLIONS)):
            if value is not None:
                code = (codes.share if kind == "share" else codes.absolute)(line.name, line.title)
                yield Observation(
                    f"{kind}:{line.name}", code, value, unit, f"{kind}:{whole}" if line.finer and whole else None
                )
    for one in report.beside:
        # Of what was not seen, and of platelets, the report says no number for 100 leukocytes.
        if one.per_100 is not None and not one.rest:
            family = f"beside:{one.family}" if one.finer else None
            yield Observation(f"beside:{one.name}", codes.beside(one.name, one.title), one.per_100, FOR_100, family)
    for graded in report.grades:
        answer = (codes.GRADE[graded.grade], f"{graded.grade} ({GRADES[graded.grade]})")
        yield Observation(f"finding:{graded.finding.name}", codes.finding(graded.finding.name), answer)
    if report.platelets is not None:
        words = report.platelets_text
        yield Observation("platelets", codes.PLATELETS, (codes.estimate(report.platelets, words), words))
    if report.remark:
        yield Observation("remark", codes.REMARK, report.remark)


def notes(report: Report) -> Iterator[str]:
    """What stands beside the observations: what was replaced and why, how cells were counted, checks, origin."""
    if report.replaced:
        yield f"{report.replaced}; what stands here is version {report.version}."
    if report.version > 1:
        yield f"Version {report.version}, replaces version {report.version - 1}: {report.reason}"
    if report.status == "awaiting":
        yield "Preliminary: the second signature is wanted and not given yet."
    if report.drawn:
        yield report.drawn
    if report.uncorrected:
        yield "Absolute counts are shares of the leukocyte count as given, not corrected for erythroblasts."
    if report.nowhere:
        yield report.nowhere
    counted = report.unreviewed - report.unreviewed_nowhere
    if counted:
        yield f"{counted} cells were not reviewed by a person and are counted as the model reads them."
    if report.unreviewed_nowhere:
        left = report.unreviewed_nowhere
        yield f"{left} cells were not reviewed by a person and are read as a type that counts nowhere."
    for check in report.checks:
        if check.open:
            yield f"Open check: {check.says}"
    for signer in report.signers:
        second = " second" if signer.role == "second" else ""
        yield f"Signed{second} by {signer.name}, {report.moment(signer.at)}"
        if signer.note:
            yield f"Note of {signer.name}: {signer.note}"
    if report.note:
        yield f"Remark on the specimen: {report.note}"
    scanner = f", scanner profile {report.scanner}" if report.scanner else ""
    yield f"Read by {report.bundle}{scanner}."
    if report.taught:
        yield report.taught
    if report.fingerprint:
        yield f"SHA-256 of the signed record: {report.fingerprint}"
    yield NOTICE
