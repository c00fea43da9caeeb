"""The server that comes with the program: it survives what its holders do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import psycopg
import pytest

from hemosight.service.storage.account import as_account
from hemosight.service.storage.embedded import default_data_dir, embedded

pytestmark = pytest.mark.service
HOLD = """
import sys, time, warnings
from pathlib import Path
from hemosight.service.storage.embedded import embedded
with embedded(Path(sys.argv[1])) as dsn:
    print(dsn, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hemosight-"))
    yield made
    rmtree(made, ignore_errors=True)


def test_data_directory_follows_the_desktop_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/hemosight")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_data_dir() == Path.home() / ".local/share/hemosight"


def test_the_data_of_root_lie_outside_a_home_that_is_for_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_data_dir() == Path("/var/lib/hemosight")
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/hemosight")


def test_a_killed_holder_leaves_data_and_no_server_that_never_stops(folder: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    dsn = holder.stdout.readline().strip()
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert (folder / "postgres" / "postmaster.pid").exists()  # the server goes on
    with embedded(folder) as again, psycopg.connect(again) as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [(42,)]
    assert not (folder / "postgres" / "postmaster.pid").exists()
    # After a restart of the machine the id may belong to anything; here, to this test.
    (folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}\n0\n5432\n{folder}\n\n  0 0\nready\n")
    with embedded(folder) as again, psycopg.connect(again) as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [(42,)]


def test_a_killed_server_that_nobody_has_waited_for_keeps_no_other_from_its_socket(folder: Path) -> None:
    with embedded(folder) as dsn, psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    with subprocess.Popen(["true"], **as_account()) as dead:  # waited for at the end alone: until then a zombie
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        lock = folder / "postgres" / ".s.PGSQL.5432.lock"
        lock.write_text(f"{dead.pid}\n{folder / 'postgres'}\n0\n5432\n{folder / 'postgres'}\n")
        with embedded(folder) as again, psycopg.connect(again) as connection:
            assert connection.execute("SELECT value FROM kept").fetchall() == [(42,)]
