"""A backup is the whole: restored into an empty place, every table holds what it held."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from gate import add_user, app_on, browser
from sqlalchemy import select, text

from hemosight.engine.bundle import Bundle
from hemosight.errors import PathMissing
from hemosight.service.errors import ServiceFault
from hemosight.service.operations.backup import backup, restore
from hemosight.service.storage.database import Database, newest_revision
from hemosight.service.storage.tables import Picture

MakeDatabase = Callable[..., AbstractContextManager[Database]]


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with database.session() as session:
        names = session.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
        ).all()
        return {
            name: sorted((tuple(row) for row in session.execute(text(f'SELECT * FROM "{name}"'))), key=repr)  # noqa: S608
            for name in names
        }


@pytest.fixture
def lived_in(database: Database, tiny_bundle: Bundle) -> Database:
    add_user(database, "amina")
    visitor = browser(app_on(database, tiny_bundle), "amina")
    project = visitor.post("/projects", json={"name": "Süße Träume | 'quoted'"}).json()["id"]
    visitor.post(f"/projects/{project}/cases", json={"key": "24-1187"})
    with database.session() as session:
        every_byte = bytes(range(256)) * 40
        session.add(Picture(sha256=b"\x00\xff" * 16, data=every_byte, media_type="image/png", width=1, height=1))
    return database


def test_a_restored_service_is_the_one_backed_up(
    lived_in: Database, new_database: MakeDatabase, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    file = tmp_path / "weekly" / "service.backup"
    assert backup(lived_in, file) == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it holds pictures and accounts"
    assert [path.name for path in file.parent.iterdir()] == ["service.backup"]
    with new_database(empty=True) as empty:
        restore(empty, file)
        assert contents(empty) == contents(lived_in)
        assert len(contents(empty)["audit"]) >= 3
        assert empty.revision() == newest_revision()
        # It is not a museum: people sign in, new rows take new numbers, records stay append-only.
        visitor = browser(app_on(empty, tiny_bundle), "amina")
        assert visitor.post("/projects", json={"name": "After"}).status_code == 201
        with empty.session() as session:
            assert session.scalars(select(Picture.data)).one() == bytes(range(256)) * 40
        with pytest.raises(Exception, match="append"), empty.session() as session:
            session.execute(text("DELETE FROM audit"))


def test_nothing_is_restored_over_something(lived_in: Database, tmp_path: Path) -> None:
    file = tmp_path / "service.backup"
    backup(lived_in, file)
    before = contents(lived_in)
    with pytest.raises(ServiceFault, match="an empty database"):
        restore(lived_in, file)
    assert contents(lived_in) == before


def test_a_damaged_backup_leaves_the_database_empty(
    lived_in: Database, new_database: MakeDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "service.backup"
    backup(lived_in, file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with new_database(empty=True) as empty:
        with pytest.raises(ServiceFault, match="to finish"):
            restore(empty, file)
        assert contents(empty) == {}
        with pytest.raises(PathMissing):
            restore(empty, tmp_path / "gone")


def test_a_backup_that_fails_leaves_the_last_one(tmp_path: Path) -> None:
    file = tmp_path / "service.backup"
    file.write_bytes(b"last week's")
    with pytest.raises(ServiceFault, match="to finish"):
        backup(Database("host=/nowhere dbname=none connect_timeout=1"), file)
    assert file.read_bytes() == b"last week's"
    assert [path.name for path in tmp_path.iterdir()] == ["service.backup"]


@pytest.mark.slow
def test_nobody_is_warned_where_nobody_is_signed_in(tmp_path: Path) -> None:
    """Cron and containers have no XDG_RUNTIME_DIR, at which the embedded server's package warns when imported."""
    program = (
        "from pathlib import Path\n"
        "from hemosight.service.errors import ServiceFault\n"
        "from hemosight.service.operations.backup import backup\n"
        "from hemosight.service.storage.database import Database\n"
        "try:\n"
        "    backup(Database('host=/nowhere dbname=none connect_timeout=1'), Path('service.backup'))\n"
        "except ServiceFault as fault:\n"
        "    assert fault.code == 'backup_failed'\n"
        "    print('failed, and said so')\n"
    )
    bare = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "failed, and said so", done.stderr
