"""Who uses a data directory: processes that take turns at starting and stopping its server, and the last to leave.

Both are locks of the kernel on files in the data directory. A process that is killed lets go of them at once, whatever
becomes of its number; nothing in a temporary folder is shared with other people of the machine.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from hemosight.service.errors import ServiceFault

TURN = ".hemosight.turn"
HOLDERS = ".hemosight.holders"
_PATIENCE = 300.0
"""Seconds to wait for another process that starts or stops the server: longer than it gives itself."""


def usable(folder: Path) -> Path:
    """The data directory as an absolute path, made where it does not exist.

    Raises :class:`~hemosight.service.errors.ServiceFault` for a file in its place and where it cannot be written.
    """
    folder = Path(os.path.abspath(folder.expanduser()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()
    except OSError as error:
        raise _unusable(folder, error) from error


@contextmanager
def turn(folder: Path) -> Generator[None]:
    """Be the only process that starts, stops or changes the server of a data directory.

    Raises :class:`~hemosight.service.errors.ServiceFault` where another does not end.
    """
    import fcntl

    number = _open(folder / TURN)
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pass
            except OSError as error:  # a file system without locks
                raise _unusable(folder, error) from error
            if time.monotonic() > deadline:
                raise ServiceFault(
                    "data_dir_unusable",
                    expected=f"the process that starts or stops PostgreSQL in {folder} to come to an end",
                    came=f"process {_said(folder / TURN)}, at it for more than {_PATIENCE:.0f} seconds",
                    mend="End that process, then start again.",
                )
            time.sleep(0.05)
        with suppress(OSError):
            os.ftruncate(number, 0)
            os.pwrite(number, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(number)


class Holding:
    """One of the processes that use the server of a data directory: the one that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number: int | None = None
        self.was_last = False
        """Whether nobody used the server any more when this process left."""

    def take(self) -> None:
        """Use the server from now on; call it in a :func:`turn`."""
        import fcntl

        self._number = _open(self._folder / HOLDERS)
        fcntl.flock(self._number, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Use it no more; whether nobody does now. Call it in a :func:`turn`."""
        import fcntl

        number, self._number = self._number, None
        if number is None:
            return False
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.was_last = True
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(number)


def _open(file: Path) -> int:
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(file.parent, error) from error


def _said(file: Path) -> str:
    with suppress(OSError):
        return file.read_text().strip() or "of unknown number"
    return "of unknown number"


def _unusable(folder: Path, error: OSError) -> ServiceFault:
    came, mend = {
        errno.EEXIST: ("a file in its place", "Choose another --data-dir, or move the file away."),
        errno.ENOTDIR: ("a file in its place, or among the folders above", "Choose another --data-dir."),
        errno.EROFS: ("a file system that can only be read", "Choose another --data-dir, or mount it for writing."),
        errno.EACCES: (
            "no permission to write there",
            "Start HemoSight as the owner of the folder, or choose another --data-dir.",
        ),
        errno.ENOSPC: ("a full disk", "Make room, then start again."),
        errno.EDQUOT: ("a full quota", "Make room, then start again."),
        errno.ELOOP: ("a link that leads round in a circle", "Choose another --data-dir."),
    }.get(error.errno or 0, (error.strerror or str(error), "Choose another --data-dir."))
    return ServiceFault("data_dir_unusable", expected=f"a folder for data at {folder}", came=came, mend=mend)
