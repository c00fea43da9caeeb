"""Of a cell that two fields show, the field that held it goes: it is counted in the other, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import datetime
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from film_camera import Camera, camera_on, draw_film, two
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from hemosight.engine.bundle import Bundle
from hemosight.images.decode import Pixels, decode
from hemosight.images.synthetic.camera import DrawnField
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.intake import fields as intake
from hemosight.service.storage import events, fields, films
from hemosight.service.storage.database import Database
from hemosight.service.storage.retention import expire
from hemosight.service.storage.tables import (
    AuditRow,
    CameraField,
    Case,
    FieldCell,
    Image,
    Picture,
    Project,
    Signature,
    WorkerSeen,
)
from hemosight.service.work import jobs, recrops
from hemosight.service.work.recrops import Recropper
from hemosight.service.work.worker_process import work

NAME = "film/s1_x{x}_y0.png"


@pytest.fixture
def camera(database: Database, tiny_bundle: Bundle) -> Camera:
    return camera_on(database, tiny_bundle)


@pytest.fixture(scope="module")
def film() -> DrawnField:
    return draw_film()


def _asked(camera: Camera) -> int:
    """How often workers were asked to count the project's cells."""
    with camera.filled.database.session() as session:
        query = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = :task AND args->>'project' = :project"
        return session.scalar(text(query), {"task": jobs.RECROP, "project": str(camera.filled.id)}) or 0


def _counts(camera: Camera, field: int) -> tuple[int, int, int]:
    seen = camera.field(field)
    return seen["cells"], seen["seen_again"], seen["uncounted"]


def test_an_upload_that_is_taken_back_gives_its_cells_to_the_field_that_shows_them_too(
    camera: Camera, film: DrawnField
) -> None:
    pictures = two(film, NAME)
    upload = camera.begin("F-1")
    camera.into(upload, pictures[:1])
    (second,) = camera.send("F-1", pictures[1:])
    own, shared = second["cells"], second["seen_again"]
    assert shared > 0
    assert camera.reviewer.delete(camera.path(f"/uploads/{upload}")).status_code == 200
    assert (_asked(camera), _counts(camera, second["field"])) == (1, (own, 0, shared))
    assert camera.recrop() == shared
    assert _counts(camera, second["field"]) == (own + shared, 0, 0)
    (case,) = camera.reviewer.get(camera.path("/cases")).json()["items"]
    assert case["images"] == own + shared
    with camera.filled.database.session() as session:
        query = select(AuditRow.user_id, AuditRow.subject).where(AuditRow.project_id == camera.filled.id)
        noted = session.execute(query.where(AuditRow.action == "field.cell.add")).all()
    assert [(user, subject["field"], subject["again"]) for user, subject in noted] == [
        (None, second["field"], True)
    ] * shared
    assert camera.recrop() == 0


@pytest.mark.parametrize("ended", ["deleted", "old"])
def test_a_case_that_goes_gives_them_to_a_case_that_shows_them_too(
    database: Database, camera: Camera, film: DrawnField, ended: str
) -> None:
    """As where both cases hold the very same picture of a cell."""
    pictures = two(film, NAME)
    (first,) = camera.send("F-1", pictures[:1])
    (second,) = camera.send("F-2", pictures[1:])
    holder, leaning = camera.field(first["field"])["boxes"][0]["id"], camera.field(second["field"])["boxes"][0]["id"]
    with database.session() as session:
        session.execute(update(FieldCell).where(FieldCell.id == leaning).values(image_id=None, seen_in=holder))
    (case,) = [one["id"] for one in camera.reviewer.get(camera.path("/cases")).json()["items"] if one["key"] == "F-1"]
    if ended == "deleted":
        assert camera.admin.delete(camera.path(f"/cases/{case}")).status_code == 204
        assert _asked(camera) == 1
    else:
        _age(database, case)
        expire(database, 90)
    assert _counts(camera, second["field"]) == (second["cells"] - 1, 0, 1)
    assert Recropper(database).recrop(camera.filled.bundle) == 1, "asked for or not"
    assert _counts(camera, second["field"]) == (second["cells"], 0, 0)


def test_a_worker_counts_what_a_process_that_died_left(
    database: Database, tiny_bundle: Bundle, camera: Camera, film: DrawnField
) -> None:
    first, second = camera.send("F-1", two(film, NAME))
    assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
    with database.session() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = :task"), {"task": jobs.RECROP})
    with _working(database, tiny_bundle):
        _until(lambda: _counts(camera, second["field"]) == (second["cells"] + second["seen_again"], 0, 0))


def test_a_worker_is_told_of_a_deletion(
    database: Database, tiny_bundle: Bundle, camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = camera.send("F-1", two(film, NAME))
    monkeypatch.setattr(recrops, "EVERY", 3600.0)  # it does not look by itself once it has begun
    looked, recrop = threading.Event(), Recropper.recrop

    def recropping(self: Recropper, bundle: int) -> int:
        done = recrop(self, bundle)
        looked.set()
        return done

    monkeypatch.setattr(Recropper, "recrop", recropping)
    with _working(database, tiny_bundle):
        assert looked.wait(60)
        assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
        _until(lambda: _counts(camera, second["field"]) == (second["cells"] + second["seen_again"], 0, 0))
        _until(lambda: _asked(camera) == 0)


def test_a_field_is_decoded_once_for_all_its_cells(
    database: Database, camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recrops, "TOGETHER", 1)
    (first,) = camera.send("F-1", two(film, NAME)[:1])
    assert first["cells"] > 1
    with database.session() as session:
        own = FieldCell.field_id == first["field"]
        session.execute(update(FieldCell).where(own).values(image_id=None))
    decoded: list[int] = []

    def counting(data: bytes, bits: int | None = None) -> Pixels:
        decoded.append(len(data))
        return decode(data, bits)

    monkeypatch.setattr(recrops, "decode", counting)
    assert camera.recrop() == first["cells"]
    assert len(decoded) == 1


@dataclass
class Slow:
    """A decoder that stays at its first picture until it is let go."""

    entered: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    calls: int = 0

    def __call__(self, data: bytes, bits: int | None = None) -> Pixels:
        self.calls += 1
        if self.calls == 1:
            self.entered.set()
            assert self.let_go.wait(120)
        return decode(data, bits)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    made = Slow()
    monkeypatch.setattr(recrops, "decode", made)
    yield made
    made.let_go.set()


def test_a_worker_that_counts_for_long_shows_that_it_lives(
    database: Database, tiny_bundle: Bundle, camera: Camera, film: DrawnField, slow: Slow
) -> None:
    _both_uncounted(camera, film)
    with _working(database, tiny_bundle):
        assert slow.entered.wait(60)
        with database.session() as session:
            began = session.scalars(select(func.clock_timestamp())).one()

        def seen_since() -> bool:
            with database.session() as session:
                seen = session.scalar(select(WorkerSeen.seen_at).where(WorkerSeen.name == "ida"))
                return seen is not None and seen > began

        try:
            _until(seen_since)
        finally:
            slow.let_go.set()


def test_a_field_that_one_worker_counts_is_left_alone_by_the_others(
    camera: Camera, film: DrawnField, slow: Slow
) -> None:
    first, second = _both_uncounted(camera, film)
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(camera.recrop)
        try:
            assert slow.entered.wait(60)
            assert camera.recrop() == second["cells"]
            assert slow.calls == 2
        finally:
            slow.let_go.set()
        assert one.result(60) == first["cells"]
    assert slow.calls == 2, "the second field was counted since the first worker found it"


def test_a_worker_that_is_told_to_stop_begins_no_other_field(
    database: Database, camera: Camera, film: DrawnField, slow: Slow
) -> None:
    first, second = _both_uncounted(camera, film)

    async def stopped() -> None:
        recropping = asyncio.create_task(Recropper(database).go_on(camera.filled.bundle))
        assert await asyncio.to_thread(slow.entered.wait, 60)
        recropping.cancel()
        with suppress(asyncio.CancelledError):
            await recropping
        slow.let_go.set()

    asyncio.run(stopped())
    assert slow.calls == 1
    assert _counts(camera, first["field"])[0] == first["cells"], "what was begun is ended"
    assert _counts(camera, second["field"])[0] == 0


def test_a_stop_that_meets_a_request_is_not_lost(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recropper, "recrop", lambda *_: 0)

    async def stopped() -> bool:
        recropper = Recropper(database)
        recropping = asyncio.create_task(recropper.go_on(1))
        await asyncio.sleep(0.2)
        recropper.ask()
        recropping.cancel()
        done, _ = await asyncio.wait((recropping,), timeout=5)
        recropping.cancel()
        return bool(done)

    assert asyncio.run(stopped())


class Dies(BaseException):
    """As a worker that the system ends, or whose decoder tramples on it."""


@pytest.mark.parametrize("fault", [Dies, ValueError])
def test_a_field_that_ends_every_worker_is_given_up_and_the_others_are_counted(
    database: Database, camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    first, second = _both_uncounted(camera, film)
    bad = _file(database, first["field"])
    tried: list[int] = []

    def deadly(data: bytes, bits: int | None = None) -> Pixels:
        if data == bad:
            tried.append(1)
            raise fault
        return decode(data, bits)

    monkeypatch.setattr(recrops, "decode", deadly)
    for _ in range(films.ATTEMPTS):
        with nullcontext() if fault is ValueError else pytest.raises(Dies):
            camera.recrop()  # each time by a process that knows of no other
    camera.recrop()
    camera.recrop()
    assert len(tried) == films.ATTEMPTS
    assert _counts(camera, first["field"]) == (0, 0, first["cells"])
    assert _counts(camera, second["field"])[0::2] == (second["cells"], 0)
    assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
    assert _asked(camera) == 0, "nobody is asked for what is given up"


def test_attempts_that_were_not_the_fields_fault_are_forgotten(
    database: Database, camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = _both_uncounted(camera, film)
    take_turn, refused = events.take_turn, iter([True] * 4)

    def elsewhere(session: Session, project: int) -> None:
        if next(refused, False):
            session.execute(text("SELECT 1 / 0"))  # as a deadlock, which the database ends
        take_turn(session, project)

    monkeypatch.setattr(recrops.events, "take_turn", elsewhere)
    camera.recrop()
    camera.recrop()
    assert camera.recrop() > 0
    with database.session() as session:
        assert session.get_one(CameraField, first["field"]).attempts == 0


def test_a_cell_that_came_to_lean_on_another_before_the_deletion_had_its_turn_is_counted(
    database: Database, camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = two(film, NAME)
    (first,) = camera.send("F-1", pictures[:1])
    (second,) = camera.send("F-2", pictures[1:])
    holder, late = camera.field(first["field"])["boxes"][0]["id"], camera.field(second["field"])["boxes"][0]["id"]
    take_turn, waited = events.take_turn, iter([True])

    def slowly(session: Session, project: int) -> None:
        if next(waited, False):
            with database.session() as other:
                other.execute(update(FieldCell).where(FieldCell.id == late).values(image_id=None, seen_in=holder))
        take_turn(session, project)

    monkeypatch.setattr(fields.events, "take_turn", slowly)
    assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
    assert (_asked(camera), camera.recrop()) == (1, 1)
    assert _counts(camera, second["field"]) == (second["cells"], 0, 0)


def test_a_field_that_comes_while_the_one_that_counts_goes_is_kept(
    camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = two(film, NAME)
    (first,) = camera.send("F-1", pictures[:1])
    seen_again = intake.seen_again

    def vanishing(shown: Any) -> Any:
        found = seen_again(shown)
        assert found
        assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
        return found

    monkeypatch.setattr(intake, "seen_again", vanishing)
    (second,) = camera.send("F-1", pictures[1:])
    assert (_asked(camera), camera.recrop() > 0) == (1, True)
    assert _counts(camera, second["field"])[1:] == (0, 0)


def test_a_case_with_a_cell_that_counts_nowhere_is_not_signed(camera: Camera, film: DrawnField) -> None:
    first, second = camera.send("F-1", two(film, NAME))
    assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
    case = camera.reviewer.get(camera.path("/cases")).json()["items"][0]["id"]
    given = {"case": case, "role": "first", "note": "a short film"}

    def label() -> None:
        images = camera.reviewer.get(camera.path("/images")).json()["items"]
        said = [{"image": one["id"], "label": "lymphocyte", "version": 0} for one in images if one["label"] is None]
        answer = camera.reviewer.post(camera.path("/labels"), json={"request": str(uuid.uuid4()), "items": said})
        assert answer.status_code == 200, answer.text

    label()
    refused = camera.reviewer.post(camera.path("/signatures"), json=given)
    assert refused.status_code == 409
    assert refused.json()["error"]["came"].startswith(f"{second['seen_again']} that count nowhere")
    assert camera.recrop() == second["seen_again"]
    label()
    assert camera.reviewer.post(camera.path("/signatures"), json=given).status_code == 201


@pytest.mark.parametrize("shut", ["signed", "archived"])
def test_nothing_is_added_where_nothing_may_be(database: Database, camera: Camera, film: DrawnField, shut: str) -> None:
    first, second = camera.send("F-1", two(film, NAME))
    assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
    filled = camera.filled
    with database.session() as session:
        case = session.get_one(CameraField, second["field"]).case_id
        facts = {"project_id": filled.id, "case_id": case, "user_id": filled.users[0], "bundle_id": filled.bundle}
        if shut == "signed":
            session.add(Signature(**facts, role="first", reviewed_until=0, differential={}))
        else:
            session.get_one(Project, filled.id).archived_at = datetime.datetime.now(datetime.UTC)
    assert camera.recrop() == 0
    assert _counts(camera, second["field"]) == (second["cells"], 0, second["seen_again"])
    if shut == "archived":
        with database.session() as session:
            session.get_one(Project, filled.id).archived_at = None
        assert camera.recrop() == second["seen_again"], "it is open again"


def _both_uncounted(camera: Camera, film: DrawnField) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two fields without one counted cell."""
    first, second = camera.send("F-1", two(film, NAME)[:1])[0], camera.send("F-2", two(film, NAME)[1:])[0]
    with camera.filled.database.session() as session:
        both = FieldCell.field_id.in_([first["field"], second["field"]])
        session.execute(update(FieldCell).where(both).values(image_id=None, seen_in=None))
    return first, second


def _file(database: Database, field: int) -> bytes:
    with database.session() as session:
        query = select(Picture.data).join(CameraField, CameraField.sha256 == Picture.sha256)
        return session.scalars(query.where(CameraField.id == field)).one()


def _age(database: Database, case: int) -> None:
    old = datetime.timedelta(days=100)
    with database.session() as session:
        session.execute(update(Image).where(Image.case_id == case).values(uploaded_at=Image.uploaded_at - old))
        whole = update(CameraField).where(CameraField.case_id == case)
        session.execute(whole.values(uploaded_at=CameraField.uploaded_at - old))
        session.execute(update(Case).where(Case.id == case).values(created_at=Case.created_at - old))


@contextmanager
def _working(database: Database, bundle: Bundle) -> Iterator[None]:
    """A worker, in a thread of its own."""
    stop, loop = asyncio.Event(), asyncio.new_event_loop()
    registry = BundleRegistry(bundle, threads=1)
    thread = threading.Thread(target=loop.run_until_complete, args=(work(database, registry, "ida", stop),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        alive = thread.is_alive()
        if not alive:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
        assert not alive


def _until(holds: Any) -> None:
    """Wait for something that the worker brings about."""
    for _ in range(1200):
        if holds():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come about")
