"""Tags on cells: put on and taken off in bulk, shared by the project, in exports and the audit trail; saved views."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import delete, select, update

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.schemas.desk import Tags
from hemosight.service.storage import tags
from hemosight.service.storage.database import Database
from hemosight.service.storage.saved_views import MOST_SHARED
from hemosight.service.storage.tables import AuditRow, CellTag, Event, Member, SavedView, User
from hemosight.service.storage.tags import MOST_OF_CELL, MOST_TAGS

pytestmark = pytest.mark.service


@dataclass
class Desk:
    """A project of six cells, and its people at the door."""

    project: Filled
    cells: list[int]
    path: str
    people: dict[str, Visitor]

    def tag(self, name: str, images: list[int], person: str = "reviewer", *, on: bool = True) -> Any:
        """Put a tag on cells, or take it off."""
        body = {"tag": name, "images": images, "on": on}
        return self.people[person].post(f"{self.path}/tags", json=body)

    def tags(self) -> dict[str, list[int]]:
        """The tags as the viewer sees them."""
        items = self.people["viewer"].get(f"{self.path}/tags").json()["items"]
        return {one["name"]: one["images"] for one in items}

    def audited(self, noun: str) -> list[tuple[str, dict[str, Any]]]:
        """Rows of the audit trail."""
        with self.project.database.session() as session:
            query = select(AuditRow.action, AuditRow.subject).where(AuditRow.action.startswith(f"{noun}."))
            return [(action, subject) for action, subject in session.execute(query.order_by(AuditRow.id))]

    def exported(self, kind: str) -> bytes:
        """An export of the project."""
        viewer = self.people["viewer"]
        made = viewer.post(f"{self.path}/exports", json={"format": kind})
        assert made.status_code == 201, made.text
        return viewer.get(f"{self.path}/exports/{made.json()['id']}").content


@pytest.fixture
def desk(database: Database, tiny_bundle: Bundle) -> Desk:
    with database.session() as session:
        BundleRegistry(tiny_bundle).register(session)
    project = fill(database, tiny_bundle, 6)
    app, people = app_on(database, tiny_bundle), {}
    for role in ("admin", "reviewer", "viewer"):
        account = add_user(database, role)
        with database.session() as session:
            session.add(Member(project_id=project.id, user_id=account, role=role))
        people[role] = browser(app, role)
    return Desk(project, project.images, f"/projects/{project.id}", people)


def test_a_tag_goes_on_and_off_and_says_what_that_changed(desk: Desk) -> None:
    first, second, third = desk.cells[:3]
    assert desk.tag("ask Amina", [first, second]).json()["images"] == [first, second]
    answer = desk.tag("  ASK amina ", [second, third]).json()
    assert answer == {"tag": "ask Amina", "on": True, "images": [third]}, "one tag, and the second cell had it"
    desk.tag("Auer rod", [third])
    assert desk.tags() == {"ask Amina": [first, second, third], "Auer rod": [third]}
    assert desk.tag("ask Amina", [third, desk.cells[4]], on=False).json()["images"] == [third]
    assert desk.tag("Auer rod", [third], on=False).json()["images"] == [third]
    assert desk.tags() == {"ask Amina": [first, second]}, "a tag is there as long as a cell has it"
    assert desk.tag("unheard of", [first], on=False).json()["images"] == []


def test_tags_are_sent_where_they_are_new(desk: Desk) -> None:
    """Every tab asks again at every event: a page of numbers that it has is not sent once more."""
    odd = 'say "\\odd" ä'
    desk.tag(odd, [desk.cells[2], desk.cells[0]])
    desk.tag("Auer rod", desk.cells[:1])
    viewer = desk.people["viewer"]
    first = viewer.get(f"{desk.path}/tags")
    assert Tags.model_validate_json(first.content, strict=True).model_dump() == {
        "items": [
            {"name": "Auer rod", "images": desk.cells[:1]},
            {"name": odd, "images": [desk.cells[0], desk.cells[2]]},
        ]
    }
    known = {"If-None-Match": first.headers["ETag"]}
    again = viewer.get(f"{desk.path}/tags", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    desk.tag("Auer rod", desk.cells[1:2])
    assert viewer.get(f"{desk.path}/tags", headers=known).status_code == 200


def test_undoing_is_sending_what_changed_with_the_other_sign(desk: Desk) -> None:
    desk.tag("odd", desk.cells[:1])
    before = desk.tags()
    done = desk.tag("odd", desk.cells[:4]).json()
    desk.tag(done["tag"], done["images"], on=not done["on"])
    assert desk.tags() == before


def test_who_did_what_is_in_the_audit_trail_and_on_the_cell(desk: Desk) -> None:
    first, second = desk.cells[:2]
    desk.tag("odd", [second, first])
    desk.tag("odd", [second, first])
    desk.tag("odd", [first], on=False)
    assert desk.audited("tag") == [
        ("tag.add", {"tag": "odd", "images": [first, second]}),
        ("tag.remove", {"tag": "odd", "images": [first]}),
    ], "what changed nothing is nothing to tell"
    (shown,) = desk.people["viewer"].get(f"{desk.path}/images/{second}").json()["tags"]
    assert shown["name"] == "odd"
    assert shown["user"] == desk.people["reviewer"].get("/session").json()["user"]["id"]
    with desk.project.database.session() as session:
        noted = session.scalars(select(Event.data).where(Event.kind == "tags").order_by(Event.id)).all()
    assert [(one["tag"], one["cells"]) for one in noted] == [("odd", 2), ("odd", 1)]


def test_a_signed_case_takes_tags_which_are_no_labels(desk: Desk, tiny_bundle: Bundle) -> None:
    own = desk.project.add(tiny_bundle, 2, seed=3, case="S-1")
    desk.project.say(dict.fromkeys(own, "blast"))
    case = desk.people["viewer"].get(f"{desk.path}/cases").json()["items"][0]["id"]
    signed = desk.people["reviewer"].post(f"{desk.path}/signatures", json={"case": case, "note": "two cells"})
    assert signed.status_code == 201, signed.text
    fingerprint = signed.json()["fingerprint"]
    assert desk.tag("Auer rod", own).json()["images"] == own
    (now,) = desk.people["viewer"].get(f"{desk.path}/signatures").json()["items"]
    assert (now["fingerprint"], now["current"]) == (fingerprint, True)


def test_tags_leave_with_the_cells(desk: Desk) -> None:
    first, second = desk.cells[:2]
    first_line = desk.exported("csv").decode().splitlines()[0]
    assert "tags" in first_line.split(","), "the column is there where no cell has any"
    desk.tag("odd", [first, second])
    desk.tag("ask Amina", [first])
    assert desk.exported("csv").decode().splitlines()[0] == first_line
    rows = {int(row["image"]): row["tags"] for row in csv.DictReader(io.StringIO(desk.exported("csv").decode()))}
    assert (rows[first], rows[second], rows[desk.cells[2]]) == ("ask Amina; odd", "odd", "")
    listed = {one["image"]: one["tags"] for one in json.loads(desk.exported("json"))}
    assert listed[first] == "ask Amina; odd"
    assert listed[desk.cells[2]] is None
    with zipfile.ZipFile(io.BytesIO(desk.exported("label-studio"))) as archive:
        tasks = {one["id"]: one["data"]["tags"] for one in json.loads(archive.read("tasks.json"))}
    assert (tasks[second], tasks[desk.cells[2]]) == ("odd", None)
    listed = desk.people["viewer"].get(f"{desk.path}/images", params={"tag": "odd"}).json()["items"]
    assert [one["id"] for one in listed] == [first, second]


def test_tags_go_with_their_cells_and_their_project(desk: Desk) -> None:
    first, second = desk.cells[:2]
    desk.tag("odd", [first, second])
    admin = desk.people["admin"]
    assert admin.post(f"{desk.path}/images/delete", json={"images": [first]}).status_code == 200
    assert desk.tags() == {"odd": [second]}
    admin.put(f"{desk.path}/views", json={"name": "mine", "view": {}})
    assert admin.delete(desk.path).status_code == 204
    with desk.project.database.session() as session:
        assert session.scalars(select(CellTag)).all() == []
        assert session.scalars(select(SavedView)).all() == []


def test_what_does_not_fit_is_refused_whole(desk: Desk, tiny_bundle: Bundle) -> None:
    first = desk.cells[0]
    assert desk.tag("odd", [first], "viewer").status_code == 403
    assert desk.tag("odd", [first, 10**9]).status_code == 404
    for name in ("", " ", "a;b", "x" * 41, "a\nb"):
        assert desk.tag(name, [first]).status_code == 422, name
    other = fill(desk.project.database, tiny_bundle, 1, name="other")
    assert desk.tag("odd", other.images).status_code == 404, "a cell of another project"
    assert desk.tags() == {}
    with desk.project.database.session() as session:
        user = session.scalar(select(Member.user_id).where(Member.project_id == desk.project.id))
        for number in range(MOST_TAGS):
            session.add(CellTag(image_id=first, name=f"t{number}", project_id=desk.project.id, user_id=user))
    refused = desk.tag("one more", [first])
    assert refused.status_code == 422
    assert f"at most {MOST_TAGS} tags" in refused.json()["error"]["message"]
    assert desk.tag("T7", [desk.cells[1]]).status_code == 200, "one that is there goes on"


def test_a_cell_and_all_tags_together_have_an_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = desk.cells[:3]
    for number in range(MOST_OF_CELL):
        assert desk.tag(f"t{number}", [first]).status_code == 200
    refused = desk.tag("one more", [first, second])
    assert refused.status_code == 422
    assert f"at most {MOST_OF_CELL} tags on a cell" in refused.json()["error"]["message"]
    assert "one more" not in desk.tags(), "refused whole"
    assert desk.tag("t3", [first, second]).json()["images"] == [second], "what it has already is no tag more"
    monkeypatch.setattr(tags, "MOST_PLACES", MOST_OF_CELL + 2)
    assert desk.tag("t4", [second, first]).json()["images"] == [second]
    refused = desk.tag("t4", [third])
    assert (refused.status_code, "22 cells under all tags" in refused.json()["error"]["message"]) == (422, True)
    assert desk.tag("t4", [first, second]).json()["images"] == [], "nothing new needs no room"
    assert desk.tag("t4", [first], on=False).status_code == 200
    assert desk.tag("t4", [third]).status_code == 200, "there is room again"


# --- views ---------------------------------------------------------------------------------------------------------

VIEW = {
    "sort": "novel",
    "filter": {"who": "model", "certainty": 0.7, "unusual": False, "counted": "all", "tag": "odd"},
    "unusual_apart": False,
    "size": 120,
    "folded": ["platelet", "?"],
    "label_set": "cell_type",
}


def _views(desk: Desk, person: str) -> list[tuple[str, str, bool]]:
    items = desk.people[person].get(f"{desk.path}/views").json()["items"]
    return [(one["name"], one["by"], one["shared"]) for one in items]


def _keep(desk: Desk, person: str, name: str, **given: Any) -> Any:
    return desk.people[person].put(f"{desk.path}/views", json={"name": name, "view": VIEW, **given})


def test_a_view_is_its_owners_until_it_is_shared(desk: Desk) -> None:
    kept = _keep(desk, "reviewer", "to be asked")
    assert kept.status_code == 200, kept.text
    assert kept.json()["view"] == VIEW
    assert _views(desk, "reviewer") == [("to be asked", "Reviewer", False)]
    assert _views(desk, "admin") == []
    again = _keep(desk, "reviewer", "to be asked", shared=True).json()
    assert again["id"] == kept.json()["id"], "the same name is one view"
    _keep(desk, "admin", "to be asked")
    assert _views(desk, "admin") == [("to be asked", "Admin", False), ("to be asked", "Reviewer", True)]
    assert _views(desk, "viewer") == [("to be asked", "Reviewer", True)]


def test_views_are_forgotten_by_their_owner_or_an_administrator(desk: Desk) -> None:
    own = _keep(desk, "reviewer", "own").json()["id"]
    shared = _keep(desk, "reviewer", "shared", shared=True).json()["id"]
    people = desk.people
    assert people["viewer"].delete(f"{desk.path}/views/{own}").status_code == 404, "what one does not see"
    assert people["viewer"].delete(f"{desk.path}/views/{shared}").status_code == 403
    assert people["admin"].delete(f"{desk.path}/views/{shared}").status_code == 204
    assert people["reviewer"].delete(f"{desk.path}/views/{own}").status_code == 204
    assert _views(desk, "reviewer") == []
    assert [action for action, _ in desk.audited("view")] == ["view.keep", "view.keep", "view.forget", "view.forget"]


def test_who_may_only_look_keeps_views_and_shares_none(desk: Desk) -> None:
    assert _keep(desk, "viewer", "mine").status_code == 200
    assert _keep(desk, "viewer", "ours", shared=True).status_code == 403
    assert _views(desk, "viewer") == [("mine", "Viewer", False)]


def test_a_view_is_shared_as_long_as_its_owner_may_share(desk: Desk) -> None:
    """Nobody speaks in a project who was removed from it, or may only look: what they left is theirs alone."""
    _keep(desk, "reviewer", "ours", shared=True)
    admin, seat = desk.people["admin"], desk.people["reviewer"].get("/session").json()["user"]["id"]
    assert _views(desk, "viewer") == [("ours", "Reviewer", True)]
    for change in (
        lambda: admin.put(f"{desk.path}/members/{seat}", json={"role": "viewer"}),
        lambda: admin.delete(f"{desk.path}/members/{seat}"),
    ):
        assert change().status_code in (200, 204)
        assert _views(desk, "viewer") == _views(desk, "admin") == []
    again = {"role": "reviewer", "name": "reviewer"}  # who is no member is named
    assert admin.put(f"{desk.path}/members/{seat}", json=again).status_code == 200
    assert _views(desk, "viewer") == [("ours", "Reviewer", True)]
    with desk.project.database.session() as session:
        session.execute(update(User).where(User.id == seat).values(active=False))
    assert _views(desk, "viewer") == [], "an account that is closed"


def test_an_archived_project_takes_no_views(desk: Desk) -> None:
    admin = desk.people["admin"]
    _keep(desk, "viewer", "mine")
    assert admin.patch(desk.path, json={"archived": True}).status_code == 200
    for person in ("viewer", "reviewer", "admin"):
        refused = _keep(desk, person, "mine too")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_the_way"), person
    assert _views(desk, "viewer") == [("mine", "Viewer", False)], "what is there is taken up"


def test_a_view_and_what_is_shared_have_an_end(desk: Desk) -> None:
    long = [f"{number:03}".ljust(41, "x") for number in range(100)]
    refused = _keep(desk, "reviewer", "long", view={"folded": long})
    assert refused.status_code == 422
    assert "4100 characters together" in refused.text
    assert _keep(desk, "reviewer", "long", view={"folded": [one[:40] for one in long]}).status_code == 200
    with desk.project.database.session() as session:
        for person in desk.people.values():
            user = person.get("/session").json()["user"]["id"]
            for number in range(MOST_SHARED // 2):
                facts = {"project_id": desk.project.id, "user_id": user, "name": f"v{number}", "view": VIEW}
                session.add(SavedView(**facts, shared=True))
    # The owner of fifty may only look, so they are shared no more: fifty of each of the two others, and no other one.
    assert len([by for _, by, _ in _views(desk, "viewer") if by != "Viewer"]) == MOST_SHARED
    assert _keep(desk, "admin", "v50", shared=True).status_code == 422, "one of the administrator's own too many"
    assert _keep(desk, "admin", "v7").status_code == 200
    assert _keep(desk, "admin", "v7", shared=True).status_code == 200, "there is room again"
    with desk.project.database.session() as session:
        session.execute(delete(SavedView).where(SavedView.name == "v8"))
        users = select(SavedView.user_id).where(SavedView.name == "long")
        other = {"project_id": desk.project.id, "view": VIEW, "shared": True, "user_id": session.scalar(users)}
        session.add_all([SavedView(name=f"w{number}", **other) for number in range(2)])
    assert _keep(desk, "admin", "v8").status_code == 200, "there is room for one of one's own"
    refused = _keep(desk, "admin", "v8", shared=True)
    assert (refused.status_code, f"at most {MOST_SHARED} shared views" in refused.text) == (422, True)
    assert _keep(desk, "admin", "v7", shared=True).status_code == 200, "one that is there is kept anew"


def test_views_are_of_one_project_and_fit_their_form(desk: Desk, tiny_bundle: Bundle) -> None:
    number = _keep(desk, "admin", "mine", shared=True).json()["id"]
    other = fill(desk.project.database, tiny_bundle, 1, name="other")
    with desk.project.database.session() as session:
        user = session.scalar(select(SavedView.user_id))
        session.add(Member(project_id=other.id, user_id=user, role="admin"))
    assert desk.people["admin"].get(f"/projects/{other.id}/views").json()["items"] == []
    assert desk.people["admin"].delete(f"/projects/{other.id}/views/{number}").status_code == 404
    for wrong in ({"sort": "similar"}, {"size": 4}, {"filter": {"certainty": 2}}, {"color": "red"}):
        assert _keep(desk, "admin", "odd", view=wrong).status_code == 422, wrong
    assert _keep(desk, "admin", "\x07", view={}).status_code == 422
