"""How quick the review desk answers in a project of 10,000 images: p50 and p95 of what a reviewer does.

    python benchmarks/desk.py

A service of its own (``hemosight serve`` with an embedded PostgreSQL, in a folder that goes away) gets a project whose
readings are drawn around the bundle's labelled cells, straight into the tables. Then one reviewer works: lists, opens
a cell, labels one, labels a hundred, takes the columns. The teaching turn is the time from sending a label to the
event that says every reading has followed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import httpx
import numpy as np
import polars as pl
import typer
from rich.console import Console
from sqlalchemy import insert

from hemosight.benchmark import machine
from hemosight.bundle import Bundle, load
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import embedded
from hemosight.service.storage.tables import CellReading, Image, Picture, Project

ROUNDS = 60
WARM_UP = 3
_TOGETHER = 1000


def fill(database: Database, project: int, bundle: Bundle, count: int) -> None:
    """Images and readings as uploads and workers would have left them; the pictures themselves are empty."""
    rng = np.random.default_rng(0)
    vectors, _ = bundle.support.labelled()
    for start in range(0, count, _TOGETHER):
        n = min(_TOGETHER, count - start)
        drawn = vectors[rng.integers(len(vectors), size=n)]
        drawn = drawn + rng.normal(scale=0.2 * vectors.std(), size=drawn.shape)
        drawn = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype("<f4")
        novelty, places = bundle.novelty.score(drawn), rng.normal(size=(n, 2))
        keys = [hashlib.sha256(f"{start + row}".encode()).digest() for row in range(n)]
        with database.session() as session:
            owner = session.get(Project, project)
            assert owner is not None
            blank = {"data": b"", "media_type": "image/png", "width": 360, "height": 363}
            session.execute(insert(Picture), [{"sha256": key, **blank} for key in keys])
            rows = [
                {"project_id": project, "sha256": key, "name": f"{start + row}.png"} for row, key in enumerate(keys)
            ]
            ids = session.scalars(insert(Image).returning(Image.id, sort_by_parameter_order=True), rows).all()
            session.execute(
                insert(CellReading),
                [
                    {
                        "image_id": image,
                        "bundle_id": owner.bundle_id,
                        "vector": drawn[row].tobytes(),
                        "status": "ok",
                        "novelty": float(novelty[row]),
                        "x": float(places[row, 0]),
                        "y": float(places[row, 1]),
                    }
                    for row, image in enumerate(ids)
                ],
            )
            events.tell(session, project, "images", {"added": n})


class Ears:
    """Hears a project's events and when they came."""

    def __init__(self, address: str, project: int, headers: dict[str, str], cookies: httpx.Cookies) -> None:
        self.taught: list[tuple[int, float]] = []
        self._new = threading.Condition()
        self._client = httpx.Client(base_url=address, headers=headers, cookies=cookies, timeout=600)
        threading.Thread(target=self._listen, args=(project,), daemon=True).start()

    def _listen(self, project: int) -> None:
        with self._client.stream("GET", f"/projects/{project}/events") as stream:
            kind = ""
            for line in stream.iter_lines():
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("data:") and kind == "taught":
                    with self._new:
                        self.taught.append((int(json.loads(line[5:])["revision"]), time.perf_counter()))
                        self._new.notify_all()

    def until(self, revision: int) -> float:
        """When it was said that this fact is learnt; waits for it."""
        with self._new:
            self._new.wait_for(lambda: any(heard >= revision for heard, _ in self.taught), 60)
            return next(at for heard, at in self.taught if heard >= revision)


def measure(address: str, project: int, count: int, rounds: int) -> pl.DataFrame:
    """Milliseconds of each thing a reviewer does."""
    with httpx.Client(base_url=f"{address}/api/v1", timeout=120) as client:
        client.headers["X-CSRF-Token"] = client.get("/session").json()["csrf"]
        root = f"/projects/{project}"
        columns = client.get(f"{root}/columns")
        assert columns.status_code == 200, columns.text
        ids = [one["id"] for one in client.get(f"{root}/images", params={"limit": 500}).json()["items"]]
        classes = [one["name"] for one in client.get(f"{root}/label-sets").json()["items"][0]["classes"]]
        ears = Ears(f"{address}/api/v1", project, dict(client.headers), client.cookies)
        rng, versions = np.random.default_rng(1), dict.fromkeys(ids, 0)
        took: dict[str, list[float]] = {}

        def timed(name: str, ask: Callable[[], httpx.Response]) -> httpx.Response:
            began = time.perf_counter()
            answer = ask()
            took.setdefault(name, []).append(1000 * (time.perf_counter() - began))
            assert answer.status_code < 300, answer.text
            return answer

        def label(name: str, images: list[int]) -> int:
            items = [
                {"image": image, "label": str(rng.choice(classes)), "version": versions[image]} for image in images
            ]
            body = {"request": str(uuid.uuid4()), "items": items}
            answer = timed(name, lambda: client.post(f"{root}/labels", json=body)).json()
            versions.update({fact["image"]: fact["version"] for fact in answer["facts"]})
            return answer["revision"]

        for _ in range(rounds + WARM_UP):
            image = int(rng.choice(ids))
            timed("list", lambda: client.get(f"{root}/images", params={"limit": 100}))
            timed("list, least sure first", lambda: client.get(f"{root}/images", params={"sort": "uncertainty"}))
            timed("reading", lambda: client.get(f"{root}/images/{image}"))  # noqa: B023
            timed("neighbours", lambda: client.get(f"{root}/images/{image}/neighbours"))  # noqa: B023
            began = time.perf_counter()
            revision = label("relabel", [image])
            took.setdefault("whole teaching turn", []).append(1000 * (ears.until(revision) - began))
            timed("columns, what changed", lambda: client.get(f"{root}/columns", params={"since": 1}))
            timed("differential", lambda: client.get(f"{root}/differential"))
        for _ in range(5 + WARM_UP):
            ears.until(label("relabel 100", [int(image) for image in rng.choice(ids, 100, replace=False)]))
            timed(f"columns of {count:,}", lambda: client.get(f"{root}/columns"))
    rows = []
    for name, values in took.items():
        kept = values[WARM_UP:]
        rows.append(
            {"what": name, "n": len(kept), "p50": float(np.median(kept)), "p95": float(np.quantile(kept, 0.95))}
        )
    return pl.DataFrame(rows)


@contextmanager
def served(folder: Path, bundle: Path | None) -> Generator[str]:
    """A service for one local person, without workers; gives its address."""
    command = [sys.executable, "-m", "hemosight", "serve", "--no-login", "--no-worker", "--port", "0"]
    command += ["--data-dir", str(folder), *(["--bundle", str(bundle)] if bundle else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(line.split()[-1] for line in process.stdout if line.startswith("HemoSight is at "))
        finally:
            process.terminate()
            process.wait(60)


def main(
    images: Annotated[int, typer.Option(help="Images in the project.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often each thing is done.")] = ROUNDS,
    bundle: Annotated[Path | None, typer.Option(help="A bundle; the one that comes with HemoSight.")] = None,
) -> None:
    """Fill a project, work in it, and print milliseconds."""
    console = Console()
    with TemporaryDirectory(prefix="hemosight-") as folder, served(Path(folder), bundle) as address:
        with httpx.Client(base_url=f"{address}/api/v1", timeout=60) as client:
            client.headers["X-CSRF-Token"] = client.get("/session").json()["csrf"]
            project = client.post("/projects", json={"name": "Ten thousand"}).json()["id"]
        with embedded(Path(folder), after=None) as dsn:
            database = Database(dsn, pool=2)
            fill(database, project, load(bundle), images)
            database.close()
        console.print(f"{images:,} images; milliseconds on {machine()}")
        with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, float_precision=0, tbl_rows=50):
            console.print(measure(address, project, images, rounds))


if __name__ == "__main__":
    typer.run(main)
