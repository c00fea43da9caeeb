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
from collections.abc import Mapping
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
THREADS = 4
"""Processor threads of the network, at most: each takes memory whether it is used or not."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")
"""What of its environment a child sees: no address of the database, no key."""
_FEW = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
"""Each of these would take as many as the machine has processors, and of a large one more memory than the bound."""
_NICE = 10
_DIES_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG`` of ``prctl(2)``."""


def command(arguments: list[str]) -> list[str]:
    """How ``hemosight`` is run with these arguments as a confined child of this process."""
    return [sys.executable, "-m", "hemosight.service.work.confined", str(os.getpid()), *arguments]


def environment(own: Mapping[str, str], threads: int) -> dict[str, str]:
    """What such a child finds in its environment, of a worker's ``own`` that may compute with so many ``threads``."""
    kept = {name: own[name] for name in _KEPT if name in own}
    return {**kept, **_FEW, "HEMOSIGHT_THREADS": str(min(THREADS, threads)), "NO_COLOR": "1", "COLUMNS": "200"}


def most() -> int | None:
    """Bytes of memory that the child may take: half of the machine's, or of what its control groups may take together
    where that is less (a container, a systemd unit). None where neither is known.
    """
    bounds = _bounds_of_groups()
    with contextlib.suppress(AttributeError, ValueError, OSError):
        bounds.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(bounds) // 2 if bounds else None


def _bounds_of_groups() -> list[int]:
    """Limits of the process's control group and of those around it, in bytes (``cgroups(7)``); of version 1 too."""
    groups = {GROUPS / "memory.max", GROUPS / "memory" / "memory.limit_in_bytes"}
    with contextlib.suppress(OSError):
        for line in OWN_GROUP.read_text().splitlines():
            _, kinds, name = line.split(":", 2)
            path = Path(name.lstrip("/"))
            around = [path, *path.parents]
            if not kinds:
                groups.update(GROUPS / one / "memory.max" for one in around)
            elif "memory" in kinds.split(","):
                groups.update(GROUPS / "memory" / one / "memory.limit_in_bytes" for one in around)
    found = []
    for group in groups:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max": none
            found.append(int(group.read_text()))
    return found


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

        # Heap and, since Linux 4.7, every private mapping that may be written to, touched or not (getrlimit(2)). Unlike
        # RLIMIT_AS not the files that are mapped to be read, nor addresses that are only reserved: of those a library
        # may take more than the machine has memory.
        bound = most()
        if bound is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICE)


def main() -> None:
    """Become ``hemosight`` with the arguments behind the parent's number."""
    confine(int(sys.argv[1]))
    sys.argv = ["hemosight", *sys.argv[2:]]
    runpy.run_module("hemosight", run_name="__main__")


if __name__ == "__main__":
    main()
