"""Dossiers that go wrong: none stops a worker, stays in the way, outlives its worker, or fills the disk."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import tomllib
import uuid
import zipfile
from collections import namedtuple
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gate import Visitor, app_on, members, register
from projects import Filled, fill
from sqlalchemy import select, text, update
from typer.testing import CliRunner

from hemosight.cli import app
from hemosight.engine.bundle import Bundle
from hemosight.service.errors import Refusal, ServiceFault
from hemosight.service.intake import protocols
from hemosight.service.storage import dossiers as storage
from hemosight.service.storage.database import Database
from hemosight.service.storage.dossiers import DossierClaim
from hemosight.service.storage.tables import AuditRow, DossierRow, KnownBundle, Project
from hemosight.service.work import confined, dossiers

PROTOCOL = 'title = "Films of March"\nwritten_by = "A. Reviewer"\nwritten_on = 2026-03-02\n'
RECORD = {"cell_count": 1, "case_count": 1, "bundle_name": "b 1", "verdicts": {}}
SUMMARY = {"cells": 1, "cases": 1, "bundle": "b 1", "verdicts": [], "changes": []}
NewDatabase = Callable[..., AbstractContextManager[Database]]


@dataclass
class Desk:
    """A project without cells; its administrator, and somebody who looks."""

    project: Filled
    admin: Visitor
    viewer: Visitor

    @property
    def path(self) -> str:
        """Of its dossiers."""
        return f"/projects/{self.project.id}/dossiers"

    @property
    def database(self) -> Database:
        """Where it lies."""
        return self.project.database

    def ask(self) -> int:
        """Ask for a dossier; its number."""
        answer = self.admin.post(self.path, json={"protocol": PROTOCOL})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def begin(self) -> DossierClaim:
        """Ask for a dossier and claim it, as a worker."""
        asked = self.ask()
        with self.database.session() as session:
            row = storage.claim(session, self.project.bundle)
            assert row is not None
            assert row.id == asked
            return DossierClaim.of(row)

    def shown(self, made: int | DossierClaim) -> dict[str, Any]:
        """What the page is shown of one."""
        dossier = made.dossier if isinstance(made, DossierClaim) else made
        return next(one for one in self.viewer.get(self.path).json()["items"] if one["id"] == dossier)

    def noted(self, action: str) -> list[dict[str, Any]]:
        """What the trail says of an action in the project."""
        with self.database.session() as session:
            query = select(AuditRow.subject).where(AuditRow.action == action, AuditRow.project_id == self.project.id)
            return list(session.scalars(query.order_by(AuditRow.id)))


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    register(module_database, tiny_bundle)
    with module_database.session() as session:
        session.execute(update(DossierRow).where(DossierRow.state.in_(("waiting", "running"))).values(state="failed"))
    project = fill(module_database, tiny_bundle, 0)
    return Desk(project, *members(app_on(module_database, tiny_bundle), project.id, "admin", "viewer"))


# --- one dossier's end is nobody else's ------------------------------------------------------------------------


def test_what_a_child_says_is_kept_without_nul(desk: Desk, tmp_path: Path) -> None:
    asked = desk.begin()
    dossiers.keep(desk.database, asked, tmp_path, 2, "no such key: a\x00")
    shown = desk.shown(asked)
    assert (shown["state"], shown["said"]) == ("failed", "no such key: a")


@pytest.mark.parametrize("error", [KeyError("a\x00"), zipfile.BadZipFile("b"), OSError(39, "x"), ValueError()])
def test_a_dossier_that_goes_wrong_is_failed_and_the_next_one_is_made(
    desk: Desk, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(dossiers, "EVERY", 0.01)
    made: list[int] = []

    async def make(database: Database, bundle: Bundle, claim: DossierClaim, threads: int | None) -> None:
        made.append(claim.dossier)
        if len(made) == 1:
            raise error
        raise asyncio.CancelledError

    monkeypatch.setattr(dossiers, "make", make)
    first = desk.ask()

    async def work() -> None:
        working = asyncio.create_task(dossiers.go_on(desk.database, tiny_bundle, desk.project.bundle))
        while desk.shown(first)["state"] != "failed" and not working.done():
            await asyncio.sleep(0.01)
        desk.ask()
        with pytest.raises(asyncio.CancelledError):
            await working

    asyncio.run(work())
    assert len(made) == 2
    assert desk.shown(first)["said"] == dossiers.BROKEN


def test_a_database_that_is_away_ends_no_dossier(
    desk: Desk, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def make(database: Database, bundle: Bundle, claim: DossierClaim, threads: int | None) -> None:
        raise ServiceFault("database_unreachable", expected="one", came="none", mend="Wait.")

    monkeypatch.setattr(dossiers, "make", make)
    asked = desk.ask()
    with pytest.raises(ServiceFault):
        asyncio.run(dossiers.go_on(desk.database, tiny_bundle, desk.project.bundle))
    assert desk.shown(asked)["state"] == "running", "silent from now on, and begun anew by another"


def test_a_worker_that_is_stopped_waits_for_what_writes_into_the_folder(
    desk: Desk, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stopped, there = threading.Event(), threading.Event(), []

    def prepare(database: Database, bundle: Bundle, claim: DossierClaim, folder: Path) -> int:
        begun.set()
        stopped.wait()
        (folder / "signed").mkdir()
        there.append(folder)
        return 0

    monkeypatch.setattr(dossiers, "prepare", prepare)
    asked = desk.ask()

    async def begin_and_stop() -> None:
        working = asyncio.create_task(dossiers.go_on(desk.database, tiny_bundle, desk.project.bundle))
        await asyncio.to_thread(begun.wait)
        working.cancel()
        await asyncio.sleep(0.05)
        assert not working.done()
        working.cancel()  # told again, it waits all the same
        await asyncio.sleep(0.05)
        stopped.set()
        with pytest.raises(asyncio.CancelledError):
            await working

    asyncio.run(begin_and_stop())
    assert not there[0].exists()
    assert desk.shown(asked)["state"] == "waiting"


# --- protocols ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        "a" + ".a" * 20_000 + " = 1",
        "[" + " . ".join(["a"] * 20_000) + "]",
        '"a"' + '."a"' * 10_000 + " = 1",
        "x = {b = '''a'''', c" + ".c" * 20_000 + " = 1}",
        'x = {b = """a"""", c' + ".c" * 20_000 + " = 1}",
        'x = "\\"" #"\n"' + 'a"' + ".c" * 20_000 + " = 1",
    ],
    ids=["key", "table", "quoted", "behind literal", "behind text", "behind comment"],
)
def test_keys_of_many_dots_are_refused_before_they_are_read(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(text: str) -> None:
        raise AssertionError("it takes the square of the dots")

    monkeypatch.setattr(tomllib, "loads", read)
    with pytest.raises(Refusal, match="dots"):
        protocols.title_of(PROTOCOL + odd)


def test_dots_of_texts_numbers_and_comments_are_no_keys() -> None:
    said = "one. " * 40
    odd = f'note = "{said} \\" {said}"\nmore = """{said}\n{said}"""\nlast = \'{said}\' # {said}\n[limits]\n'
    numbers = ", ".join(["0.5"] * 40)
    assert protocols.title_of(f"{PROTOCOL}{odd}some = [{numbers}]\n") == "Films of March"


@pytest.mark.parametrize("end", ["", "\\", "\\\\"])
def test_a_text_that_is_not_closed_is_looked_at_once(end: str) -> None:
    odd = 'x = """a' + '\\"""' * 50 + end
    assert protocols.QUOTED.findall(odd) == [odd.removeprefix("x = ")]


@pytest.mark.parametrize("title", ['"a\\u0000"', f'"{"a" * 201}"'])
def test_a_title_that_cannot_be_kept_is_refused(desk: Desk, title: str) -> None:
    answer = desk.admin.post(desk.path, json={"protocol": PROTOCOL.replace('"Films of March"', title)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unfit")


def test_the_list_is_paged_and_reads_no_protocol(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk.database.session() as session:
        asked = [
            storage.add(session, desk.project.id, desk.project.bundle, desk.project.users[0], "no protocol", "A").id
            for _ in range(3)
        ]
    first = desk.viewer.get(desk.path, params={"limit": 2}).json()
    assert ([one["id"] for one in first["items"]], first["items"][0]["title"]) == (asked[:0:-1], "A")
    second = desk.viewer.get(desk.path, params={"limit": 2, "after": first["next"]}).json()
    assert ([one["id"] for one in second["items"]], second["next"]) == (asked[:1], None)


# --- what nobody makes ----------------------------------------------------------------------------------------


def _elsewhere(desk: Desk) -> int:
    """Let the project be read with a bundle that the service does not run; its number."""
    with desk.database.session() as session:
        facts = {"name": "old", "version": "1", "sha256": uuid.uuid4().hex * 2, "space": "s", "manifest": {}}
        row = KnownBundle(**facts)
        session.add(row)
        session.flush()
        session.execute(update(Project).where(Project.id == desk.project.id).values(bundle_id=row.id))
        return row.id


def test_a_bundle_that_the_service_does_not_run_makes_no_dossier(desk: Desk) -> None:
    _elsewhere(desk)
    answer = desk.admin.post(desk.path, json={"protocol": PROTOCOL})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "bundle_not_here")
    assert desk.viewer.get(desk.path).json()["items"] == []


def test_what_waits_for_the_bundle_before_is_called_off_when_the_project_moves(desk: Desk) -> None:
    old = _elsewhere(desk)
    with desk.database.session() as session:
        waiting = storage.add(session, desk.project.id, old, desk.project.users[0], PROTOCOL, "A").id
    answer = desk.admin.post(f"/projects/{desk.project.id}/bundle")
    assert answer.status_code == 200, answer.text
    shown = desk.shown(waiting)
    assert shown["state"] == "failed"
    assert "another bundle" in shown["said"]
    assert desk.noted("project.bundle")[0]["dossiers_called_off"] == [waiting]
    desk.ask()


def test_an_administrator_calls_a_dossier_off(desk: Desk) -> None:
    asked = desk.ask()
    assert desk.viewer.delete(f"{desk.path}/{asked}").status_code == 403
    assert desk.admin.delete(f"{desk.path}/{asked}").status_code == 204
    assert (desk.shown(asked)["state"], desk.shown(asked)["said"]) == ("failed", "It was called off.")
    assert desk.noted("dossier.cancel") == [{"dossier": asked}]
    again = desk.admin.delete(f"{desk.path}/{asked}")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "in_the_way")
    assert desk.admin.delete(f"{desk.path}/{asked + 1000}").status_code == 404


def test_who_makes_a_dossier_that_is_called_off_stops(
    desk: Desk, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dossiers, "EVERY", 0.01)
    asked, begun, ended = desk.begin(), threading.Event(), threading.Event()

    def prepare(database: Database, bundle: Bundle, claim: DossierClaim, folder: Path) -> int:
        begun.set()
        ended.wait()
        return 0

    look = dossiers.show_alive

    def alive(database: Database, claim: DossierClaim, folder: Path) -> None:
        try:
            look(database, claim, folder)
        except dossiers.CalledOff:
            ended.set()
            raise

    monkeypatch.setattr(dossiers, "prepare", prepare)
    monkeypatch.setattr(dossiers, "show_alive", alive)

    def call_off() -> None:
        begun.wait()
        with desk.database.session() as session:
            assert storage.call_off(session, desk.project.id, "It was called off.") == [asked.dossier]

    calling = threading.Thread(target=call_off)
    calling.start()
    with pytest.raises(dossiers.CalledOff):
        asyncio.run(dossiers.make(desk.database, tiny_bundle, asked))
    calling.join()
    dossiers.keep(desk.database, asked, _made(tmp_path), 0, "late")
    assert (desk.shown(asked)["state"], desk.shown(asked)["said"]) == ("failed", "It was called off.")


def test_who_shows_life_while_it_is_kept_does_not_take_made_for_called_off(
    desk: Desk, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dossiers, "EVERY", 0.01)
    asked, kept, shown = desk.begin(), threading.Event(), threading.Event()
    keep, look = dossiers.keep, dossiers.show_alive

    async def child(database: Database, claim: DossierClaim, folder: Path, threads: int | None) -> tuple[int, str]:
        _made(folder / "out")
        return 0, "done"

    def slow(database: Database, claim: DossierClaim, out: Path, code: int | None, said: str) -> None:
        keep(database, claim, out, code, said)
        kept.set()
        shown.wait()

    def alive(database: Database, claim: DossierClaim, folder: Path) -> None:
        late = kept.is_set()
        try:
            look(database, claim, folder)
        finally:
            if late:
                shown.set()

    for name, own in (("run_child", child), ("keep", slow), ("show_alive", alive)):
        monkeypatch.setattr(dossiers, name, own)
    asyncio.run(dossiers.make(desk.database, tiny_bundle, asked))
    assert (desk.shown(asked)["state"], desk.shown(asked)["said"]) == ("made", "done")


# --- the child, and what it leaves -----------------------------------------------------------------------------

_CHILD = """
import os, resource, sys, time
from hemosight.service.work import confined
before = os.nice(0)
confined.confine(int(sys.argv[1]))
print(resource.getrlimit(resource.RLIMIT_DATA)[0] == confined.most(), os.nice(0) > before, flush=True)
time.sleep(600)
"""
_PARENT = """
import os, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1], str(os.getpid())])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_child_ends_with_its_worker_and_has_bounds() -> None:
    command = [sys.executable, "-c", _PARENT, _CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "True True\n"
        worker.send_signal(signal.SIGKILL)
        assert worker.stdout.read() == "", "the child held the other end until it ended"


@pytest.mark.parametrize(
    ("own", "limits", "bound"),
    [
        ("0::/", {"memory.max": "max"}, 32 << 30),
        ("0::/", {"memory.max": str(1 << 30)}, 1 << 29),  # a container
        ("0::/a/b", {"a/memory.max": str(3 << 30), "a/b/memory.max": "max"}, 3 << 29),  # a slice around the unit
        ("4:cpu,memory:/c\n0::/", {"memory/c/memory.limit_in_bytes": str(2 << 30)}, 1 << 30),  # version 1
        ("0::/", {"memory.max": str(1 << 62)}, 32 << 30),
    ],
)
def test_the_child_takes_half_of_what_there_is_for_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, limits: dict[str, str], bound: int
) -> None:
    for name, limit in limits.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{limit}\n")
    (tmp_path / "own").write_text(f"{own}\n")
    monkeypatch.setattr(confined, "GROUPS", tmp_path)
    monkeypatch.setattr(confined, "OWN_GROUP", tmp_path / "own")
    pages = {"SC_PHYS_PAGES": 16 << 20, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(confined.os, "sysconf", pages.__getitem__)
    assert confined.most() == bound


def test_the_command_is_run_by_who_confines_it() -> None:
    command = confined.command(["validate", "--help"])
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--protocol" in said


@pytest.mark.parametrize(("given", "cores", "threads"), [(None, 64, 4), (2, 64, 2), (64, 64, 4), (None, 2, 2)])
def test_the_child_has_few_threads_on_a_machine_of_many_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: int | None, cores: int, threads: int
) -> None:
    """Each takes of its bound, which is the container's memory halved and knows nothing of processors."""
    monkeypatch.setattr("hemosight.engine.network.os.sched_getaffinity", lambda _: range(cores), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("HEMOSIGHT_THREADS", "3.0")  # what the settings made of it counts, and an option before it
    says = "import json, os; print(json.dumps(dict(os.environ)))"
    monkeypatch.setattr(confined, "command", lambda _: [sys.executable, "-c", says])
    monkeypatch.setattr(dossiers, "show_alive", lambda *_: None)
    code, said = asyncio.run(dossiers.run_child(Database("host=/nowhere"), DossierClaim(1, 1), tmp_path, given))
    assert code == 0, said
    found = json.loads(said)
    one = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    assert {name: found.get(name) for name in one} == dict.fromkeys(one, "1")
    assert found["HEMOSIGHT_THREADS"] == str(threads)


def test_the_command_computes_on_the_threads_that_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    def load(path: Path | None, threads: int | None = None, backend: str | None = None) -> None:
        asked.append(threads)
        raise KeyboardInterrupt

    monkeypatch.setattr("hemosight.engine.engine.load", load)
    monkeypatch.setenv("HEMOSIGHT_THREADS", "3")
    (tmp_path / "protocol.toml").write_text(PROTOCOL)
    given = ["validate", str(tmp_path), "--protocol", str(tmp_path / "protocol.toml"), "--out", str(tmp_path)]
    CliRunner().invoke(app, given)
    assert asked == [3]


def test_folders_of_killed_workers_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, used, other = (Path(tempfile.mkdtemp(prefix=name)) for name in (*[dossiers.FOLDERS] * 2, "other-"))
    (left / "signed").mkdir()
    for folder in (left, other):
        os.utime(folder, (0, 0))
    dossiers.sweep()
    assert sorted(tmp_path.iterdir()) == sorted([used, other])


# --- what is kept ---------------------------------------------------------------------------------------------


def _made(folder: Path) -> Path:
    """What a command leaves."""
    (folder / "dossier.json").write_text(json.dumps(RECORD))
    (folder / "dossier.pdf").write_bytes(b"%PDF-1")
    return folder


def test_files_of_the_oldest_dossiers_are_dropped_and_their_fingerprints_stay(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "KEPT", 2)
    asked = []
    for _ in range(3):
        asked.append(desk.begin())
        dossiers.keep(desk.database, asked[-1], _made(tmp_path), 0, "")
    shown = [desk.shown(one) for one in asked]
    assert [one["state"] for one in shown] == ["made"] * 3
    assert [one["dropped_at"] is None for one in shown] == [False, True, True]
    assert all(len(one["archive_sha256"]) == 64 for one in shown)
    assert shown[0]["summary"]["cells"] == 1
    assert desk.noted("dossier.drop") == [{"dossier": asked[0].dossier, "archive_sha256": shown[0]["archive_sha256"]}]
    for form in ("pdf", "zip"):
        answers = [desk.viewer.post(f"{desk.path}/{one.dossier}/export", params={"format": form}) for one in asked]
        assert [one.status_code for one in answers] == [409, 200, 200]
    with desk.database.session() as session:
        row = session.get_one(DossierRow, asked[2].dossier)
        assert storage.before(session, row) is not None


def test_the_pdf_is_taken_without_the_archive(desk: Desk) -> None:
    asked = desk.begin()
    with desk.database.session() as session:
        storage.made(session, asked, "", SUMMARY, b"no zip", b"%PDF-1")
    paper = desk.viewer.post(f"{desk.path}/{asked.dossier}/export", params={"format": "pdf"})
    assert (paper.status_code, paper.content) == (200, b"%PDF-1")


_Usage = namedtuple("_Usage", "total used free")


def test_a_dossier_that_does_not_fit_on_the_disk_is_not_kept(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = desk.begin()
    monkeypatch.setattr(shutil, "disk_usage", lambda where: _Usage(dossiers.ROOM, 0, dossiers.ROOM))
    dossiers.keep(desk.database, asked, _made(tmp_path), 0, "")
    shown = desk.shown(asked)
    assert shown["state"] == "failed"
    assert "nearly full" in shown["said"]


def test_dossiers_of_before_get_their_titles_and_papers(new_database: NewDatabase, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("dossier.pdf", b"%PDF-1")
    whole = (tmp_path / "a.zip").read_bytes()
    rows = [
        {"bundle": 1, "protocol": PROTOCOL, "state": "made", "archive": whole},
        {"bundle": 1, "protocol": "a" + ".a" * 20_000 + " = 1", "state": "made", "archive": b"no zip"},
        {"bundle": 2, "protocol": PROTOCOL, "state": "waiting", "archive": None},
    ]
    with new_database(empty=True) as database:
        database.migrate("0025")
        with database.session() as session:
            for statement in (
                "INSERT INTO users (name, display) VALUES ('ada', 'Ada')",
                "INSERT INTO bundles (name, version, sha256, space, manifest) VALUES ('b', '1', 'f', 's', '{}'),"
                " ('b', '2', 'e', 's', '{}')",
                "INSERT INTO projects (name, bundle_id) VALUES ('p', 1)",
            ):
                session.execute(text(statement))
            insert = "INSERT INTO dossiers (project_id, bundle_id, protocol, asked_by, state, archive)"
            session.execute(text(f"{insert} VALUES (1, :bundle, :protocol, 1, :state, :archive)"), rows)
        database.migrate()
        with database.session() as session:
            found = session.scalars(select(DossierRow).order_by(DossierRow.id)).all()
            assert [one.title for one in found] == ["Films of March", "", "Films of March"]
            assert [one.pdf for one in found] == [b"%PDF-1", None, None]
            assert [one.archive_sha256 is None for one in found] == [False, False, True]
            assert [one.state for one in found] == ["made", "made", "failed"]
