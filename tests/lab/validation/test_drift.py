"""Charts of a laboratory's cases: a planted drift is flagged in time; two bundles on the same cells."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from hemosight.engine.engine import Engine
from hemosight.images.catalog import Catalog
from hemosight.images.synthetic import draw_smear
from hemosight.lab.validation import drift, two_bundles
from hemosight.lab.validation.cells import ValidationCells, gather
from hemosight.lab.validation.protocol import Protocol

pytestmark = pytest.mark.slow  # forty cases are drawn for each chart

CASES = 40
CHANGE = 30
"""Cases before the planted drift."""


def laboratory(seed: int, *, drifts: str | None = None, scanner: str = "A") -> pl.DataFrame:
    """Forty cases as :func:`drift.measured` describes them; one measure drifts by about two usual deviations."""
    rng = np.random.default_rng(seed)
    after = np.arange(CASES) >= CHANGE
    cells = rng.integers(80, 220, CASES)
    blasts = np.where(after & (drifts == "blast"), 0.24, 0.08) + rng.normal(0, 0.01, CASES)
    neutrophils = np.clip(0.6 + rng.normal(0, 0.05, CASES), 0, 1)
    counts = rng.binomial(cells, blasts), rng.binomial(cells, neutrophils * 0.7)
    return pl.DataFrame(
        {
            "case": [f"c{number:02d}" for number in range(CASES)],
            "scanner": [scanner] * CASES,
            "cells": cells,
            "unusual": rng.binomial(cells, np.where(after & (drifts == "unusual"), 0.09, 0.02)),
            "agree": rng.binomial(cells, np.where(after & (drifts == "agree"), 0.78, 0.9)),
            "leukocytes": cells,
            "n_blast": counts[0],
            "n_neutrophil": counts[1],
            "width": rng.normal(4.3, 0.02, CASES) + 0.05 * (after & (drifts == "width")),
            "colour": rng.normal(0.1, 0.02, CASES) - 0.05 * (after & (drifts == "colour")),
            "light": rng.normal(5.0, 0.02, CASES),
        }
    )


NAMES = {
    "unusual": "unusual cells",
    "agree": "agreement with people",
    "blast": "Blast",
    "width": "width of red cells",
    "colour": "colour (red over blue)",
}


@pytest.mark.parametrize("measure", NAMES)
def test_a_planted_drift_is_flagged_within_the_stated_run_length(measure: str) -> None:
    most = drift.run_lengths().drifted.most
    in_time = 0
    for seed in range(20):
        (charts,) = drift.charted(laboratory(seed, drifts=measure))
        flags = charts.flags.filter(measure=NAMES[measure]).filter(pl.col("number") > CHANGE)
        in_time += bool(len(flags)) and flags["number"].min() - CHANGE <= most  # type: ignore[operator]
    # 95 in a hundred where what is usual is known; from 20 cases it is known roughly.
    assert in_time >= 17


def test_where_nothing_drifts_flags_are_as_rare_as_stated() -> None:
    flagged = charts = 0
    for seed in range(30):
        (found,) = drift.charted(laboratory(100 + seed))
        charts += len(found.charts)
        flagged += found.flags["measure"].n_unique()
    # Twenty points a chart after the baseline; one flag in about 160 points where what is usual is known.
    assert flagged / charts < 0.3


def test_each_scanner_has_its_own_charts_and_few_cases_have_none() -> None:
    both = pl.concat([laboratory(1), laboratory(2, scanner="B"), laboratory(3, scanner="C").head(12)])
    found = drift.charted(both)
    assert [one.scanner for one in found] == ["A", "B"]
    assert set(found[0].points["chart"]) >= set(NAMES.values())
    # Another scanner's colours are no drift of the first one's.
    shifted = pl.concat([laboratory(1), laboratory(2, scanner="B").with_columns(pl.col("colour") + 3)])
    assert drift.charted(shifted)[0].flags.equals(found[0].flags)


@pytest.fixture(scope="module")
def read(tiny_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> ValidationCells:
    parts = []
    for number in range(3):
        folder = tmp_path_factory.mktemp("case")
        draw_smear(folder, 2, seed=70 + number, size=240)
        table = Catalog.read(folder / "labels.csv").table
        parts.append(Catalog(table.with_columns(patient=pl.lit(f"P{number}"), source=pl.lit("drawn"))))
    asked = Protocol.model_validate(
        {"title": "t", "written_by": "w", "written_on": "2026-11-01", "cells": {"least": 4}}
    )
    return gather(Catalog.concat(parts), tiny_engine, asked)


def test_a_case_is_measured_by_its_pictures(read: ValidationCells) -> None:
    rows = drift.measured(read, ["P2", "P0"])
    assert rows["case"].to_list() == ["P2", "P0"]
    assert rows["cells"].to_list() == [18, 18]
    assert (rows["agree"] == [int((part["truth"] == part["read"]).sum()) for part in _parts(read, ["P2", "P0"])]).all()
    assert rows["light"].is_between(3, 5.6).all()


def _parts(read: ValidationCells, cases: list[str]) -> list[pl.DataFrame]:
    return [read.table.filter(case=case) for case in cases]


def test_what_another_bundle_changes_is_told_by_type(read: ValidationCells) -> None:
    same = two_bundles.compare(read, read)
    assert (same.changed, same.overall.gained, same.worse) == (0, 0, [])
    # A new bundle that reads every neutrophil as a blast, and every lymphocyte right.
    truth = pl.col("truth")
    table = read.table.with_columns(
        read=pl.when(truth == "neutrophil")
        .then(pl.lit("blast"))
        .when(truth == "lymphocyte")
        .then(truth)
        .otherwise("read")
    )
    old = read.table.with_columns(read=pl.when(truth == "neutrophil").then(truth).otherwise("read"))
    found = two_bundles.compare(_with(read, old), _with(read, table))
    rows = {row["type"]: row for row in found.by_type.iter_rows(named=True)}
    assert rows["neutrophil"]["lost"] == 6
    assert rows["neutrophil"]["difference"] == -1
    assert "neutrophil" in found.worse
    assert rows["lymphocyte"]["right_new"] == 1
    assert rows["all"]["gained"] == rows["lymphocyte"]["gained"]
    assert set(found.rows["truth"]) <= {"neutrophil", "lymphocyte"}


def _with(read: ValidationCells, table: pl.DataFrame) -> ValidationCells:
    import dataclasses

    return dataclasses.replace(read, table=table)
