"""Dossiers: a worker makes the validations that were asked for on the page, one at a time.

What measures them is the laboratory's, which the service does not import: it runs ``hemosight validate`` as a child,
on a folder of signed cells and a copy of its bundle. The child knows neither the database nor any secret, and is
confined (:mod:`hemosight.service.work.confined`). A dossier whose worker died is begun anew by another, a few times.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import signal
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError

from hemosight.engine.bundle import Bundle
from hemosight.engine.network import cores
from hemosight.service.errors import ServiceFault
from hemosight.service.storage import audit, dossiers
from hemosight.service.storage.database import Database
from hemosight.service.storage.dossiers import DossierClaim
from hemosight.service.work import confined, signed_cells

T = TypeVar("T")

log = structlog.get_logger()

EVERY = 2.0
"""Seconds between looks for a dossier to make, and between signs of life of one that is being made."""
LONGEST = 3 * 3600.0
"""Seconds after which a child is ended."""
NOT_MET = 4
"""Exit code of a child that made a dossier in which a limit is not met."""
LARGEST = 400 * 2**20
"""Bytes of an archive, at most."""
ROOM = 512 * 2**20
"""Bytes that stay free on the disk of the database, at least, where that can be told."""
FORGOTTEN = 600.0
"""Seconds after which a folder that nobody has touched is one of a worker that was killed."""
FOLDERS = "hemosight-dossier-"
BROKEN = "It could not be made; the worker's log has the reason's name. Ask for it anew."
"""Said of what nobody foresaw: its own words may hold a path, or what is in a picture's name."""
_SAID = 20_000
_RECORD = "dossier.json"
_PDF = "dossier.pdf"
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


class CalledOff(Exception):
    """Somebody called the dossier off while it was being made, or another worker makes it by now."""


async def go_on(database: Database, bundle: Bundle, bundle_id: int, threads: int | None = None) -> None:
    """Make dossiers as they are asked for, until the task is cancelled; a child that runs then is ended.

    Children compute with as many ``threads`` as the worker may, of which there are :data:`confined.THREADS` at most.

    What goes wrong with one dossier is that one's end and nobody else's. Raises where the database is away.
    """
    swept = -FORGOTTEN
    while True:
        if time.monotonic() - swept > FORGOTTEN:
            swept = time.monotonic()
            await asyncio.to_thread(sweep)
        found = await asyncio.to_thread(_claim, database, bundle_id)
        if found is None:
            await asyncio.sleep(EVERY)
            continue
        try:
            await make(database, bundle, found, threads)
        except asyncio.CancelledError:
            await asyncio.to_thread(_release, database, found)
            raise
        except CalledOff:
            log.info("dossier_called_off", dossier=found.dossier)
        except Exception as error:
            if isinstance(error, ServiceFault) or (isinstance(error, DBAPIError) and error.connection_invalidated):
                raise  # the database is away: who makes it next finds it silent
            log.warning("dossier_failed", dossier=found.dossier, kind=type(error).__name__)
            await asyncio.to_thread(_fail, database, found, BROKEN)


async def make(database: Database, bundle: Bundle, claim: DossierClaim, threads: int | None = None) -> None:
    """Make a dossier that was claimed. Raises :class:`CalledOff`."""
    # What cannot be removed now is swept later: it must not stand in for what happened.
    with tempfile.TemporaryDirectory(prefix=FOLDERS, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        cells = await _in_thread(database, claim, folder, lambda: prepare(database, bundle, claim, folder))
        await asyncio.to_thread(show_alive, database, claim, folder)
        log.info("dossier_begun", dossier=claim.dossier, cells=cells)
        code, said = await run_child(database, claim, folder, threads)
        await _in_thread(database, claim, folder, lambda: keep(database, claim, folder / "out", code, said))
    log.info("dossier_ended", dossier=claim.dossier, code=code)


async def _in_thread(database: Database, claim: DossierClaim, folder: Path, work: Callable[[], T]) -> T:
    """Work on the folder in a thread, which has ended when this has, cancelled or not; signs of life meanwhile.

    A dossier that is called off meanwhile ends nothing here: the thread goes on anyway, and to a sign of life one that
    was just kept looks the same.
    """
    working = asyncio.create_task(asyncio.to_thread(work))
    try:
        while not (await asyncio.wait({working}, timeout=EVERY))[0]:
            with contextlib.suppress(CalledOff):
                await asyncio.to_thread(show_alive, database, claim, folder)
    finally:
        stopped = None
        while not working.done():  # a thread cannot be stopped, and its folder must not go before it
            try:
                await asyncio.wait({working})
            except asyncio.CancelledError as again:
                stopped = again
        if stopped is not None:
            raise stopped
        working.exception()  # seen, where something else is raised
    return working.result()


async def run_child(
    database: Database, claim: DossierClaim, folder: Path, threads: int | None = None
) -> tuple[int | None, str]:
    """Run the command; gives its exit code (None where it took too long) and what it said."""
    command = confined.command(["validate", "signed", "--protocol", "protocol.toml", "--out", "out"])
    command += ["--bundle", "bundle.hemosight"]
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=confined.environment(os.environ, min(cores(), threads or cores())),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    talking = asyncio.create_task(child.communicate())
    try:
        waited = 0.0
        while not (await asyncio.wait({talking}, timeout=EVERY))[0]:
            await asyncio.to_thread(show_alive, database, claim, folder)
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


def sweep() -> None:
    """Remove folders of workers that were killed: there are pictures in them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        with contextlib.suppress(OSError):  # another one sweeps too, or it is another account's
            if time.time() - folder.lstat().st_mtime > FORGOTTEN:
                shutil.rmtree(folder)
                log.info("dossier_folder_swept", folder=folder.name)


def _claim(database: Database, bundle_id: int) -> DossierClaim | None:
    with database.session() as session:
        row = dossiers.claim(session, bundle_id)
        return None if row is None else DossierClaim.of(row)


def _release(database: Database, claim: DossierClaim) -> None:
    with database.session() as session:
        dossiers.released(session, claim)


def show_alive(database: Database, claim: DossierClaim, folder: Path) -> None:
    """Show that it is being made, to other workers and to who sweeps folders. Raises :class:`CalledOff`."""
    os.utime(folder)
    with database.session() as session:
        if not dossiers.alive(session, claim):
            raise CalledOff


def _fail(database: Database, claim: DossierClaim, said: str) -> None:
    with database.session() as session:
        dossiers.failed(session, claim, said)


def prepare(database: Database, bundle: Bundle, claim: DossierClaim, folder: Path) -> int:
    """Write what the command needs; gives how many cells there are."""
    with database.session() as session:
        row = dossiers.by_number(session, claim.dossier)
        project, protocol, before = row.project_id, row.protocol, dossiers.before(session, row)
    (folder / "protocol.toml").write_text(protocol, encoding="utf-8")
    bundle.save(folder / "bundle.hemosight")
    out = folder / "out"
    out.mkdir()
    if before is not None:  # what changed since is said loudly
        with zipfile.ZipFile(io.BytesIO(before)) as archive:
            (out / _RECORD).write_bytes(archive.read(_RECORD))
    return signed_cells.write(database, project, folder / "signed")


def keep(database: Database, claim: DossierClaim, out: Path, code: int | None, said: str) -> None:
    """Store what the command left."""
    if code not in (0, NOT_MET):
        _fail(database, claim, said.strip() or _ended(code))
        return
    record = json.loads((out / _RECORD).read_text(encoding="utf-8"))
    files = sorted(path for path in out.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST:
        _fail(database, claim, f"It is larger than {LARGEST // 2**20} MiB; make it with hemosight validate.")
        return
    if not _has_room(database, 2 * size):  # in its table, and in the log of what was written
        _fail(database, claim, "The disk of the database is nearly full. An administrator has to make room first.")
        return
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(out).as_posix())
    pdf = (out / _PDF).read_bytes()
    with database.session() as session:
        if not dossiers.made(session, claim, said, _summary(record).model_dump(), body.getvalue(), pdf):
            return  # called off meanwhile
        project = dossiers.by_number(session, claim.dossier).project_id
        for number, fingerprint in dossiers.drop_old(session, project):
            audit.note(session, None, "dossier.drop", {"dossier": number, "archive_sha256": fingerprint}, project)


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"The command was ended by signal {signal.Signals(-code).name}: it may have run out of memory."
    return f"The command ended with code {code}."


def _has_room(database: Database, size: int) -> bool:
    """Whether so many bytes fit on the database's disk; where that is another machine's, it has to know itself."""
    with database.session() as session:
        where = dossiers.data_folder(session)
    try:
        return where is None or shutil.disk_usage(where).free > size + ROOM
    except OSError:
        return True


def _summary(record: dict[str, Any]) -> Summary:
    verdicts = [LimitVerdict(name=name, **one) for name, one in record["verdicts"].items()]
    return Summary(
        cells=record["cell_count"],
        cases=record["case_count"],
        bundle=record["bundle_name"],
        verdicts=verdicts,
        changes=record.get("changes", []),
    )
