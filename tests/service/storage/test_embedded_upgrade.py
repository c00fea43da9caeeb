"""From the oldest PostgreSQL that came with HemoSight to the present one: the same rows, whenever it is interrupted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, rmtree

import kills
import psutil
import psycopg
import pytest

from hemosight.service.errors import ServiceFault
from hemosight.service.operations.upgrade import Contents, contents, upgrade
from hemosight.service.storage.cluster import Cluster, dsn
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import embedded
from hemosight.service.storage.programs import VERSION, VERSIONS

pytestmark = pytest.mark.service

OLDEST = min(VERSIONS)


@pytest.fixture(scope="module")
def archived() -> Iterator[Path]:
    """A data directory of the oldest PostgreSQL, with people, a project and an audit trail; and what it holds."""
    folder = Path(tempfile.mkdtemp(prefix="hs-")) / "d"
    folder.mkdir()
    cluster = Cluster(folder / "postgres", OLDEST)
    cluster.make()
    sockets = cluster.start(120).sockets
    with psycopg.connect(dsn(sockets, "postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE hemosight")
    database = Database(dsn(sockets, "hemosight"))
    database.migrate()
    with psycopg.connect(database.dsn) as connection:
        connection.execute(
            "INSERT INTO users (name, display) SELECT 'person' || n, 'Dr. Özgür ' || n FROM generate_series(1, 200) n"
        )
        connection.execute(
            "INSERT INTO pictures (sha256, data, media_type, width, height)"
            " SELECT sha256(n::text::bytea), decode(repeat(md5(n::text), 2000), 'hex'), 'image/png', 360, 363"
            " FROM generate_series(1, 50) n"
        )
        connection.execute(
            "INSERT INTO audit (action, subject) SELECT 'user.create', '{\"user\": 1}' FROM generate_series(1, 300)"
        )
    database.close()
    held = contents(dsn(sockets, "hemosight"))
    cluster.stop(60)
    (folder.parent / "held.json").write_text(json.dumps(held))
    yield folder
    rmtree(folder.parent, ignore_errors=True)


@pytest.fixture
def folder(archived: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hs-"))
    _copy(archived, made / "d")
    yield made / "d"
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] in ("postgres", "initdb") and str(made) in " ".join(process.info["cmdline"] or ()):
            process.kill()
    rmtree(made, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    copytree(source, target)
    owner = (source / "postgres").stat()
    target.parent.chmod(0o755)
    for item in (target / "postgres", *(target / "postgres").rglob("*")):
        os.chown(item, owner.st_uid, owner.st_gid)


@pytest.fixture
def held(archived: Path) -> Contents:
    return {
        name: (rows, total) for name, (rows, total) in json.loads((archived.parent / "held.json").read_text()).items()
    }


def _now(folder: Path) -> Contents:
    with embedded(folder) as address:
        return contents(address)


def test_the_same_rows_in_the_new_version(folder: Path, held: Contents) -> None:
    said: list[str] = []
    with pytest.raises(ServiceFault) as fault, embedded(folder):
        pass
    assert fault.value.code == "database_older"
    kept = upgrade(folder, said.append)
    assert (Cluster(folder / "postgres").found_version(), kept) == (VERSION, folder / f"postgres-{OLDEST}")
    assert held["public.pictures"][0] == 50
    assert _now(folder) == held
    assert sorted(item.name for item in folder.iterdir() if item.name[0] != ".") == ["postgres", f"postgres-{OLDEST}"]
    assert upgrade(folder, said.append) is None
    assert "nothing to do" in said[-1]
    # The way back: the old folder is as it was.
    rmtree(folder / "postgres")
    (folder / f"postgres-{OLDEST}").rename(folder / "postgres")
    cluster = Cluster(folder / "postgres", OLDEST)
    assert contents(dsn(cluster.start(120).sockets, "hemosight")) == held
    cluster.stop(60)


def test_killed_between_the_two_folders_the_next_start_ends_it(folder: Path, held: Contents) -> None:
    upgrade(folder, print)
    (folder / "postgres").rename(folder / "postgres.upgraded")
    (folder / "postgres.upgrade").write_text(json.dumps({"new": "postgres.upgraded", "kept": f"postgres-{OLDEST}"}))
    assert _now(folder) == held, "not an empty service"


def test_refused_while_the_service_runs(folder: Path) -> None:
    upgrade(folder, print)
    with embedded(folder), pytest.raises(ServiceFault, match="a running HemoSight"):
        upgrade(folder, print)


def kill_at_random_moments(archived: Path, held: Contents, folder: Path, wanted: int, seed: int) -> None:
    rng, longest, killed = random.Random(seed), 8.0, 0
    command = [sys.executable, "-m", "hemosight", "service", "upgrade", "--data-dir"]
    while killed < wanted:
        place = folder.parent / f"r{killed}"
        _copy(archived, place)
        process = subprocess.Popen([*command, str(place)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.5, longest))
        process.kill()
        code = process.wait()
        assert code in (0, -signal.SIGKILL), "it fell by itself"
        if code:
            killed += 1
        else:  # it was over before: no kill, and the next comes sooner
            longest = max(1.0, 0.8 * longest)
        upgrade(place, print)
        assert _now(place) == held, f"kill {killed}"
        rmtree(place)


@pytest.mark.slow
def test_killed_at_a_random_moment_the_next_one_ends_it(archived: Path, folder: Path, held: Contents) -> None:
    kill_at_random_moments(archived, held, folder, 1, kills.SEED)


@pytest.mark.long
@pytest.mark.timeout(3600)  # twenty upgrades: more than ten minutes on a busy machine
def test_random_kills_of_an_upgrade(
    archived: Path, folder: Path, held: Contents, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds, seed = kills.each(20), kills.begin(capsys)
    kill_at_random_moments(archived, held, folder, rounds, seed)
    kills.proven(capsys, {"upgrade": rounds}, "the next one ended each, with the same rows")
