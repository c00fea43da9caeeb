"""Where the cells of a validation come from, and how what people say of them came about."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    words: str = ""
    beside_readings: bool = False
    agreed: frozenset[str] | None = None
    at_once: frozenset[str] = frozenset()
