"""Signing under teaching: a record stays as it was signed, and a second signature stands under the same counts."""

from __future__ import annotations

import contextvars
import dataclasses
import io
import json
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from crops import form
from gate import Visitor, add_user, app_on, browser
from PIL import Image
from projects import Filled, fill
from sqlalchemy import select, text

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.signed_record import fingerprint
from hemosight.service.routes import sign as sign_route
from hemosight.service.schemas.differential import DifferentialShown
from hemosight.service.storage import deletion, events, labels
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import LabelSetEvent
from hemosight.service.storage.tables import AuditRow, KnownBundle, Member, Signature

pytestmark = pytest.mark.service


@dataclass
class Laboratory:
    """A case and other cells that teach the same model; two reviewers."""

    project: Filled
    path: str
    one: Visitor
    two: Visitor
    case: int
    cells: list[int]

    def sign(self, who: Visitor, role: str = "first", **more: Any) -> Any:
        """Sign the case; gives the answer. Most of its cells are not reviewed, so that it takes a reason."""
        said = {"note": "read by the model alone", **more}
        if role == "second":  # the newest record, as a page shows it
            firsts = [one["id"] for one in self.get("/signatures")["items"] if one["role"] == "first"]
            said = {"countersigns": firsts[-1] if firsts else None, **said}
        return who.post(f"{self.path}/signatures", json={"case": self.case, "role": role, **said})

    def amend(self, who: Visitor, reason: str = "a second look") -> Any:
        """Open the case for changes; gives the answer."""
        return who.post(f"{self.path}/cases/{self.case}/amendment", json={"reason": reason})

    def state(self) -> dict[str, Any]:
        """The case in the worklist."""
        return next(one for one in self.get("/cases")["items"] if one["id"] == self.case)

    def get(self, path: str, **query: Any) -> Any:
        """Read as the first reviewer."""
        answer = self.one.get(f"{self.path}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def say(self, items: dict[int, str]) -> Any:
        """Label cells over whatever label they have; gives the answer."""
        versions = {one["id"]: one["version"] for one in self.get("/images", limit=200)["items"]}
        said = [{"image": image, "label": label, "version": versions[image]} for image, label in items.items()]
        return self.one.post(f"{self.path}/labels", json={"request": str(uuid.uuid4()), "items": said})

    def label(self, items: dict[int, str]) -> None:
        """Label cells, and wait until the model has learnt them."""
        answer = self.say(items)
        assert answer.status_code == 200, answer.text
        assert self.one.project_states.get(self.project.id).settle("cell_type")

    def teach_elsewhere(self) -> None:
        """Label every cell outside the case, all as one type: unlabelled cells of the case follow."""
        others = [image for image in self.project.images if image not in self.cells]
        self.label(dict.fromkeys(others, "blast"))

    def stored(self) -> list[str]:
        """The signed records as they lie in the table, in order, as text."""
        with self.project.database.session() as session:
            query = select(Signature.differential).where(Signature.project_id == self.project.id)
            return [json.dumps(record, sort_keys=True) for record in session.scalars(query.order_by(Signature.id))]


@pytest.fixture
def laboratory(module_database: Database, tiny_bundle: Bundle) -> Laboratory:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 60)
    cells = project.add(tiny_bundle, 30, seed=9, case="24-1187")
    mark = uuid.uuid4().hex[:8]
    names = [f"{name}-{mark}" for name in ("one", "two")]
    for name in names:
        user = add_user(module_database, name)
        with module_database.session() as session:
            session.add(Member(project_id=project.id, user_id=user, role="reviewer"))
    app = app_on(module_database, tiny_bundle)
    one, two = (browser(app, name) for name in names)
    path = f"/projects/{project.id}"
    case = one.get(f"{path}/cases").json()["items"][0]["id"]
    return Laboratory(project, path, one, two, case, cells)


def _counts(differential: dict[str, Any]) -> dict[str, int]:
    return {row["label"]: row["after"]["count"] for row in differential["rows"]}


def test_labels_of_other_cells_move_no_signed_number(laboratory: Laboratory) -> None:
    signed = laboratory.sign(laboratory.one).json()
    (before,) = laboratory.stored()
    laboratory.teach_elsewhere()
    live = laboratory.get("/differential", case=laboratory.case)
    assert _counts(live) != _counts(signed["differential"]), "else this tests nothing"
    assert live["reviewed_until"] == signed["reviewed_until"], "nobody labelled a cell of the case"
    assert laboratory.stored() == [before]
    (shown,) = laboratory.get("/signatures", compare=True)["items"]
    assert shown == {**signed, "reads_otherwise": True}
    (unasked,) = laboratory.get("/signatures")["items"]
    assert unasked == {**signed, "reads_otherwise": None}
    assert shown["current"], "the record stands, whatever the model has learnt"


def test_a_signed_record_is_the_same_bytes_whatever_is_labelled_elsewhere(laboratory: Laboratory) -> None:
    laboratory.label({laboratory.cells[0]: "blast", laboratory.cells[1]: "?"})
    signed = laboratory.sign(laboratory.one).json()
    path = f"{laboratory.path}/signatures/{signed['id']}"
    before = {kind: laboratory.one.post(f"{path}/export", params={"format": kind}).content for kind in ("json", "csv")}
    laboratory.teach_elsewhere()
    assert laboratory.get("/differential", case=laboratory.case)["digest"] != signed["differential"]["digest"]
    for kind, content in before.items():
        assert laboratory.one.post(f"{path}/export", params={"format": kind}).content == content
    laboratory.amend(laboratory.two)
    laboratory.label({laboratory.cells[2]: "monocyte"})
    laboratory.sign(laboratory.two)
    for kind, content in before.items():
        assert laboratory.one.post(f"{path}/export", params={"format": kind}).content == content
    record = laboratory.get(f"/signatures/{signed['id']}")
    assert [cell["image"] for cell in record["cells"]] == laboratory.cells
    assert [cell["label"] for cell in record["cells"]][:3] == ["blast", "?", None]
    (scanner,) = laboratory.get("/profiles")["items"]
    assert record["profile"] == {name: scanner[name] for name in ("id", "name", "scale", "scale_from")}
    counted = Counter(cell["counted"] for cell in record["cells"])
    assert counted[None] == 1
    assert all(counted[row["label"]] == row["after"]["count"] for row in record["differential"]["rows"])
    stored = {name: record[name] for name in ("specimen", "profile", "cells", "report")}
    with laboratory.project.database.session() as session:
        row = session.get(Signature, signed["id"])
        assert row is not None
        assert row.record == stored
        assert fingerprint(row.differential, row.checks or [], row.record or {}) == signed["fingerprint"]


def test_nobody_signs_second_under_other_counts(laboratory: Laboratory) -> None:
    first = laboratory.sign(laboratory.one).json()
    laboratory.teach_elsewhere()
    now = laboratory.get("/differential", case=laboratory.case)["digest"]
    refused = laboratory.sign(laboratory.two, "second", digest=now)
    assert refused.status_code == 409
    assert refused.json()["error"]["expected"] == "the counts that you looked at"
    second = laboratory.sign(laboratory.two, "second", digest=first["differential"]["digest"])
    assert second.status_code == 201, second.text
    one, other = laboratory.stored()
    assert one == other, "the record of the first, not what the model reads by now"
    assert second.json()["fingerprint"] == first["fingerprint"]


def test_a_signed_case_takes_no_label_until_it_is_amended(laboratory: Laboratory) -> None:
    cell, other = laboratory.cells[:2]
    laboratory.label({cell: "blast"})
    first = laboratory.sign(laboratory.one).json()
    assert (laboratory.state()["state"], laboratory.state()["version"]) == ("signed", 1)
    for refused in (
        laboratory.say({cell: "monocyte"}),
        laboratory.say({other: "monocyte", laboratory.project.images[0]: "monocyte"}),
        laboratory.one.post(
            f"{laboratory.path}/labels/undo", json={"request": str(uuid.uuid4()), "labels": [first["reviewed_until"]]}
        ),
        laboratory.sign(laboratory.one),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "locked")
    assert laboratory.get(f"/images/{cell}")["label"] == "blast"
    assert laboratory.get(f"/images/{laboratory.project.images[0]}")["label"] is None, "all of a request or nothing"

    assert laboratory.amend(laboratory.two, " ").status_code == 422, "it takes a reason"
    opened = laboratory.amend(laboratory.two, "the nucleus is folded")
    assert opened.status_code == 201
    assert laboratory.amend(laboratory.one).status_code == 409, "it is open already"
    assert laboratory.state()["state"] == "amended"
    assert not laboratory.get("/signatures")["items"][0]["current"]
    assert laboratory.sign(laboratory.two, "second").status_code == 409, "nobody signs second what is being amended"
    laboratory.label({cell: "monocyte"})
    second = laboratory.sign(laboratory.two).json()
    assert (second["version"], second["amends"], second["reason"]) == (2, first["id"], "the nucleus is folded")
    assert (laboratory.state()["state"], laboratory.state()["version"]) == ("signed", 2)
    shown = laboratory.get("/signatures")["items"]
    assert [(one["version"], one["current"]) for one in shown] == [(1, False), (2, True)]
    assert shown[0]["differential"] == first["differential"]
    with laboratory.project.database.session() as session:
        trail = select(AuditRow.action, AuditRow.subject).where(AuditRow.project_id == laboratory.project.id)
        done = [(row.action, row.subject) for row in session.execute(trail.order_by(AuditRow.id))]
    assert ("case.amend", {"case": laboratory.case, "reason": "the nucleus is folded"}) in done


def test_an_amendment_is_withdrawn_while_nothing_has_changed(laboratory: Laboratory) -> None:
    laboratory.sign(laboratory.one)
    path = f"{laboratory.path}/cases/{laboratory.case}/amendment"
    assert laboratory.two.delete(path).status_code == 409, "nobody amends it"
    laboratory.amend(laboratory.two)
    assert laboratory.two.delete(path).status_code == 204
    assert laboratory.get(f"/cases/{laboratory.case}/signing")["locked"]
    assert laboratory.say({laboratory.cells[0]: "blast"}).status_code == 409
    laboratory.amend(laboratory.two, "another count")
    case = f"{laboratory.path}/cases/{laboratory.case}"
    for wbc, status in ((99.0, 409), (None, 204)):
        assert laboratory.one.patch(case, json={"wbc": wbc}).status_code == 200
        assert laboratory.two.delete(path).status_code == status, "the specimen is part of the record"
    laboratory.amend(laboratory.two, "once more")
    laboratory.label({laboratory.cells[0]: "blast"})
    refused = laboratory.two.delete(path)
    assert refused.status_code == 409
    assert laboratory.state()["state"] == "amended"
    assert laboratory.sign(laboratory.two).json()["reason"] == "once more"


def test_another_question_about_signed_cells_may_be_answered(laboratory: Laboratory) -> None:
    laboratory.sign(laboratory.one)
    body = {"request": str(uuid.uuid4()), "label_set": "nucleus_shape"}
    items = [{"image": laboratory.cells[0], "label": "?", "version": 0}]
    assert laboratory.one.post(f"{laboratory.path}/labels", json={**body, "items": items}).status_code == 200


def test_the_second_signer_signs_the_record_of_the_first(laboratory: Laboratory) -> None:
    laboratory.label({laboratory.cells[0]: "blast", laboratory.cells[1]: "ig"})
    first = laboratory.sign(laboratory.one).json()
    second = laboratory.sign(laboratory.two, "second").json()
    same = ("differential", "bundle", "reviewed_until", "taught_until")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    one, other = laboratory.stored()
    assert one == other
    assert (first["countersigns"], second["countersigns"]) == (None, first["id"])
    assert first["taught_until"] == first["differential"]["taught_until"] > 0
    # A record has two signatures at most: of a third the report would show nothing.
    third = laboratory.sign(laboratory.two, "second")
    assert third.status_code == 409
    assert "two" in third.json()["error"]["came"]


def test_the_second_signer_signs_no_record_that_was_not_seen(laboratory: Laboratory) -> None:
    seen = laboratory.sign(laboratory.one).json()
    refused = laboratory.sign(laboratory.two, "second", countersigns=None)
    assert (refused.status_code, "`countersigns`" in refused.json()["error"]["expected"]) == (409, True)
    # Only the remark is amended: the counts, and so their digest, are the same.
    laboratory.amend(laboratory.one, "a remark")
    findings = f"{laboratory.path}/cases/{laboratory.case}/findings"
    said = laboratory.one.patch(findings, json={"version": 0, "remark": "Auer rods."})
    assert said.status_code == 200, said.text
    newer = laboratory.sign(laboratory.one, findings=said.json()["version"]).json()
    assert newer["differential"]["digest"] == seen["differential"]["digest"]
    digest = seen["differential"]["digest"]
    refused = laboratory.sign(laboratory.two, "second", digest=digest, countersigns=seen["id"])
    assert refused.status_code == 409
    assert refused.json()["error"]["expected"] == "the record that you looked at"
    assert laboratory.sign(laboratory.two, "second", countersigns=newer["id"]).status_code == 201


def test_labels_that_move_nothing_here_do_not_stop_the_second_signer(
    laboratory: Laboratory, tiny_bundle: Bundle
) -> None:
    everything = laboratory.get("/images", case=laboratory.case, limit=200)["items"]
    laboratory.label({image["id"]: image["predicted"] for image in everything})
    first = laboratory.sign(laboratory.one).json()
    laboratory.teach_elsewhere()
    second = laboratory.sign(laboratory.two, "second")
    assert second.status_code == 201, second.text
    assert second.json()["differential"] == first["differential"]
    assert first["differential"]["unreviewed"] == 0


def test_what_is_signed_is_what_was_seen(laboratory: Laboratory) -> None:
    seen = laboratory.get("/differential", case=laboratory.case)["digest"]
    laboratory.teach_elsewhere()
    refused = laboratory.sign(laboratory.one, digest=seen)
    assert refused.status_code == 409
    assert "looked at" in refused.json()["error"]["expected"]
    now = laboratory.get("/differential", case=laboratory.case)["digest"]
    assert laboratory.sign(laboratory.one, digest=now).status_code == 201


def test_nothing_is_signed_whose_cells_change_meanwhile(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = sign_route.counted

    def moved_meanwhile(*asked: Any) -> Any:
        found = original(*asked)
        answer = laboratory.two.post(
            f"{laboratory.path}/images/move", json={"images": laboratory.cells[:3], "case": None}
        )
        assert answer.json() == {"cells": 3}
        return found

    monkeypatch.setattr(sign_route, "counted", moved_meanwhile)
    refused = laboratory.sign(laboratory.one)
    assert refused.status_code == 409
    assert "moved" in refused.json()["error"]["came"]
    assert laboratory.stored() == []


def test_no_cell_is_uploaded_into_a_signed_case(laboratory: Laboratory) -> None:
    body = {"case": "24-1187"}
    assert laboratory.two.post(f"{laboratory.path}/uploads", json=body).status_code == 201
    assert laboratory.sign(laboratory.one).status_code == 201
    refused = laboratory.two.post(f"{laboratory.path}/uploads", json=body)
    assert refused.status_code == 409
    assert "24-1187" in refused.json()["error"]["came"]
    laboratory.amend(laboratory.one, "fifty more are counted")
    assert laboratory.two.post(f"{laboratory.path}/uploads", json=body).status_code == 201


def test_an_upload_that_began_before_brings_nothing_into_a_signed_case(laboratory: Laboratory) -> None:
    upload = laboratory.two.post(f"{laboratory.path}/uploads", json={"case": "24-1187"}).json()["id"]
    assert laboratory.sign(laboratory.one).status_code == 201
    late = io.BytesIO()
    Image.new("RGB", (64, 64), "purple").save(late, "PNG")
    files = form({"late.png": late.getvalue()})
    refused = laboratory.two.post(f"{laboratory.path}/uploads/{upload}/files", files=files)
    assert refused.status_code == 409, refused.text
    assert laboratory.state()["images"] == len(laboratory.cells)


def test_cancelling_an_upload_takes_no_cell_from_a_signed_record(laboratory: Laboratory) -> None:
    upload = laboratory.two.post(f"{laboratory.path}/uploads", json={"case": "24-1187"}).json()["id"]
    waits = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(waits, "PNG")
    sent = laboratory.two.post(f"{laboratory.path}/uploads/{upload}/files", files=form({"waits.png": waits.getvalue()}))
    assert sent.status_code == 200, sent.text
    signed = laboratory.sign(laboratory.one).json()
    assert signed["differential"]["waiting"] == 1
    laboratory.two.delete(f"{laboratory.path}/uploads/{upload}")
    record = laboratory.get(f"/signatures/{signed['id']}")
    assert [cell["status"] for cell in record["cells"]].count("waiting") == 1
    assert laboratory.state()["images"] == len(record["cells"])


def test_several_cases_are_never_signed_together(laboratory: Laboratory) -> None:
    refused = laboratory.one.post(f"{laboratory.path}/signatures", json={"note": "all of them"})
    assert refused.status_code == 409
    assert refused.json()["error"]["expected"] == "the cells of one case"
    with laboratory.project.database.session() as session:
        loose = list(set(laboratory.project.images) - set(laboratory.cells))
        deletion.delete_cells(session, laboratory.project.id, loose)
    refused = laboratory.one.post(f"{laboratory.path}/signatures", json={"note": "all cells are of one case"})
    assert refused.status_code == 409
    assert laboratory.stored() == []


def test_a_report_tells_people_from_the_model(laboratory: Laboratory) -> None:
    laboratory.label({laboratory.cells[0]: "blast", laboratory.cells[1]: "?"})
    shown = laboratory.get("/differential", case=laboratory.case)
    reviewed = {row["label"]: row["reviewed"] for row in shown["rows"]}
    assert reviewed == {**dict.fromkeys(reviewed, 0), "blast": 1}
    counted = sum(row["after"]["count"] for row in shown["rows"]) + sum(one["after"] for one in shown["apart"].values())
    assert counted == 1 + shown["unreviewed"]
    assert shown["unreviewed"] == len(laboratory.cells) - 2


def test_a_record_that_an_older_version_signed_is_still_read(laboratory: Laboratory) -> None:
    """Its JSON is never rewritten: it knew neither who counted what nor what the model had learnt."""
    signed = laboratory.sign(laboratory.one).json()
    old = dict(signed["differential"])
    for name in ("unusual", "moved_by_model", "taught_until", "digest"):
        del old[name]  # fields of the API that older records have not
    old["revision"] = old.pop("reviewed_until")
    old["rows"] = [{name: row[name] for name in ("label", "title", "before", "after")} for row in old["rows"]]
    old["apart"] = {name: {"before": one["before"], "after": one["after"]} for name, one in old["apart"].items()}
    with laboratory.project.database.session() as session:
        session.execute(
            text(
                "INSERT INTO signatures (project_id, case_id, user_id, role, bundle_id, reviewed_until, differential) "
                "SELECT project_id, case_id, user_id, role, bundle_id, reviewed_until, CAST(:old AS jsonb) "
                "FROM signatures WHERE id = :id"
            ),
            {"old": json.dumps(old), "id": signed["id"]},
        )
    shown = laboratory.get("/signatures", compare=True)["items"][1]
    assert shown["current"]
    assert not shown["reads_otherwise"], "the counts are the same"
    assert (shown["checks"], shown["fingerprint"]) == (None, None)
    assert laboratory.get(f"/signatures/{shown['id']}")["cells"] is None
    assert shown["taught_until"] is None
    read = DifferentialShown.model_validate(shown["differential"])
    assert read.digest == signed["differential"]["digest"]
    assert {row.reviewed for row in read.rows} == {None}


def test_types_that_change_while_a_case_is_signed_are_not_signed_unseen(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the moment in which a request is told what was there when it came."""
    look = sign_route.look_of_case

    def meanwhile(*given: Any) -> Any:
        def somebody_else() -> None:
            with laboratory.project.database.session() as session:
                row = labels.label_set_of(session, laboratory.project.id, "cell_type")
                row.classes = [{**facts, "title": f"{facts['title']} (new)"} for facts in row.classes]
                events.tell(session, laboratory.project.id, LabelSetEvent(name=row.name))

        contextvars.Context().run(somebody_else)
        return look(*given)

    monkeypatch.setattr(sign_route, "look_of_case", meanwhile)
    refused = laboratory.sign(laboratory.one)
    assert refused.status_code == 409, refused.text
    assert laboratory.stored() == []
    monkeypatch.setattr(sign_route, "look_of_case", look)
    assert laboratory.sign(laboratory.one).status_code == 201


def test_a_case_is_signed_while_others_are_at_work(
    laboratory: Laboratory, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among many reviewers something happens every second: a case that stays as it is can be signed all the same."""
    look, case = sign_route.look_of_case, laboratory.case
    state = laboratory.one.project_states.get(laboratory.project.id)
    seen = []

    def meanwhile(*given: Any) -> Any:
        def somebody_else() -> None:
            before = state.readings.snapshot("cell_type")
            laboratory.project.add(tiny_bundle, 5, seed=11, case="24-1188")
            seen.append((before, state.readings.snapshot("cell_type")))

        contextvars.Context().run(somebody_else)
        return look(*given)

    monkeypatch.setattr(sign_route, "look_of_case", meanwhile)
    signed = laboratory.sign(laboratory.one)
    assert signed.status_code == 201, signed.text
    ((before, after),) = seen
    assert len(after.ids) == len(before.ids) + 5
    assert after.says_as(before, case)
    one = int(after.of_case(case).argmax())
    for column in ("label", "predicted", "version"):
        other = getattr(after, column).copy()
        other[one] += 1
        assert not dataclasses.replace(after, **{column: other}).says_as(before, case)
    gone = after.case.copy()
    gone[one] = -1
    assert not dataclasses.replace(after, case=gone).says_as(before, case)
