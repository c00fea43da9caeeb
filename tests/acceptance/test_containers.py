"""The story of deploy/compose.yaml with real containers: PostgreSQL, the service, two workers, cells read.

No image registry is asked. The images come from Debian's packages and the offline bundle (scripts/images), and start
as the compose file says: its commands, its settings. Only the address of the database is another, since all share this
machine's network. It is skipped, with the reason, where images cannot be built or containers cannot run.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
CELLS = 120


class Podman:
    """Containers and images of this test, apart from the machine's own."""

    def __init__(self, folder: Path) -> None:
        # runc, not crun: that one wants the newer of the two kinds of control groups.
        how = ("--cgroup-manager", "cgroupfs", "--runtime", shutil.which("runc") or "runc")
        self.words = ["podman", "--root", str(folder / "images"), "--runroot", str(folder / "run"), *how]
        self.started: list[str] = []

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of podman."""
        done = subprocess.run([*self.words, *words], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr[-3000:]
        return done

    def start(self, name: str, image: str, *command: str, **environment: str) -> None:
        """A container in the background, on this machine's network."""
        told = [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
        self.started.append(name)
        self.run("run", "--detach", "--name", name, "--network", "host", *LIMITS, *told, image, *command)

    def said(self, name: str) -> str:
        """The end of a container's log."""
        done = self.run("logs", "--tail", "60", name, check=False)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    if missing := [tool for tool in ("podman", "mmdebstrap", "runc") if shutil.which(tool) is None]:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install mmdebstrap podman buildah runc")
    if os.geteuid() != 0:
        pytest.skip("images are built as root")
    given = os.environ.get("HEMOSIGHT_TEST_IMAGES")  # a folder that a run before has filled
    made = Podman(Path(given) if given else tmp_path_factory.mktemp("podman"))
    offline = Path(os.environ.get("HEMOSIGHT_TEST_OFFLINE", ROOT / "build" / "offline"))
    if not (offline / "install.sh").exists():
        built = subprocess.run([ROOT / "scripts/offline", offline], capture_output=True, text=True, check=False)
        if built.returncode:
            pytest.skip(f"the offline bundle cannot be made here: {built.stderr[-300:]}")
    environment = {**os.environ, "PODMAN": " ".join(made.words)}
    words = [ROOT / "scripts" / "images", offline]
    built = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if built.returncode and "building" not in built.stderr:
        pytest.skip(f"the base cannot be made of Debian's packages here: {built.stderr[-300:]}")
    assert built.returncode == 0, built.stderr[-3000:]
    tried = made.run("run", "--rm", "--network", "host", *LIMITS, "localhost/hemosight-base", "true", check=False)
    if tried.returncode:
        pytest.skip(f"containers cannot run here: {tried.stderr[-300:]}")
    yield made
    for name in reversed(made.started):
        made.run("rm", "--force", "--time", "5", name, check=False)


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _until(holds: Any, seconds: float, said: Any) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, said()
        time.sleep(1)


def test_the_compose_story(podman: Podman) -> None:
    told = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    assert set(told) == {"database", "service", "worker"}
    mark, password = secrets.token_hex(4), secrets.token_hex(12)
    names = {part: f"hemosight-{part}-{mark}" for part in ("database", "service", "worker-1", "worker-2")}
    ports = {"database": _free_port(), "service": _free_port()}
    _start_database(podman, names["database"], ports["database"], password)

    dsn = f"postgresql://hemosight:{password}@127.0.0.1:{ports['database']}/hemosight"
    settings = {name: str(value) for name, value in told["service"]["environment"].items()}
    assert settings.keys() == {"HEMOSIGHT_DATABASE", "HEMOSIGHT_ALLOWED_HOSTS", "HEMOSIGHT_BEHIND_TLS"}
    common = {"HEMOSIGHT_DATABASE": dsn, "HEMOSIGHT_BEHIND_TLS": "false", "HEMOSIGHT_THREADS": "1"}
    hosts = {"HEMOSIGHT_ALLOWED_HOSTS": '["127.0.0.1"]', "HEMOSIGHT_PORT": str(ports["service"])}
    # The first administrator, as docs/how-to/serve.md says: before the first start.
    first = "echo four words in a row > /tmp/p; exec hemosight service admin amina --password-file /tmp/p"
    podman.run(
        *("run", "--rm", "--network", "host", *LIMITS, "--env", f"HEMOSIGHT_DATABASE={dsn}"),
        *("--entrypoint", "sh", "localhost/hemosight-service", "-c", first),
    )
    podman.start(names["service"], "localhost/hemosight-service", *told["service"]["command"], **common, **hosts)
    for number in range(told["worker"]["deploy"]["replicas"]):
        podman.start(names[f"worker-{number + 1}"], "localhost/hemosight-worker", *told["worker"]["command"], **common)
    who = podman.run("exec", names["service"], "id", "-u").stdout.strip()
    assert who == "10001", "not as root"

    with httpx.Client(base_url=f"http://127.0.0.1:{ports['service']}", timeout=60) as client:

        def ready() -> bool:
            try:
                return client.get("/readyz").status_code == 200
            except httpx.HTTPError:
                return False

        _until(ready, 300, lambda: podman.said(names["service"]))
        assert "<title>HemoSight" in client.get("/").text, "the page is in the image"
        entered = client.post("/api/v1/session", json={"name": "amina", "password": "four words in a row"})
        client.headers["X-CSRF-Token"] = entered.json()["csrf"]
        project = client.post("/api/v1/projects", json={"name": "Slides"}).json()["id"]
        drawn = client.post(f"/api/v1/projects/{project}/drawn", json={"count": CELLS}, timeout=600)
        assert drawn.json()["added"] == CELLS, drawn.text

        def read() -> bool:
            return client.get(f"/api/v1/projects/{project}").json()["read"] == CELLS

        _until(read, 900, lambda: "\n".join(map(podman.said, names.values())))
    with psycopg.connect(dsn) as database:
        row = database.execute("SELECT count(*) FROM workers").fetchone()
        assert row == (2,), "both workers are there"
    # Told to stop, they end by themselves, within the time that the compose file gives.
    for part in ("service", "worker-1", "worker-2"):
        begun = time.monotonic()
        podman.run("stop", "--time", "60", names[part])
        assert time.monotonic() - begun < 50
        state = json.loads(podman.run("inspect", names[part]).stdout)[0]["State"]
        assert state["ExitCode"] == 0, podman.said(names[part])


def _start_database(podman: Podman, name: str, port: int, password: str) -> None:
    """Debian's PostgreSQL: in compose it is the official image, which cannot be fetched here."""
    script = (
        "set -e; V=$(ls /usr/lib/postgresql); B=/usr/lib/postgresql/$V/bin; install -d -o postgres /d; "
        f"echo {password} > /p; chown postgres /p; "
        'su postgres -c "$B/initdb -D /d -E UTF8 -U hemosight --pwfile /p --auth scram-sha-256" >/dev/null; '
        f'exec su postgres -c "$B/postgres -D /d -p {port} -c listen_addresses=127.0.0.1 -k /d"'
    )
    podman.start(name, "localhost/hemosight-base", "sh", "-c", script)
    ask = f"PGPASSWORD={password} psql -h 127.0.0.1 -p {port} -U hemosight postgres -c 'CREATE DATABASE hemosight'"

    def there() -> bool:
        return podman.run("exec", name, "sh", "-c", ask, check=False).returncode == 0

    _until(there, 120, lambda: podman.said(name))
