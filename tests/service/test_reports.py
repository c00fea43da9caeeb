"""Reports over HTTP: what is frozen at signing, who may set what, and the same bytes whatever changes later."""

from __future__ import annotations

import io
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

import pypdfium2
import pytest
from gate import Visitor, add_user, app_on, browser
from PIL import Image
from projects import Filled, fill
from sqlalchemy import select, text

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, KnownBundle, Member, Picture, User
from hemosight.service.storage.tables import Image as Cell

pytestmark = pytest.mark.service

FORMS = ("pdf", "csv", "hl7", "fhir")
REMARK = "Left shift; Παπαδόπουλος was told."
SETTINGS = {
    "laboratory": "Hematology, Riverside",
    "address": "4 Quay Road",
    "zone": "Europe/Berlin",
    "ranges": [{"label": "neutrophil", "low": 40, "high": 75}, {"label": "blast", "high": 0}],
    "blocks": [{"key": "ls", "text": "Left shift."}],
}


@dataclass
class Laboratory:
    """A case of twelve labelled cells that have pictures; an administrator, two reviewers and a viewer."""

    project: Filled
    path: str
    case: int
    cells: list[int]
    people: dict[str, Visitor]

    def get(self, path: str, who: str = "one", **query: Any) -> Any:
        """Read; gives the answer."""
        answer = self.people[who].get(f"{self.path}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer

    def take(self, path: str, who: str = "one", **query: Any) -> Any:
        """Take a file away; gives the answer."""
        answer = self.people[who].post(f"{self.path}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer

    def set(self, **settings: Any) -> None:
        """Set the settings of reports, as the administrator."""
        answer = self.people["admin"].put(f"{self.path}/report-settings", json={**SETTINGS, **settings})
        assert answer.status_code == 200, answer.text

    def find(self, who: str = "one", **change: Any) -> Any:
        """Change the findings; gives the answer."""
        return self.people[who].patch(f"{self.path}/cases/{self.case}/findings", json=change)

    def sign(self, who: str = "one", role: str = "first", **more: Any) -> Any:
        """Sign the case, with its findings, specimen and settings as they stand; gives the answer."""
        seen = self.get(f"/cases/{self.case}/findings").json()["version"] if role == "first" else None
        facts = self.get(f"/cases/{self.case}/signing").json()["facts"] if role == "first" else None
        body = {"case": self.case, "role": role, "note": "all there is", "findings": seen, "facts": facts, **more}
        if role == "second":
            firsts = [one["id"] for one in self.get("/signatures").json()["items"] if one["role"] == "first"]
            body["countersigns"] = firsts[-1]
        return self.people[who].post(f"{self.path}/signatures", json=body)

    def amend(self) -> None:
        """Open the case."""
        answer = self.people["one"].post(
            f"{self.path}/cases/{self.case}/amendment", json={"reason": "a | second ^ look"}
        )
        assert answer.status_code == 201

    def report(self, signature: int, kind: str) -> bytes:
        """The report of a record."""
        return self.take(f"/signatures/{signature}/report", format=kind).content

    def reports(self, signature: int) -> dict[str, bytes]:
        """All forms of it."""
        return {kind: self.report(signature, kind) for kind in FORMS}


@pytest.fixture
def laboratory(module_database: Database, tiny_bundle: Bundle) -> Laboratory:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 0)
    cells = project.add(tiny_bundle, 12, seed=9, case="24-1187")
    app, mark, people = app_on(module_database, tiny_bundle), uuid.uuid4().hex[:8], {}
    for name, role in (("admin", "admin"), ("one", "reviewer"), ("two", "reviewer"), ("looks", "viewer")):
        user = add_user(module_database, f"{name}-{mark}")
        with module_database.session() as session:
            session.add(Member(project_id=project.id, user_id=user, role=role))
        people[name] = browser(app, f"{name}-{mark}")
    drawn = io.BytesIO()
    Image.effect_noise((96, 96), 80).convert("RGB").save(drawn, "PNG")
    with module_database.session() as session:
        sums = session.scalars(select(Cell.sha256).where(Cell.id.in_(cells[:2]))).all()
        for sha256 in sums:
            picture = session.get(Picture, sha256)
            assert picture is not None
            picture.data = drawn.getvalue()
    project.say({image: "neutrophil" if at else "blast" for at, image in enumerate(cells)})
    path = f"/projects/{project.id}"
    case = people["one"].get(f"{path}/cases").json()["items"][0]["id"]
    made = Laboratory(project, path, case, cells, people)
    made.set()
    return made


def _pages(body: bytes) -> str:
    document = pypdfium2.PdfDocument(body)
    found = []
    for page in document:
        read = page.get_textpage()
        found.append(read.get_text_range())
        read.close()
    return re.sub(r"\s+", " ", " ".join(found))


def _filled(laboratory: Laboratory) -> None:
    change = {"remark": REMARK, "grades": {"anisocytosis": "+"}, "platelets": "adequate"}
    answer = laboratory.find(version=0, **change, add_cells=[laboratory.cells[1], laboratory.cells[0]])
    assert answer.status_code == 200, answer.text


def _says_replaced_and_nothing_else(before: dict[str, bytes], now: dict[str, bytes], fingerprint: str) -> None:
    """Whoever takes an old version away again is told in every form, and of the case reads what was signed."""
    page, words = _pages(now["pdf"]), "Replaced by version 2; what stands here is version 1."
    assert "Replaced by version 2; this is version 1" in page
    assert "Final report" not in page
    assert fingerprint[:12] in page
    was, said = (forms["hl7"].decode().split("\r") for forms in (before, now))
    assert [line for line in said if line[:3] in ("OBR", "OBX")] == [line for line in was if line[:3] in ("OBR", "OBX")]
    assert next(line for line in said if line[:3] == "NTE") == f"NTE|1|L|{words}"
    first, then = (json.loads(forms["fhir"])["entry"] for forms in (before, now))
    assert then[0]["resource"]["status"] == first[0]["resource"]["status"] == "final"
    assert then[0]["resource"]["conclusion"].startswith("Replaced by version 2\n")
    assert [entry["fullUrl"] for entry in then] == [entry["fullUrl"] for entry in first]
    assert now["csv"].splitlines()[1].endswith(b",2")
    assert before["csv"].splitlines()[1].endswith(b",")


def test_a_report_is_the_same_bytes_whatever_changes_later(laboratory: Laboratory) -> None:
    _filled(laboratory)
    specimen = {"accession": "H26-0047", "wbc": 10.0, "collected_at": "2026-03-02T07:40:00Z"}
    assert (
        laboratory.people["one"].patch(f"{laboratory.path}/cases/{laboratory.case}", json=specimen).status_code == 200
    )
    signed = laboratory.sign(findings=1).json()
    before = laboratory.reports(signed["id"])
    laboratory.set(laboratory="Another name", zone="Asia/Tokyo", ranges=[], blocks=[])
    with laboratory.project.database.session() as session:
        for user in session.scalars(select(User).where(User.id == signed["user"])):
            user.display = "Somebody else"
    laboratory.amend()
    assert laboratory.find(remark="another", remove_cells=[laboratory.cells[0]]).status_code == 200
    laboratory.project.say({laboratory.cells[0]: "monocyte"})
    assert laboratory.reports(signed["id"]) == before
    assert laboratory.sign().status_code == 201
    replaced = laboratory.reports(signed["id"])
    assert laboratory.reports(signed["id"]) == replaced
    _says_replaced_and_nothing_else(before, replaced, signed["fingerprint"])
    page = _pages(before["pdf"])
    for words in (
        "Hematology, Riverside",
        "Final report",
        "H26-0047",
        "2 Mar 2026, 08:40 CET (UTC+01:00)",
        REMARK,
        "Anisocytosis + slight",
        "Estimated from the film: adequate",
        "Blast 1 8.3 up to 0 H high",
        "Neutrophil 11 91.7 40\N{EN DASH}75 H high",
        signed["name"],
    ):
        assert words in page, words
    images = [
        one for one in pypdfium2.PdfDocument(before["pdf"])[0].get_objects() if isinstance(one, pypdfium2.PdfImage)
    ]
    images += [
        one for one in pypdfium2.PdfDocument(before["pdf"])[1].get_objects() if isinstance(one, pypdfium2.PdfImage)
    ]
    assert len(images) == 2
    shares = {
        line.split("|")[3].split("^")[0]: line.split("|")
        for line in before["hl7"].decode().split("\r")
        if line[:3] == "OBX"
    }
    assert shares["26446-5"][5:9] == ["8.3", "%^%^UCUM", "0-0", "H"]
    assert shares["30376-8"][5] == "0.83"


def test_an_amended_record_is_a_corrected_result(laboratory: Laboratory) -> None:
    first = laboratory.sign().json()["id"]
    laboratory.amend()
    laboratory.project.say({laboratory.cells[0]: "monocyte"})
    second = laboratory.sign().json()["id"]
    assert "Corrected report, version 2" in _pages(laboratory.report(second, "pdf"))
    assert "It replaces version 1. Reason: a | second ^ look" in _pages(laboratory.report(second, "pdf"))
    order = next(line for line in laboratory.report(second, "hl7").decode().split("\r") if line.startswith("OBR"))
    assert order.split("|")[25] == "C"
    shown = json.loads(laboratory.report(second, "fhir"))["entry"][0]["resource"]
    assert shown["status"] == "amended"
    names = [
        laboratory.take(f"/signatures/{number}/report").headers["Content-Disposition"] for number in (first, second)
    ]
    assert names == [
        'attachment; filename="24-1187-version-1-replaced.pdf"',
        'attachment; filename="24-1187-version-2.pdf"',
    ]
    assert "Corrected" not in _pages(laboratory.report(first, "pdf"))
    laboratory.amend()
    assert "Replaced by version 2; this is version 1" in _pages(laboratory.report(first, "pdf"))
    assert "Replaced" not in _pages(laboratory.report(second, "pdf")), "being amended, it is still what holds"
    assert laboratory.sign().status_code == 201
    assert "Replaced by version 3; this is version 1" in _pages(laboratory.report(first, "pdf"))
    assert "Replaced by version 3; this is version 2" in _pages(laboratory.report(second, "pdf"))


def test_a_record_that_waits_for_its_second_signature_is_preliminary(laboratory: Laboratory) -> None:
    rule = {"measure": "type", "label": "blast", "at_least": 0.01, "level": "second"}
    laboratory.people["admin"].put(f"{laboratory.path}/signing-rules", json={"rules": [rule]})
    first = laboratory.sign().json()["id"]
    assert "PRELIMINARY: the second signature is not given yet" in _pages(laboratory.report(first, "pdf"))
    assert json.loads(laboratory.report(first, "fhir"))["entry"][0]["resource"]["status"] == "preliminary"
    second = laboratory.sign("two", "second").json()["id"]
    assert laboratory.reports(first) == laboratory.reports(second), "one record, whichever of its signatures is named"
    assert "signed second" in _pages(laboratory.report(first, "pdf"))
    assert json.loads(laboratory.report(first, "fhir"))["entry"][0]["resource"]["status"] == "final"


def test_a_case_that_nobody_signed_gives_a_preliminary_pdf_alone(laboratory: Laboratory) -> None:
    _filled(laboratory)
    path = f"/cases/{laboratory.case}/preliminary-report"
    answer = laboratory.take(path, "looks")
    assert answer.headers["Content-Type"] == "application/pdf"
    page = _pages(answer.content)
    assert page.count("PRELIMINARY, NOT SIGNED") >= 3
    assert REMARK in page
    assert "version" not in page.split("Signatures")[0].split("Differential")[0]
    laboratory.sign()
    refused = laboratory.people["one"].post(f"{laboratory.path}{path}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "locked")
    laboratory.amend()
    assert "being amended: a | second ^ look" in _pages(laboratory.take(path).content)


def test_records_of_older_versions_still_give_every_form(laboratory: Laboratory) -> None:
    signed = laboratory.sign().json()["id"]
    with laboratory.project.database.session() as session:
        session.execute(text("ALTER TABLE signatures DISABLE TRIGGER append_only"))
        session.execute(
            text("UPDATE signatures SET record = NULL, checks = NULL, fingerprint = NULL, signer = '' WHERE id = :id"),
            {"id": signed},
        )
        session.execute(text("ALTER TABLE signatures ENABLE TRIGGER append_only"))
    found = laboratory.reports(signed)
    assert "Final report" in _pages(found["pdf"])
    assert "24-1187" in _pages(found["pdf"])
    assert b"24-1187" in found["csv"]
    assert laboratory.get(f"/signatures/{signed}").json()["report"] is None


def test_findings_are_changed_by_reviewers_while_the_case_is_open(laboratory: Laboratory) -> None:
    assert laboratory.find("looks", remark="x").status_code == 403
    _filled(laboratory)
    assert laboratory.find("two", version=0, remark="over it").status_code == 409, "somebody wrote meanwhile"
    assert laboratory.find("two", grades={"unicorns": "+"}).status_code == 422
    assert laboratory.find("two", add_cells=[2**40]).status_code == 404
    kept = laboratory.get(f"/cases/{laboratory.case}/findings").json()
    assert (kept["remark"], kept["cells"], kept["version"]) == (REMARK, [laboratory.cells[1], laboratory.cells[0]], 1)
    changed = laboratory.find(platelets="none", remark="a\u202eb\x07\nc").json()
    assert (changed["platelets"], changed["remark"], changed["grades"]) == (None, "ab\nc", {"anisocytosis": "+"})
    moved = {"images": [laboratory.cells[1]], "case": None}
    assert laboratory.people["one"].post(f"{laboratory.path}/images/move", json=moved).status_code == 200
    assert laboratory.get(f"/cases/{laboratory.case}/findings").json()["cells"] == [laboratory.cells[0]]
    assert laboratory.sign(findings=1).status_code == 409, "not what the signer saw"
    unseen = laboratory.sign(findings=None)
    assert (unseen.status_code, unseen.json()["error"]["code"]) == (409, "in_the_way")
    assert "remark" in unseen.json()["error"]["expected"], "nobody signs a remark that no screen showed"
    assert laboratory.sign(findings=2).status_code == 201
    refused = laboratory.find(remark="late")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "locked")
    laboratory.amend()
    amendment = f"{laboratory.path}/cases/{laboratory.case}/amendment"
    assert laboratory.find(remark="late").status_code == 200
    assert laboratory.people["one"].delete(amendment).status_code == 409, "the remark is part of the record"
    laboratory.find(remark="ab\nc")
    assert laboratory.people["one"].delete(amendment).status_code == 204
    with laboratory.project.database.session() as session:
        query = select(AuditRow.subject).where(AuditRow.action == "case.findings").order_by(AuditRow.id)
        noted = list(session.scalars(query.where(AuditRow.project_id == laboratory.project.id)))
    assert noted[0]["fields"] == ["grades", "platelets", "remark"]
    assert REMARK not in json.dumps(noted), "a remark may speak of a patient"


def test_settings_of_reports_are_set_by_right_and_checked(laboratory: Laboratory) -> None:
    path = f"{laboratory.path}/report-settings"
    assert laboratory.people["one"].put(path, json=SETTINGS).status_code == 403
    assert laboratory.get("/report-settings", "looks").json()["zone"] == "Europe/Berlin"
    for wrong in (
        {"zone": "Mars/Olympus"},
        {"zone": "../../etc/passwd"},
        {"ranges": [{"label": "unicorn", "low": 1}]},
        {"ranges": [{"label": "blast", "low": 2, "high": 1}]},
        {"ranges": [{"label": "blast", "low": 2}, {"label": "blast", "low": 1}]},
        {"blocks": [{"key": "a b", "text": "x"}]},
        {"blocks": [{"key": "a", "text": ""}]},
    ):
        assert laboratory.people["admin"].put(path, json={**SETTINGS, **wrong}).status_code == 422, wrong
    assert laboratory.get("/report-settings").json()["ranges"][0]["high"] == 75


def test_a_report_of_another_project_is_not_there(laboratory: Laboratory) -> None:
    signed = laboratory.sign().json()["id"]
    other = fill(laboratory.project.database, laboratory.people["one"].app.state.registry.bundle, 0)  # type: ignore[attr-defined]
    assert laboratory.people["one"].post(f"/projects/{other.id}/signatures/{signed}/report").status_code == 404
    assert laboratory.people["one"].post(f"{laboratory.path}/signatures/{signed + 1000}/report").status_code == 404
    answer = laboratory.people["one"].post(f"{laboratory.path}/signatures/{signed}/report", params={"format": "docx"})
    assert answer.status_code == 422
