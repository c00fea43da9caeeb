"""Backups from time to time, each restored on trial: a report beside every file says what was in it."""

from __future__ import annotations

import datetime
import fcntl
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
import structlog
from sqlalchemy import func, select, text

from hemosight.errors import HemoSightError
from hemosight.service.operations.backup import AtWorst, backup, restore
from hemosight.service.settings import Settings
from hemosight.service.storage.audit_chain import verify
from hemosight.service.storage.cluster import Cluster
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import FOLDER, embedded
from hemosight.service.storage.holding import Holding, turn
from hemosight.service.storage.retention import expire
from hemosight.service.storage.tables import Table

log = structlog.get_logger()
_PREFIX = "hemosight-"
_SUFFIX = ".backup"
_CHECK = ".check-"
"""Begins the name of a folder in which a backup is restored on trial."""
_LOOK = 30.0
"""Seconds between two looks whether a backup is due."""
_AGAIN = 900.0
"""Seconds after a failure before the next try."""
_EXPIRE = 3600.0
"""Seconds between two looks for what retention asks to delete."""
_MAKING = 0x48534255
"""The advisory lock under which one process of many makes backups."""


@dataclass(frozen=True)
class BackupReport:
    """What became of one backup, and of restoring it on trial; ``fault`` is None where all went well.

    ``at`` is when it was made, in UTC. ``rows`` counts the restored rows by table; None where it was not restored.
    """

    file: str
    at: str
    bytes: int = 0
    seconds: float = 0.0
    rows: dict[str, int] | None = None
    audit_intact: bool | None = None
    fault: str | None = field(default=None)


def make(database: Database, settings: Settings, at_worst: AtWorst = lambda _: None) -> BackupReport:
    """Make a backup in the settings' folder, restore it on trial, write the report, forget the oldest good ones.

    ``at_worst`` is given what ends at once each thing that it starts.
    """
    assert settings.backup_dir is not None  # noqa: S101 -- whoever calls it has looked
    folder = settings.backup_dir.expanduser()
    now = datetime.datetime.now(datetime.UTC)
    file = folder / f"{_PREFIX}{now:%Y%m%dT%H%M%SZ}{_SUFFIX}"
    began = time.monotonic()
    clear_left_over(folder)
    report = BackupReport(file.name, now.isoformat(timespec="seconds"))
    try:
        size = backup(database, file, at_worst)
        report = check(file, at_worst) if settings.backup_check else report
        report = BackupReport(**{**asdict(report), "at": now.isoformat(timespec="seconds"), "bytes": size})
    except (HemoSightError, OSError) as error:
        report = BackupReport(file.name, report.at, fault=str(error))
    report = BackupReport(**{**asdict(report), "seconds": round(time.monotonic() - began, 1)})
    with suppress(OSError):
        file.with_suffix(".json").write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    if report.fault is None:
        _forget(folder, settings.backup_keep)
        log.info("backup_made", bytes=report.bytes, seconds=report.seconds)
    else:
        log.error("backup_failed", seconds=report.seconds)
    return report


def clear_left_over(folder: Path) -> None:
    """Remove what a killed process left: half files of the schedule, and trial databases, whose servers outlive it."""
    for part in folder.glob(f"{_PREFIX}*{_SUFFIX}.part"):
        with suppress(OSError), part.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while somebody writes it
            part.unlink(missing_ok=True)
    for scratch in folder.glob(f"{_CHECK}*"):
        if scratch.is_symlink():
            continue
        with suppress(HemoSightError, OSError), turn(scratch):
            holding = Holding(scratch)
            holding.take()
            if not holding.leave():  # somebody looks at a backup just now
                continue
            Cluster(scratch / FOLDER).stop(5.0, at_once=True)
            shutil.rmtree(scratch, ignore_errors=True)


def check(file: Path, at_worst: AtWorst = lambda _: None) -> BackupReport:
    """Restore a backup into a scratch database beside it, and look at what came out.

    ``at_worst`` is given what ends its server at once. Raises
    :class:`~hemosight.service.errors.ServiceFault` where it cannot be restored.
    """
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix=_CHECK, dir=file.parent))
    at_worst(lambda: _end_trial(scratch))
    try:
        with embedded(scratch, after="delete") as dsn:
            database = Database(dsn, pool=2)
            try:
                restore(database, file, at_worst)
                with database.session() as session:
                    rows = {
                        table.name: session.scalar(select(func.count()).select_from(table)) or 0
                        for table in Table.metadata.sorted_tables
                    }
                    intact = verify(session).intact
            finally:
                database.close()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    made = datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC).isoformat(timespec="seconds")
    fault = None if intact else "the audit trail in it does not fit its seals"
    return BackupReport(file.name, made, file.stat().st_size, round(time.monotonic() - began, 1), rows, intact, fault)


def _end_trial(scratch: Path) -> None:
    """End every program of a trial at once: what is making its cluster, and its server."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if str(scratch) in " ".join(child.cmdline()):
                child.kill()
    Cluster(scratch / FOLDER).stop(0.5, at_once=True)


def last(settings: Settings) -> BackupReport | None:
    """The report of the newest backup; None where there is none."""
    found = _reports(settings.backup_dir.expanduser()) if settings.backup_dir is not None else []
    return found[-1] if found else None


def warning(settings: Settings) -> str | None:
    """What an administrator has to know about the backups; None where all is well or none are wanted."""
    if settings.backup_dir is None:
        return None
    found = last(settings)
    if found is None:
        return "No backup has been made yet."
    if found.fault is not None:
        return f"The last backup failed ({found.at}): {found.fault}"
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(found.at)
    if age > datetime.timedelta(hours=2 * settings.backup_hours):
        return f"The last backup is {age.total_seconds() / 3600:,.0f} hours old."
    return None


def _reports(folder: Path) -> list[BackupReport]:
    reports = []
    for file in sorted(folder.glob(f"{_PREFIX}*.json")):
        with suppress(OSError, ValueError, TypeError):
            reports.append(BackupReport(**json.loads(file.read_text(encoding="utf-8"))))
    return reports


def _forget(folder: Path, keep: int) -> None:
    good = [report for report in _reports(folder) if report.fault is None and (folder / report.file).exists()]
    for report in good[:-keep]:
        (folder / report.file).unlink(missing_ok=True)
        (folder / report.file).with_suffix(".json").unlink(missing_ok=True)


class Schedule(threading.Thread):
    """What the service does by itself from time to time: backups when they are due, and what retention asks for."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(name="backups", daemon=True)
        self._database = database
        self._settings = settings
        self._ended = threading.Event()
        self._under_way: list[Callable[[], None]] = []
        self._failed: float | None = None
        self._expired = -_EXPIRE

    def run(self) -> None:
        """Look, and make, until told to end."""
        while not self._ended.wait(_LOOK):
            with suppress(Exception):  # the database may be away: the next look finds it
                self.look()
                self.expire()

    def expire(self) -> int:
        """Once an hour, delete what is older than the settings keep; gives how many cells."""
        days = self._settings.retention_days
        if days is None or time.monotonic() - self._expired < _EXPIRE:
            return 0
        self._expired = time.monotonic()
        return expire(self._database, days)

    def look(self) -> BackupReport | None:
        """Make a backup if one is due and no other process is at it; gives its report."""
        if not self._due():
            return None
        with self._database.engine.connect() as connection:
            taken = connection.execute(text("SELECT pg_try_advisory_lock(:making)"), {"making": _MAKING}).scalar()
            if not taken:
                return None
            try:
                if not self._due():
                    return None
                self._under_way.clear()
                report = make(self._database, self._settings, self._under_way.append)
                self._failed = time.monotonic() if report.fault is not None else None
                return report
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:making)"), {"making": _MAKING})

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def end_at_once(self, seconds: float = 2.0) -> None:
        """End what is under way as well, within so many seconds: what it has started would outlive the program.

        No half file stays: what is left of a backup or of its trial is cleared by the next one.
        """
        self.end()
        deadline = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < deadline:
            for end in reversed(self._under_way):
                end()
            self.join(0.2)

    def _due(self) -> bool:
        if self._settings.backup_dir is None:
            return False
        if self._failed is not None and time.monotonic() - self._failed < _AGAIN:
            return False
        good = [report for report in _reports(self._settings.backup_dir.expanduser()) if report.fault is None]
        if not good:
            return True
        age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(good[-1].at)
        # One that lies in the future was made before the clock was set back.
        return not datetime.timedelta(minutes=-5) < age < datetime.timedelta(hours=self._settings.backup_hours)
