"""How quick the review desk answers in a project of 10,000 images: p50 and p95 of what a reviewer does.

    python benchmarks/desk.py

A service of its own (``hemosight serve`` with an embedded PostgreSQL, in a folder that goes away) gets a project whose
readings are drawn around the bundle's labelled cells, straight into the tables. Then one reviewer works: lists, opens
a cell, labels one, labels a hundred, takes the columns. The teaching turn is the time from sending a label to the
event that says every reading has followed.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import filled
import httpx
import numpy as np
import polars as pl
import typer
from rich.console import Console

from hemosight.lab.benchmark import machine

ROUNDS = 60
WARM_UP = 3


class EventListener:
    """Listens to a project's events, and notes when each came."""

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
                        self.taught.append((int(json.loads(line[5:])["taught_until"]), time.perf_counter()))
                        self._new.notify_all()

    def until(self, newest: int) -> float:
        """When it was said that this record is learnt; waits for it."""
        with self._new:
            self._new.wait_for(lambda: any(until >= newest for until, _ in self.taught), 60)
            return next(at for until, at in self.taught if until >= newest)


def measure(address: str, project: int, count: int, rounds: int) -> pl.DataFrame:
    """Milliseconds of each thing a reviewer does."""
    with httpx.Client(base_url=f"{address}/api/v1", timeout=120) as client:
        client.headers["X-CSRF-Token"] = client.get("/session").json()["csrf"]
        root = f"/projects/{project}"
        columns = client.get(f"{root}/columns")
        assert columns.status_code == 200, columns.text
        ids = [one["id"] for one in client.get(f"{root}/images", params={"limit": 500}).json()["items"]]
        classes = [one["name"] for one in client.get(f"{root}/label-sets").json()["items"][0]["classes"]]
        listener = EventListener(f"{address}/api/v1", project, dict(client.headers), client.cookies)
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
            versions.update({record["image"]: record["version"] for record in answer["labels"]})
            return answer["taught_until"]

        for _ in range(rounds + WARM_UP):
            image = int(rng.choice(ids))
            timed("list", lambda: client.get(f"{root}/images", params={"limit": 100}))
            timed("list, least sure first", lambda: client.get(f"{root}/images", params={"sort": "uncertainty"}))
            timed("reading", lambda: client.get(f"{root}/images/{image}"))  # noqa: B023
            timed("neighbours", lambda: client.get(f"{root}/images/{image}/neighbours"))  # noqa: B023
            began = time.perf_counter()
            newest = label("relabel", [image])
            took.setdefault("whole teaching turn", []).append(1000 * (listener.until(newest) - began))
            timed("columns, what changed", lambda: client.get(f"{root}/columns", params={"since": 1}))
            timed("differential", lambda: client.get(f"{root}/differential"))
        for _ in range(5 + WARM_UP):
            listener.until(label("relabel 100", [int(image) for image in rng.choice(ids, 100, replace=False)]))
            timed(f"columns of {count:,}", lambda: client.get(f"{root}/columns"))
    rows = []
    for name, values in took.items():
        kept = values[WARM_UP:]
        rows.append(
            {"what": name, "n": len(kept), "p50": float(np.median(kept)), "p95": float(np.quantile(kept, 0.95))}
        )
    return pl.DataFrame(rows)


def main(
    images: Annotated[int, typer.Option(help="Images in the project.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often each thing is done.")] = ROUNDS,
    bundle: Annotated[Path | None, typer.Option(help="A bundle; the one that comes with HemoSight.")] = None,
) -> None:
    """Fill a project, work in it, and print milliseconds."""
    console = Console()
    with TemporaryDirectory(prefix="hemosight-") as folder, filled.served(Path(folder), bundle) as address:
        project = filled.project(address, Path(folder), "Ten thousand", images, bundle=bundle)
        console.print(f"{images:,} images; milliseconds on {machine()}")
        with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, float_precision=0, tbl_rows=50):
            console.print(measure(address, project, images, rounds))


if __name__ == "__main__":
    typer.run(main)
