"""The account that root's PostgreSQL runs as: PostgreSQL refuses to be root."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hemosight.service.errors import ServiceFault
from hemosight.service.storage.programs import VERSIONS, plain_environment, program

ACCOUNT = "pgserver"


def as_account() -> dict[str, Any]:
    """Keywords of ``subprocess`` that run a program as the server's account, which root's server needs."""
    if os.geteuid() != 0:
        return {}
    import pwd

    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        entry = _new_account()
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _new_account() -> Any:
    """The account, made where it is missing.

    Two first starts at once wait for one another: of two ``useradd`` that meet, the later gives the account another
    number, and what the earlier made belongs to nobody.
    """
    import pwd

    etc = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(etc, fcntl.LOCK_EX)
        with suppress(KeyError):
            return pwd.getpwnam(ACCOUNT)
        subprocess.run(
            ["useradd", "--system", "--user-group", "--shell", "/bin/sh", ACCOUNT], check=True, capture_output=True
        )
        return pwd.getpwnam(ACCOUNT)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise ServiceFault(
            "account_missing",
            expected=f"an account {ACCOUNT} for PostgreSQL, which refuses to run as root",
            came="none, and useradd could not make it",
            mend=f"Make it (`useradd --system {ACCOUNT}`), or run HemoSight as an ordinary user.",
        ) from error
    finally:
        os.close(etc)


def give(path: Path, *, follow: bool = True) -> None:
    """Give a file to the server's account, and let it pass through the folders above.

    Of a link it is what that leads to, unless ``follow`` is False.
    """
    account = as_account()
    if not account:
        return
    os.chown(path, account["user"], account["group"], follow_symlinks=follow)
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)
    let_run(account)


def let_run(account: dict[str, Any]) -> None:
    """Let the account read the programs, where the environment they lie in is for its owner alone."""
    postgres = program("postgres")
    with suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(
            [postgres, "--version"], check=True, capture_output=True, cwd="/", env=plain_environment(), **account
        )
        return
    for folder in postgres.parents:
        with suppress(OSError):
            folder.chmod(folder.stat().st_mode | 0o011)
    for version in VERSIONS.values():
        for item in _tree(postgres.parents[2] / version):
            with suppress(OSError):
                item.chmod(item.stat().st_mode | (0o055 if item.is_dir() or item.parent.name == "bin" else 0o044))


def _tree(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")


def socket_folder(sockets: Path, cluster: Path) -> None:
    """Make the socket's folder where it is not the cluster; nobody else may have put one there."""
    if sockets == cluster:
        return
    with suppress(FileExistsError):
        sockets.mkdir(mode=0o700)
    found = sockets.lstat()
    # Before it is given away: root would give what a stranger's link leads to.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), cluster.stat().st_uid):
        raise ServiceFault(
            "data_dir_unusable",
            expected=f"a folder {sockets} of our own for PostgreSQL's socket",
            came="one that belongs to somebody else",
            mend="Remove it, or choose a --data-dir with a shorter path.",
        )
    if os.geteuid() == 0:
        give(sockets, follow=False)
