"""The first start, killed and hindered: it begins anew, or says in one sentence what is wrong and how to mend it."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from shutil import rmtree

import kills
import psutil
import psycopg
import pytest

from hemosight.cli import main
from hemosight.service.errors import ServiceFault
from hemosight.service.storage.cluster import Cluster
from hemosight.service.storage.database import Database, newest_revision
from hemosight.service.storage.embedded import embedded

pytestmark = pytest.mark.service
START = """
import sys
from pathlib import Path
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import embedded
with embedded(Path(sys.argv[1])) as dsn:
    database = Database(dsn)
    database.migrate()
    database.close()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hs-"))
    yield made
    for process in _servers(made):
        process.kill()
    rmtree(made, ignore_errors=True)


def _servers(folder: Path) -> list[psutil.Process]:
    running = psutil.process_iter(["name", "cmdline"])
    servers = [process for process in running if process.info["name"] in ("postgres", "initdb")]
    return [process for process in servers if str(folder) in " ".join(process.info["cmdline"] or ())]


def _begin(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", START, str(folder / "d")], stderr=subprocess.DEVNULL)


def _whole(folder: Path) -> bool:
    """Start once more, to the end; whether the tables are there."""
    with embedded(folder / "d") as dsn:
        database = Database(dsn)
        database.migrate()
        right = database.is_migrated()
        database.close()
    return right


def _left_behind(folder: Path) -> list[str]:
    return sorted(item.name for item in (folder / "d").iterdir() if not item.name.startswith("."))


@pytest.mark.parametrize("all_of_them", [False, True], ids=["the program alone", "everything, as a power cut does"])
def test_killed_in_initdb_it_begins_anew(folder: Path, all_of_them: bool) -> None:
    process = _begin(folder)
    deadline = time.monotonic() + 600
    while not list((folder / "d").glob("postgres.new-*/PG_VERSION")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    if all_of_them:
        for server in _servers(folder):
            server.kill()
    process.wait()
    assert not (folder / "d" / "postgres").exists(), "a cluster is in its place when it is whole"
    assert _whole(folder)
    assert _left_behind(folder) == ["postgres"]


def kill_at_random_moments(folder: Path, wanted: int, seed: int) -> None:
    rng, longest, killed = random.Random(seed), 5.0, 0
    while killed < wanted:
        place = folder / str(killed)
        place.mkdir()
        process = _begin(place)
        time.sleep(rng.uniform(0.2, longest))
        process.kill()
        if rng.random() < 0.5:
            for server in _servers(place):
                server.kill()
        code = process.wait()
        assert code in (0, -signal.SIGKILL), "it fell by itself"
        if code:
            killed += 1
        else:  # it was over before: no kill, and the next comes sooner
            longest = max(0.5, 0.8 * longest)
        assert _whole(place), f"kill {killed}"
        assert _left_behind(place) == ["postgres"], f"kill {killed}"
        rmtree(place)


def test_killed_at_a_random_moment_it_begins_anew(folder: Path) -> None:
    kill_at_random_moments(folder, 2, seed=int.from_bytes(os.urandom(4)))


@pytest.mark.long
@pytest.mark.timeout(3600)  # forty starts: more than ten minutes on a busy machine
def test_random_kills_of_the_first_start(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rounds, seed = kills.each(40), kills.begin(capsys)
    kill_at_random_moments(folder, rounds, seed)
    kills.proven(capsys, {"first start": rounds}, "every next start began anew and was whole")


def test_a_folder_that_an_older_version_left_in_initdb_is_set_aside(folder: Path) -> None:
    """HemoSight until 0.3 let initdb work in the cluster's own place; killed there, it left a folder without data."""
    cluster = Cluster(folder / "d" / "postgres")
    (folder / "d").mkdir()
    cluster.make()
    (cluster.folder / "hemosight.whole").unlink()
    (cluster.folder / "global" / "pg_control").unlink()
    assert _whole(folder)
    kept, new = sorted(_left_behind(folder), reverse=True)
    assert (kept.startswith("postgres.unfinished-"), new) == (True, "postgres")


def test_a_cluster_with_data_is_never_set_aside(folder: Path) -> None:
    assert _whole(folder)
    cluster = Cluster(folder / "d" / "postgres")
    (cluster.folder / "hemosight.whole").unlink()  # as every folder of an older version
    (cluster.folder / "global" / "pg_control").rename(folder / "pg_control")
    with pytest.raises(ServiceFault, match="pg_control") as fault, embedded(folder / "d"):
        pass
    assert fault.value.code == "database_will_not_start"
    (folder / "pg_control").rename(cluster.folder / "global" / "pg_control")
    assert _whole(folder)


def test_killed_between_two_migrations_it_goes_on(folder: Path) -> None:
    with embedded(folder / "d") as dsn:
        database = Database(dsn)
        database.migrate("0002")
        database.close()
    assert _whole(folder)


# --- what stands in the way ---------------------------------------------------------------------------------


def hemosight(*words: str | Path) -> tuple[int, str]:
    """A command that is expected to end by itself, in this process; its exit code and what it said."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(said):
        patch.setattr(sys, "argv", ["hemosight", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), said.getvalue()


def serve(folder: Path) -> tuple[int, str]:
    """``hemosight serve`` on a data directory."""
    return hemosight("serve", "--no-worker", "--port", "0", "--data-dir", folder)


def _one_sentence(done: tuple[int, str], *parts: str) -> None:
    code, text = done
    # Our own log may stand before it; a traceback may not.
    said = [line for line in text.strip().splitlines() if not line.startswith("{")]
    assert code == 2, text
    assert len(said) == 1, text
    assert said[0].startswith("hemosight: expected ")
    for part in parts:
        assert part in said[0], said[0]


def test_a_process_of_its_own_says_it_in_one_sentence(folder: Path) -> None:
    (folder / "d").write_text("a file")
    command = [sys.executable, "-m", "hemosight", "serve", "--data-dir", str(folder / "d"), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    _one_sentence((done.returncode, done.stderr), "a file in its place", "Choose another --data-dir")


def test_a_file_in_its_place(folder: Path) -> None:
    (folder / "d").write_text("a file")
    _one_sentence(serve(folder / "d"), "a file in its place", "Choose another --data-dir")
    _one_sentence(serve(folder / "d" / "below"), "a file in its place", "Choose another --data-dir")
    (folder / "e").mkdir()
    (folder / "e" / "postgres").write_text("a file")
    _one_sentence(serve(folder / "e"), "a file in its place", "Move the file away")


def test_other_things_in_the_clusters_place(folder: Path) -> None:
    (folder / "d" / "postgres").mkdir(parents=True)
    (folder / "d" / "postgres" / "thesis.docx").write_text("mine")
    _one_sentence(serve(folder / "d"), "thesis.docx", "Choose another --data-dir")
    assert (folder / "d" / "postgres" / "thesis.docx").read_text() == "mine"


def test_a_file_system_that_can_only_be_read(folder: Path) -> None:
    if os.geteuid() != 0:
        folder.chmod(0o500)
        _one_sentence(serve(folder / "d"), "no permission")
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        _one_sentence(serve(folder), "can only be read", "mount it for writing")
        _one_sentence(serve(folder / "d"), "can only be read", "mount it for writing")
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.attack(
    who="another account of the machine",
    what="leaves files in the temporary folder that keep the service from starting",
    held="locks lie in the data directory; nothing is shared",
)
def test_nothing_in_the_temporary_folder_is_shared_with_other_people(folder: Path) -> None:
    """Another person's lock files, which nobody else may open, once kept everybody from starting."""
    for name in (".lockfile", ".hemosight.turn", ".hemosight.holders"):
        (folder / name).touch(mode=0o000)
    environment = {**os.environ, "TMPDIR": str(folder)}
    environment.pop("XDG_RUNTIME_DIR", None)
    command = [sys.executable, "-c", START, str(folder / "d")]
    who: dict[str, int] = {}
    if os.geteuid() == 0:
        (folder / "d").mkdir()
        os.chown(folder / "d", 65534, 65534)
        folder.chmod(0o777)
        try:
            subprocess.run([sys.executable, "-c", "import hemosight"], user=65534, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("another account cannot read this environment")
        who = {"user": 65534, "group": 65534}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **who)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr


def test_a_newer_schema(folder: Path) -> None:
    assert _whole(folder)
    with embedded(folder / "d") as dsn, psycopg.connect(dsn) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    _one_sentence(serve(folder / "d"), "revision 9999, of a newer HemoSight", newest_revision())
    backup = hemosight("service", "backup", folder / "b", "--data-dir", folder / "d")
    _one_sentence(backup, "revision 9999, of a newer HemoSight", "Start the HemoSight that last used these data")
    worker = hemosight("worker", "--data-dir", folder / "d")
    _one_sentence(worker, "revision 9999, of a newer HemoSight", "Start the HemoSight that last used these data")


def test_a_folder_of_an_older_and_of_a_newer_postgresql(folder: Path) -> None:
    cluster = folder / "d" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("16\n")
    _one_sentence(serve(folder / "d"), "one of PostgreSQL 16", "`hemosight service upgrade --data-dir")
    (cluster / "PG_VERSION").write_text("19\n")
    _one_sentence(serve(folder / "d"), "one of PostgreSQL 19", "Update HemoSight")
    (cluster / "PG_VERSION").write_text("13\n")
    _one_sentence(serve(folder / "d"), "one of PostgreSQL 13", "hemosight service backup")


def test_a_server_that_is_stopped_meanwhile_is_waited_for(folder: Path) -> None:
    """A status of `stopping` that never ends once hung every later start without a word."""
    with embedded(folder / "d", after=None):
        found = Cluster(folder / "d" / "postgres").postmaster()
        assert found is not None
    found.process.send_signal(signal.SIGINT)
    assert _whole(folder)
