"""Each image is read once, whatever dies meanwhile; an image that cannot be read fails alone."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import procrastinate
import pytest
from crops import crops
from sqlalchemy import event, select, text

from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.engine.readings import OK
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.intake.uploads import UploadIntake
from hemosight.service.settings import defaults
from hemosight.service.storage import deletion, events, uploads, workers
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import CellEmbedding, EmbeddingAttempt, Image, Picture, Project
from hemosight.service.work import jobs
from hemosight.service.work.worker import ATTEMPTS, EmbeddingWorker
from hemosight.service.work.worker_process import sweep, work, worker_name

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def registry(tiny_bundle: Bundle) -> BundleRegistry:
    return BundleRegistry(tiny_bundle, threads=1)


@pytest.fixture
def bundle(database: Database, registry: BundleRegistry) -> int:
    with database.session() as session:
        return registry.register(session)


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
    intake = UploadIntake(database, defaults(), None, project, number)
    outcomes = []
    for name, data in files.items():
        outcomes += intake.take(name, io.BytesIO(data))
    outcomes += intake.finish()
    return [outcome.image for outcome in outcomes if outcome.image is not None]


def readings(database: Database) -> dict[int, CellEmbedding]:
    with database.session() as session:
        return {row.image_id: row for row in session.scalars(select(CellEmbedding))}


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that another thread brings about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@contextmanager
def working(database: Database, registry: BundleRegistry, name: str) -> Iterator[None]:
    """A worker, in a thread of its own."""
    stop, loop = asyncio.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(work(database, registry, name, stop),))
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
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path, tiny_engine: Engine
) -> None:
    files = crops(drawn_smear)
    good = next(iter(files.values()))
    files["cut.png"] = good[: len(good) // 2]
    images = upload(database, project, files)
    reader = EmbeddingWorker(database, registry.engine, bundle, "one")
    assert reader.read(project, images) == len(images)
    stored = readings(database)
    vectors = {image: np.frombuffer(row.vector, "<f4") for image, row in stored.items() if row.vector is not None}
    expected = tiny_engine.classify(files.values())
    for image, reading in zip(images, expected, strict=True):
        assert stored[image].status == reading.status
        if reading.status == OK:
            bundled = tiny_engine.bundle.classifiers["cell_type"]
            (probabilities,) = bundled.probabilities(vectors[image][None])
            assert bundled.classes[int(probabilities.argmax())] == reading.label
            assert probabilities.max() == pytest.approx(reading.probability, abs=1e-6)
            assert stored[image].novelty == pytest.approx(reading.novelty, abs=1e-6)
            assert (stored[image].x, stored[image].worker) == (None, "one")
    assert stored[images[-1]].vector is None


def test_dossiers_are_made_with_the_threads_that_the_worker_was_given(
    database: Database, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its settings, not by its environment, where an option of the command does not stand."""
    given: list[int | None] = []

    async def go_on(database: Database, bundle: Bundle, bundle_id: int, threads: int | None = None) -> None:
        given.append(threads)
        await asyncio.Event().wait()

    monkeypatch.setattr("hemosight.service.work.dossiers.go_on", go_on)
    monkeypatch.setenv("HEMOSIGHT_THREADS", "1")
    with working(database, BundleRegistry(tiny_bundle, threads=2), "ida"):
        until(lambda: bool(given))
    assert given == [2]


def test_what_was_read_is_not_read_again(
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path
) -> None:
    images = upload(database, project, crops(drawn_smear, 5))
    reader = EmbeddingWorker(database, registry.engine, bundle, "one")
    assert reader.read(project, images[:2]) == 2
    before = {image: row.embedded_at for image, row in readings(database).items()}
    assert EmbeddingWorker(database, registry.engine, bundle, "two").read(project, images) == 3
    after = readings(database)
    assert {image: after[image].embedded_at for image in before} == before
    assert [after[image].worker for image in images] == ["one", "one", "two", "two", "two"]


def test_two_that_read_the_same_store_it_once(
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path
) -> None:
    """As when a worker was taken for dead and is not."""
    images = upload(database, project, crops(drawn_smear, 8))
    together = threading.Barrier(2)
    counts = []

    class Late(EmbeddingWorker):
        def embed(self, todo):
            read = super().embed(todo)
            together.wait(30)
            return read

    threads = [
        threading.Thread(
            target=lambda: counts.append(Late(database, registry.engine, bundle, "late").read(project, images))
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
    assert told == [{"kind": "readings", "read": 8, "waiting": 0, "images": images}]


def test_an_image_that_no_decoder_foresaw_fails_alone(
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path
) -> None:
    images = upload(database, project, crops(drawn_smear, 4))
    with database.session() as session:
        query = select(Picture.data).join(Image, Image.sha256 == Picture.sha256).where(Image.id == images[1])
        poison = session.scalars(query).one()

    class Surprised(EmbeddingWorker):
        def embed(self, todo):
            if any(image.data == poison for image in todo):
                raise ZeroDivisionError
            return super().embed(todo)

    assert Surprised(database, registry.engine, bundle, "s").read(project, images) == 4
    stored = readings(database)
    assert [stored[image].status == OK for image in images] == [True, False, True, True]
    assert "ZeroDivisionError" in stored[images[1]].status


def test_an_image_that_ends_its_worker_is_given_up(
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path
) -> None:
    """The process dies with it, so nothing can be caught: what was begun and not ended is counted."""
    images = upload(database, project, crops(drawn_smear, 4))

    class Dies(BaseException):
        pass

    class Mortal(EmbeddingWorker):
        def embed(self, todo):
            if images[2] in [image.id for image in todo]:
                raise Dies
            return super().embed(todo)

    def attempt(again: bool) -> int:
        return Mortal(database, registry.engine, bundle, "m").read(project, images, again=again)

    with pytest.raises(Dies):
        attempt(again=False)
    for _ in range(ATTEMPTS):
        with pytest.raises(Dies):
            attempt(again=True)
    assert set(readings(database)) == set(images[:2])  # the others are read on the way
    assert attempt(again=True) == 2
    stored = readings(database)
    assert [stored[image].status == OK for image in images] == [True, True, False, True]
    assert "ended the worker" in stored[images[2]].status
    with database.session() as session:
        assert session.scalars(select(EmbeddingAttempt)).all() == []


def test_images_taken_back_meanwhile_are_passed_over(
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path
) -> None:
    images = upload(database, project, crops(drawn_smear, 4))

    class Slow(EmbeddingWorker):
        def embed(self, todo):
            with database.session() as session:
                session.execute(text("DELETE FROM images WHERE id = :image"), {"image": images[1]})
            return super().embed(todo)

    assert Slow(database, registry.engine, bundle, "s").read(project, images) == 3
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

    async def twice() -> list[int]:
        connector = procrastinate.PsycopgConnector(conninfo=database.dsn, min_size=1, max_size=2)
        async with procrastinate.App(connector=connector).open_async():
            return [await jobs.retry_stalled(connector) for _ in range(2)]

    assert asyncio.run(twice()) == [2, 0]
    with database.session() as session:
        rows = session.execute(text("SELECT id, status::text, attempts FROM procrastinate_jobs ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [(1, "todo", 1), (2, "doing", 0), (3, "todo", 1), (4, "todo", 0)]


def test_a_clock_set_back_does_not_hold_the_jobs_of_a_dead_worker(
    database: Database, project: int, drawn_smear: Path
) -> None:
    """Its last sign of life then lies an hour ahead: it seemed alive for that hour, and its jobs stood still."""
    upload(database, project, crops(drawn_smear, 2))
    with database.session() as session:
        dead = session.scalar(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() + interval '1 hour') RETURNING id")
        )
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :dead"), {"dead": dead})
        session.execute(
            text("INSERT INTO procrastinate_jobs (task_name, queue_name, scheduled_at) VALUES (:task, 'q', :at)"),
            {"task": jobs.TASK, "at": datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)},
        )

    async def until_handed_on() -> int:
        connector = procrastinate.PsycopgConnector(conninfo=database.dsn, min_size=1, max_size=2)
        async with procrastinate.App(connector=connector).open_async():
            for _ in range(100):
                if retried := await jobs.retry_stalled(connector):
                    return retried
                await asyncio.sleep(0.3)
        return 0

    assert asyncio.run(until_handed_on()) == 1
    with database.session() as session:
        waiting = session.scalars(text("SELECT scheduled_at <= now() FROM procrastinate_jobs WHERE queue_name = 'q'"))
        assert list(waiting) == [True], "a wait of an hour was never meant"


def test_images_without_a_job_get_one(database: Database, bundle: int, project: int, drawn_smear: Path) -> None:
    images = upload(database, project, crops(drawn_smear, 6))
    with database.session() as session:
        assert jobs.sweep(session, bundle) == 0
    with database.session() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
        session.execute(
            text("INSERT INTO embeddings (image_id, bundle_id, status) VALUES (:image, :bundle, 'damaged')"),
            {"image": images[0], "bundle": bundle},
        )
    with database.session() as session:
        assert jobs.sweep(session, bundle) == 5
        assert jobs.of_project(session, project) == jobs.Waiting(5, 0, 0)


def test_what_is_left_to_read_is_asked_of_the_queue(
    database: Database, bundle: int, project: int, drawn_smear: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers ask after every job, with the project's turn held: going through a million cells would hold up labels."""
    images = upload(database, project, crops(drawn_smear, 6))
    asked: list[str] = []

    def left(of: int = bundle) -> int:
        with database.session() as session:
            return jobs.unread(session, project, of)

    assert (left(), left(bundle + 1)) == (6, 0)
    with database.session() as session:
        session.execute(
            text("INSERT INTO embeddings (image_id, bundle_id, status) VALUES (:image, :bundle, 'damaged')"),
            {"image": images[0], "bundle": bundle},
        )
        deletion.delete_cells(session, project, images[1:2])
    assert left() == 4, "what is read, or was deleted, waits no more"
    monkeypatch.setattr(jobs, "LONG", 5)
    event.listen(database.engine, "before_cursor_execute", lambda *of: asked.append(of[2]))
    assert left() == 6, "of a long queue what it holds"
    assert not any("embeddings" in query for query in asked)


def test_a_worker_reads_what_is_uploaded_while_it_idles_and_says_so(
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path
) -> None:
    with working(database, registry, "ida"):
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
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path
) -> None:
    files = list(crops(drawn_smear, 20).items())
    with working(database, registry, "ida"):
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
    database: Database, registry: BundleRegistry, bundle: int, project: int, drawn_smear: Path
) -> None:
    files = crops(drawn_smear, 4)
    upload(database, project, dict(list(files.items())[:3]))
    with database.session() as session:
        kept = session.scalars(select(Image.sha256).order_by(Image.id)).first()
        session.execute(text("DELETE FROM images WHERE sha256 <> :kept"), {"kept": kept})

    def pictures() -> list[bytes]:
        with database.session() as session:
            return list(session.scalars(select(Picture.sha256)))

    data = list(files.values())[3]
    new = uploads.NewPicture("new.png", hashlib.sha256(data).digest(), data, "image/png", 1, 1, None)
    orphan = next(sha for sha in pictures() if sha != kept)
    with database.session() as session:
        again = uploads.NewPicture("again.png", orphan, b"", "image/png", 1, 1, None)
        uploads.add(session, uploads.begin(session, project, None, None), [new, again])
        sweep(database, "tidy", bundle)  # while the upload has not committed
        assert len(pictures()) == 3, "two of no image, as far as others see"
    sweep(database, "tidy", bundle)
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


def test_two_workers_that_nobody_named_are_told_apart_even_in_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    # On their machine's network both have its name, and each is process 1 of its container.
    monkeypatch.setattr("socket.gethostname", lambda: "host")
    monkeypatch.setattr("os.getpid", lambda: 1)
    first, second = worker_name(), worker_name()
    assert first != second
    assert first.startswith("host-1-")
