"""A project is moved from one bundle to another, and back: what is read anew, and what stays to the byte."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crops import crops, form
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, program
from sqlalchemy import delete, func, select, text

from hemosight.engine.bundle import Bundle
from hemosight.service.desk.columns import unpack
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, CellEmbedding, CurrentLabelRow, LabelRecord, Signature
from hemosight.service.work.worker import EmbeddingWorker

pytestmark = pytest.mark.service

CELLS = 12


@dataclass
class House:
    """A database that two versions of the service open one after the other: each with its own bundle."""

    database: Database
    old: FastAPI
    new: FastAPI
    people: dict[str, int]
    project: int
    images: list[int]

    @property
    def path(self) -> str:
        """Of the project."""
        return f"/projects/{self.project}"

    def at(self, app: FastAPI, who: str = "owner") -> Visitor:
        """Somebody at one of the versions."""
        return program(app, self.people[who])

    def work(self, app: FastAPI) -> int:
        """Read what is queued for a version's bundle, as its worker would; how many cells."""
        registry, found = app.state.registry, 0
        with self.database.session() as session:
            number = registry.register(session)
            query = text(
                "DELETE FROM procrastinate_jobs WHERE queue_name = :queue AND (args->>'project')::bigint = :project "
                "RETURNING args->'images'"
            )
            queued = session.scalars(query, {"queue": f"read-{number}", "project": self.project}).all()
        worker = EmbeddingWorker(self.database, registry.engine, number, "worker")
        for images in queued:
            found += worker.read(self.project, images)
        return found

    def settled(self, app: FastAPI) -> None:
        """Wait until a version has learnt every label."""
        assert app.state.project_states.get(self.project).settle("cell_type")

    def columns(self, who: Visitor) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the page draws."""
        answer = who.get(f"{self.path}/columns")
        assert answer.status_code == 200, answer.text
        return unpack(answer.content)

    def say(self, who: Visitor, items: dict[int, str]) -> None:
        """Label cells, each by itself."""
        for image, label in items.items():
            one = {"image": image, "label": label, "version": 0}
            answer = who.post(f"{self.path}/labels", json={"request": str(uuid.uuid4()), "items": [one]})
            assert answer.json()["conflicts"] == [], answer.text

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """Every row of a table as it lies there."""
        with self.database.session() as session:
            key = next(iter(table.__table__.primary_key.columns))
            query = select(*table.__table__.columns).order_by(key)
            return [dict(row) for row in session.execute(query).mappings()]


@pytest.fixture(scope="module")
def versions(module_database: Database, tiny_bundle: Bundle, other_bundle: Bundle) -> tuple[FastAPI, FastAPI]:
    """The service before and after an upgrade, on one database."""
    return app_on(module_database, tiny_bundle), app_on(module_database, other_bundle)


@pytest.fixture
def house(module_database: Database, versions: tuple[FastAPI, FastAPI], drawn_smear: Path) -> House:
    (old, new), database = versions, module_database
    names = {name: f"{name}-{uuid.uuid4().hex[:8]}" for name in ("owner", "reviewer", "viewer")}
    accounts = {name: add_user(database, account) for name, account in names.items()}
    owner = program(old, accounts["owner"])
    project = owner.post("/projects", json={"name": "Slides"}).json()["id"]
    for name in ("reviewer", "viewer"):
        body = {"role": name, "name": names[name]}
        assert owner.put(f"/projects/{project}/members/{accounts[name]}", json=body).status_code == 200
    files = crops(drawn_smear)
    chosen = dict(list(files.items())[:: len(files) // CELLS][:CELLS])
    upload = owner.post(f"/projects/{project}/uploads", json={"case": "24-1187"}).json()["id"]
    answer = owner.post(f"/projects/{project}/uploads/{upload}/files", files=form(chosen))
    assert answer.status_code in (200, 201), answer.text
    images = [item["id"] for item in owner.get(f"/projects/{project}/images").json()["items"]]
    made = House(database, old, new, accounts, project, images)
    assert made.work(old) == len(images) == CELLS
    return made


def test_another_bundle_is_said_in_words(house: House) -> None:
    viewer = house.at(house.new, "viewer")
    (listed,) = viewer.get("/projects").json()["items"]
    assert (listed["bundle"], listed["bundle_here"]) == ("tiny 0.0.1", False)
    assert house.at(house.old, "viewer").get(house.path).json()["bundle_here"]
    refused = viewer.get(f"{house.path}/columns")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "bundle_not_here")
    assert "administrator" in refused.json()["error"]["mend"]
    would = viewer.get(f"{house.path}/bundle").json()
    assert (would["project"]["version"], would["service"]["version"], would["here"]) == ("0.0.1", "0.0.2", False)
    assert (would["cells"], would["to_read"], would["labelled"], would["signed"]) == (CELLS, CELLS, 0, 0)
    assert would["new_sets"] == ["granularity"]
    assert would["unread_sets"] == ["nucleus_shape"]
    assert would["unread_classes"] == [{"label_set": "cell_type", "classes": ["Basophil"]}]
    assert (would["new_classes"], would["again"], would["own_sets"]) == ([], [], [])


@pytest.mark.parametrize("who", ["viewer", "reviewer"])
def test_an_administrator_alone_moves_a_project(house: House, who: str) -> None:
    assert house.at(house.new, who).post(f"{house.path}/bundle").status_code == 403
    assert not house.at(house.new).get(house.path).json()["bundle_here"]


def test_there_and_back(house: House) -> None:
    """Cells are read anew on the way there and not on the way back; labels and what was signed stay to the byte."""
    old = house.at(house.old)
    house.say(old, {house.images[0]: "basophil", house.images[1]: "monocyte", house.images[2]: "blast"})
    house.settled(house.old)
    before = house.columns(old)
    case = old.get(f"{house.path}/cases").json()["items"][0]["id"]
    signed = old.post(f"{house.path}/signatures", json={"case": case, "role": "first", "note": "few cells"})
    assert signed.status_code == 201, signed.text
    record = f"{house.path}/signatures/{signed.json()['id']}/export"
    file = old.post(record).content
    stood = [house.rows(table) for table in (LabelRecord, CurrentLabelRow, Signature)]

    new = house.at(house.new)
    done = new.post(f"{house.path}/bundle")
    assert done.status_code == 200, done.text
    assert (done.json()["to_read"], done.json()["labelled"], done.json()["signed"]) == (CELLS, 3, 1)
    waiting = new.get(f"{house.path}").json()
    assert (waiting["bundle"], waiting["bundle_here"], waiting["read"]) == ("tiny 0.0.2", True, 0)
    assert house.work(house.new) == CELLS
    header, columns = house.columns(new)
    assert "basophil" in [one["name"] for one in header["classes"]], "labels name it"
    assert set(columns["status"].tolist()) == {1}
    read = columns["predicted"] < len(header["classes"])
    assert read.all()
    sets = {one["name"]: one for one in new.get(f"{house.path}/label-sets").json()["items"]}
    assert {name: one["kind"] for name, one in sets.items()} == {
        "cell_type": "bundle",
        "nucleus_shape": "own",
        "granularity": "bundle",
    }
    assert sets["cell_type"]["labelled"] == {"basophil": 1, "monocyte": 1, "blast": 1}
    assert sets["cell_type"]["taught_until"] > 0, "labels teach the new bundle as they taught the old one"
    assert [house.rows(table) for table in (LabelRecord, CurrentLabelRow, Signature)] == stood
    assert new.post(record).content == file
    with house.database.session() as session:
        moved = (AuditRow.action == "project.bundle") & (AuditRow.project_id == house.project)
        (row,) = session.scalars(select(AuditRow).where(moved))
        assert (row.subject["from"], row.subject["to"]) == ("tiny 0.0.1", "tiny 0.0.2")
        count = select(func.count()).select_from(CellEmbedding).where(CellEmbedding.image_id.in_(house.images))
        assert session.scalar(count) == 2 * CELLS

    back = old.post(f"{house.path}/bundle").json()
    assert (back["to_read"], back["new_sets"], back["unread_sets"]) == (0, [], ["granularity"])
    assert house.work(house.old) == 0
    house.settled(house.old)
    header, columns = house.columns(old)
    for name in ("predicted", "label", "novelty"):
        assert columns[name].tolist() == before[1][name].tolist(), name
    assert columns["probability"] == pytest.approx(before[1]["probability"], abs=1e-4)
    assert [house.rows(table) for table in (LabelRecord, CurrentLabelRow, Signature)] == stood
    assert old.post(record).content == file


def test_a_process_with_the_old_bundle_says_so_until_the_project_is_back(house: House) -> None:
    """Two versions run side by side for a while: the one that has the project in memory must not read on with it."""
    old, new = house.at(house.old), house.at(house.new)
    house.columns(old)
    new.post(f"{house.path}/bundle")
    for _ in range(2):
        assert old.get(f"{house.path}/columns").json()["error"]["code"] == "bundle_not_here"
    assert old.post(f"{house.path}/bundle").status_code == 200
    assert house.columns(old)[0]["count"] == CELLS
    assert new.get(f"{house.path}/columns").json()["error"]["code"] == "bundle_not_here"


def test_asking_twice_changes_nothing(house: House) -> None:
    new = house.at(house.new)
    assert not new.post(f"{house.path}/bundle").json()["here"]
    assert new.post(f"{house.path}/bundle").json()["here"]
    with house.database.session() as session:
        moved = (AuditRow.action == "project.bundle") & (AuditRow.project_id == house.project)
        assert session.scalar(select(func.count()).select_from(AuditRow).where(moved)) == 1


def test_jobs_for_the_bundle_before_wait_no_more(house: House) -> None:
    """Else the page would say for ever that cells are waiting."""
    with house.database.session() as session:
        session.execute(delete(CellEmbedding).where(CellEmbedding.image_id.in_(house.images)))
    new, old = house.at(house.new), house.at(house.old)
    new.post(f"{house.path}/bundle")
    assert new.get(f"{house.path}/jobs").json()["waiting"] == CELLS
    old.post(f"{house.path}/bundle")
    assert old.get(f"{house.path}/jobs").json()["waiting"] == CELLS
    assert house.work(house.new) == 0
    assert house.work(house.old) == CELLS


def test_what_was_answered_under_another_bundle_is_no_trust_in_this_one(house: House) -> None:
    old, new = house.at(house.old), house.at(house.new)
    house.say(old, dict.fromkeys(house.images[:6], "monocyte"))
    was = old.get(f"{house.path}/trust").json()
    assert (was["asked"], was["earlier"]) == (6, 0)
    assert old.get(f"{house.path}/agreement").json()["human_model"]["n"] == 6
    new.post(f"{house.path}/bundle")
    house.work(house.new)
    now = new.get(f"{house.path}/trust").json()
    assert {name: now[name] for name in ("asked", "right", "checks", "earlier", "low", "high")} == {
        "asked": 0,
        "right": 0,
        "checks": 0,
        "earlier": 6,
        "low": 0,
        "high": 1,
    }
    assert new.get(f"{house.path}/agreement").json()["human_model"]["n"] == 0
    house.say(new, dict.fromkeys(house.images[6:8], "blast"))
    now = new.get(f"{house.path}/trust").json()
    assert (now["asked"], now["earlier"]) == (2, 6)
    old.post(f"{house.path}/bundle")
    assert [old.get(f"{house.path}/trust").json()[name] for name in ("asked", "earlier")] == [6, 2]


def test_a_class_that_ended_is_in_use_again_where_the_bundle_reads_it(house: House) -> None:
    """What the new bundle does not read is the laboratory's own, to be merged; the old one still reads it."""
    old, new = house.at(house.old), house.at(house.new)
    new.post(f"{house.path}/bundle")
    own = next(one for one in new.get(f"{house.path}/label-sets").json()["items"] if one["name"] == "cell_type")
    change = {"merged_into": "neutrophil"}
    merged = new.patch(f"{house.path}/label-sets/{own['id']}/types/basophil", json=change)
    assert merged.status_code == 200, merged.text
    back = old.post(f"{house.path}/bundle").json()
    assert back["again"] == [{"label_set": "cell_type", "classes": ["Basophil"]}]
    (basophil,) = (one for one in house.columns(old)[0]["classes"] if one["name"] == "basophil")
    assert (basophil["merged_into"], basophil["retired"]) == (None, False)


def test_a_label_set_of_the_projects_own_stays_its_own(house: House) -> None:
    old, new = house.at(house.old), house.at(house.new)
    body = {"name": "granularity", "title": "Granules", "classes": [{"name": "few"}, {"name": "many"}]}
    assert old.post(f"{house.path}/label-sets", json=body).status_code == 201
    done = new.post(f"{house.path}/bundle").json()
    assert (done["own_sets"], done["new_sets"]) == (["Granules"], [])
    (own,) = (one for one in new.get(f"{house.path}/label-sets").json()["items"] if one["name"] == "granularity")
    assert (own["kind"], [one["name"] for one in own["classes"]]) == ("own", ["few", "many"])


def test_a_type_of_ones_own_that_a_bundle_reads_now_keeps_its_labels(house: House) -> None:
    """A project begun with the newer bundle adds basophils of its own; the older one has read them all along."""
    old, new = house.at(house.old), house.at(house.new)
    project = new.post("/projects", json={"name": "Others"}).json()["id"]
    sets = new.get(f"/projects/{project}/label-sets").json()["items"]
    own = next(one["id"] for one in sets if one["name"] == "cell_type")
    given = {"title": "Basophil", "name": "basophil"}
    assert new.post(f"/projects/{project}/label-sets/{own}/types", json=given).status_code == 201
    done = old.post(f"/projects/{project}/bundle").json()
    assert (done["new_classes"], done["new_sets"]) == ([], ["nucleus_shape"])
    assert old.get(f"/projects/{project}/columns").status_code == 200
    third = new.post("/projects", json={"name": "Third"}).json()["id"]
    done = old.post(f"/projects/{third}/bundle").json()
    assert done["new_classes"] == [{"label_set": "cell_type", "classes": ["Basophil"]}]
    header, _ = unpack(old.get(f"/projects/{third}/columns").content)
    keys = [one["key"] for one in header["classes"]]
    assert len(set(keys)) == len(keys)


def test_every_bundle_is_listed_with_its_projects(house: House) -> None:
    new, viewer = house.at(house.new), house.at(house.new, "viewer")
    new.post("/projects", json={"name": "Fresh"})
    first, second = viewer.get("/models").json()["items"]
    assert [(one["version"], one["loaded"]) for one in (first, second)] == [("0.0.2", True), ("0.0.1", False)]
    assert [one["name"] for one in second["projects"]] == ["Slides"]
    assert first["projects"] == [], "of those that one may see"
    assert [one["name"] for one in new.get("/models").json()["items"][0]["projects"]] == ["Fresh"]
    assert first["figures"]["held_out"]["macro_f1"]["value"] == 0.9
    assert first["training"] == [{"step": 1, "loss": 0.5}]
    assert "basophil" in second["classes"]
    assert "basophil" not in first["classes"]
    assert [one["title"] for one in first["sources"]] == ["Drawn cells"]
