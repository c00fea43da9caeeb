"""Where the cells of a validation come from, and how what people say of them came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reference:
    """A table whose labels stand in place of the cells' own: what a panel agreed on.

    Parameters
    ----------
    name, sha256
        Its file's name and content.
    cells
        Content ids of the cells that it labels, unsure ones included.
    changed
        Of how many of them the label is another type than their own was.
    """

    name: str
    sha256: str
    cells: frozenset[str]
    changed: int


@dataclass(frozen=True)
class Origin:
    """Where cells come from.

    Parameters
    ----------
    words
        In words; empty where nothing is known.
    beside_readings
        Whether labels were given with the model's reading in sight, as at the review desk. That is no blind reference:
        who sees a reading tends to say the same.
    agreed
        Content ids of cells whose label was given by agreeing with the reading (one key for what is selected); None
        where nobody kept it.
    at_once
        Those of them that were agreed with in one step with other cells.
    types
        What a laboratory's own types count as, None where they are not counted; empty where they are the vocabulary's.
    reference
        A table whose labels stand in place of the cells' own; None where there is none.
    """

    words: str = ""
    beside_readings: bool = False
    agreed: frozenset[str] | None = None
    at_once: frozenset[str] = frozenset()
    types: Mapping[str, str | None] = field(default_factory=dict)
    reference: Reference | None = None
