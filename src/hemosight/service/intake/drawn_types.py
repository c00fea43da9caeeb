"""One drawn cell of a type, for who has no known cell of it to look at."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np

from hemosight.images.synthetic import CELL_TYPES, Scanner, draw_cell

MOST = 3
"""Different cells of each type."""
_SEED = 20
_LOCK = threading.Lock()


def drawn_cell(label: str, number: int) -> bytes | None:
    """A JPEG, the same at every call; None for a type that cannot be drawn, or a number beyond :data:`MOST`."""
    if label not in CELL_TYPES or not 1 <= number <= MOST:
        return None
    with _LOCK:  # half a second of one core: who asks for the same meanwhile finds it made
        return _drawn(label, number)


@lru_cache(maxsize=MOST * len(CELL_TYPES))
def _drawn(label: str, number: int) -> bytes:
    scanner = Scanner.reference()
    cell = draw_cell(label, np.random.default_rng([_SEED, CELL_TYPES.index(label), number]), scanner=scanner)
    return scanner.export(cell.pixels, "drawn, not photographed")
