"""Drawn cells: added as files are, read as files are, once, and as nobody's."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, browser
from sqlalchemy import select, text

from hemosight.engine.bundle import Bundle
from hemosight.images.synthetic import draw_slide
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.intake.uploads import UploadIntake
from hemosight.service.schemas.uploads import NewDrawing
from hemosight.service.storage import uploads
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, Case, Image, Picture, Project
from hemosight.service.work.worker import EmbeddingWorker


@pytest.fixture
def app(database: Database, tiny_bundle: Bundle) -> FastAPI:
    add_user(database, "ada", is_admin=True)
    return app_on(database, tiny_bundle)


@pytest.fixture
def ada(app: FastAPI) -> Visitor:
    return browser(app, "ada")


@pytest.fixture
def project(ada: Visitor) -> str:
    return f"/projects/{ada.post('/projects', json={'name': 'p'}).json()['id']}"


def draw(visitor: Visitor, project: str, count: int, seed: int = 0) -> dict[str, int]:
    answer = visitor.post(f"{project}/drawn", json={"count": count, "seed": seed})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_drawn_cells_are_images_with_jobs_in_a_case_of_their_own(
    database: Database, ada: Visitor, project: str
) -> None:
    answer = draw(ada, project, 10, seed=3)
    assert {key: answer[key] for key in ("case", "added", "known")} == {"case": "drawn", "added": 10, "known": 0}
    cells = list(draw_slide(10, 3))
    with database.session() as session:
        query = select(Image.name, Picture.data, Case.key).join(Picture, Picture.sha256 == Image.sha256)
        rows = session.execute(query.join(Case, Case.id == Image.case_id).order_by(Image.id)).all()
        assert [tuple(row) for row in rows] == [(name, data, "drawn") for name, data in cells]
        jobs = session.scalars(text("SELECT jsonb_array_length(args->'images') FROM procrastinate_jobs")).all()
        noted = session.scalars(select(AuditRow).where(AuditRow.action == "upload.begin")).all()
    assert sum(jobs) == 10
    assert len(jobs) == 2  # the first are read while the others are drawn
    assert [(entry.subject["drawn"], entry.subject["seed"]) for entry in noted] == [(10, 3)]
    assert ada.get(f"{project}/uploads/{answer['upload']}").json()["total"] == 10


def test_the_same_cells_are_known_and_more_extend_them(ada: Visitor, project: str) -> None:
    draw(ada, project, 3)
    again, more = draw(ada, project, 3), draw(ada, project, 5)
    assert (again["added"], again["known"]) == (0, 3)
    assert (more["added"], more["known"]) == (2, 3)


def test_drawn_cells_are_read_as_others_are(
    database: Database, tiny_bundle: Bundle, ada: Visitor, project: str
) -> None:
    upload = draw(ada, project, 4)["upload"]
    with database.session() as session:
        bundle = session.scalars(select(Project.bundle_id)).one()
        images = list(session.scalars(select(Image.id)))
    reader = EmbeddingWorker(database, BundleRegistry(tiny_bundle, threads=1).engine, bundle, "one")
    assert reader.read(int(project.rpartition("/")[2]), images) == 4
    shown = ada.get(f"{project}/uploads/{upload}").json()
    assert {key: shown[key] for key in ("read", "refused", "waiting")} == {"read": 4, "refused": 0, "waiting": 0}


def test_cancelling_ends_the_drawing(
    database: Database, ada: Visitor, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = UploadIntake.finish

    def cancelled_after(intake: UploadIntake) -> list:
        done = finish(intake)
        with database.session() as session:
            row = uploads.get(session, int(project.rpartition("/")[2]), 1)
            assert row is not None
            uploads.close(session, row)
        return done

    monkeypatch.setattr(UploadIntake, "finish", cancelled_after)
    answer = ada.post(f"{project}/drawn", json={"count": 20})
    assert answer.status_code == 409
    assert ada.get(f"{project}/uploads/1").json()["total"] == 8


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 501}, {"count": 1, "seed": -1}, {"count": 1, "x": 1}])
def test_other_wishes_are_refused(ada: Visitor, project: str, wrong: dict[str, int]) -> None:
    assert ada.post(f"{project}/drawn", json=wrong).status_code == 422


def test_too_many_are_refused_with_the_most_that_are_drawn(ada: Visitor, project: str) -> None:
    answer = ada.post(f"{project}/drawn", json={"count": 501})
    assert answer.status_code == 422
    assert "count" in answer.text
    assert "500" in answer.text


def test_two_hundred_cells_are_drawn_unless_said_otherwise() -> None:
    wanted = NewDrawing.model_validate({})
    assert (wanted.count, wanted.seed) == (200, 0)


def test_only_who_reviews_has_cells_drawn(database: Database, app: FastAPI, ada: Visitor, project: str) -> None:
    viewer = add_user(database, "vera")
    add_user(database, "olga")
    assert ada.put(f"{project}/members/{viewer}", json={"role": "viewer"}).status_code == 200
    for visitor, status in ((browser(app, "vera"), 403), (browser(app, "olga"), 404), (Visitor(app), 401)):
        assert visitor.post(f"{project}/drawn", json={"count": 1}).status_code == status
    assert ada.get(project).json()["images"] == 0
