"""Cases as the unit of work: the worklist's numbers, the specimen, moving and deleting, each right and each event."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, program
from projects import Filled, fill
from sqlalchemy import select, text

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.columns import unpack
from hemosight.service.storage import events, labels, uploads
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import LabelOfEvent, LabelsEvent
from hemosight.service.storage.tables import (
    AuditRow,
    CellEmbedding,
    CurrentLabelRow,
    Event,
    Image,
    KnownBundle,
    LabelRecord,
    Member,
    Picture,
    Signature,
)

pytestmark = pytest.mark.service


@dataclass
class Desk:
    """A project with two cases and cells without one; an administrator, two reviewers and a viewer."""

    app: FastAPI
    project: Filled
    path: str
    people: dict[str, Visitor]
    accounts: dict[str, int]
    first: int
    second: int
    cells: dict[str, list[int]] = field(default_factory=dict)

    def cases(self) -> dict[str, dict[str, Any]]:
        """The worklist by key."""
        answer = self.people["admin"].get(f"{self.path}/cases")
        assert answer.status_code == 200, answer.text
        return {case["key"]: case for case in answer.json()["items"]}

    def label(self, items: dict[int, str]) -> None:
        """Label cells that nobody labelled, as the first reviewer."""
        said = [{"image": image, "label": label, "version": 0} for image, label in items.items()]
        answer = self.people["one"].post(f"{self.path}/labels", json={"request": str(uuid.uuid4()), "items": said})
        assert answer.status_code == 200, answer.text

    def sign(self, case: int) -> None:
        """Sign, as the first reviewer."""
        body = {"case": case, "role": "first", "note": "read by the model"}
        answer = self.people["one"].post(f"{self.path}/signatures", json=body)
        assert answer.status_code == 201, answer.text

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What browsers were told, of one kind."""
        with self.project.database.session() as session:
            query = select(Event.data).where(Event.project_id == self.project.id, Event.kind == kind)
            return list(session.scalars(query.order_by(Event.id)))

    def trail(self, action: str) -> list[dict[str, Any]]:
        """What the audit trail says of an action."""
        with self.project.database.session() as session:
            query = select(AuditRow.subject).where(AuditRow.project_id == self.project.id, AuditRow.action == action)
            return list(session.scalars(query.order_by(AuditRow.id)))

    def columns(self, **query: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The project as the page reads it."""
        return unpack(self.people["viewer"].get(f"{self.path}/columns", params=query).content)


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 0)
    cells = {
        "A": project.add(tiny_bundle, 12, seed=1, case="A"),
        "B": project.add(tiny_bundle, 8, seed=2, case="B"),
        "": project.add(tiny_bundle, 5, seed=3),
    }
    mark, accounts = uuid.uuid4().hex[:8], {}
    for name, role in (("admin", "admin"), ("one", "reviewer"), ("two", "reviewer"), ("viewer", "viewer")):
        accounts[name] = add_user(module_database, f"{name}-{mark}")
        with module_database.session() as session:
            session.add(Member(project_id=project.id, user_id=accounts[name], role=role))
    app = app_on(module_database, tiny_bundle)
    people = {name: program(app, user) for name, user in accounts.items()}  # a password takes a second each
    made = Desk(app, project, f"/projects/{project.id}", people, accounts, 0, 0, cells)
    made.first, made.second = (made.cases()[key]["id"] for key in "AB")
    return made


# --- the worklist -----------------------------------------------------------------------------------------


def test_the_worklist_counts_every_case_by_itself(desk: Desk) -> None:
    cells = desk.cells["A"]
    desk.project.say({cells[0]: "blast", cells[1]: "?", cells[2]: "blast", cells[3]: "neutrophil"})
    with desk.project.database.session() as session:
        session.execute(text("UPDATE embeddings SET novelty = 1.5 WHERE image_id = ANY(:ids)"), {"ids": cells[:6]})
    desk.app.state.project_states.drop(desk.project.id)
    found = desk.cases()
    header, columns = desk.columns()
    classes = [one["name"] for one in header["classes"]]
    of_a = columns["case"] == desk.first
    read_blast = of_a & (columns["label"] == 255) & (columns["predicted"] == classes.index("blast"))
    assert (
        found["A"]
        | {
            "images": 12,
            "read": 12,
            "labelled": 3,
            "unsure": 1,
            "unusual": 2,
            "unreadable": 0,
            "blasts": 2 + int(read_blast.sum()),
            "state": "in_review",
        }
        == found["A"]
    )
    assert (found["B"]["images"], found["B"]["labelled"], found["B"]["unusual"]) == (8, 0, 0)
    assert found["B"]["state"] == "new"
    assert desk.people["one"].get(f"{desk.path}/cases").json()["without_case"] == 5


def test_what_cannot_be_read_is_flagged_and_what_waits_is_not_read(desk: Desk, tiny_bundle: Bundle) -> None:
    torn = desk.project.add(tiny_bundle, 3, seed=11, case="C", read=False)
    desk.project.read(torn[:1], unreadable=True)
    found = desk.cases()["C"]
    assert (found["images"], found["read"], found["unreadable"]) == (3, 1, 1)


def test_a_case_goes_from_new_to_amended(desk: Desk) -> None:
    states = [desk.cases()["A"]["state"]]
    desk.label({desk.cells["A"][0]: "neutrophil"})
    states.append(desk.cases()["A"]["state"])
    desk.sign(desk.first)
    signed = desk.cases()["A"]
    states.append(signed["state"])
    assert signed["signed"]
    assert signed["signed_at"] is not None
    desk.people["two"].post(f"{desk.path}/cases/{desk.first}/amendment", json={"reason": "a second look"})
    states.append(desk.cases()["A"]["state"])
    desk.label({desk.cells["A"][1]: "blast"})
    states.append(desk.cases()["A"]["state"])
    desk.sign(desk.first)
    states.append(desk.cases()["A"]["state"])
    assert states == ["new", "in_review", "signed", "amended", "amended", "signed"]
    assert (signed["version"], desk.cases()["A"]["version"]) == (1, 2)


def test_a_record_of_an_older_version_did_not_lock_its_case(desk: Desk) -> None:
    desk.sign(desk.first)
    with desk.project.database.session() as session:
        # As it was before cases were locked: a label straight into the table.
        label_set = labels.label_set_of(session, desk.project.id, "cell_type").id
        facts = {"project_id": desk.project.id, "image_id": desk.cells["A"][1], "label_set_id": label_set}
        facts |= {"label": "blast", "user_id": desk.accounts["one"], "kind": "set", "request": uuid.uuid4()}
        row = LabelRecord(**facts, bundle_id=desk.project.bundle, taught_until=0)
        session.add(row)
        session.flush()
        current = {"image_id": row.image_id, "label_set_id": label_set, "label_id": row.id, "label": "blast"}
        session.add(CurrentLabelRow(**current))
        said = {"image": row.image_id, "label_set": "cell_type", "label": "blast", "version": row.id}
        told = LabelOfEvent(**said, user=desk.accounts["one"])
        events.tell(session, desk.project.id, LabelsEvent(labels=[told], by=desk.accounts["one"]))
    assert desk.cases()["A"]["state"] == "amended"


def test_a_label_in_one_case_changes_no_other_state(desk: Desk) -> None:
    desk.label({desk.cells["A"][0]: "neutrophil"})
    assert desk.cases()["B"]["state"] == "new"


# --- the specimen -----------------------------------------------------------------------------------------


def test_a_specimen_is_described_and_assigned(desk: Desk) -> None:
    given = {
        "key": "24-1187",
        "accession": "H26-004711",
        "collected_at": "2026-03-02T07:40:00Z",
        "received_at": "2026-03-02T08:55:00Z",
        "note": "second smear",
        "wbc": 11.4,
        "assigned_to": desk.accounts["two"],
    }
    answer = desk.people["one"].patch(f"{desk.path}/cases/{desk.first}", json=given)
    assert answer.status_code == 200, answer.text
    assert desk.cases()["24-1187"] | given == desk.cases()["24-1187"]
    assert desk.events("case")[-1] == {"kind": "case", "case": desk.first, "deleted": False}
    assert desk.trail("case.change")[-1]["key_before"] == "A"
    # The page names cases by the columns: the new key is in them at once.
    assert {"id": desk.first, "key": "24-1187", "locked": False} in desk.columns()[0]["cases"]


def test_null_takes_a_value_away_and_what_is_left_away_stays(desk: Desk) -> None:
    path = f"{desk.path}/cases/{desk.first}"
    desk.people["one"].patch(path, json={"wbc": 4.2, "accession": "H1", "assigned_to": desk.accounts["two"]})
    shown = desk.people["one"].patch(path, json={"wbc": None, "assigned_to": None, "key": None}).json()
    assert (shown["key"], shown["wbc"], shown["accession"], shown["assigned_to"]) == ("A", None, "H1", None)
    assert desk.people["one"].patch(path, json={"accession": None}).json()["accession"] == ""


@pytest.mark.parametrize(
    ("given", "status"),
    [({"key": "B"}, 409), ({"wbc": 0}, 422), ({"wbc": -1}, 422), ({"collected_at": "2026-03-02T07:40:00"}, 422)],
)
def test_what_does_not_fit_is_refused(desk: Desk, given: dict[str, Any], status: int) -> None:
    before = desk.cases()
    assert desk.people["one"].patch(f"{desk.path}/cases/{desk.first}", json=given).status_code == status
    assert desk.cases() == before


def test_a_case_is_assigned_to_whoever_may_review_it(desk: Desk, module_database: Database) -> None:
    stranger = add_user(module_database, f"stranger-{uuid.uuid4().hex[:8]}")
    for person in (stranger, desk.accounts["viewer"]):
        answer = desk.people["one"].patch(f"{desk.path}/cases/{desk.first}", json={"assigned_to": person})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unfit")


def test_cells_without_a_case_can_be_asked_for_by_themselves(desk: Desk) -> None:
    listed = desk.people["one"].get(f"{desk.path}/images", params={"case": 0}).json()["items"]
    assert [cell["id"] for cell in listed] == desk.cells[""]
    asked = desk.people["one"].get(f"{desk.path}/next", params={"case": 0, "n": 50}).json()["items"]
    assert {cell["image"] for cell in asked} == set(desk.cells[""])
    shown = desk.people["one"].get(f"{desk.path}/differential", params={"case": 0}).json()
    counted = sum(row["after"]["count"] for row in shown["rows"]) + sum(row["after"] for row in shown["apart"].values())
    assert counted == 5
    exported = desk.people["one"].export(desk.path, case=0, format="csv").text
    assert len(exported.splitlines()) == 1 + 5


# --- moving and renaming ----------------------------------------------------------------------------------


def test_cells_move_with_their_labels(desk: Desk) -> None:
    event = desk.columns()[0]["event"]
    moving = desk.cells["A"][:3]
    desk.label({moving[0]: "blast"})
    answer = desk.people["one"].post(f"{desk.path}/images/move", json={"images": moving, "case": desk.second})
    assert answer.json() == {"cells": 3}
    found = desk.cases()
    assert (found["A"]["images"], found["A"]["state"]) == (9, "new")
    assert (found["B"]["images"], found["B"]["labelled"], found["B"]["state"]) == (11, 1, "in_review")
    # Browsers learn it from an event and a small delta, not by loading everything.
    assert desk.events("images")[-1]["moved"] == 3
    header, columns = desk.columns(since=event)
    assert not header["full"]
    moved = dict(zip(columns["id"].astype(int).tolist(), columns["case"].tolist(), strict=True))
    assert {image: moved[image] for image in moving} == dict.fromkeys(moving, desk.second)
    (trace,) = desk.trail("image.move")
    assert trace["case"] == desk.second
    # A set of facts: the database gives the rows in any order.
    assert {entry["image"]: entry["case"] for entry in trace["before"]} == dict.fromkeys(moving, desk.first)


def test_cells_move_to_no_case_and_a_second_time_nothing_moves(desk: Desk) -> None:
    for moved in (12, 0):
        answer = desk.people["one"].post(f"{desk.path}/images/move", json={"images": desk.cells["A"], "case": None})
        assert answer.json() == {"cells": moved}
    assert len(desk.trail("image.move")) == 1
    assert desk.people["one"].get(f"{desk.path}/cases").json()["without_case"] == 17


def test_a_cell_is_renamed(desk: Desk) -> None:
    image = desk.cells["A"][0]
    answer = desk.people["one"].patch(f"{desk.path}/images/{image}", json={"name": "slide 2/143.png"})
    assert answer.status_code == 204
    assert desk.people["viewer"].get(f"{desk.path}/images/{image}").json()["name"] == "slide 2/143.png"
    assert desk.events("images")[-1]["renamed"] == 1
    assert desk.trail("image.rename") == [{"image": image, "name": "slide 2/143.png", "before": "cell-0.png"}]


# --- deleting ---------------------------------------------------------------------------------------------


def test_deleted_cells_are_gone_and_leave_a_trace(desk: Desk) -> None:
    gone, stays = desk.cells["A"][:2], desk.cells["A"][2:]
    desk.label({gone[0]: "blast", stays[0]: "neutrophil"})
    desk.people["one"].post(f"{desk.path}/images/{gone[0]}/comments", json={"text": "two nuclei"})
    before = desk.columns()[0]["event"]
    answer = desk.people["admin"].post(f"{desk.path}/images/delete", json={"images": gone})
    assert answer.json() == {"cells": 2}
    header, columns = desk.columns(since=before)
    assert header["full"]
    assert set(gone).isdisjoint(columns["id"].astype(int).tolist())
    assert (desk.cases()["A"]["images"], desk.cases()["A"]["labelled"]) == (10, 1)
    for path in ("", "/picture", "/thumbnail", "/neighbours"):
        assert desk.people["one"].get(f"{desk.path}/images/{gone[0]}{path}").status_code == 404, path
    assert desk.events("images")[-1]["removed"] == 2
    (noted,) = desk.trail("image.delete")
    assert [(cell["image"], cell["case"]) for cell in noted["cells"]] == [(image, desk.first) for image in gone]
    assert "cell-0.png" not in str(noted), "a file's name may lead to a patient"
    with desk.project.database.session() as session:
        said = session.scalars(select(LabelRecord.label).where(LabelRecord.image_id == gone[0])).all()
        assert said == ["blast"]
        for table in (CellEmbedding, CurrentLabelRow):
            assert session.scalar(select(table.image_id).where(table.image_id.in_(gone))) is None
        sha = bytes.fromhex(noted["cells"][0]["sha256"])
        assert session.get(Picture, sha) is not None
        uploads.forget_unused_pictures(session)
    with desk.project.database.session() as session:
        assert session.get(Picture, sha) is None, "the picture goes with the last cell that shows it"


def test_what_was_said_of_a_deleted_cell_counts_nowhere_and_cannot_come_back(desk: Desk) -> None:
    gone, other = desk.cells["A"][:2]
    desk.label({gone: "blast"})
    desk.label({other: "neutrophil"})
    with desk.project.database.session() as session:
        record = session.scalar(select(LabelRecord.id).where(LabelRecord.image_id == gone))
    desk.people["admin"].post(f"{desk.path}/images/delete", json={"images": [gone]})
    agreement = desk.people["one"].get(f"{desk.path}/agreement").json()
    assert agreement["human_model"]["n"] == 1
    undo = {"request": str(uuid.uuid4()), "labels": [record]}
    assert desk.people["one"].post(f"{desk.path}/labels/undo", json=undo).status_code == 404
    again = {"request": str(uuid.uuid4()), "items": [{"image": gone, "label": "blast", "version": record}]}
    assert desk.people["one"].post(f"{desk.path}/labels", json=again).status_code == 404
    # A differential over the rest can be signed: labels of deleted cells are not waited for.
    desk.sign(desk.first)


def test_the_model_forgets_what_a_deleted_cell_taught(desk: Desk) -> None:
    state = desk.app.state.project_states.get(desk.project.id)
    before = state.readings.snapshot("cell_type")
    taught = desk.cells["A"]
    desk.label(dict.fromkeys(taught, "blast"))
    assert state.settle("cell_type")
    others = ~np.isin(before.ids, taught)
    assert not np.allclose(state.readings.snapshot("cell_type").probabilities[others], before.probabilities[others])
    desk.people["admin"].post(f"{desk.path}/images/delete", json={"images": taught})
    assert state.settle("cell_type")
    np.testing.assert_allclose(
        state.readings.snapshot("cell_type").probabilities, before.probabilities[others], atol=1e-5
    )


def test_a_case_is_deleted_with_its_cells(desk: Desk) -> None:
    desk.label({desk.cells["A"][0]: "blast"})
    answer = desk.people["admin"].delete(f"{desk.path}/cases/{desk.first}")
    assert answer.status_code == 204
    assert set(desk.cases()) == {"B"}
    assert desk.columns()[0]["total"] == 13
    assert desk.events("case")[-1] == {"kind": "case", "case": desk.first, "deleted": True}
    (noted,) = desk.trail("case.delete")
    assert (noted["key"], len(noted["cells"])) == ("A", 12)
    assert desk.people["admin"].delete(f"{desk.path}/cases/{desk.first}").status_code == 404


def test_a_project_is_deleted_for_everybody(desk: Desk) -> None:
    desk.label({desk.cells["A"][0]: "blast"})
    assert desk.people["admin"].delete(desk.path).status_code == 204
    for name, person in desk.people.items():
        assert person.get(desk.path).status_code == 404, name
        assert desk.project.id not in [item["id"] for item in person.get("/projects").json()["items"]]
    assert desk.events("project_deleted") == [{"kind": "project_deleted"}]
    assert desk.trail("project.delete") == [{"project": desk.project.id, "name": "slides", "cells": 25}]
    with desk.project.database.session() as session:
        assert session.scalar(select(Image.id).where(Image.project_id == desk.project.id)) is None
        assert session.scalar(select(LabelRecord.label).where(LabelRecord.project_id == desk.project.id)) == "blast"


def test_nothing_of_a_signed_record_moves_or_goes(desk: Desk) -> None:
    desk.sign(desk.first)
    admin, cells = desk.people["admin"], desk.cells
    before = (desk.cases(), desk.columns()[0]["total"])
    refused = [
        admin.delete(f"{desk.path}/cases/{desk.first}"),
        admin.delete(desk.path),
        admin.post(f"{desk.path}/images/delete", json={"images": [cells["B"][0], cells["A"][0]]}),
        admin.post(f"{desk.path}/images/move", json={"images": cells["A"][:1], "case": desk.second}),
        admin.post(f"{desk.path}/images/move", json={"images": cells["B"][:1], "case": desk.first}),
        admin.patch(f"{desk.path}/cases/{desk.first}", json={"key": "other blood"}),
        admin.patch(f"{desk.path}/cases/{desk.first}", json={"wbc": 99}),
    ]
    codes = [(answer.status_code, answer.json()["error"]["code"]) for answer in refused]
    assert codes == [(409, "in_the_way")] * 4 + [(409, "locked")] * 3
    assert all("signed" in answer.json()["error"]["message"] for answer in refused)
    assert (desk.cases(), desk.columns()[0]["total"]) == before
    # Another case of the same project is as free as before.
    assert admin.delete(f"{desk.path}/cases/{desk.second}").status_code == 204


def test_cells_signed_as_a_whole_project_stay(desk: Desk, tiny_bundle: Bundle) -> None:
    admin = desk.people["admin"]
    for case in (desk.first, desk.second):
        assert admin.delete(f"{desk.path}/cases/{case}").status_code == 204
    with desk.project.database.session() as session:
        # Only older versions signed all cells of a project together.
        facts = {"project_id": desk.project.id, "user_id": desk.accounts["one"], "bundle_id": desk.project.bundle}
        session.add(Signature(**facts, role="first", reviewed_until=0, differential={}))
    later = desk.project.add(tiny_bundle, 2, seed=21)
    kept = admin.post(f"{desk.path}/images/delete", json={"images": desk.cells[""][:1]})
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "in_the_way")
    assert admin.post(f"{desk.path}/images/delete", json={"images": later}).json() == {"cells": 2}


def test_who_may_what(desk: Desk) -> None:
    cells = desk.cells["A"]

    def asked(name: str) -> list[int]:
        person, case = desk.people[name], f"{desk.path}/cases/{desk.first}"
        return [
            person.get(f"{desk.path}/cases").status_code,
            person.patch(case, json={"note": name}).status_code,
            person.post(f"{desk.path}/images/move", json={"images": cells[:1], "case": desk.second}).status_code,
            person.patch(f"{desk.path}/images/{cells[0]}", json={"name": name}).status_code,
            person.post(f"{desk.path}/images/delete", json={"images": cells[1:2]}).status_code,
            person.delete(case).status_code,
            person.delete(desk.path).status_code,
        ]

    assert asked("viewer") == [200, 403, 403, 403, 403, 403, 403]
    assert asked("one") == [200, 200, 200, 204, 403, 403, 403]
    assert asked("admin") == [200, 200, 200, 204, 200, 204, 204]


def test_cells_of_another_project_are_out_of_reach(desk: Desk, tiny_bundle: Bundle) -> None:
    other = fill(desk.project.database, tiny_bundle, 2)
    admin = desk.people["admin"]
    for path, more in (("delete", {}), ("move", {"case": desk.first})):
        mixed = {"images": [desk.cells["A"][0], other.images[0]], **more}
        assert admin.post(f"{desk.path}/images/{path}", json=mixed).status_code == 404
    assert admin.patch(f"{desk.path}/images/{other.images[0]}", json={"name": "x"}).status_code == 404
    assert desk.cases()["A"]["images"] == 12, "a refused request deletes nothing"
    with desk.project.database.session() as session:
        assert len(session.scalars(select(Image.id).where(Image.project_id == other.id)).all()) == 2
