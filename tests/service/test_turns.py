"""Whoever waits for a project's turn holds no cell meanwhile: who has the turn may be waiting for that cell."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from film_camera import camera_on, draw_film, two
from sqlalchemy import select, text

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import FieldCell, Image
from hemosight.service.work.worker import EmbeddingWorker

pytestmark = pytest.mark.service


@pytest.mark.parametrize("who", ["takes an upload back", "stores what was read", "writes a comment"])
def test_who_waits_for_the_turn_holds_no_cell(database: Database, tiny_bundle: Bundle, who: str) -> None:
    """As against a field that comes in, whose cells are counted in another field, and against a deletion."""
    camera = camera_on(database, tiny_bundle)
    upload = camera.begin("F-1")
    camera.into(upload, two(draw_film(), "film/s1_x{x}_y0.png")[:1])
    project = camera.filled.id
    with database.session() as session:
        images = list(session.scalars(select(Image.id).where(Image.project_id == project)))
    assert images
    engine = BundleRegistry(tiny_bundle, threads=1).engine
    reader = EmbeddingWorker(database, engine, camera.filled.bundle, "ida")

    def act() -> int:
        if who == "takes an upload back":
            return camera.reviewer.delete(camera.path(f"/uploads/{upload}")).status_code
        if who == "stores what was read":
            return 200 if reader.read(project, images) else 0
        given = {"text": "two nuclei"}
        return camera.reviewer.post(camera.path(f"/images/{images[0]}/comments"), json=given).status_code

    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            events.take_turn(session, project)
            acting = pool.submit(act)
            _until_somebody_waits(database, project)
            cells = select(FieldCell.id).where(FieldCell.image_id.in_(images)).with_for_update(nowait=True)
            own = select(Image.id).where(Image.id.in_(images)).with_for_update(nowait=True)
            assert sorted(session.scalars(own)) == sorted(images)
            assert len(session.scalars(cells).all()) == len(images)
        assert acting.result(60) in (200, 201)


def _until_somebody_waits(database: Database, project: int) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :project AND NOT granted"
    for _ in range(1200):
        with database.session() as session:
            if session.scalar(text(waiting), {"project": project}):
                return
        threading.Event().wait(0.05)
    raise AssertionError("nobody came to wait")
