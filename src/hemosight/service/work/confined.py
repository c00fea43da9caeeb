"""What makes a dossier, confined: the end of its worker is its own, its memory is bounded, and others go first.

A program of its own, which sets this for itself and then is the command: nothing of ours runs between ``fork`` and
``exec`` in a worker with threads.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
from pathlib import Path

LEAST = 4 << 30
"""Bytes of memory that it may take on the smallest machine; elsewhere half of the machine's."""
_NICE = 10
_DIES_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG`` of ``prctl(2)``."""


def command(arguments: list[str]) -> list[str]:
    """How ``hemosight`` is run with these arguments as a confined child of this process."""
    return [sys.executable, "-m", "hemosight.service.work.confined", str(os.getpid()), *arguments]


def most() -> int:
    """Bytes of memory that the child may take."""
    try:
        return max(LEAST, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    except (AttributeError, ValueError, OSError):
        return LEAST


def confine(parent: int) -> None:
    """End with ``parent`` (Linux), take no more than :func:`most` bytes, and let others go first."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it was asked
            sys.exit(1)
        with contextlib.suppress(OSError):  # where memory runs short all the same, this ends before the reading does
            Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows; or there is a lower limit already
        import resource

        # What is written to, not addresses: a library may reserve more of those than the machine has memory.
        resource.setrlimit(resource.RLIMIT_DATA, (most(), most()))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICE)


def main() -> None:
    """Become ``hemosight`` with the arguments behind the parent's number."""
    confine(int(sys.argv[1]))
    sys.argv = ["hemosight", *sys.argv[2:]]
    runpy.run_module("hemosight", run_name="__main__")


if __name__ == "__main__":
    main()
