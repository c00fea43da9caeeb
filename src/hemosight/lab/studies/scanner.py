"""The control for shortcuts: whether a class that one scanner alone supplies is read from the cell or the scanner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def scanner_control(truth: Sequence[str], read: Sequence[str], sources: Sequence[str | None]) -> dict[str, Any]:
    """For each class that only one source supplies: of the same source's other cells, how many were read as it.

    Returns class -> ``source``, ``other_cells``, ``read_as_it``. A source tells the scanner from the cell only where
    it also shows cells that others show; the source that most cells come from is nobody's shortcut.
    """
    supplied = {label: {s for t, s in zip(truth, sources, strict=True) if t == label} for label in sorted(set(truth))}
    shared = {source for suppliers in supplied.values() if len(suppliers) > 1 for source in suppliers}
    control: dict[str, Any] = {}
    for label, suppliers in supplied.items():
        if len(suppliers) != 1 or not suppliers <= shared or _main(sources) in suppliers:
            continue
        (source,) = suppliers
        others = [r for t, r, s in zip(truth, read, sources, strict=True) if s == source and t != label]
        control[label] = {"source": source, "other_cells": len(others), "read_as_it": others.count(label)}
    return control


def _main(sources: Sequence[str | None]) -> str | None:
    """The source that most cells come from."""
    return max(sorted(set(sources), key=str), key=list(sources).count)
