"""A PostgreSQL cluster in a folder of ours: made whole or not at all, started, found running, stopped.

The programs come from the wheel; everything about the folder is decided here. Root may not run PostgreSQL: then it
runs as an account of its own (:mod:`hemosight.service.storage.account`).
"""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from hemosight.service.errors import ServiceFault
from hemosight.service.storage.account import as_account, give, socket_folder
from hemosight.service.storage.programs import VERSION, gone, last_words, plain_environment, processes_at, program

PORT = 5432
"""Part of the socket's name; nothing listens on a network."""
_WHOLE = "hemosight.whole"
"""A file that a cluster has from the moment it is complete."""
_PARTS = {"base", "global", "pg_wal", "pg_xact", "PG_VERSION", "postgresql.conf", "pg_hba.conf"}
_SOCKET_PATH = 100
"""Bytes that the path of a socket may have (sun_path holds 104 or 108)."""
_LOG_BYTES = 16 << 20
_STOPPING = 30.0
"""Seconds that a server which was told to stop may take before it is made to."""


class WillNotStart(ServiceFault):
    """PostgreSQL ends as soon as it begins."""


@dataclass(frozen=True)
class Postmaster:
    """A running server: its process, where its socket lies, and ``ready``, ``starting`` or ``stopping``."""

    process: psutil.Process
    sockets: Path
    status: str


@dataclass(frozen=True)
class Cluster:
    """The cluster of a folder, which may not exist yet."""

    folder: Path
    version: int = VERSION

    # --- the folder -----------------------------------------------------------------------------------------

    def found_version(self) -> int | None:
        """The major version of the PostgreSQL that made the folder; None where there is no cluster."""
        with suppress(OSError, ValueError):
            return int((self.folder / "PG_VERSION").read_text().strip())
        return None

    def is_whole(self) -> bool:
        """Whether the folder holds a cluster that was made to the end: of ours, or one that has ever been started."""
        return self.found_version() is not None and any(
            (self.folder / name).exists() for name in (_WHOLE, "postmaster.opts")
        )

    def make(self) -> None:
        """Make the cluster where there is none. Killed at any moment, it leaves nothing that the next start minds.

        What initdb left in the folder itself (HemoSight until 0.3 made it there) was never started and holds no data:
        it is set aside. Raises :class:`~hemosight.service.errors.ServiceFault`.
        """
        self._clear_unfinished()
        if self.is_whole():
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            self._set_aside()
        made = Path(tempfile.mkdtemp(prefix=f"{self.folder.name}.new-", dir=self.folder.parent))
        try:
            give(made)
            self.run("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", f"--pgdata={made}")
            (made / _WHOLE).touch()
            shutil.chown(made / _WHOLE, made.stat().st_uid, made.stat().st_gid)
            with suppress(FileNotFoundError):
                self.folder.rmdir()
            made.rename(self.folder)
        except subprocess.CalledProcessError as error:
            raise will_not_start(self.folder, last_words(error.stderr)) from error
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _clear_unfinished(self) -> None:
        for left in self.folder.parent.glob(f"{self.folder.name}.new-*"):
            for process in processes_at(left):
                with suppress(psutil.Error):
                    process.kill()
            shutil.rmtree(left, ignore_errors=True)

    def _set_aside(self) -> None:
        strange = sorted(item.name for item in self.folder.iterdir() if item.name not in _PARTS)
        if not any((self.folder / part).exists() for part in _PARTS):
            raise ServiceFault(
                "data_dir_unusable",
                expected=f"{self.folder} to be a PostgreSQL folder, or not to exist",
                came=f"a folder with other things in it ({', '.join(strange[:3])})",
                mend="Choose another --data-dir, or move them away.",
            )
        for process in processes_at(self.folder):
            with suppress(psutil.Error):
                process.kill()
        now = datetime.datetime.now(datetime.UTC)
        self.folder.rename(self.folder.with_name(f"{self.folder.name}.unfinished-{now:%Y%m%dT%H%M%S%f}"))

    # --- the server -----------------------------------------------------------------------------------------

    def postmaster(self) -> Postmaster | None:
        """The server that runs on the folder; None where none does.

        Process ids are used again, in a container after every start: an id in the file that now belongs to something
        else is not taken for a server.
        """
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            process = psutil.Process(int(lines[0]))
            if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE:
                return None
            with suppress(psutil.AccessDenied):
                if Path(process.cwd()) != self.folder.resolve():
                    return None
            status = lines[7].strip() if len(lines) > 7 else "starting"
            sockets = Path(lines[4].strip()) if len(lines) > 4 and lines[4].strip() else self.sockets
            return Postmaster(process, sockets, status)
        return None

    def start(self, patience: float, sockets: Path | None = None) -> Postmaster:
        """Start the server, or find it running; returns when it answers.

        Parameters
        ----------
        patience
            Seconds it may take to recover from a crash before we give up on it.
        sockets
            Folder of its socket; one of ours where None.

        Raises :class:`WillNotStart`.
        """
        deadline = time.monotonic() + patience
        stopping: float | None = None
        launched = False
        while True:
            found = self.postmaster()
            if found is not None and found.status == "ready":
                return found
            if found is None:
                if launched and not self._end_orphans():
                    raise will_not_start(self.folder, self.last_words())
                self._launch(sockets or self.sockets, max(1.0, deadline - time.monotonic()))
                launched = True
            elif found.status == "stopping":
                stopping = stopping or time.monotonic()
                if time.monotonic() - stopping > _STOPPING:
                    self.stop(3.0)
            if time.monotonic() > deadline:
                raise will_not_start(self.folder, f"no answer for {patience:.0f} seconds; {self.last_words()}")
            time.sleep(0.05)

    def _launch(self, sockets: Path, seconds: float) -> None:
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        self._turn_log()
        socket_folder(sockets, self.folder)
        self._clear_socket(sockets)
        options = f"-h '' -p {PORT} -k '{sockets}'"
        log = self.folder / "log"
        # It ends with an error where the server does; a server that only takes long is waited for by the caller.
        with suppress(subprocess.CalledProcessError):
            self.run(
                "pg_ctl", "-w", "-t", f"{seconds:.0f}", "-D", f"{self.folder}", "-l", f"{log}", "-o", options, "start"
            )

    def _clear_socket(self, sockets: Path) -> None:
        """Remove the socket of a server of this folder that was killed.

        PostgreSQL does so itself, but counts an id as alive that belongs to something else by now, or to a process
        that is dead and that nobody has waited for yet.
        """
        lock = sockets / f".s.PGSQL.{PORT}.lock"
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            lines = lock.read_text().splitlines()
            process = psutil.Process(int(lines[0]))
            dead = process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE
            if dead and Path(lines[1]).resolve() == self.folder.resolve():
                for left in (lock, lock.with_suffix("")):
                    left.unlink(missing_ok=True)

    def _turn_log(self) -> None:
        """Begin the server's log anew where it has become large; the one before it is kept."""
        log = self.folder / "log"
        with suppress(OSError):
            if log.stat().st_size > _LOG_BYTES:
                log.replace(self.folder / "log.1")

    def _end_orphans(self) -> bool:
        """End processes of a server whose postmaster was killed: they hold its memory, and a new one waits for it."""
        orphans = processes_at(self.folder)
        for process in orphans:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(orphans, timeout=5)
        return bool(orphans)

    def stop(self, seconds: float, *, at_once: bool = False) -> None:
        """Stop the server within so many seconds: in good order if it can, as a crash if not, or ``at_once``."""
        found = self.postmaster()
        if found is None:
            return
        ways = ((signal.SIGINT, 0.7), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 0.1))
        for how, share in ((signal.SIGQUIT, 0.5), (signal.SIGKILL, 0.5)) if at_once else ways:
            with suppress(psutil.Error):
                everything = [found.process, *found.process.children()] if how is signal.SIGKILL else [found.process]
                for process in everything:
                    process.send_signal(how)
            if gone(found.process, max(0.2, share * seconds)):
                return

    @property
    def sockets(self) -> Path:
        """Where the socket lies: in the cluster, unless its path is too long for a socket."""
        name = f".s.PGSQL.{PORT}"
        if len(os.fsencode(self.folder / name)) < _SOCKET_PATH:
            return self.folder
        kept = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"hemosight-{kept}"

    def last_words(self) -> str:
        """The last line of the server's log that says what happened."""
        with suppress(OSError), (self.folder / "log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            return last_words(file.read())
        return "no log"

    def run(self, tool: str, *words: str, **given: Any) -> bytes:
        """Run one of this version's programs as the server's account; gives its output.

        Raises ``subprocess.CalledProcessError`` with what it said.
        """
        command = [str(program(tool, self.version)), *words]
        # Files, not pipes: the server that pg_ctl starts would keep a pipe open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",
                env=plain_environment(),
                check=False,
                **as_account(),
                **given,
            )
            out.seek(0)
            err.seek(0)
            if done.returncode:
                raise subprocess.CalledProcessError(done.returncode, command, out.read(), err.read())
            return out.read()


def dsn(sockets: Path, database: str) -> str:
    """The address of a database of the cluster."""
    return f"postgresql://postgres@/{database}?host={sockets}&port={PORT}"


def will_not_start(folder: Path, reason: str) -> WillNotStart:
    """The fault of a cluster whose server ends or does not answer."""
    return WillNotStart(
        "database_will_not_start",
        expected=f"the embedded PostgreSQL to start in {folder}",
        came=reason,
        mend=f"See {folder}/log. Where the disk is full, make room; where the folder is damaged, move it away and "
        "restore a backup (`hemosight service restore`).",
    )
