"""Backups from time to time: made when due, restored on trial, reported, and the oldest forgotten."""

from __future__ import annotations

import datetime
import fcntl
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from fastapi import FastAPI
from gate import add_user, app_on, browser, told
from sqlalchemy import text

from hemosight.engine.bundle import Bundle
from hemosight.service.errors import ServiceFault
from hemosight.service.operations import backups
from hemosight.service.operations.backup import backup
from hemosight.service.operations.backups import Schedule
from hemosight.service.storage import audit
from hemosight.service.storage.cluster import Cluster
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import embedded


@pytest.fixture
def lived_in(database: Database) -> Database:
    add_user(database, "root", is_admin=True)
    for number in range(5):
        with database.session() as session:
            audit.note(session, None, "test.note", {"n": number})
    return database


def test_a_backup_is_made_when_due_and_restored_on_trial(
    lived_in: Database, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    settings = told(backup_dir=tmp_path, backup_keep=1)
    app: FastAPI = app_on(lived_in, tiny_bundle, backup_dir=tmp_path, backup_keep=1)
    root = browser(app, "root")
    assert "No backup has been made yet." in root.get("/system").json()["warnings"]
    schedule = Schedule(lived_in, settings)
    report = schedule.look()
    assert report is not None
    assert report.fault is None
    assert report.rows is not None
    assert (report.rows["users"], report.rows["audit"], report.audit_intact) == (1, 6, True)
    assert report.bytes == (tmp_path / report.file).stat().st_size
    assert sorted(item.suffix for item in tmp_path.iterdir()) == [".backup", ".json"], "no scratch is left"
    assert schedule.look() is None, "the next is due in a day"
    shown = root.get("/system").json()
    assert shown["last_backup"]["file"] == report.file
    assert not any("ackup" in warning for warning in shown["warnings"])
    # A day later: the next one, and the older one is forgotten.
    older = tmp_path / report.file
    facts = json.loads(older.with_suffix(".json").read_text())
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=49)
    older.with_suffix(".json").write_text(json.dumps({**facts, "at": past.isoformat()}))
    assert any("49 hours old" in warning for warning in root.get("/system").json()["warnings"])
    moved = older.rename(tmp_path / "hemosight-20200101T000000Z.backup")
    older.with_suffix(".json").unlink()
    moved.with_suffix(".json").write_text(json.dumps({**facts, "file": moved.name, "at": past.isoformat()}))
    again = Schedule(lived_in, told(backup_dir=tmp_path, backup_keep=1, backup_check=False)).look()
    assert again is not None
    assert [item.name for item in sorted(tmp_path.glob("*.backup"))] == [again.file]


def test_a_failure_is_reported_and_keeps_the_good_ones(lived_in: Database, tmp_path: Path) -> None:
    good = tmp_path / "hemosight-20200101T000000Z.backup"
    good.write_bytes(b"an older one")
    facts = {"file": good.name, "at": "2020-01-01T00:00:00+00:00", "bytes": 12}
    good.with_suffix(".json").write_text(json.dumps(facts))
    settings = told(backup_dir=tmp_path, backup_keep=1)
    schedule = Schedule(lived_in, settings)
    gone = Database("postgresql://nobody@127.0.0.1:1/x")
    report = backups.make(gone, settings)
    assert report.fault is not None
    assert "pg_dump" in report.fault
    assert good.exists()
    assert "failed" in (backups.warning(settings) or "")
    assert schedule.look() is not None, "the next look tries again"


def test_a_backup_whose_trail_was_changed_is_named(lived_in: Database, tmp_path: Path) -> None:
    with lived_in.session() as session:
        session.execute(text("INSERT INTO audit_seals (last, rows, hash) VALUES (3, 3, '\\x00')"))
    file = tmp_path / "one.backup"
    backup(lived_in, file)
    assert backups.check(file).fault == "the audit trail in it does not fit its seals"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ServiceFault):
        backups.check(file)
    assert [item.name for item in tmp_path.iterdir()] == ["one.backup"]


@pytest.mark.service
def test_what_a_killed_trial_left_is_cleared_and_one_under_way_is_not() -> None:
    folder = Path(tempfile.mkdtemp(prefix="hs-"))
    folder.chmod(0o755)
    (folder / "hemosight-20260101T000000Z.backup.part").touch()
    (folder / "by-hand.backup.part").touch()
    (folder / "hemosight-20260102T000000Z.backup.part").touch()
    left = Cluster(folder / ".check-left" / "postgres")
    under_way = (folder / "hemosight-20260102T000000Z.backup.part").open("rb")
    fcntl.flock(under_way, fcntl.LOCK_EX)
    with embedded(folder / ".check-left", after=None):
        backups.clear_left_over(folder)
        assert left.postmaster() is not None, "it is in use"
    assert left.postmaster() is not None, "nobody stopped it, as after a kill"
    backups.clear_left_over(folder)
    assert left.postmaster() is None
    names = sorted(item.name for item in folder.iterdir())
    assert names == ["by-hand.backup.part", "hemosight-20260102T000000Z.backup.part"], "nobody's, and one being written"
    under_way.close()
    shutil.rmtree(folder)
