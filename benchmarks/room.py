"""How much room crops take in the database of the review service, table by table.

    python benchmarks/room.py --images "$HEMOSIGHT_DATA/PBC_dataset_normal_DIB" --crops 1000

A new service in a new folder takes the crops over HTTP and reads them; an empty one is measured before. PostgreSQL then
clears what was deleted meanwhile (``VACUUM``), and says how large each table is: its rows, what it keeps of long values
beside them (TOAST), and its indexes. The write-ahead log is left out: its size is a setting, whatever is stored.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import psycopg
import service
import typer

from hemosight.lab.benchmark import draw, gather, machine
from hemosight.service.storage.cluster import Cluster, dsn
from hemosight.service.storage.embedded import NAME

Sizes = dict[str, tuple[int, int, int]]
"""Table -> bytes of its rows, of its long values, of its indexes."""
MB = 1e6
SHOWN = 0.02
"""Megabytes from which a table has a line of its own."""


def main(
    images: Annotated[Path | None, typer.Option(help="Folder of crops; else drawn ones.")] = None,
    crops: Annotated[int, typer.Option(min=1, help="Crops to upload.")] = 1000,
    bundle: Annotated[Path | None, typer.Option(help="Bundle to read with; the built-in one.")] = None,
) -> None:
    """Measure, and print a line a table."""
    with tempfile.TemporaryDirectory() as folder:
        paths, origin = (
            (draw(Path(folder), crops, None), "drawn") if images is None else (gather(images, crops), images)
        )
        files = {f"{row}{path.suffix}": path.read_bytes() for row, path in enumerate(paths)}
    with service.service(1, 0, bundle) as (client, (_, _, (postmaster, *_))):
        running = Cluster(Path(postmaster.cwd())).postmaster()
        assert running is not None
        with psycopg.connect(dsn(running.sockets, NAME), autocommit=True) as database:
            before = sizes(database)
            project = f"/projects/{client.post('/projects', json={'name': 'benchmark'}).json()['id']}"
            upload = f"{project}/uploads/{client.post(f'{project}/uploads', json={}).json()['id']}"
            pairs = list(files.items())
            for start in range(0, len(pairs), service.SENDING):
                part = pairs[start : start + service.SENDING]
                client.post(f"{upload}/files", files=[("files", pair) for pair in part]).raise_for_status()
            while client.get(upload).json()["waiting"]:
                time.sleep(0.1)
            after = sizes(database)
            parts = values(database)
    thousand = MB * len(files) / 1000
    print(f"{machine()}\n{len(files):,} crops: {origin}, {sum(map(len, files.values())) / thousand:.1f} MB per 1,000\n")
    print("| MB per 1,000 crops | rows | long values | indexes | all |\n|---|---|---|---|---|")
    grown = {
        name: [now - was for now, was in zip(after[name], before.get(name, (0, 0, 0)), strict=True)] for name in after
    }
    grown |= {"all tables": [sum(column) for column in zip(*grown.values(), strict=True)]}
    for name, part in sorted(grown.items(), key=lambda item: -sum(item[1])):
        if sum(part) / thousand >= SHOWN:
            print(f"| {name} | {' | '.join(f'{value / thousand:.2f}' for value in (*part, sum(part)))} |")
    print("\nOf that: " + ", ".join(f"{name} {value / thousand:.2f} MB" for name, value in parts.items()))


def sizes(database: psycopg.Connection) -> Sizes:
    """How large every table is once what was deleted has been cleared away."""
    with suppress(psycopg.errors.QueryCanceled):
        database.execute("VACUUM")
    found = database.execute("""
        SELECT relname, pg_relation_size(oid), pg_table_size(oid) - pg_relation_size(oid), pg_indexes_size(oid)
        FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    """)
    return {name: (rows, long, indexes) for name, rows, long, indexes in found}


def values(database: psycopg.Connection) -> dict[str, int]:
    """Bytes of what is stored, without what PostgreSQL needs around it."""
    found = database.execute("""
        SELECT (SELECT sum(length(data)) FROM pictures), (SELECT sum(length(thumbnail)) FROM pictures),
            (SELECT sum(length(vector)) FROM embeddings)
    """).fetchone()
    return dict(zip(("files", "thumbnails", "vectors"), map(int, found or ()), strict=True))


if __name__ == "__main__":
    typer.run(main)
