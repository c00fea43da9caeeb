"""The library of teaching cells: who puts what in, that it stays, how it leaves as a file."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gate import Visitor, add_user, app_on, browser
from PIL import Image as Pillow
from projects import Filled, fill
from sqlalchemy import select, update

from hemosight.engine.bundle import Bundle
from hemosight.images.decode import decode
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage.database import Database
from hemosight.service.storage.retention import expire
from hemosight.service.storage.tables import AuditRow, Case, Image, LabelRecord, Member, Picture, TeachingCell
from hemosight.service.storage.uploads import NewPicture, store

pytestmark = pytest.mark.service

DAY = datetime.timedelta(days=1)


@dataclass
class Library:
    """A project with a case of four cells, and its people at the door."""

    project: Filled
    cells: list[int]
    case: int
    path: str
    people: dict[str, Visitor]

    def add(self, image: int, person: str = "reviewer", **given: Any) -> Any:
        """Put a cell into the library."""
        return self.people[person].post(f"{self.path}/teaching", json={"image": image, **given})

    def listed(self, **query: Any) -> Any:
        """The library as the viewer sees it."""
        answer = self.people["viewer"].get(f"{self.path}/teaching", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def actions(self) -> list[str]:
        """What the audit trail has of the library."""
        with self.project.database.session() as session:
            query = select(AuditRow.action).where(AuditRow.action.startswith("teaching."))
            return list(session.scalars(query.order_by(AuditRow.id)))


@pytest.fixture
def library(database: Database, tiny_bundle: Bundle) -> Library:
    with database.session() as session:
        BundleRegistry(tiny_bundle).register(session)
    project = fill(database, tiny_bundle, 0)
    cells = project.add(tiny_bundle, 4, seed=1, case="S-0412")
    app, people = app_on(database, tiny_bundle), {}
    for role in ("admin", "reviewer", "viewer"):
        account = add_user(database, role)
        with database.session() as session:
            session.add(Member(project_id=project.id, user_id=account, role=role))
        people[role] = browser(app, role)
    with database.session() as session:
        case = session.scalars(select(Case.id)).one()
    return Library(project, cells, case, f"/projects/{project.id}", people)


def test_a_labelled_cell_is_put_in_under_its_type_and_taken_out(library: Library) -> None:
    first, second = library.cells[:2]
    library.project.say({first: "blast", second: "monocyte"})
    assert library.add(first, "viewer").status_code == 403
    answer = library.add(first, note="  Two nucleoli.  ")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["label"], made["note"], made["case_key"], made["by"]) == (
        "blast",
        "Two nucleoli.",
        "S-0412",
        "Reviewer",
    )
    assert library.add(first).status_code == 409, "once is enough"
    assert library.add(second).status_code == 201
    assert library.listed()["counts"] == {"blast": 1, "monocyte": 1}
    assert [one["image"] for one in library.listed(label="monocyte")["items"]] == [second]
    assert [one["id"] for one in library.listed(image=first)["items"]] == [made["id"]]

    path = f"{library.path}/teaching/{made['id']}"
    changed = library.people["reviewer"].patch(path, json={"note": "Auer rod."})
    assert changed.json()["note"] == "Auer rod."
    # Somebody calls it otherwise later: the library says so and keeps what it was added for.
    library.project.say({first: "ig"})
    (shown,) = library.listed(image=first)["items"]
    assert (shown["label"], shown["label_now"]) == ("blast", "ig")
    assert library.people["viewer"].delete(path).status_code == 403
    assert library.people["reviewer"].delete(path).status_code == 204
    assert library.people["reviewer"].delete(path).status_code == 404
    assert library.listed()["counts"] == {"monocyte": 1}
    assert library.actions() == ["teaching.add", "teaching.add", "teaching.change", "teaching.remove"]


def test_what_only_the_model_reads_is_not_put_in(library: Library) -> None:
    unlabelled, unsure = library.cells[:2]
    library.project.say({unsure: "?"})
    for image, came in ((unlabelled, "without a label"), (unsure, "unsure")):
        answer = library.add(image)
        assert answer.status_code == 422, answer.text
        assert came in answer.json()["error"]["message"]
    assert library.add(10**9).status_code == 404
    assert library.listed()["items"] == []


def test_a_library_is_one_projects_own(library: Library, tiny_bundle: Bundle) -> None:
    library.project.say({library.cells[0]: "blast"})
    number = library.add(library.cells[0]).json()["id"]
    other = fill(library.project.database, tiny_bundle, 1, name="other")
    with library.project.database.session() as session:
        reviewer = session.scalars(select(TeachingCell.user_id)).one()
        session.add(Member(project_id=other.id, user_id=reviewer, role="reviewer"))
    hers = library.people["reviewer"]
    assert hers.get(f"/projects/{other.id}/teaching").json()["items"] == []
    assert hers.delete(f"/projects/{other.id}/teaching/{number}").status_code == 404
    foreign = {"image": library.cells[0]}
    assert hers.post(f"/projects/{other.id}/teaching", json=foreign).status_code == 404


def test_neither_cell_nor_case_is_deleted_while_it_is_in_the_library(library: Library) -> None:
    cell, other = library.cells[:2]
    library.project.say({cell: "blast"})
    number = library.add(cell).json()["id"]
    admin = library.people["admin"]
    for answer in (
        admin.post(f"{library.path}/images/delete", json={"images": [other, cell]}),
        admin.delete(f"{library.path}/cases/{library.case}"),
    ):
        assert answer.status_code == 409, answer.text
        fault = answer.json()["error"]
        assert "library of teaching cells" in fault["message"]
        assert f"{cell} (blast)" in fault["message"]
    assert admin.post(f"{library.path}/images/delete", json={"images": [other]}).status_code == 200
    admin.delete(f"{library.path}/teaching/{number}")
    assert admin.delete(f"{library.path}/cases/{library.case}").status_code == 204


def test_a_project_goes_with_its_library(library: Library) -> None:
    library.project.say({library.cells[0]: "blast"})
    library.add(library.cells[0])
    assert library.people["admin"].delete(library.path).status_code == 204
    with library.project.database.session() as session:
        assert session.scalars(select(TeachingCell)).all() == []


def test_teaching_cells_outlive_retention_without_what_leads_to_a_patient(
    library: Library, tiny_bundle: Bundle
) -> None:
    database, cell = library.project.database, library.cells[0]
    (loose,) = library.project.add(tiny_bundle, 1, seed=2)
    library.project.say({cell: "blast", loose: "platelet"})
    for image in (cell, loose):
        assert library.add(image).status_code == 201
    tag = b"Mustermann^Erika"
    with database.session() as session:
        # A scanner wrote whose cell it is into the file, behind the picture.
        image = session.get_one(Image, cell)
        picture = session.get_one(Picture, image.sha256)
        drawn = io.BytesIO()
        Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(drawn, "PNG")
        told = drawn.getvalue() + tag
        store(session, [NewPicture("", hashlib.sha256(told).digest(), told, "image/png", 32, 32, picture.thumbnail)])
        image.sha256 = hashlib.sha256(told).digest()
        session.execute(update(Image).values(uploaded_at=Image.uploaded_at - 100 * DAY))
        session.execute(update(Case).values(created_at=Case.created_at - 100 * DAY, accession="A-1", note="Mustermann"))
        choice = {"name": "Dr. Adam", "reason": "Mustermann's first count was clotted."}
        session.execute(update(Case).values(counting={**choice, "images": library.cells}, draws=[choice]))
    # Labels are records that nobody dates back: retention of less than no days takes everything for old.
    assert expire(database, -1) == 3
    with database.session() as session:
        rows = session.execute(select(Image.id, Image.name).where(Image.project_id.is_not(None)))
        left = dict(rows.all())
        case = session.scalars(select(Case)).one()
        (noted,) = session.scalars(select(AuditRow).where(AuditRow.action == "retention.case"))
        said = len(session.scalars(select(LabelRecord)).all())
    assert set(left) == {cell, loose}
    file = library.people["viewer"].get(f"{library.path}/images/{cell}/picture")
    assert file.status_code == 200
    assert tag not in file.content
    assert np.array_equal(decode(file.content), decode(told)), "the same pixels"
    assert left[cell] == f"teaching-{cell}"
    assert (case.key, case.accession, case.note) == (f"teaching {case.id}", "", "")
    assert (case.counting, case.draws) == (None, []), "nor who drew which of its cells, and why"
    assert noted.subject["teaching"] == [cell]
    assert len(noted.subject["cells"]) == 3
    assert said == 2
    assert {one["image"] for one in library.listed()["items"]} == {cell, loose}
    assert expire(database, -1) == 0, "and it is left alone from then on"
    for one in library.listed()["items"]:
        library.people["reviewer"].delete(f"{library.path}/teaching/{one['id']}")
    assert expire(database, -1) == 2, "out of the library they are as old as any other"


def test_the_library_leaves_as_folders_with_its_labels(library: Library) -> None:
    first, second = library.cells[:2]
    library.project.say({first: "blast", second: "monocyte"})
    library.add(first, note="=1+1")
    library.add(second)
    answer = library.people["viewer"].post(f"{library.path}/teaching/export")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))
        pictures = {name for name in archive.namelist() if name != "labels.csv"}
    assert [row["label"] for row in rows] == ["blast", "monocyte"]
    assert {row["path"] for row in rows} == pictures
    assert [row["path"].split("/")[0] for row in rows] == ["blast", "monocyte"]
    assert rows[0]["note"] == "'=1+1", "nothing that a spreadsheet would compute"
    assert (rows[0]["added_by"], rows[0]["case"]) == ("Reviewer", "S-0412")
    assert library.actions()[-1] == "teaching.export"


def test_cells_of_a_merged_type_are_of_the_type_it_was_merged_into(library: Library) -> None:
    admin = library.people["admin"]
    (own, *_), known = admin.get(f"{library.path}/label-sets").json()["items"], library.cells[1]
    types = f"{library.path}/label-sets/{own['id']}/types"
    added = admin.post(types, json={"title": "Stab of ours"}).raise_for_status().json()["classes"][-1]["name"]
    library.project.say({library.cells[0]: added, known: "neutrophil"})
    assert library.add(library.cells[0]).json()["label"] == added
    library.add(known)
    assert admin.patch(f"{types}/{added}", json={"merged_into": "neutrophil"}).status_code == 200
    assert library.listed()["counts"] == {"neutrophil": 2}
    both = library.listed(label="neutrophil")["items"]
    assert [(one["label"], one["label_now"]) for one in both] == [("neutrophil", "neutrophil")] * 2
    assert library.listed(label=added)["items"] == []
    # One that is put in afterwards, labelled long before.
    late = library.cells[2]
    admin.patch(f"{types}/{added}", json={"merged_into": None})
    library.project.say({late: added})
    admin.patch(f"{types}/{added}", json={"merged_into": "neutrophil"})
    assert library.add(late).json()["label"] == "neutrophil"
    answer = library.people["viewer"].post(f"{library.path}/teaching/export")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"neutrophil", "labels.csv"}
