"""A report is studies and charts of a whole smear, seconds of work: the quick run leaves out what needs one."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
_WHOLE = {"made", "work", "tiny_bundle"}
"""Fixtures of a report, its embedded cells, or what a command makes a report of."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what makes a report or a part of one."""
    for item in items:
        if HERE in item.path.parents and _WHOLE & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
