"""Dossiers: a worker makes the validations that were asked for on the page, one at a time.

What measures them is the laboratory's, which the service does not import: it runs ``hemosight validate`` as a child,
on a folder of signed cells and a copy of its bundle. The child knows neither the database nor any secret. A dossier
whose worker died is begun anew by another, a few times.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel

from hemosight.engine.bundle import Bundle
from hemosight.service.storage import dossiers
from hemosight.service.storage.database import Database
from hemosight.service.work import signed_cells

log = structlog.get_logger()

EVERY = 2.0
"""Seconds between looks for a dossier to make, and between signs of life of one that is being made."""
LONGEST = 3 * 3600.0
"""Seconds after which a child is ended."""
NOT_MET = 4
"""Exit code of a child that made a dossier in which a limit is not met."""
LARGEST = 400 * 2**20
"""Bytes of an archive, at most."""
_SAID = 20_000
_RECORD = "dossier.json"
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
"""What of its environment a child sees: no address of the database, no key."""
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class LimitVerdict(BaseModel):
    """A limit of the protocol, what was found, and whether it is met."""

    name: str
    found: str
    asked: str
    judged: str


class Summary(BaseModel):
    """A dossier in a few lines."""

    cells: int
    cases: int
    bundle: str
    verdicts: list[LimitVerdict]
    changes: list[str]


async def go_on(database: Database, bundle: Bundle, bundle_id: int) -> None:
    """Make dossiers as they are asked for, until the task is cancelled; a child that runs then is ended."""
    while True:
        found = await asyncio.to_thread(_claim, database, bundle_id)
        if found is None:
            await asyncio.sleep(EVERY)
            continue
        try:
            await make(database, bundle, found)
        except asyncio.CancelledError:
            await asyncio.to_thread(_release, database, found)
            raise
        except OSError as error:
            log.warning("dossier_failed", dossier=found, kind=type(error).__name__)
            await asyncio.to_thread(_fail, database, found, f"It could not be made: {error.strerror or error}.")


async def make(database: Database, bundle: Bundle, dossier: int) -> None:
    """Make a dossier that was claimed."""
    with tempfile.TemporaryDirectory(prefix="hemosight-dossier-") as name:
        folder = Path(name)
        cells = await asyncio.to_thread(_prepare, database, bundle, dossier, folder)
        log.info("dossier_begun", dossier=dossier, cells=cells)
        code, said = await _child(database, dossier, folder)
        await asyncio.to_thread(_keep, database, dossier, folder / "out", code, said)
    log.info("dossier_ended", dossier=dossier, code=code)


async def _child(database: Database, dossier: int, folder: Path) -> tuple[int | None, str]:
    """Run the command; gives its exit code (None where it took too long) and what it said."""
    command = [sys.executable, "-m", "hemosight", "validate", "signed"]
    command += ["--protocol", "protocol.toml", "--out", "out", "--bundle", "bundle.hemosight"]
    environment = {key: os.environ[key] for key in _KEPT if key in os.environ} | {"NO_COLOR": "1", "COLUMNS": "200"}
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    talking = asyncio.create_task(child.communicate())
    try:
        waited = 0.0
        while not (await asyncio.wait({talking}, timeout=EVERY))[0]:
            await asyncio.to_thread(_alive, database, dossier)
            waited += EVERY
            if waited > LONGEST:
                return None, f"It took longer than {LONGEST / 3600:.0f} hours."
        said, _ = talking.result()
        return child.returncode, _TERMINAL.sub("", said.decode(errors="replace"))[-_SAID:]
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await talking


def _claim(database: Database, bundle_id: int) -> int | None:
    with database.session() as session:
        row = dossiers.claim(session, bundle_id)
        return None if row is None else row.id


def _release(database: Database, dossier: int) -> None:
    with database.session() as session:
        dossiers.released(session, dossier)


def _alive(database: Database, dossier: int) -> None:
    with database.session() as session:
        dossiers.alive(session, dossier)


def _fail(database: Database, dossier: int, said: str) -> None:
    with database.session() as session:
        dossiers.failed(session, dossier, said)


def _prepare(database: Database, bundle: Bundle, dossier: int, folder: Path) -> int:
    """Write what the command needs; gives how many cells there are."""
    with database.session() as session:
        row = dossiers.by_number(session, dossier)
        project, protocol, before = row.project_id, row.protocol, dossiers.before(session, row)
    (folder / "protocol.toml").write_text(protocol, encoding="utf-8")
    bundle.save(folder / "bundle.hemosight")
    out = folder / "out"
    out.mkdir()
    if before is not None:  # what changed since is said loudly
        with zipfile.ZipFile(io.BytesIO(before)) as archive:
            (out / _RECORD).write_bytes(archive.read(_RECORD))
    return signed_cells.write(database, project, folder / "signed")


def _keep(database: Database, dossier: int, out: Path, code: int | None, said: str) -> None:
    """Store what the command left."""
    if code not in (0, NOT_MET):
        _fail(database, dossier, said.strip() or f"The command ended with code {code}.")
        return
    record = json.loads((out / _RECORD).read_text(encoding="utf-8"))
    files = sorted(path for path in out.rglob("*") if path.is_file())
    if sum(path.stat().st_size for path in files) > LARGEST:
        _fail(database, dossier, f"It is larger than {LARGEST // 2**20} MiB; make it with hemosight validate.")
        return
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(out).as_posix())
    with database.session() as session:
        dossiers.made(session, dossier, said, _summary(record).model_dump(), body.getvalue())


def _summary(record: dict[str, Any]) -> Summary:
    verdicts = [LimitVerdict(name=name, **one) for name, one in record["verdicts"].items()]
    return Summary(
        cells=record["cell_count"],
        cases=record["case_count"],
        bundle=record["bundle_name"],
        verdicts=verdicts,
        changes=record.get("changes", []),
    )
