"""Whoever waits for a project's turn holds no row meanwhile: who has the turn may be waiting for that row."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from crops import form
from film_camera import Camera, camera_on, draw_film, two
from PIL import Image as Pictures
from sqlalchemy import func, select, text

from hemosight.engine.bundle import Bundle
from hemosight.images.synthetic.camera import draw_field
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage import events, uploads
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, CameraField, Case, FieldCell, Image, Profile, Project, Upload
from hemosight.service.work import scales
from hemosight.service.work.worker import EmbeddingWorker

pytestmark = pytest.mark.service


@dataclass
class Scene:
    """A project with one field of a case, the cells found in it, and the number of a panel."""

    camera: Camera
    database: Database
    bundle: Bundle
    upload: int
    field: int
    images: list[int]
    profile: int
    panel: int = 0

    @property
    def project(self) -> int:
        return self.camera.filled.id

    def read(self) -> int:
        """Embed the cells; how many were new."""
        engine = BundleRegistry(self.bundle, threads=1).engine
        return EmbeddingWorker(self.database, engine, self.camera.filled.bundle, "ida").read(self.project, self.images)

    def add_files(self) -> int:
        picture = io.BytesIO()
        Pictures.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(picture, "PNG")
        path = self.camera.path(f"/uploads/{self.upload}/files")
        return self.camera.reviewer.post(path, files=form({"new.png": picture.getvalue()})).status_code

    def add_field(self) -> int:
        """One without white cells: with the first of these somebody would wait before it comes to the field."""
        pixels = draw_field(640, 480, [], np.random.default_rng(5)).pixels
        return 200 if self.camera.into(self.upload, [("bare.png", pixels)])[0]["field"] else 0

    def add_cell(self) -> int:
        cells = self.camera.field(self.field)["boxes"]
        held = [(one["x"], one["y"], one["x"] + one["width"], one["y"] + one["height"]) for one in cells]
        x, y = next(
            (x, y)
            for x in range(20, 640, 10)
            for y in range(20, 480, 10)
            if not any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in held)
        )
        path = self.camera.path(f"/fields/{self.field}/cells")
        answer = self.camera.reviewer.post(path, json={"x": x, "y": y})
        assert answer.status_code == 201, answer.text
        return answer.status_code

    def measure(self) -> int:
        return 200 if scales.of_profile(self.database, self.project, self.profile) else 0


def _scene(database: Database, tiny_bundle: Bundle) -> Scene:
    camera = camera_on(database, tiny_bundle)
    upload = camera.begin("F-1")
    (field,) = camera.into(upload, two(draw_film(), "film/s1_x{x}_y0.png")[:1])
    with database.session() as session:
        images = list(session.scalars(select(Image.id).where(Image.project_id == camera.filled.id)))
        profile = session.scalars(select(Profile.id).where(Profile.project_id == camera.filled.id)).one()
    assert images
    return Scene(camera, database, tiny_bundle, upload, field["field"], images, profile)


def _closed_panel(scene: Scene) -> None:
    """Hold a panel of two cells, and close it."""
    assert scene.read()
    path, people = scene.camera.path("/panels"), scene.camera.filled.users
    given = {"title": "Session", "cells": 2, "readers": people}
    answer = scene.camera.admin.post(path, json=given)
    assert answer.status_code == 201, answer.text
    scene.panel = answer.json()["id"]
    assert scene.camera.admin.post(f"{path}/{scene.panel}/close").status_code == 200


def _decide(scene: Scene) -> int:
    path = scene.camera.path(f"/panels/{scene.panel}")
    cell, _ = scene.camera.admin.get(f"{path}/results").json()["cells"]
    given = {"image": cell["image"], "label": "blast", "note": ""}
    return scene.camera.reviewer.post(f"{path}/decisions", json=given).status_code


_ACTS: dict[str, Callable[[Scene], int]] = {
    "takes an upload back": lambda at: at.camera.reviewer.delete(at.camera.path(f"/uploads/{at.upload}")).status_code,
    "stores what was read": lambda at: 200 if at.read() else 0,
    "writes a comment": lambda at: (
        at.camera.reviewer.post(
            at.camera.path(f"/images/{at.images[0]}/comments"), json={"text": "two nuclei"}
        ).status_code
    ),
    "adds files": Scene.add_files,
    "adds a field": Scene.add_field,
    "adds a cell to a field": Scene.add_cell,
    "changes a scanner's scale": lambda at: (
        at.camera.reviewer.patch(at.camera.path(f"/profiles/{at.profile}"), json={"scale": 1.3}).status_code
    ),
    "renames a scanner": lambda at: (
        at.camera.reviewer.patch(at.camera.path(f"/profiles/{at.profile}"), json={"name": "New"}).status_code
    ),
    "measures a scanner": Scene.measure,
    "changes the project": lambda at: at.camera.admin.patch(at.camera.path(""), json={"name": "Films"}).status_code,
    "changes the report's head": lambda at: (
        at.camera.admin.put(at.camera.path("/report-settings"), json={"laboratory": "North"}).status_code
    ),
    "changes the signing rules": lambda at: (
        at.camera.admin.put(at.camera.path("/signing-rules"), json={"target": 200}).status_code
    ),
    "decides on a panel's cell": _decide,
}


@pytest.mark.parametrize("who", _ACTS)
def test_who_waits_for_the_turn_holds_no_row(database: Database, tiny_bundle: Bundle, who: str) -> None:
    """As against a field that comes in, whose cells are counted in another field, and against a deletion."""
    scene = _scene(database, tiny_bundle)
    if who == "decides on a panel's cell":
        _closed_panel(scene)
        path = scene.camera.path(f"/panels/{scene.panel}/teaching")
        assert scene.camera.admin.put(path, json={"teaches": True}).status_code == 200
    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            events.take_turn(session, scene.project)
            acting = pool.submit(_ACTS[who], scene)
            _until_it_waits(acting, database, scene.project)
            # As rows are held by whoever deletes them, or changes what no other row refers to.
            for table in (Image, CameraField, Case, Profile):
                rows = select(table.id).where(table.project_id == scene.project).with_for_update(nowait=True)
                assert session.scalars(rows).all()
            cells = select(FieldCell.id).where(FieldCell.image_id.in_(scene.images)).with_for_update(nowait=True)
            assert len(session.scalars(cells).all()) == len(scene.images)
            for rows in (
                select(Upload.id).where(Upload.project_id == scene.project),
                select(Project.id).where(Project.id == scene.project),
            ):
                assert session.scalars(rows.with_for_update(nowait=True, key_share=True)).all()
        assert acting.result(60) in (200, 201)


def test_a_panel_is_held_by_nobody_who_waits_for_the_turn(database: Database, tiny_bundle: Bundle) -> None:
    """Who decides on a cell of it has the turn, and waits for it."""
    scene = _scene(database, tiny_bundle)
    _closed_panel(scene)
    path = scene.camera.path(f"/panels/{scene.panel}/teaching")
    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            events.take_turn(session, scene.project)
            acting = pool.submit(scene.camera.admin.put, path, json={"teaches": True})
            _until_it_waits(acting, database, scene.project)
            held = text("SELECT id FROM panels WHERE id = :panel FOR SHARE NOWAIT")
            assert session.scalar(held, {"panel": scene.panel}) == scene.panel
        assert acting.result(60).status_code == 200


@pytest.mark.parametrize("what", ["a case", "an upload"])
def test_who_begins_a_case_and_waits_does_not_hold_its_key(database: Database, tiny_bundle: Bundle, what: str) -> None:
    """Who has the turn may be giving another case that key."""
    scene = _scene(database, tiny_bundle)
    path, given = (scene.camera.path("/cases"), {"key": "S-2"})
    if what == "an upload":
        path, given = (scene.camera.path("/uploads"), {"case": "S-2"})
    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            session.execute(text("SET LOCAL lock_timeout = '5s'"))
            events.take_turn(session, scene.project)
            acting = pool.submit(scene.camera.reviewer.post, path, json=given)
            _until_it_waits(acting, database, scene.project)
            session.execute(
                text("UPDATE cases SET key = 'S-2' WHERE project_id = :project"), {"project": scene.project}
            )
        assert acting.result(60).status_code == (409 if what == "a case" else 201)
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(Case).where(Case.project_id == scene.project)) == 1


@pytest.mark.parametrize("who", ["adds files", "adds a field"])
def test_nothing_comes_into_an_upload_that_was_cancelled_meanwhile(
    database: Database, tiny_bundle: Bundle, who: str
) -> None:
    scene = _scene(database, tiny_bundle)
    with database.session() as session:
        before = session.scalar(select(func.count()).select_from(CameraField))
    act = scene.add_files if who == "adds files" else lambda: _status_of_field(scene)
    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            events.take_turn(session, scene.project)
            acting = pool.submit(act)
            _until_it_waits(acting, database, scene.project)
            row = uploads.get(session, scene.project, scene.upload)
            assert row is not None
            uploads.close(session, row)
        assert acting.result(60) == 409
    with database.session() as session:
        images = session.scalars(select(Image.id).where(Image.project_id == scene.project)).all()
        assert sorted(images) == sorted(scene.images)
        assert session.scalar(select(func.count()).select_from(CameraField)) == before


@pytest.mark.parametrize("what", ["a case", "a field", "a project"])
def test_of_two_who_delete_one_thing_the_second_finds_nothing(
    database: Database, tiny_bundle: Bundle, what: str
) -> None:
    scene = _scene(database, tiny_bundle)
    with database.session() as session:
        case = session.scalars(select(Case.id).where(Case.project_id == scene.project)).one()
    path = {"a case": f"/cases/{case}", "a field": f"/fields/{scene.field}", "a project": ""}[what]
    with ThreadPoolExecutor(2) as pool:
        with database.session() as session:
            events.take_turn(session, scene.project)
            both = [pool.submit(scene.camera.admin.delete, scene.camera.path(path)) for _ in range(2)]
            _until_it_waits(both[0], database, scene.project, 2)
        assert sorted(one.result(60).status_code for one in both) == [204, 404]
    with database.session() as session:
        said = session.scalars(select(AuditRow.action).where(AuditRow.project_id == scene.project)).all()
    assert sum(action.endswith(".delete") for action in said) == 1


def _status_of_field(scene: Scene) -> int:
    try:
        return scene.add_field()
    except AssertionError as fault:
        return 409 if "another upload" in str(fault) else 0


def _until_it_waits(acting: Future[Any], database: Database, project: int, people: int = 1) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :project AND NOT granted"
    for _ in range(1200):
        with database.session() as session:
            if (session.scalar(text(waiting), {"project": project}) or 0) >= people:
                return
        if acting.done():
            raise AssertionError(f"it did not wait: {acting.result()}")
        threading.Event().wait(0.05)
    raise AssertionError("it neither waits nor ends")
