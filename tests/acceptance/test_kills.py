"""Whatever is killed while people work: what was acknowledged is there once, and every backup holds what it says.

Forty kills; forty of the first start and twenty of an upgrade are in ``tests/service/storage``. All are repeated, and
made more or fewer, as ``tests/kills.py`` says.
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import kills
import psutil
import psycopg
import pytest
from processes import Process, Server, progress, until
from writers import Acknowledged, Writers

from hemosight.engine.bundle import Bundle
from hemosight.service.operations.backup import restore
from hemosight.service.operations.backups import check
from hemosight.service.storage.audit_chain import verify
from hemosight.service.storage.cluster import Cluster, dsn
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import NAME, embedded

pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.timeout(3600)]
EACH = kills.each(10)
PATIENCE = 300
_KEPT = {
    "images": "SELECT id, (project_id, sha256, name, case_id)::text FROM images",
    "labels": "SELECT id, labels::text FROM labels",
    "comments": "SELECT id, comments::text FROM comments",
    "signatures": "SELECT id, signatures::text FROM signatures",
    "audit": "SELECT id, audit::text FROM audit",
}
"""Tables whose rows are written once, and what of a row stays as it is."""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hs-"))
    made.chmod(0o755)
    yield made
    for process in psutil.process_iter(["cmdline"]):  # server, workers, database: all were started on this folder
        if str(made) in " ".join(process.info["cmdline"] or ()):
            process.kill()
    with suppress(OSError):
        sys.stderr.write((made / "log").read_text()[-10_000:])  # shown where the test fails
    shutil.rmtree(made, ignore_errors=True)


class Service:
    """A server, two workers and the database, each of which is killed and started again; backups are taken of it."""

    def __init__(self, folder: Path, bundle: Path, rng: random.Random) -> None:
        self.data, self.backups, self.log = folder / "data", folder / "backups", folder / "log"
        self.backups.mkdir()
        self.settings = {"HEMOSIGHT_BUNDLE": str(bundle), "HEMOSIGHT_THREADS": "1"}
        self.readings: list[dict[int, str]] = []
        """What was read when, and by which worker, at some moments."""
        self.whole: list[tuple[Path, dict[str, int]]] = []
        """Backups that said they were whole, and how much had been acknowledged when each began."""
        self._rng = rng
        self._names = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        self.server = self._server()
        self.workers = [self._worker(), self._worker()]

    def _server(self) -> Server:
        return Server(self.data, self.log, "--port", self._port, settings=self.settings)

    def _worker(self) -> Process:
        self._names += 1
        words = ("worker", "--data-dir", self.data, "--name", f"w{self._names}")
        return Process(*words, log=self.log, settings=self.settings)

    def kill(self, kind: str) -> bool:
        """Kill something, as it is chosen, and start it again unless it comes back by itself; whether it still ran."""
        if kind == "server":
            self.server.kill()
            time.sleep(self._rng.uniform(0.0, 1.0))
            self.server = self._server()
        elif kind == "worker":
            number = self._rng.randrange(2)
            self.workers[number].kill()
            self.workers[number] = self._worker()
        elif kind == "database":
            self._kill_database()
        else:
            return self._kill_backup()
        return True

    def _kill_database(self) -> None:
        """The postmaster alone, one of its children (then it recovers by itself), or everything as a power cut."""
        found = Cluster(self.data / "postgres").postmaster()
        assert found is not None
        children = found.process.children()
        chosen = self._rng.choice([[found.process], [self._rng.choice(children)], [found.process, *children]])
        for process in chosen:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _kill_backup(self) -> bool:
        """At some moment from its beginning on, or while the file grows; pg_dump with it, or alone left over."""
        file = self.backups / f"killed-{self._rng.getrandbits(32):08x}.backup"
        process = self._backup(file)
        if self._rng.random() < 0.7:
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and not file.with_name(f"{file.name}.part").exists():
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(self._rng.uniform(0.0, 0.5))
        else:
            time.sleep(self._rng.uniform(0.2, 3.0))
        children: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children() if self._rng.random() < 0.5 else []
        process.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        code = process.wait()
        if code == 0 or file.exists():
            self.whole.append((file, {}))
        return code == -signal.SIGKILL

    def _backup(self, file: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "hemosight", "service", "backup", str(file), "--data-dir", str(self.data)]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)

    def take_backups(self, acknowledged: Acknowledged, ended: threading.Event) -> None:
        """One after the other, whatever else happens, until told to end."""
        number = 0
        while not ended.wait(5.0):
            number += 1
            file, before = self.backups / f"{number}.backup", acknowledged.counts()
            if self._backup(file).wait(PATIENCE) == 0:
                self.whole.append((file, before))

    def look_at_readings(self) -> None:
        """Note what is read by now; not while the database is away."""
        found = Cluster(self.data / "postgres").postmaster()
        if found is not None:
            with suppress(psycopg.OperationalError), psycopg.connect(dsn(found.sockets, NAME)) as connection:
                self.readings.append(_readings(connection))


def _readings(connection: psycopg.Connection[Any]) -> dict[int, str]:
    return dict(connection.execute("SELECT image_id, (embedded_at, worker)::text FROM embeddings").fetchall())


def test_random_kills_while_people_work(
    folder: Path, tiny_bundle: Bundle, drawn_smear: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = kills.begin(capsys)
    rng = random.Random(seed)
    service = Service(folder, tiny_bundle.save(folder / "tiny.hemosight"), rng)
    with service.server.client() as client:
        first, second = (client.post("/projects", json={"name": name}).json()["id"] for name in ("cells", "signed"))
    crops = [path.read_bytes() for path in sorted(drawn_smear.rglob("*.jpg"))]
    writers = Writers(service.server.address, (first, second), crops, seed)
    done, ended = writers.acknowledged, threading.Event()
    backups = threading.Thread(target=service.take_backups, args=(done, ended))
    killed: Counter[str] = Counter()
    writers.start()
    backups.start()
    try:
        for kind in rng.sample(kills.WORK * EACH, len(kills.WORK) * EACH):
            _some_work(writers)
            time.sleep(rng.uniform(0.0, 1.5))
            service.look_at_readings()
            killed[kind] += service.kill(kind)
        _some_work(writers)
    finally:
        ended.set()
        writers.end()
        backups.join(PATIENCE)
    assert not writers.faults
    with service.server.client() as client:
        for project in (first, second):
            until(lambda: len(set(progress(client, f"/projects/{project}"))) == 1, PATIENCE)  # noqa: B023 -- called here
    assert [process.stop() for process in (*service.workers, service.server)] == [0, 0, 0]
    with embedded(service.data) as address:
        now = _kept(address)
        _every_acknowledged_thing_is_there_once(address, done)
        _in_good_order(address)
        _read_once(address, service.readings)
    assert min(done.counts().values()) > 2, "each kind of work was done"
    assert len(service.whole) > 3
    _backups_hold_what_they_say(service, done, now)
    kept = ", ".join(f"{count} {name}" for name, count in done.counts().items())
    kills.proven(capsys, killed, f"{kept} and {len(service.whole)} backups are as they were acknowledged")


def _some_work(writers: Writers) -> None:
    """Wait until something has been done, which can then be lost."""
    before = writers.acknowledged.counts()

    def done() -> bool:
        now = writers.acknowledged.counts()
        return bool(writers.faults) or all(now[name] > before[name] for name in ("uploads", "labels"))

    until(done, PATIENCE)
    assert not writers.faults


def _kept(address: str) -> dict[str, dict[int, str]]:
    """Rows that never change, by table and number."""
    with psycopg.connect(address) as connection:
        return {
            table: dict(connection.execute(query).fetchall())  # type: ignore[call-overload] -- texts of ours
            for table, query in _KEPT.items()
        }


def _every_acknowledged_thing_is_there_once(
    address: str, done: Acknowledged, until: dict[str, int] | None = None
) -> None:
    def some(name: str) -> list[Any]:
        rows = getattr(done, name)
        return rows if until is None else rows[: until[name]]

    with psycopg.connect(address) as connection:

        def rows(query: str) -> list[Any]:
            return connection.execute(query).fetchall()  # type: ignore[call-overload] -- texts of ours

        images = rows("SELECT encode(sha256, 'hex'), id FROM images")
        labels = rows("SELECT request::text, image_id, id, label FROM labels")
        comments = rows("SELECT id, image_id, text FROM comments")
        signatures = rows("SELECT id, case_id FROM signatures")
    for name, found in (("uploads", images), ("labels", labels), ("comments", comments), ("signatures", signatures)):
        assert not set(some(name)) - set(found), f"acknowledged {name} are missing"
    assert len({sha for sha, _ in images}) == len(images), "a file is there twice"
    assert len({(request, image) for request, image, _, _ in labels}) == len(labels), "a label is there twice"
    assert len({text for _, _, text in comments}) == len(comments), "a comment is there twice"
    assert len({case for _, case in signatures}) == len(signatures), "a case is signed twice"


def _in_good_order(address: str) -> None:
    with psycopg.connect(address) as connection:
        current = connection.execute("SELECT image_id, label_set_id, label_id, label FROM current_labels").fetchall()
        newest = connection.execute(
            "SELECT DISTINCT ON (image_id, label_set_id) image_id, label_set_id, id, label FROM labels"
            " ORDER BY image_id, label_set_id, id DESC"
        ).fetchall()
    assert sorted(current) == sorted(newest), "the current label of a cell is its last record"
    database = Database(address, pool=2)
    with database.session() as session:
        assert verify(session).intact
    database.close()


def _read_once(address: str, earlier: list[dict[int, str]]) -> None:
    with psycopg.connect(address) as connection:
        late = _readings(connection)
        images = {image for (image,) in connection.execute("SELECT id FROM images").fetchall()}
        told = connection.execute("SELECT sum((data->>'read')::int) FROM events WHERE kind = 'readings'").fetchall()
        status = connection.execute("SELECT DISTINCT status FROM embeddings").fetchall()
        jobs = connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'").fetchall()
    assert late.keys() == images
    assert told == [(len(images),)], "every reading was announced once"
    for early in earlier:
        assert {image: late[image] for image in early} == early, "what was read is not read again"
    assert status == [("ok",)], "no image is blamed for a kill"
    assert jobs == [(0,)]


def _backups_hold_what_they_say(service: Service, done: Acknowledged, now: dict[str, dict[int, str]]) -> None:
    assert check(service.whole[-1][0]).fault is None, "as `hemosight service check-backup` sees it"
    scratch = service.backups / "scratch"
    with embedded(scratch, after="delete") as address:
        for number, (file, before) in enumerate(service.whole):
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE b{number}")  # type: ignore[call-overload] -- a number
            there = address.replace(f"/{NAME}?", f"/b{number}?")
            database = Database(there, pool=2)
            restore(database, file)
            database.close()
            _every_acknowledged_thing_is_there_once(there, done, before or dict.fromkeys(done.counts(), 0))
            _in_good_order(there)
            for table, rows in _kept(there).items():
                assert rows.items() <= now[table].items(), f"{table} of {file.name}"
