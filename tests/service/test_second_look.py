"""Labels that look wrong, and comments that are dealt with."""

from __future__ import annotations

import csv
import io
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import select

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.doubts import doubts
from hemosight.service.storage import deletion
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, KnownBundle, Member


def test_only_labels_that_read_otherwise_are_doubted_the_surest_first() -> None:
    images, truth = np.array([11, 12, 13, 14]), np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.95, 0.05], [0.2, 0.8]])
    found = doubts(images, truth, probabilities, ["ig", "blast"])
    assert [(one.image, one.label, one.read) for one in found] == [(13, "blast", "ig"), (12, "ig", "blast")]
    assert (found[0].own, found[0].other) == (0.05, 0.95)


@dataclass
class Desk:
    """A project whose cells lie around their types, with two reviewers and a viewer."""

    project: Filled
    path: str
    people: dict[str, Visitor]
    accounts: dict[str, int]

    def get(self, path: str, **query: Any) -> Any:
        """Read as the viewer."""
        answer = self.people["viewer"].get(f"{self.path}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def label(self, items: dict[int, tuple[str, int]]) -> dict[int, int]:
        """Label cells over the versions given; gives the new versions."""
        said = [{"image": image, "label": label, "version": version} for image, (label, version) in items.items()]
        answer = self.people["one"].post(f"{self.path}/labels", json={"request": str(uuid.uuid4()), "items": said})
        assert answer.json()["conflicts"] == [], answer.text
        return {one["image"]: one["version"] for one in answer.json()["labels"]}


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 40)
    app, mark, people, accounts = app_on(module_database, tiny_bundle), uuid.uuid4().hex[:8], {}, {}
    for name, role in (("one", "reviewer"), ("two", "reviewer"), ("viewer", "viewer")):
        accounts[name] = add_user(module_database, f"{name}-{mark}")
        with module_database.session() as session:
            session.add(Member(project_id=project.id, user_id=accounts[name], role=role))
        people[name] = browser(app, f"{name}-{mark}")
    return Desk(project, f"/projects/{project.id}", people, accounts)


def test_a_slip_of_the_hand_is_found_and_goes_when_it_is_mended(desk: Desk) -> None:
    truth = desk.project.truth
    images = desk.project.images
    slip = next(image for image in images if truth[image] == "neutrophil")
    versions = desk.label({image: ("platelet" if image == slip else truth[image], 0) for image in images})
    found = desk.get("/doubts")
    assert found["labelled"] == len(images)
    first = next(one for one in found["items"] if one["image"] == slip)
    assert first["label"] == "platelet" != first["read"]
    assert first["own"] < first["other"]
    assert not first["repeated"]
    assert (first["by"], first["version"]) == (desk.accounts["one"], versions[slip])
    again = desk.label({slip: ("platelet", versions[slip])})
    shown = desk.get("/doubts")["items"]
    assert {one["image"]: one["repeated"] for one in shown}[slip], "somebody was asked again and said the same"
    assert [one["image"] for one in shown][-1] == slip, "and it goes to the end of the list"
    # Its own label teaches nothing of it: as soon as it says what the others say, nothing is to be doubted.
    desk.label({slip: (first["read"], again[slip])})
    assert slip not in [one["image"] for one in desk.get("/doubts")["items"]]


def test_doubts_are_of_the_case_that_is_asked_for(desk: Desk, tiny_bundle: Bundle) -> None:
    cells = desk.project.add(tiny_bundle, 12, seed=5, case="24-1187")
    truth = desk.project.truth
    slip = next(image for image in cells if truth[image] not in ("platelet", "blast"))
    desk.label({image: ("platelet" if image == slip else truth[image], 0) for image in [*desk.project.images, *cells]})
    case = desk.get("/cases")["items"][0]["id"]
    found = desk.get("/doubts", case=case)
    assert (found["labelled"], found["doubted"]) == (len(cells), len(found["items"]))
    assert (slip, case) in [(one["image"], one["case"]) for one in found["items"]]
    assert {one["case"] for one in found["items"]} == {case}
    assert slip not in [one["image"] for one in desk.get("/doubts", case=0)["items"]]
    everywhere = desk.get("/doubts")["doubted"]
    few = desk.get("/doubts", limit=1)
    assert everywhere > 1
    assert (len(few["items"]), few["doubted"]) == (1, everywhere), "how many there are, however few are shown"


def test_comments_are_listed_filtered_and_dealt_with(desk: Desk, tiny_bundle: Bundle) -> None:
    cell = desk.project.add(tiny_bundle, 1, seed=6, case="24-1187")[0]
    other = desk.project.images[0]
    one, two = desk.people["one"], desk.people["two"]
    for person, image, text in ((one, other, "Döhle body?"), (two, cell, "50% sure"), (one, cell, "a second look")):
        assert person.post(f"{desk.path}/images/{image}/comments", json={"text": text}).status_code == 201
    case = desk.get("/cases")["items"][0]["id"]

    def texts(**query: Any) -> list[str]:
        return [item["text"] for item in desk.get("/comments", **query)["items"]]

    assert texts() == ["a second look", "50% sure", "Döhle body?"]
    assert texts(case=case) == ["a second look", "50% sure"]
    assert texts(case=0) == ["Döhle body?"]
    assert texts(user=desk.accounts["two"]) == ["50% sure"]
    assert texts(text="döhle") == ["Döhle body?"]
    assert texts(text="0%") == ["50% sure"], "a percent sign is a letter like others"
    first = desk.get("/comments", limit=2)
    assert texts(after=first["next"]) == ["Döhle body?"]

    number = desk.get("/comments")["items"][1]["id"]
    path = f"{desk.path}/comments/{number}"
    assert desk.people["viewer"].patch(path, json={"resolved": True}).status_code == 403
    done = one.patch(path, json={"resolved": True}).json()
    assert (done["resolved"], done["resolved_by"]) == (True, desk.accounts["one"])
    assert texts(resolved=False) == ["a second look", "Döhle body?"]
    assert texts(resolved=True) == ["50% sure"]
    assert desk.get("/comments")["open"] == 2
    reopened = two.patch(path, json={"resolved": False}).json()
    assert (reopened["resolved"], reopened["resolved_by"]) == (False, None)
    assert desk.get("/comments")["open"] == 3
    assert one.patch(f"{desk.path}/comments/999999", json={"resolved": True}).status_code == 404
    with desk.project.database.session() as session:
        deletion.delete_cells(session, desk.project.id, [other])
    assert texts() == ["a second look", "50% sure"], "of cells that are there"


def test_a_comment_is_given_to_a_member_and_found_by_who_it_concerns(desk: Desk, tiny_bundle: Bundle) -> None:
    one, two, accounts = desk.people["one"], desk.people["two"], desk.accounts
    images = desk.project.images
    for person, image, text in ((one, images[0], "Auer rod?"), (two, images[1], "=smudge"), (one, images[2], "band?")):
        assert person.post(f"{desk.path}/images/{image}/comments", json={"text": text}).status_code == 201
    numbers = {item["text"]: item["id"] for item in desk.get("/comments")["items"]}

    def texts(**query: Any) -> list[str]:
        return [item["text"] for item in desk.get("/comments", **query)["items"]]

    path = f"{desk.path}/comments/{numbers['Auer rod?']}"
    to_two = {"assigned_to": accounts["two"]}
    assert desk.people["viewer"].patch(path, json=to_two).status_code == 403
    given = one.patch(path, json=to_two).json()
    assert (given["assigned_to"], given["assigned_by"], given["resolved"]) == (accounts["two"], accounts["one"], False)
    assert one.patch(path, json={"assigned_to": accounts["viewer"]}).status_code == 422, (
        "who may not answer is not asked"
    )
    assert one.patch(path, json={}).status_code == 422
    assert texts(assigned=accounts["two"]) == ["Auer rod?"]
    assert texts(assigned=0) == ["band?", "=smudge"]
    assert texts(concerns=accounts["two"]) == ["=smudge", "Auer rod?"]
    done = two.patch(path, json={"resolved": True}).json()
    assert (done["assigned_to"], done["resolved_by"]) == (accounts["two"], accounts["two"]), "what is left away stays"
    assert texts(concerns=accounts["two"], resolved=False) == ["=smudge"]
    assert one.patch(path, json={"assigned_to": None}).json()["assigned_to"] is None
    assert texts(assigned=accounts["two"]) == []

    taken = desk.people["viewer"].post(f"{desk.path}/comments/export", params={"user": accounts["two"]})
    assert taken.status_code == 200, taken.text
    (row,) = csv.DictReader(io.StringIO(taken.text))
    assert row["text"] == "'=smudge", "nothing that a spreadsheet would compute"
    assert (row["by"].lower()[:3], row["resolved"]) == ("two", "false")
    with desk.project.database.session() as session:
        query = select(AuditRow.action).where(AuditRow.project_id == desk.project.id)
        noted = session.scalars(query.where(AuditRow.action.startswith("comment.")).order_by(AuditRow.id)).all()
    assert noted == [*["comment.add"] * 3, "comment.assign", "comment.mark", "comment.assign", "comment.export"]
