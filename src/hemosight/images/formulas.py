"""Text in tables that a spreadsheet would compute: behind an apostrophe on the way out, as it was on the way in."""

from __future__ import annotations

import re

import polars as pl

FORMULA = r"^'*[=+\-@\t\r]"
"""How text begins that a spreadsheet computes; behind an apostrophe already it takes one more, so that none is lost."""
_GUARDED = r"^'('*[=+\-@\t\r])"


def guarded(value: str) -> str:
    """A value as it stands in CSV: behind an apostrophe where a spreadsheet would compute it.

    >>> guarded("=1+1"), guarded("'quoted'"), guarded("'=1")
    ("'=1+1", "'quoted'", "''=1")
    """
    return f"'{value}" if re.match(FORMULA, value) else value


def unguarded(value: str) -> str:
    """A value out of CSV as it was before :func:`guarded`.

    >>> unguarded("'=1+1"), unguarded("'quoted'"), unguarded("''=1")
    ('=1+1', "'quoted'", "'=1")
    """
    return value[1:] if re.match(_GUARDED, value) else value


def guarded_table(rows: pl.DataFrame) -> pl.DataFrame:
    """A table with :func:`guarded` text and names of columns."""
    text = pl.col(pl.String)
    harmless = pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text)
    return rows.with_columns(harmless.name.keep()).rename({name: guarded(name) for name in rows.columns})


def unguarded_table(rows: pl.DataFrame) -> pl.DataFrame:
    """A table as it was before :func:`guarded_table`."""
    return rows.with_columns(pl.col(pl.String).str.replace(_GUARDED, "${1}")).rename(
        {name: unguarded(name) for name in rows.columns}
    )
