"""Lists in pages: behind which entry to go on, and how many entries to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from hemosight.service.security.permissions import BIGGEST

T = TypeVar("T")

After = Annotated[int, Query(ge=0, le=BIGGEST, description="`next` of the page before; 0 for the first.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Entries of a page.")]


def cursor(rows: Sequence[T], limit: int, number: Callable[[T], int]) -> int | None:
    """Where the next page begins; None where this one was not full."""
    return number(rows[-1]) if len(rows) == limit else None
