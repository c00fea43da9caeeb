"""How long a laboratory waits for its upload: the review service with one, two and four workers on one database.

Each round is a new service in a new folder, with real processes and real HTTP; the time runs from the first byte that
is sent until every reading is visible through the API::

    python benchmarks/service.py --images "$HEMOSIGHT_DATA/PBC_dataset_normal_DIB" --crops 1000

Workers beyond the machine's cores only share them: the question is then whether sharing costs anything. With
``--threads 0`` a worker takes all cores, as the one that ``hemosight serve`` starts does.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer

from hemosight.lab.benchmark import draw, gather, machine

SENDING = 100
"""Crops of a request."""
LINES = 2
"""Requests at a time, as the page sends them."""


def main(
    images: Annotated[Path | None, typer.Option(help="Folder of crops; else drawn ones.")] = None,
    crops: Annotated[int, typer.Option(min=1, help="Crops to upload.")] = 1000,
    workers: Annotated[str, typer.Option(help="Numbers of workers, with commas.")] = "1,2,4",
    threads: Annotated[int, typer.Option(min=0, help="Processor threads of a worker; 0 for all.")] = 1,
    bundle: Annotated[Path | None, typer.Option(help="Bundle to read with; the built-in one.")] = None,
) -> None:
    """Measure, and print a row for each number of workers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped, however this ends
    with tempfile.TemporaryDirectory() as folder:
        paths, origin = (
            (draw(Path(folder), crops, None), "drawn") if images is None else (gather(images, crops), images)
        )
        files = {f"{row}{path.suffix}": path.read_bytes() for row, path in enumerate(paths)}
    print(f"{machine()}\n{len(files):,} crops: {origin}\n")
    print("workers  threads  uploaded after  all read after  a second   processor: server  workers  database")
    for number in map(int, workers.split(",")):
        sent, read, busy = measure(files, number, threads, bundle)
        speed = f"{len(files) / read:8.1f}   {busy[0]:15.1f} s {busy[1]:6.1f} s {busy[2]:7.1f} s"
        print(f"{number:7d}  {threads or 'all':>7}  {sent:12.1f} s  {read:12.1f} s  {speed}", flush=True)


def measure(
    files: Mapping[str, bytes], workers: int, threads: int, bundle: Path | None
) -> tuple[float, float, list[float]]:
    """Seconds until all crops were sent, until all were read, and what each part computed for it.

    The last do not depend on what else the machine does: on two quiet cores it takes at least half of their sum.
    """
    with service(workers, threads, bundle) as (client, parts_of):
        before = [spent(parts) for parts in parts_of]
        project = f"/projects/{client.post('/projects', json={'name': 'benchmark'}).json()['id']}"
        upload = f"{project}/uploads/{client.post(f'{project}/uploads', json={}).json()['id']}"
        pairs = list(files.items())
        parts = [pairs[start : start + SENDING] for start in range(0, len(pairs), SENDING)]

        def send(part: list[tuple[str, bytes]]) -> None:
            answer = client.post(f"{upload}/files", files=[("files", pair) for pair in part])
            answer.raise_for_status()

        began = time.monotonic()
        with ThreadPoolExecutor(LINES) as pool:
            list(pool.map(send, parts))
        sent = time.monotonic() - began
        while True:
            shown = client.get(upload).json()
            if shown["waiting"] == 0:
                read = time.monotonic() - began
                return sent, read, [spent(parts) - was for parts, was in zip(parts_of, before, strict=True)]
            time.sleep(0.1)


@contextmanager
def service(
    workers: int, threads: int, bundle: Path | None
) -> Generator[tuple[httpx.Client, list[list[psutil.Process]]]]:
    """A new service whose workers are ready: a client of it, and its server's, workers' and database's processes."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="hemosight-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        which = ["--bundle", str(bundle)] if bundle else []
        where = ["--data-dir", str(folder)]
        log = stack.enter_context((folder / "log").open("wb"))

        def start(*words: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "hemosight", *words, *where, *which]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        server = start("serve", "--no-login", "--no-worker", "--port", "0")
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        hands = [
            start("worker", "--name", f"worker {number}", *(["--threads", str(threads)] if threads else []))
            for number in range(workers)
        ]
        client = stack.enter_context(httpx.Client(base_url=f"{address}/api/v1", timeout=300))
        client.headers["X-CSRF-Token"] = client.get("/session").json()["csrf"]
        made = client.post("/projects", json={"name": "waiting for workers"}).json()["id"]
        while len(client.get(f"/projects/{made}/jobs").json()["workers"]) < workers:
            time.sleep(0.2)
        postmaster = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]))
        yield (
            client,
            [
                [psutil.Process(server.pid)],
                [psutil.Process(hand.pid) for hand in hands],
                [postmaster, *postmaster.children()],
            ],
        )


def spent(processes: list[psutil.Process]) -> float:
    """Seconds of processor time of some processes so far."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system
    return total


if __name__ == "__main__":
    typer.run(main)
