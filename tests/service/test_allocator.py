"""Memory that was freed is the system's again, whatever lies between."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.service, pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for its memory")]

_PROGRAM = """
import ctypes, os, sys
from hemosight.service.allocator import return_large_blocks

if sys.argv[1] == "returned":
    return_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")

def filled(size):
    place = libc.malloc(size)
    ctypes.memset(place, 1, size)
    return place

libc.free(filled(30 << 20))  # from here on glibc takes blocks of this size from its heap
before = held()
large = []
for _ in range(40):
    large.append(filled(3 << 20))
    filled(300_000)  # stays; no hole that was there before has room for it
for place in large:
    libc.free(place)
print((held() - before - 40 * 300_000) / 2**20)
"""


def _grown(how: str) -> float:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_large_blocks_are_given_back_between_small_ones_that_stay() -> None:
    """120 MiB in blocks of three, freed: without the option they stay the process's."""
    assert _grown("returned") < 10
    if hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        assert _grown("as it is") > 60
