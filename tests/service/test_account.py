"""The account of root's PostgreSQL, made by whichever of several first starts comes first."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import subprocess
from typing import Any

import pytest

from hemosight.service.storage import account

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("useradd") is None, reason="only root makes accounts, with useradd"
)


def _start(together: Any, found: Any) -> None:
    together.wait(60)
    found.put(account.as_account()["user"])


def test_first_starts_at_once_have_one_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two useradd that met gave the account two numbers; what was made under the first opened to nobody."""
    name = f"hemosight-try-{os.getpid()}"
    monkeypatch.setattr(account, "ACCOUNT", name)
    fork = multiprocessing.get_context("fork")
    together, found = fork.Barrier(4), fork.Queue()
    starts = [fork.Process(target=_start, args=(together, found)) for _ in range(4)]
    try:
        for one in starts:
            one.start()
        numbers = {found.get(timeout=60) for _ in starts}
        assert numbers == {pwd.getpwnam(name).pw_uid}
    finally:
        for one in starts:
            one.join(60)
        subprocess.run(["userdel", name], check=False, capture_output=True)
