"""Pieces of a study, run in threads and kept: what an interruption left is not done twice.

A piece is a function without arguments that returns a table. Its table is stored as Parquet under a name made from
everything that decides it: the study, its settings, the material's hash, the piece's own name, and the code of the
rooms that compute it, the room that defines the piece among them. Threads are enough, and share the vectors: the time
goes into linear algebra, which releases the interpreter's lock. Each runs its linear algebra on one core.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits

from hemosight.engine.network import cores
from hemosight.images.catalog import Progress

Piece = Callable[[], pl.DataFrame]
PACKAGE = Path(__file__).parents[2]
ROOMS = ("images", "engine", "space", "scoring", "lab/studies")
"""What any piece may rest on: splits and shifts of pictures, the network, readers, the studies themselves."""


@dataclass(frozen=True)
class Steps:
    """How the pieces of a study are run.

    Parameters
    ----------
    folder
        Where finished pieces are kept; None keeps nothing.
    workers
        Pieces at a time; as many as there are cores where None.
    progress
        Called with the number of pieces that are done, and of all pieces.
    """

    folder: Path | None = None
    workers: int | None = None
    progress: Progress | None = None

    def run(self, study: str, facts: Mapping[str, Any], pieces: Mapping[str, Piece]) -> pl.DataFrame:
        """The pieces' tables, one below the other in the order of ``pieces``.

        ``facts`` are what decides a piece besides its name; values that JSON can write.
        """
        files = {name: self._file(study, facts, name, piece) for name, piece in pieces.items()}
        tables: dict[str, pl.DataFrame] = {}
        for name, file in files.items():
            if file is not None and file.exists():
                tables[name] = pl.read_parquet(file)
        self._tell(len(tables), len(pieces))
        left = [name for name in pieces if name not in tables]
        workers = min(self.workers or cores(), max(len(left), 1))
        # One core each where several run at a time; a single piece may use them all.
        with threadpool_limits(1 if workers > 1 else None), ThreadPoolExecutor(workers) as pool:
            running = {pool.submit(pieces[name]): name for name in left}
            try:
                while running:
                    finished = wait(running, return_when=FIRST_COMPLETED).done
                    # What succeeded is kept before a failure among them is raised.
                    for done in sorted(finished, key=lambda future: future.exception() is not None):
                        name = running.pop(done)
                        tables[name] = done.result()
                        _keep(tables[name], files[name])
                        self._tell(len(tables), len(pieces))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return pl.concat([tables[name] for name in pieces]) if pieces else pl.DataFrame()

    def _tell(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)

    def _file(self, study: str, facts: Mapping[str, Any], name: str, piece: Piece) -> Path | None:
        if self.folder is None:
            return None
        decided_by = json.dumps([study, dict(facts), name, code(_room(piece))], sort_keys=True, default=str)
        return self.folder / study / f"{hashlib.sha256(decided_by.encode()).hexdigest()[:32]}.parquet"


@cache
def code(room: str | None = None) -> str:
    """Hash of the source of the rooms that compute studies, and of one more: a table of other code is made anew."""
    digest = hashlib.sha256()
    for name in sorted({*ROOMS, room or ROOMS[0]}):
        for file in sorted((PACKAGE / name).rglob("*.py")):
            source = file.read_bytes()
            digest.update(f"{file.relative_to(PACKAGE).as_posix()} {len(source)} ".encode() + source)
    return digest.hexdigest()


def _room(piece: Piece) -> str | None:
    """The room of this package in which a piece is defined."""
    package, *rooms = piece.__module__.split(".")[:-1] or [""]
    return "/".join(rooms) if package == PACKAGE.name and rooms else None


def _keep(table: pl.DataFrame, file: Path | None) -> None:
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    table.write_parquet(part)
    part.replace(file)
