"""Words out of templates: paragraphs and claims as they are written, numbers as they are rounded, nothing unsaid."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

import hemosight.lab.report.prose
from hemosight.lab.report import published
from hemosight.lab.report.figure import Claim
from hemosight.lab.report.prose import Prose

TEMPLATES = Path(hemosight.lab.report.prose.__file__).parent / "templates"
WORK: Any = SimpleNamespace(classifier="discriminant", basis="9 cells of a\n\nb; seed 0")
ROW = {"labels": 1800, "share": 0.1, "low": 900, "high": None, "stays": 2700, "target": 0.9}


def label_efficiency(**other: Any) -> Prose:
    row = {"per_class": 2, "labels": 18.0, "mean": 0.5, "sd": 0.01}
    last = {**row, "labels": 16600.0, "mean": 0.96, "sd": None}
    values = {"first": row, "last": last, "within": last, "slack": 0.02, "classes": 9, "folds": 5, "draws": 3}
    return Prose("label_efficiency", **{"work": WORK, **values, "paper": published.MACRO_F1, **other})


def active(**other: Any) -> Prose:
    values: dict[str, Any] = dict.fromkeys(("within", "batch", "pool", "folds", "measured", "resampled"), 1)
    values |= {"work": WORK, "published": published, "same": False, "best": "cold margin", "cells": "held-out cells"}
    values |= {"every": ROW, "nearly": ROW, "chance": ROW, "chance_nearly": ROW, "tests": None, "by_type": ["random"]}
    return Prose("active", **{**values, **other})


def test_claims_are_what_value_basis_and_the_papers_value() -> None:
    with_all, with_few = label_efficiency().claims()
    assert with_all == Claim(
        "macro-F1 with all labels, the fold left out", "0.960", "5 folds, 16,600 labels", f"{published.MACRO_F1:.3f}"
    )
    assert with_few == Claim("macro-F1 with 2 labels of each class", "0.500 ± 0.010", "5 folds, 18 labels")


def test_lines_of_a_template_are_one_line_and_names_break_no_paragraph() -> None:
    (text,) = label_efficiency().paragraphs()
    assert text.startswith("With 2 labels of each of 9 classes the macro-F1 of the fold left out is 0.500; with all")
    assert "\n" not in text
    assert label_efficiency().block("caption").endswith("Classifier: discriminant. 9 cells of a b; seed 0.")


def test_what_was_not_reached_is_said_so() -> None:
    (first, second, third) = active().paragraphs()
    assert "needs 1,800 of 1 labels (10.0%; 95% interval 900 to beyond the end)" in first
    assert "and stays there from 2,700 on" in first
    assert "fewer labels are needed here and a smaller share" in first
    assert second.startswith("At random the score of all takes 1,800 of 1 labels")
    assert "times as many; to within" in second
    assert third.startswith("Runs are too short here")
    never = {**ROW, "labels": None, "stays": None}
    first, second, _ = active(every=never, nearly=never).paragraphs()
    assert "needs more than were asked for of 1 labels to read as well" in first
    assert "times as many" not in second
    assert [claim.value for claim in active(every=never).claims()] == [
        "not reached",
        "1,800 (10.0%) [900, beyond the end]",
    ]
    assert len(active(best="random").paragraphs()) == 2, "random is not held beside itself"


def test_every_label_takes_as_long_as_the_pool() -> None:
    whole = {**ROW, "stays": 18_000, "labels": 1700}
    assert "though it stays there only with all of them" in active(every=whole).paragraphs()[0]
    assert "and never falls below it again" in active(every={**ROW, "stays": 1800}).paragraphs()[0]


def test_a_number_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        label_efficiency(last={"labels": 3.0}).block("text")


def test_every_study_has_its_words() -> None:
    from hemosight.lab.report.reproduce import STUDIES

    assert {f"{name.replace('-', '_')}.txt.j2" for name in STUDIES} <= {file.name for file in TEMPLATES.iterdir()}
