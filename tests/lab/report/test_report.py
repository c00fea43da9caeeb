"""A report of drawn cells: every figure has its table, nothing is fetched, what is done is not done again."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from hemosight.cli import app
from hemosight.cli.baseline_network import baseline_network
from hemosight.engine.bundle import Bundle
from hemosight.engine.network import Network
from hemosight.errors import UnknownName
from hemosight.images.catalog import Catalog
from hemosight.lab.report import active, baseline, explanation, landscape, page, plan, published, self_taught, transfer
from hemosight.lab.report.figure import Claim, Figure, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.lab.report.reproduce import STUDIES, Reproduced, chosen, reproduce
from hemosight.lab.studies import study_data
from hemosight.lab.studies.active_results import learning
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.strategy_choice import WITHIN, chosen_on_folds
from hemosight.space.embeddings import Embeddings, EmbeddingSpace

QUICK = [name for name in STUDIES if name not in ("active", "self-taught", "plan")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def work(tiny_bundle: Bundle, drawn_catalog: Catalog, folder: Path) -> ReportInputs:
    network = Network(tiny_bundle.encoder, tiny_bundle.preprocessing, threads=1)
    cells = study_data.embed(drawn_catalog, network, fraction=0.25)
    # The filters that see colour: a network that knows less.
    colours = cells.vectors[:, : cells.vectors.shape[1] // 2]
    colours = colours / np.linalg.norm(colours, axis=1, keepdims=True)
    features = folder / "features.safetensors"
    Embeddings(cells.embeddings.ids, colours, EmbeddingSpace("colours", cells.embeddings.space.preprocessing)).save(
        features
    )
    return ReportInputs(cells, tiny_bundle, "discriminant", Steps(folder / "steps", workers=1), features=features)


@pytest.fixture(scope="module")
def made(work: ReportInputs, folder: Path) -> Iterator[Reproduced]:
    with pytest.MonkeyPatch.context() as patch:
        # A map of few cells is as good after fifty iterations, as far as these tests go.
        patch.setattr(landscape.space, "fit", partial(landscape.space.fit, iterations=50, threads=1))
        yield reproduce(work, folder, studies=QUICK, command="hemosight reproduce")


def _figures(made: Reproduced) -> Iterator[Figure]:
    for section in made.sections:
        yield from section.figures


def test_every_study_is_on_the_page(made: Reproduced) -> None:
    assert not made.left_out
    assert [section.name for section in made.sections] == QUICK
    text = made.report.read_text()
    for section in made.sections:
        assert section.title in text
        assert section.text
        assert section.figures


def test_every_figure_has_its_table_beside_it(made: Reproduced, folder: Path) -> None:
    text = made.report.read_text()
    names = [figure.name for figure in _figures(made)]
    assert len(names) == len(set(names))
    for figure in _figures(made):
        table = pl.read_csv(folder / "tables" / f"{figure.name}.csv", infer_schema_length=None)
        assert table.columns == figure.table.columns
        assert len(table) == len(figure.table) > 0
        assert f'id="t-{figure.name}"' in text
        if figure.spec is not None:
            for suffix in ("json", "svg", "png"):
                assert (folder / "figures" / f"{figure.name}.{suffix}").stat().st_size > 0
            spec = json.loads((folder / "figures" / f"{figure.name}.json").read_text())
            assert spec["$schema"].endswith("vega-lite/v6.json")
        elif figure.plate:
            assert len(list((folder / "figures").glob(f"{figure.name}-*.jpg"))) == len(figure.plate)
    for section in made.sections:
        for name, table in section.tables.items():
            assert len(pl.read_parquet(folder / "tables" / f"{name}.parquet")) == len(table)


_HOW = r"\d+ folds|\d+ draws|one draw|one fit to [\d,]+ labels|One layout|the bundle's own readout|\d+ triplets"
"""How many fits, draws or layouts a figure rests on, in each caption's own words."""


def _said(figure: Figure, work: ReportInputs) -> None:
    caption = figure.caption
    assert f"{len(work.material):,} cells of {work.sources}" in caption, figure.name
    assert "seed 0" in caption, figure.name
    assert re.search(_HOW, caption), (figure.name, caption)


def test_captions_say_cells_seed_and_data(made: Reproduced, work: ReportInputs) -> None:
    for figure in _figures(made):
        _said(figure, work)


def test_what_is_said_of_patients_is_what_the_catalog_knows(work: ReportInputs) -> None:
    table = work.material.catalog.table
    known = pl.int_range(pl.len()).cast(pl.String)

    def with_patients(named: pl.Expr) -> ReportInputs:
        source = pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("B")).otherwise(pl.lit("A"))
        catalog = Catalog(table.with_columns(patient=named, source=source))
        return replace(work, material=study_data.StudyData(catalog, work.material.embeddings, work.material.split))

    none, some, every = (
        with_patients(named)
        for named in (
            pl.lit(None, pl.String),
            pl.when(pl.int_range(pl.len()) < 3).then(known),
            known,
        )
    )
    assert "held out by image;" in none.basis
    assert "No file of these sets names a patient" in none.split_means
    assert "held out by patient: B; by image: A;" in some.basis
    assert "except of A, whose files name no patient" in some.split_means
    assert "held out by patient;" in every.basis
    assert "may be lower" not in every.split_means


def test_the_page_asks_for_nothing_from_elsewhere(made: Reproduced) -> None:
    text = made.report.read_text()
    fetched = re.findall(r'(?:src|href)="([^"#][^"]*)"', text)
    assert fetched
    assert all(link.startswith(("data:", "tables/", "figures/")) for link in fetched)
    assert "default-src 'none'" in text
    assert "@import" not in text


def test_ids_are_unique_so_that_no_chart_borrows_anothers_clip(made: Reproduced) -> None:
    ids = re.findall(r'\bid="([^"]+)"', made.report.read_text())
    assert len(ids) == len(set(ids))


def test_what_is_done_is_not_done_again(made: Reproduced, work: ReportInputs, folder: Path, tmp_path: Path) -> None:
    kept = {file: file.stat().st_mtime_ns for file in (folder / "steps").rglob("*.parquet")}
    assert kept
    again = reproduce(work, tmp_path, studies=QUICK[:5])
    assert {file: file.stat().st_mtime_ns for file in (folder / "steps").rglob("*.parquet")} == kept
    tables = {figure.name: figure.table for figure in _figures(made)}
    for figure in _figures(again):
        assert figure.table.equals(tables[figure.name], null_equal=True), figure.name


def test_a_study_that_the_cells_do_not_allow_is_left_out_and_said(work: ReportInputs, tmp_path: Path) -> None:
    catalog = work.material.catalog
    bare = Catalog(catalog.table.drop([f"attribute.{name}" for name in catalog.attributes]))
    cells = study_data.StudyData(bare, work.material.embeddings, work.material.split)
    done = reproduce(
        ReportInputs(cells, work.bundle, work.classifier, Steps(None, 1)), tmp_path, studies=["attributes", "held-out"]
    )
    assert list(done.left_out) == ["attributes"]
    assert [section.name for section in done.sections] == ["held-out"]
    assert "Left out: attributes" in done.report.read_text()


def test_the_baseline_is_measured_on_the_same_labels(made: Reproduced, work: ReportInputs) -> None:
    section = next(section for section in made.sections if section.name == "baseline")
    curves, crossed = (figure.table for figure in section.figures)
    mine, theirs = (curves.filter(series=series).drop("series", "mean", "sd") for series in ("embeddings", "top only"))
    assert mine.equals(theirs, null_equal=True)
    assert set(mine["per_class"].drop_nulls()) == {2}
    assert set(crossed["on"]) == {"fold", "held-out"}
    assert section.text[0] in section.figures[0].caption
    assert "features.safetensors" in section.figures[0].caption
    assert "--train-baseline" in section.text[1]


def _scores(classifier: str, values: dict[int, float]) -> pl.DataFrame:
    facts = {"study": "s", "classifier": classifier, "fold": 0, "draw": 0}
    rows = [
        {**facts, "per_class": size, "labels": 9 * size, "on": "held-out", "metric": "macro_f1", "class": None,
         "cells": 10, "value": value, "scaled": 0.0}
        for size, value in values.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"class": pl.String})


def test_where_the_curves_cross_is_said_as_computed(work: ReportInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def compared(_cells: study_data.StudyData, **settings: Any) -> pl.DataFrame:
        asked.update(settings)
        top = _scores("top only", {2: 0.5, 10: 0.8, 50: 0.92, 250: 0.94})
        return pl.concat([top, _scores("trained network", {50: 0.92, 250: 0.97})])

    monkeypatch.setattr(baseline.study, "compared", compared)
    mine = _scores("discriminant", {2: 0.8, 10: 0.9, 50: 0.94, 250: 0.95})
    monkeypatch.setattr(baseline, "label_efficiency", lambda *_, **__: mine)
    section = baseline.baseline(replace(work, train={50: 5, 250: 3}))
    assert asked["train"] == {50: 5, 250: 3}
    assert section.text[0] == (
        "Top only does not catch up: the embeddings' lead in macro-F1 goes from +0.300 at 18 labels to +0.010 at 2,250 "
        "(held-out cells). Trained network catches up at 1,006 labels: the embeddings' lead in macro-F1 goes from "
        "+0.020 at 450 labels to -0.020 at 2,250 (held-out cells)."
    )
    assert section.text[0] in section.figures[0].caption
    assert "end to end" in section.figures[0].caption
    assert all(
        "(the trained network: in the first 3 with 250 of each class)" in each.caption for each in section.figures
    )
    assert [claim.value for claim in section.claims] == ["none of these sizes", "1,006"]
    assert set(section.figures[0].table["series"]) == {"embeddings", "top only", "trained network"}
    ahead = _scores("discriminant", {2: 0.4, 10: 0.7})
    monkeypatch.setattr(baseline, "label_efficiency", lambda *_, **__: ahead)
    assert "Top only is no worse at any size" in baseline.baseline(work).text[0]


def test_without_torch_the_baseline_is_left_out_and_said(
    work: ReportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("hemosight.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    without = replace(work, features=None, network=baseline_network(), steps=Steps(None, 1))
    done = reproduce(without, tmp_path, studies=["baseline", "held-out"])
    assert [section.name for section in done.sections] == ["held-out"]
    assert "pip install 'hemosight[train]'" in done.left_out["baseline"]
    assert "Left out: baseline" in done.report.read_text()


def test_what_is_run() -> None:
    assert chosen() == list(STUDIES)
    assert chosen()[0] == "patients", "what holds for other patients and laboratories stands before anything else"
    assert chosen(only=["landscape", "held-out"]) == ["held-out", "landscape"], "in the report's order"
    assert "active" not in chosen(skip=["active"])
    with pytest.raises(UnknownName, match="the study"):
        chosen(only=["magic"])


def test_runs_too_short_for_a_law_have_none(work: ReportInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    short = active.study.active

    def quick(cells: study_data.StudyData, **settings: Any) -> pl.DataFrame:
        return short(cells, strategies=("margin", "random"), batch=30, first=1, folds=2, **settings)

    monkeypatch.setattr(active.study, "active", quick)
    section = active.active(replace(work, steps=Steps(None, 1)))
    assert not {figure.name for figure in section.figures} & {"power-laws", "faster-than-random"}
    assert "too short here for a law" in section.text[-1]


def test_a_reader_that_teaches_itself_is_held_beside_the_plain_one(
    work: ReportInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_taught.study, "BATCH", 5)
    monkeypatch.setattr(self_taught, "ROUNDS", 4)
    small = self_taught.study.active

    def quick(cells: study_data.StudyData, **settings: Any) -> pl.DataFrame:
        return small(cells, first=1, folds=2, **settings)

    monkeypatch.setattr(self_taught.study, "active", quick)
    section = self_taught.self_taught(work)
    curves, needs = (figure.table for figure in section.figures)
    names = {name for one in self_taught.STRATEGIES for name in (one, f"{one} (plain)")}
    assert set(curves["strategy"]) == set(needs["strategy"]) == names
    assert curves["labels"].max() == 25
    (claim,) = section.claims
    best = next(name for name in self_taught.STRATEGIES if name in claim.what)
    row = needs.row(by_predicate=(pl.col("strategy") == best) & (pl.col("within") == WITHIN), named=True)
    assert claim.value.startswith("not reached" if row["labels"] is None else f"{row['labels']:,} (")
    for figure in section.figures:
        _said(figure, work)


def test_active_learning_is_told_in_computed_words(work: ReportInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active.study, "BATCH", 3)
    monkeypatch.setattr(active, "RESAMPLED", 3)
    small = active.study.active

    def quick(cells: study_data.StudyData, **settings: Any) -> pl.DataFrame:
        return small(cells, strategies=("margin", "random"), batch=3, first=1, folds=2, **settings)

    monkeypatch.setattr(active.study, "active", quick)
    section = active.active(work)
    figures = {figure.name: figure for figure in section.figures}
    assert set(figures) >= {"active-learning", "power-laws", "faster-than-random"}
    needs = figures["labels-needed"].table
    reached = section.tables["active-reaching"]
    learned = learning(section.tables["active-runs"].filter(pl.col("on") != "labels"))
    best = chosen_on_folds(reached, learned)[0]
    for within, claim in zip((0.0, WITHIN), section.claims, strict=True):
        row = needs.row(by_predicate=(pl.col("strategy") == best) & (pl.col("within") == within), named=True)
        assert best in claim.what
        assert claim.value == f"{row['labels']:,} ({row['share']:.1%}) [{row['low']:,}, {row['high']:,}]"
        assert f"{row['labels']:,} of" in section.text[0]
        assert f"stays from {row['stays']:,} on" in claim.basis
    for figure in section.figures:
        _said(figure, work)
    assert section.claims[0].paper == "2,250 (13.3%)"
    assert "rate r" in section.text[-1]
    assert "area" in section.text[-1]
    curves = figures["active-learning"]
    assert set(curves.table["kind"]) == {"measured", "law", "level"}
    points = sum(len(layer["data"]["values"]) for layer in curves.spec["layer"][2:] if "data" in layer)  # type: ignore[index] -- has a spec
    assert len(curves.table.filter(pl.col("kind") == "law")) == points


def test_a_strategy_is_chosen_by_the_folds_and_not_by_what_it_is_quoted_on() -> None:
    rows = [("lucky", "fold", 400), ("plain", "fold", 300), ("steady", "fold", 300), ("never", "fold", None)]
    rows += [("lucky", "held-out", 90), ("plain", "held-out", 500), ("steady", "held-out", 400)]
    schema = {"strategy": pl.String, "on": pl.String, "labels": pl.Int64}
    reached = pl.DataFrame(rows, schema=schema, orient="row").with_columns(within=pl.lit(WITHIN))
    heights = {"lucky": 0.99, "plain": 0.90, "steady": 0.95, "never": 0.5}
    learned = pl.DataFrame({"strategy": list(heights), "mean": list(heights.values())}).with_columns(
        metric=pl.lit("macro_f1"), on=pl.lit("fold")
    )
    assert chosen_on_folds(reached, learned) == ["steady", "plain", "lucky", "never"]


def test_both_tests_against_random_are_told_with_enough_digits(work: ReportInputs) -> None:
    tests = pl.DataFrame(
        {
            "strategy": ["margin", "badge"] * 2,
            "quantity": ["r", "r", "area", "area"],
            "pairs": [45] * 4,
            "at_bound": [30, 31, None, None],
            "median": [2.5e-10, -1e-12, 0.004, 0.001],
            "p": [0.01, 0.6, 0.001, 0.2],
        }
    )
    row = {"labels": 9, "share": 0.1, "low": 9, "high": 9, "stays": 9, "target": 0.9}
    values: dict[str, Any] = dict.fromkeys(("best", "cells", "by_type"), "margin") | {"chance": {}, "chance_nearly": {}}
    values |= dict.fromkeys(("within", "same", "batch", "pool", "folds", "measured", "resampled"), 1)
    values |= {"every": row, "nearly": row, "work": work, "published": published}
    said = Prose("active", tests=active.tests_in_numbers(tests), **values).paragraphs()[-1]
    assert "rate r of the fitted laws: 1 of 2 strategies learn faster than random: margin" in said
    assert "from -1e-12 to 2.5e-10" in said
    assert "in 61 of all 90 pairs a rate is a bound of the fit" in said
    assert "(area under the score): 1 of 2 strategies read better than random: margin" in said


def test_plans_are_told_beside_what_came_true(work: ReportInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown two thirds of 54 cells: whatever is forecast, the sentence says what the table says."""
    monkeypatch.setattr(plan, "HAVE", 42)
    monkeypatch.setattr(plan, "WISHED", 43)
    monkeypatch.setattr(plan, "DRAWS", 2)
    monkeypatch.setattr(plan, "TRUTHS", (36, 43))
    monkeypatch.setattr(plan.planner, "LEAST", 2)
    monkeypatch.setattr(plan.planner, "plan", partial(plan.planner.plan, draws=1, samples=3))
    section = plan.plan(work)
    figures = {figure.name: figure for figure in section.figures}
    for figure in section.figures:
        _said(figure, work)
    table = figures["plan"].table
    assert set(table["kind"]) == {"measured", "forecast", "came true", "target"}
    true = table.filter((pl.col("kind") == "came true") & (pl.col("labels") == 43))["mean"][0]
    tried = section.tables["plan-truths"].filter(pl.col("labels") == 43)
    assert true == pytest.approx(tried["mean"].mean())
    assert f"{true:.3f}" in section.text[0]
    draws = figures["plan-draws"].table
    assert len(draws) == 2
    for row in draws.iter_rows(named=True):
        assert row["inside"] == (row["low"] <= row["took"] <= row["high"])
        assert row["took"] == 43 - row["labels"]
    assert section.claims[0].value == f"{draws['inside'].sum()} of 2"
    assert f"in {draws['inside'].sum()} of 2 draws" in section.text[0]
    assert "target: " in json.dumps(figures["plan"].spec)


def test_cells_as_they_are_are_not_called_a_shift(work: ReportInputs) -> None:
    rows = [("as it is", 2), ("blurred", 1), ("bigger", 0)]
    facts = [{"shift": shift, "labels": 9, "confidence": 0.9, "truth": "a" if cell < 5 else "b",
              "read": "a" if (cell < 5) != (cell < wrong) else "b"}
             for shift, wrong in rows for cell in range(10)]  # fmt: skip
    (said,) = transfer.words(work, shifts=transfer.shifts_in_numbers(pl.DataFrame(facts))).paragraphs()
    assert said.startswith("Of the shifts, held-out cells blurred are read worst")


def test_the_control_is_cut_into_as_many_folds_as_is_said(work: ReportInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    cut = study_data.StudyData.folds

    def folds(cells: study_data.StudyData, k: int, *rest: Any) -> Any:
        asked.append(k)
        return cut(cells, k, *rest)

    monkeypatch.setattr(study_data.StudyData, "folds", folds)
    transfer.study.shortcut(work.material, steps=Steps(None, 1))
    assert asked == [transfer.CONTROL_FOLDS]


def test_the_table_of_attributes_ends_with_the_mean_that_is_drawn(made: Reproduced) -> None:
    figure = next(figure for figure in _figures(made) if figure.name == "attributes")
    assert figure.table["attribute"][-1] == "mean of attributes"
    drawn = figure.spec["layer"][-1]["data"]["values"][0]["mean"]  # type: ignore[index] -- it has a spec
    assert figure.table["mean"][-1] == pytest.approx(drawn, abs=1e-5)


def test_the_surrogate_is_measured_as_the_cosine_with_what_is_read() -> None:
    rng = np.random.default_rng(0)
    features, vectors = rng.random((4, 3, 2, 2), np.float32), rng.random((4, 5), np.float32)
    surrogate = rng.random((4, 5), np.float32)
    cosines = explanation.fidelities(features, vectors, surrogate)
    for row in range(4):
        point = np.append(features[row].mean(axis=(1, 2)), 1.0) @ surrogate
        expected = point @ vectors[row] / np.linalg.norm(point) / np.linalg.norm(vectors[row])
        assert cosines[row] == pytest.approx(expected, rel=1e-5)


def test_the_planner_is_not_asked_with_too_few_labels(work: ReportInputs, tmp_path: Path) -> None:
    done = reproduce(work, tmp_path, studies=["plan"])
    assert "plan" in done.left_out


def test_heat_in_the_middle_is_measured_against_its_area(made: Reproduced) -> None:
    section = next(section for section in made.sections if section.name == "explanation")
    shares = section.tables["explanation-heat"]
    assert shares["heat in the middle"].is_between(0, 1).all()
    assert section.claims[0].value == f"{shares['heat in the middle'].mean():.1%}"
    assert explanation.middle((100, 100)).mean() == pytest.approx(3.14159 * 0.25**2, abs=0.01)


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    table = pl.DataFrame({"<b>": ["<script>alert(1)</script>", None], "value": [float("inf"), 1e-7]})
    figure = Figure("odd", "Odd <i>", "A & B", table)
    section = Section("odd", "Odd", ("1 < 2",), (figure,), (Claim("<u>", "1", "x"),))
    text = page.write(tmp_path, [section], [("Data", "<img>")], {}).read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert "<img>" not in text
    assert "∞" in text


def test_the_command_makes_a_report(tiny_bundle: Bundle, drawn_smear: Path, tmp_path: Path) -> None:
    bundle = tiny_bundle.save(tmp_path / "tiny.hemosight")
    words = ["reproduce", "--data", drawn_smear, "--out", tmp_path / "out", "--bundle", bundle, "--only", "held-out"]
    done = CliRunner().invoke(app, [*map(str, words), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "macro-F1, held-out cells" in done.output
    assert (tmp_path / "out" / "report.html").is_file()
    assert not list((tmp_path / "out" / "tables").glob("attributes*"))


def test_the_landscape_may_be_umaps(
    tiny_bundle: Bundle, drawn_smear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fit(vectors: np.ndarray, *, seed: int, method: str) -> Any:
        asked.append(method)
        return laid(vectors, seed=seed, iterations=50, threads=1)

    laid = landscape.space.fit
    monkeypatch.setattr(landscape.space, "fit", fit)
    bundle = tiny_bundle.save(tmp_path / "tiny.hemosight")
    words = ["reproduce", "--data", drawn_smear, "--out", tmp_path / "out", "--bundle", bundle, "--only", "landscape"]
    for way in ("umap", "tsne"):
        done = CliRunner().invoke(app, [*map(str, words), "--workers", "1", "--map", way])
        assert done.exit_code == 0, done.output
        assert ("UMAP, 30 neighbours" in (tmp_path / "out" / "report.html").read_text()) == (way == "umap")
    assert asked == ["umap", "tsne"], "one is not taken for the other's"
    with pytest.raises(UnknownName, match="tsne, umap"):
        CliRunner().invoke(app, [*map(str, words), "--map", "pca"], catch_exceptions=False)


def _chromium() -> str:
    for name in (os.environ.get("HEMOSIGHT_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    pytest.skip("no Chromium here: name one in HEMOSIGHT_CHROMIUM")


@pytest.mark.browser
def test_it_opens_with_no_network_and_whole_tables_can_be_copied(made: Reproduced, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    # More rows than are shown, and words that a sheet would take for columns.
    words = ['plain "quoted", with comma', "two\nlines\tand a tab", None]
    odd = pl.DataFrame({"word": (words * 40)[: 2 * page.SHOWN - 5], "row": range(2 * page.SHOWN - 5)})
    extra = Section("odd", "Odd", ("Odd.",), (Figure("odd", "Odd", "Odd.", odd),))
    report = page.write(tmp_path, [*made.sections, extra], [("Data", "drawn")], {})
    figures = [*_figures(made), *extra.figures]

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        context = browser.new_context(offline=True)
        tab = context.new_page()
        faults: list[str] = []
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
        tab.goto(report.as_uri())
        tab.wait_for_load_state()
        assert tab.locator("figure").count() == len(figures)
        assert all(tab.evaluate("[...document.images].map((image) => image.naturalWidth > 0)"))
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        for name in ("classes", "shifts", "odd"):
            tab.locator(f"#{name} details").evaluate("(details) => { details.open = true; }")
            tab.locator(f"#{name} button").click()
            tab.locator(f"#{name} button", has_text="Copied").wait_for(timeout=5000)
            copied = tab.evaluate("navigator.clipboard.readText()")
            table = next(figure.table for figure in figures if figure.name == name)
            cells = [line.split("\t") for line in copied.replace("\r\n", "\n").split("\n")]
            assert cells[0] == table.columns
            assert len(cells) == 1 + len(table), "all rows, not those that are shown"
            for row, told in zip(table.iter_rows(), cells[1:], strict=True):
                for value, text in zip(row, told, strict=True):
                    if isinstance(value, float):
                        assert float(text) == pytest.approx(value, rel=1e-6)
                    else:
                        assert text == ("" if value is None else str(value).replace("\n", " ").replace("\t", " "))
        assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        browser.close()
    assert not faults
