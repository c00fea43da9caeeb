"""Projects, members, cases and the audit trail, over HTTP on a real PostgreSQL."""

from __future__ import annotations

import hashlib

import pytest
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, browser
from sqlalchemy import insert, select

from hemosight.engine.bundle import Bundle
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import (
    CellEmbedding,
    CurrentLabelRow,
    Image,
    LabelRecord,
    LabelSet,
    Picture,
    Project,
)

pytestmark = pytest.mark.service


@pytest.fixture
def app(database: Database, tiny_bundle: Bundle) -> FastAPI:
    return app_on(database, tiny_bundle)


@pytest.fixture
def amina(app: FastAPI, database: Database) -> Visitor:
    add_user(database, "amina")
    return browser(app, "amina")


def begin(visitor: Visitor, name: str = "Slides") -> int:
    answer = visitor.post("/projects", json={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_whoever_begins_a_project_administers_it(amina: Visitor) -> None:
    project = begin(amina)
    shown = amina.get(f"/projects/{project}").json()
    assert shown["role"] == "admin"
    assert (shown["images"], shown["members"], shown["teaching_weight"]) == (0, 1, 20)
    assert shown["bundle"] == "tiny 0.0.1"
    assert [item["id"] for item in amina.get("/projects").json()["items"]] == [project]


def test_a_project_begins_with_a_label_set_for_each_reader(amina: Visitor, database: Database) -> None:
    project = begin(amina)
    with database.session() as session:
        sets = session.scalars(select(LabelSet).where(LabelSet.project_id == project).order_by(LabelSet.id)).all()
    assert [row.name for row in sets] == ["cell_type", "nucleus_shape"]
    assert {"name": "neutrophil", "key": "N"}.items() <= sets[0].classes[0].items()


def test_progress_counts_what_is_there(amina: Visitor, database: Database) -> None:
    project, other = begin(amina), begin(amina, "Other")
    case = amina.post(f"/projects/{project}/cases", json={"key": "24-1187"}).json()["id"]
    with database.session() as session:
        row = session.get_one(Project, project)
        first = session.scalars(select(LabelSet.id).where(LabelSet.project_id == project).order_by(LabelSet.id)).all()
        for number in range(5):
            sha = hashlib.sha256(bytes([number])).digest()
            picture = {"data": b"x", "media_type": "image/png", "width": 1, "height": 1}
            session.execute(insert(Picture).values(sha256=sha, **picture))
            image = Image(project_id=project, sha256=sha, name=f"{number}.png", case_id=case if number < 3 else None)
            session.add(image)
            session.flush()
            if number < 4:
                session.add(CellEmbedding(image_id=image.id, bundle_id=row.bundle_id, status="not an image"))
            said = {0: "neutrophil", 1: "?", 2: None, 3: "blast"}.get(number)
            record = LabelRecord(
                project_id=project,
                image_id=image.id,
                label_set_id=first[0],
                label=said,
                user_id=1,
                kind="set",
                request="00000000-0000-0000-0000-000000000001",
                bundle_id=row.bundle_id,
                taught_until=0,
            )
            session.add(record)
            session.flush()
            session.add(CurrentLabelRow(image_id=image.id, label_set_id=first[0], label_id=record.id, label=said))
            # Labels of another set are not counted twice.
            session.add(CurrentLabelRow(image_id=image.id, label_set_id=first[1], label_id=record.id, label="round"))
    shown = {item["id"]: item for item in amina.get("/projects").json()["items"]}
    counted = ("images", "read", "labelled", "unsure")
    assert [shown[project][name] for name in counted] == [5, 4, 2, 1]
    assert [shown[other][name] for name in counted] == [0, 0, 0, 0]
    assert shown[project]["last_review"] is not None
    assert shown[other]["last_review"] is None
    (listed,) = amina.get(f"/projects/{project}/cases").json()["items"]
    assert [listed[name] for name in counted] == [3, 3, 1, 1]
    assert listed["signed"] is False
    refused = amina.patch(f"/projects/{project}", json={"scale": 2})
    assert refused.status_code == 422, "a scale is a scanner's"


def test_roles_are_given_and_taken(app: FastAPI, amina: Visitor, database: Database) -> None:
    project, jonas = begin(amina), add_user(database, "jonas")
    visitor = browser(app, "jonas")
    assert visitor.get(f"/projects/{project}").status_code == 404
    assert (
        amina.put(f"/projects/{project}/members/{jonas}", json={"role": "viewer", "name": "jonas"}).status_code == 200
    )
    assert visitor.get(f"/projects/{project}").json()["role"] == "viewer"
    assert visitor.post(f"/projects/{project}/cases", json={"key": "1"}).status_code == 403
    amina.put(f"/projects/{project}/members/{jonas}", json={"role": "reviewer"})
    assert visitor.post(f"/projects/{project}/cases", json={"key": "1"}).status_code == 201
    assert visitor.patch(f"/projects/{project}", json={"name": "Mine"}).status_code == 403
    assert amina.delete(f"/projects/{project}/members/{jonas}").status_code == 204
    assert visitor.get(f"/projects/{project}").status_code == 404


@pytest.mark.attack(
    who="a member",
    what="adds account after account to a project of their own",
    held="whom one adds one has to know by name",
)
def test_accounts_are_not_listed_by_adding_them(app: FastAPI, amina: Visitor, database: Database) -> None:
    project, jonas = begin(amina), add_user(database, "jonas")
    for given in ({}, {"name": "amina"}):
        refused = amina.put(f"/projects/{project}/members/{jonas}", json={"role": "viewer", **given})
        assert refused.status_code == 404
        assert "jonas" not in refused.text
    assert (
        amina.put(f"/projects/{project}/members/{jonas}", json={"role": "viewer", "name": "Jonas"}).status_code == 200
    )
    # Who is a member is known.
    assert amina.put(f"/projects/{project}/members/{jonas}", json={"role": "reviewer"}).status_code == 200


def test_the_last_administrator_of_a_project_stays(amina: Visitor) -> None:
    project = begin(amina)
    me = amina.get("/session").json()["user"]["id"]
    assert amina.delete(f"/projects/{project}/members/{me}").status_code == 409
    assert amina.put(f"/projects/{project}/members/{me}", json={"role": "viewer"}).status_code == 409


def test_an_archived_project_can_only_be_looked_at(amina: Visitor) -> None:
    project = begin(amina)
    assert amina.patch(f"/projects/{project}", json={"archived": True}).json()["archived"] is True
    assert amina.get(f"/projects/{project}/cases").status_code == 200
    assert amina.post(f"/projects/{project}/cases", json={"key": "1"}).status_code == 409
    assert amina.patch(f"/projects/{project}", json={"archived": False}).json()["archived"] is False
    assert amina.post(f"/projects/{project}/cases", json={"key": "1"}).status_code == 201


def test_a_case_key_is_taken_once(amina: Visitor) -> None:
    project = begin(amina)
    first = amina.post(f"/projects/{project}/cases", json={"key": "24-1"}).json()["id"]
    second = amina.post(f"/projects/{project}/cases", json={"key": "24-2"}).json()["id"]
    assert amina.post(f"/projects/{project}/cases", json={"key": "24-1"}).status_code == 409
    assert amina.patch(f"/projects/{project}/cases/{second}", json={"key": "24-1"}).status_code == 409
    assert amina.patch(f"/projects/{project}/cases/{first}", json={"note": "again"}).json()["note"] == "again"
    page = amina.get(f"/projects/{project}/cases", params={"limit": 1}).json()
    assert [item["key"] for item in page["items"]] == ["24-1"]
    rest = amina.get(f"/projects/{project}/cases", params={"after": page["next"]}).json()
    assert [item["key"] for item in rest["items"]] == ["24-2"]
    assert rest["next"] is None


def test_every_change_is_in_the_trail(app: FastAPI, amina: Visitor, database: Database) -> None:
    project, jonas = begin(amina), add_user(database, "jonas")
    amina.put(f"/projects/{project}/members/{jonas}", json={"role": "viewer", "name": "jonas"})
    amina.patch(f"/projects/{project}", json={"teaching": False})
    rows = amina.get("/audit", params={"project": project}).json()["items"]
    assert [row["action"] for row in rows] == ["project.change", "member.set", "project.create"]
    assert rows[1]["subject"] == {"user": jonas, "role": "viewer", "before": None}
    assert {row["user"]["name"] for row in rows} == {"amina"}
    page = amina.get("/audit", params={"project": project, "limit": 1}).json()
    after = amina.get("/audit", params={"project": project, "after": page["next"]}).json()["items"]
    assert [row["action"] for row in after] == ["member.set", "project.create"]
    assert amina.get("/audit").status_code == 403, "the whole trail is for administrators of the service"
    assert browser(app, "jonas").get("/audit", params={"project": project}).status_code == 403


def test_an_administrator_of_the_service_is_one_everywhere(app: FastAPI, amina: Visitor, database: Database) -> None:
    project = begin(amina)
    add_user(database, "root", is_admin=True)
    root = browser(app, "root")
    assert root.get(f"/projects/{project}").json()["role"] == "admin"
    assert root.get("/audit").json()["items"]
