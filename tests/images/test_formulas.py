"""Tables hold nothing that a spreadsheet computes, and read back as they were."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from hemosight.engine.readings import csv
from hemosight.images.catalog import Catalog
from hemosight.images.finding.fields import Searched
from hemosight.images.finding.tables import Tables
from hemosight.images.formulas import guarded, guarded_table, unguarded, unguarded_table
from hemosight.images.sources.cells import read_cells

TEXTS = ["=1+1", "'=1+1", "''=1", "'quoted", "''", "'", "-2", "+2", "@SUM(A1)", "\t=1", "plain", "5-2", "a=b"]
COMPUTED = tuple("=+-@\t\r")


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_as_it_was_and_begins_harmless(text: str) -> None:
    assert not guarded(text).startswith(COMPUTED)
    assert unguarded(guarded(text)) == text


def test_a_table_is_guarded_as_its_texts_are() -> None:
    rows = pl.DataFrame({"=name": [*TEXTS, None], "number": [float(-k) for k in range(len(TEXTS) + 1)]})
    table = guarded_table(rows)
    assert table["'=name"].to_list() == [*map(guarded, TEXTS), None]
    assert table["number"].equals(rows["number"])
    assert unguarded_table(table).equals(rows)


@pytest.mark.parametrize("decimals", [6, None])
def test_what_is_written_reads_back(decimals: int | None, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(csv(pl.DataFrame({"path": TEXTS, "label": TEXTS[::-1]}), decimals))
    assert not [cell for line in file.read_text().splitlines() for cell in line.split(",") if cell[:1] in COMPUTED]
    table = read_cells(file)
    assert table.column("path") == TEXTS
    assert table.column("label") == TEXTS[::-1]


def test_a_catalog_of_odd_labels_reads_back(drawn_catalog: Catalog, tmp_path: Path) -> None:
    odd = Catalog(drawn_catalog.take(range(3)).table.with_columns(label=pl.Series(["=1+1", "'=1+1", "'x"])))
    odd.write(tmp_path / "cells.csv")
    assert "\n=1" not in (text := (tmp_path / "cells.csv").read_text())
    assert ",=1+1" not in text
    assert Catalog.read(tmp_path / "cells.csv").labels() == odd.labels()


def test_fields_called_like_formulas_are_told_harmless(tmp_path: Path) -> None:
    tables = Tables(tmp_path / "out", tmp_path, crops=False)
    tables.add(Searched(tmp_path / "=1+1.png", 0, 0, None, status="not read"))
    tables.close()
    assert (tmp_path / "out" / "fields.csv").read_text().splitlines()[1].startswith("'=1+1.png,")
