"""Each image is read once, whatever dies meanwhile; an image that cannot be read fails alone."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from crops import crops
from sqlalchemy import select, text

from hemosight.bundle import Bundle
from hemosight.engine import Engine
from hemosight.readings import OK
from hemosight.service import jobs
from hemosight.service.bundles import Shelf
from hemosight.service.settings import defaults
from hemosight.service.storage import events, uploads, workers
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import CellReading, Image, Picture, Project, ReadingTry
from hemosight.service.uploads import Intake
from hemosight.service.worker import TRIES, Reader, _tend_once, work


@pytest.fixture(scope="module")
def shelf(tiny_bundle: Bundle) -> Shelf:
    return Shelf(tiny_bundle, threads=1)


@pytest.fixture
def bundle(database: Database, shelf: Shelf) -> int:
    with database.session() as session:
        return shelf.register(session)


@pytest.fixture
def project(database: Database, bundle: int) -> int:
    with database.session() as session:
        row = Project(name="p", bundle_id=bundle)
        session.add(row)
        session.flush()
        return row.id


def upload(database: Database, project: int, files: dict[str, bytes]) -> list[int]:
    """Images of these files, with their jobs."""
    with database.session() as session:
        number = uploads.begin(session, project, None, None).id
    intake = Intake(database, defaults(), None, project, number)
    outcomes = []
    for name, data in files.items():
        outcomes += intake.take(name, io.BytesIO(data))
    outcomes += intake.finish()
    return [outcome.image for outcome in outcomes if outcome.image is not None]


def readings(database: Database) -> dict[int, CellReading]:
    with database.session() as session:
        return {row.image_id: row for row in session.scalars(select(CellReading))}


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that another thread brings about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@contextmanager
def working(database: Database, shelf: Shelf, name: str) -> Iterator[None]:
    """A worker, in a thread of its own."""
    stop, loop = asyncio.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(work(database, shelf, name, stop),))
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


def test_readings_are_those_of_the_command_line(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path, tiny_engine: Engine
) -> None:
    files = crops(drawn_smear)
    good = next(iter(files.values()))
    files["cut.png"] = good[: len(good) // 2]
    images = upload(database, project, files)
    reader = Reader(database, shelf.engine, bundle, "one")
    assert reader.read(project, images) == len(images)
    stored = readings(database)
    vectors = {image: np.frombuffer(row.vector, "<f4") for image, row in stored.items() if row.vector is not None}
    expected = tiny_engine.classify(files.values())
    for image, reading in zip(images, expected, strict=True):
        assert stored[image].status == reading.status
        if reading.status == OK:
            bundled = tiny_engine.bundle.readers["cell_type"]
            (probabilities,) = bundled.probabilities(vectors[image][None])
            assert bundled.classes[int(probabilities.argmax())] == reading.label
            assert probabilities.max() == pytest.approx(reading.probability, abs=1e-6)
            assert stored[image].novelty == pytest.approx(reading.novelty, abs=1e-6)
            assert (stored[image].x, stored[image].worker) == (None, "one")
    assert stored[images[-1]].vector is None


def test_what_was_read_is_not_read_again(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path
) -> None:
    images = upload(database, project, crops(drawn_smear, 5))
    reader = Reader(database, shelf.engine, bundle, "one")
    assert reader.read(project, images[:2]) == 2
    before = {image: row.read_at for image, row in readings(database).items()}
    assert Reader(database, shelf.engine, bundle, "two").read(project, images) == 3
    after = readings(database)
    assert {image: after[image].read_at for image in before} == before
    assert [after[image].worker for image in images] == ["one", "one", "two", "two", "two"]


def test_two_that_read_the_same_store_it_once(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path
) -> None:
    """As when a worker was taken for dead and is not."""
    images = upload(database, project, crops(drawn_smear, 8))
    together = threading.Barrier(2)
    counts = []

    class Late(Reader):
        def _through(self, todo):
            read = super()._through(todo)
            together.wait(30)
            return read

    threads = [
        threading.Thread(
            target=lambda: counts.append(Late(database, shelf.engine, bundle, "late").read(project, images))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 8]
    with database.session() as session:
        told = [event.data for event in events.since(session, project, 0) if event.kind == "readings"]
    assert told == [{"read": 8, "waiting": 0, "images": images}]


def test_an_image_that_no_decoder_foresaw_fails_alone(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path
) -> None:
    images = upload(database, project, crops(drawn_smear, 4))
    with database.session() as session:
        query = select(Picture.data).join(Image, Image.sha256 == Picture.sha256).where(Image.id == images[1])
        poison = session.scalars(query).one()

    class Surprised(Reader):
        def _through(self, todo):
            if any(image.data == poison for image in todo):
                raise ZeroDivisionError
            return super()._through(todo)

    assert Surprised(database, shelf.engine, bundle, "s").read(project, images) == 4
    stored = readings(database)
    assert [stored[image].status == OK for image in images] == [True, False, True, True]
    assert "ZeroDivisionError" in stored[images[1]].status


def test_an_image_that_ends_its_worker_is_given_up(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path
) -> None:
    """The process dies with it, so nothing can be caught: what was begun and not ended is counted."""
    images = upload(database, project, crops(drawn_smear, 4))

    class Dies(BaseException):
        pass

    class Mortal(Reader):
        def _through(self, todo):
            if images[2] in [image.id for image in todo]:
                raise Dies
            return super()._through(todo)

    def attempt(again: bool) -> int:
        return Mortal(database, shelf.engine, bundle, "m").read(project, images, again=again)

    with pytest.raises(Dies):
        attempt(again=False)
    for _ in range(TRIES):
        with pytest.raises(Dies):
            attempt(again=True)
    assert set(readings(database)) == set(images[:2])  # the others are read on the way
    assert attempt(again=True) == 2
    stored = readings(database)
    assert [stored[image].status == OK for image in images] == [True, True, False, True]
    assert "ended the worker" in stored[images[2]].status
    with database.session() as session:
        assert session.scalars(select(ReadingTry)).all() == []


def test_images_taken_back_meanwhile_are_passed_over(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path
) -> None:
    images = upload(database, project, crops(drawn_smear, 4))

    class Slow(Reader):
        def _through(self, todo):
            with database.session() as session:
                session.execute(text("DELETE FROM images WHERE id = :image"), {"image": images[1]})
            return super()._through(todo)

    assert Slow(database, shelf.engine, bundle, "s").read(project, images) == 3
    assert set(readings(database)) == {images[0], *images[2:]}


def test_jobs_of_dead_workers_are_handed_on_once(database: Database, bundle: int, project: int) -> None:
    with database.session() as session:
        jobs.enqueue(session, project_id=project, bundle_id=bundle, images=list(range(100)))
        session.execute(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()), (now() - interval '6 s')")
        )
        session.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = 1 + id % 2 WHERE id IN (1, 2, 3)")
        )
    with database.session() as session:
        assert jobs.hand_on(session) == 2
        assert jobs.hand_on(session) == 0
    with database.session() as session:
        rows = session.execute(text("SELECT id, status::text, attempts FROM procrastinate_jobs ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [(1, "todo", 1), (2, "doing", 0), (3, "todo", 1), (4, "todo", 0)]


def test_images_without_a_job_get_one(database: Database, bundle: int, project: int, drawn_smear: Path) -> None:
    images = upload(database, project, crops(drawn_smear, 6))
    with database.session() as session:
        assert jobs.sweep(session, bundle) == 0
    with database.session() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
        session.execute(
            text("INSERT INTO readings (image_id, bundle_id, status) VALUES (:image, :bundle, 'damaged')"),
            {"image": images[0], "bundle": bundle},
        )
    with database.session() as session:
        assert jobs.sweep(session, bundle) == 5
        assert jobs.of_project(session, project) == jobs.Waiting(5, 0, 0)


def test_a_worker_reads_what_is_uploaded_while_it_idles_and_says_so(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path
) -> None:
    with working(database, shelf, "ida"):
        until(lambda: bool(_living(database, bundle)))
        images = upload(database, project, crops(drawn_smear, 40))
        until(lambda: len(readings(database)) == len(images))
        assert _living(database, bundle) == ["ida"]
    assert {row.worker for row in readings(database).values()} == {"ida"}
    assert _living(database, bundle) == []
    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM procrastinate_jobs")) == 0
        told = [event.data for event in events.since(session, project, 0) if event.kind == "readings"]
    assert sum(data["read"] for data in told) == len(images)
    assert told[-1]["waiting"] == 0


def test_a_worker_outlives_its_connections(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path
) -> None:
    files = list(crops(drawn_smear, 20).items())
    with working(database, shelf, "ida"):
        upload(database, project, dict(files[:10]))
        until(lambda: len(readings(database)) == 10)
        with database.session() as session:
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hemosight worker'"
                )
            )
        upload(database, project, dict(files[10:]))
        until(lambda: len(readings(database)) == 20)


def _living(database: Database, bundle: int) -> list[str]:
    with database.session() as session:
        return [row.name for row in workers.living(session, bundle)]


def test_pictures_of_no_project_are_forgotten_but_never_under_an_upload(
    database: Database, shelf: Shelf, bundle: int, project: int, drawn_smear: Path
) -> None:
    files = crops(drawn_smear, 4)
    upload(database, project, dict(list(files.items())[:3]))
    with database.session() as session:
        kept = session.scalars(select(Image.sha256).order_by(Image.id)).first()
        session.execute(text("DELETE FROM images WHERE sha256 <> :kept"), {"kept": kept})

    def pictures() -> list[bytes]:
        with database.session() as session:
            return list(session.scalars(select(Picture.sha256)))

    reader = Reader(database, shelf.engine, bundle, "tidy")
    data = list(files.values())[3]
    new = uploads.NewPicture("new.png", hashlib.sha256(data).digest(), data, "image/png", 1, 1, None)
    orphan = next(sha for sha in pictures() if sha != kept)
    with database.session() as session:
        again = uploads.NewPicture("again.png", orphan, b"", "image/png", 1, 1, None)
        uploads.add(session, uploads.begin(session, project, None, None), [new, again])
        _tend_once(database, reader, bundle, sweep=True)  # while the upload has not committed
        assert len(pictures()) == 3, "two of no image, as far as others see"
    _tend_once(database, reader, bundle, sweep=True)
    assert set(pictures()) == {kept, new.sha256, orphan}
    upload(database, project, {"new.png": data})  # an upload that meets what it knows


def test_an_upload_waits_while_pictures_are_forgotten(
    database: Database, bundle: int, project: int, drawn_smear: Path
) -> None:
    files = crops(drawn_smear, 2)
    upload(database, project, files)
    with database.session() as session:
        session.execute(text("DELETE FROM images"))
    with database.session() as session:
        assert uploads.forget_unused_pictures(session) == 2
        thread = threading.Thread(target=upload, args=(database, project, files))
        thread.start()

        def waits() -> bool:
            with database.session() as other:
                query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                return other.scalar(text(query)) == 1

        until(waits)
    thread.join(60)
    with database.session() as session:
        assert len(session.scalars(select(Image.id)).all()) == 2
        assert len(session.scalars(select(Picture.sha256)).all()) == 2
