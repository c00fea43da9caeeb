"""benchmarks/classifiers.py: everybody is fitted on the same draws, and differences are taken draw by draw."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.space.classifiers import DEFAULT, FITTERS

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "classifiers.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """What the script defines."""
    return runpy.run_path(str(SCRIPT))


def test_draws_are_nested_shared_and_apart_from_what_is_read(script: dict[str, Any], tiny_bundle: Bundle) -> None:
    support = tiny_bundle.support
    labels = np.array(support.labels[CELL_TYPE])
    plan = list(script["tasks"](support, sizes=(1, 2, None), k=4))
    assert len(plan) == 4 * (3 + 3 + 1)
    assert sorted(np.concatenate([task.held for task in plan if task.size is None])) == list(range(len(support)))
    for task in plan:
        assert not set(task.support) & set(task.held)
        counts = np.unique(labels[task.support], return_counts=True)[1]
        assert len(counts) == 9
        assert (counts == (6 if task.size is None else task.size)).all()
    by = {(task.size, task.fold, task.draw): set(task.support) for task in plan}
    assert all(by[1, fold, draw] < by[2, fold, draw] for fold in range(4) for draw in range(3))
    assert by[2, 0, 0] != by[2, 0, 1]


def test_who_takes_part(script: dict[str, Any], tiny_bundle: Bundle) -> None:
    def names(size: int | None, *, slow: bool) -> list[tuple[str, ...]]:
        return [task.contenders for task in script["tasks"](tiny_bundle.support, sizes=(size,), slow=slow)]

    everybody = set(script["CONTENDERS"])
    assert set(FITTERS) <= everybody
    assert all(set(able) == everybody - {"scikit-learn LDA"} for able in names(1, slow=False))
    assert all(set(able) == everybody for able in names(50, slow=False))
    assert all(set(able) == everybody - {"svm"} for able in names(None, slow=False))
    assert ["svm" in able for able in names(None, slow=True)] == [True, True, False, False, False]
    assert sum("svm" in able for able in names(200, slow=True)) == 2


def test_every_contender_reads_better_than_chance(script: dict[str, Any], tiny_bundle: Bundle) -> None:
    (task, *_) = script["tasks"](tiny_bundle.support, sizes=(5,), k=3)
    rows = list(script["measure"](tiny_bundle.support, task))
    assert [row["classifier"] for row in rows] == list(script["CONTENDERS"])
    for row in rows:
        assert row["accuracy"] > 0.3, "chance is 0.11"
        assert row["macro_f1"] > 0.25
        assert row["cells"] == 45
        assert row["fit_seconds"] > 0
        assert (row["calibration_error"] is None) == (row["classifier"] == "ridge")


def test_differences_are_taken_draw_by_draw(script: dict[str, Any]) -> None:
    def row(classifier: str, size: int | None, draw: int, f1: float) -> dict[str, Any]:
        facts = {"classifier": classifier, "per_class": size, "fold": 0, "draw": draw, "macro_f1": f1}
        return facts | {"calibration_error": None if classifier == "ridge" else 0.1, "fit_seconds": 1.0 + draw}

    rows = [row(DEFAULT, size, draw, 0.5 + 0.1 * draw) for size in (1, None) for draw in range(3)]
    rows += [row("logistic", 1, draw, 0.5) for draw in range(2)]
    rows += [row("ridge", 1, draw, 0.4 + 0.1 * draw) for draw in range(3)] + [row("svm", None, 2, 0.75)]
    summary: Callable[..., pl.DataFrame] = script["summarise"]
    table = summary(pl.DataFrame(rows))
    by = {(line["classifier"], line["per_class"]): line for line in table.to_dicts()}
    assert by["ridge", 1]["behind"] == pytest.approx(-0.1)
    assert by["ridge", 1]["behind_sd"] == pytest.approx(0.0)
    assert by["ridge", 1]["sd"] == pytest.approx(0.1)
    assert by["svm", None]["behind"] == pytest.approx(0.05), "against the same draw, not against the mean"
    assert by[DEFAULT, None]["fit_seconds"] == pytest.approx(2.0)
    text = script["markdown"](table)
    assert "| labels a class | 1 | all |" in text
    assert "| ridge | 0.500 ± 0.100 |  |" in text
    assert "| ridge | -0.100 ± 0.000 (3) |  |" in text
    assert "| svm |  | 0.750 |" in text, "one fit has no spread"
    assert "| svm |  | +0.050 (0) |" in text
    assert "| logistic | 0.500 ± 0.000 (2) |  |" in text, "fewer fits than the others"
