"""A service of its own with projects of many images, put straight into its tables: what benchmarks work in."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import insert

from hemosight.engine.bundle import Bundle, load
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import embedded
from hemosight.service.storage.live_events import ImagesEvent
from hemosight.service.storage.tables import CellEmbedding, Image, Picture, Project

_TOGETHER = 1000


@contextmanager
def served(folder: Path, bundle: Path | None = None) -> Generator[str]:
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


def project(
    address: str,
    folder: Path,
    name: str,
    count: int,
    *,
    bundle: Path | None = None,
    pictures: Sequence[tuple[bytes, bytes | None]] = ((b"", None),),
) -> int:
    """Make a project in the service that lives in this folder and fill it; gives its number.

    The pictures, each with its thumbnail, are dealt out in turn; where none are given they are empty.
    """
    with httpx.Client(base_url=f"{address}/api/v1", timeout=60) as client:
        client.headers["X-CSRF-Token"] = client.get("/session").json()["csrf"]
        made = client.post("/projects", json={"name": name}).json()["id"]
    with embedded(folder, after=None) as dsn:
        database = Database(dsn, pool=2)
        _fill(database, made, load(bundle), count, pictures)
        database.close()
    return made


def _fill(
    database: Database, project: int, bundle: Bundle, count: int, pictures: Sequence[tuple[bytes, bytes | None]]
) -> None:
    """Images and readings as uploads and workers would have left them, drawn around the bundle's labelled cells."""
    rng = np.random.default_rng(0)
    vectors, _ = bundle.support.labelled()
    for start in range(0, count, _TOGETHER):
        n = min(_TOGETHER, count - start)
        drawn = vectors[rng.integers(len(vectors), size=n)]
        drawn = drawn + rng.normal(scale=0.2 * vectors.std(), size=drawn.shape)
        drawn = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype("<f4")
        novelty, places = bundle.novelty.score(drawn), rng.normal(size=(n, 2))
        keys = [hashlib.sha256(f"{project} {start + row}".encode()).digest() for row in range(n)]
        with database.session() as session:
            owner = session.get(Project, project)
            assert owner is not None
            made = []
            for row, key in enumerate(keys):
                data, thumbnail = pictures[(start + row) % len(pictures)]
                sides = {"media_type": "image/jpeg", "width": 360, "height": 363}
                made.append({"sha256": key, "data": data, "thumbnail": thumbnail, **sides})
            session.execute(insert(Picture), made)
            rows = [
                {"project_id": project, "sha256": key, "name": f"{start + row}.jpg"} for row, key in enumerate(keys)
            ]
            ids = session.scalars(insert(Image).returning(Image.id, sort_by_parameter_order=True), rows).all()
            session.execute(
                insert(CellEmbedding),
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
            events.tell(session, project, ImagesEvent(added=n))
