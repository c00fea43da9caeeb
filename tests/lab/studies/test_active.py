"""Active learning: runs that ask for each label once, and summaries that agree with what is drawn."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from problems import TYPES, gaussians, material

from hemosight.lab.studies.active import NAMES, Pool, active, principal
from hemosight.lab.studies.active_results import faster, laws, learning, reaching
from hemosight.lab.studies.steps import Steps
from hemosight.space import classifiers, lda, selftraining
from hemosight.space.embeddings import Vectors
from hemosight.space.linear_classifier import LinearClassifier

CELLS = material((150, 150, 20, 20), spread=2.0)
TABLE = active(CELLS, strategies=["random", "margin"], batch=20, first=2, folds=3)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_asks_for_every_label_once(name: str) -> None:
    vectors, labels = gaussians((60, 60, 10, 10), 1)
    run = Pool(vectors, labels, vectors).run(name, batch=25, first=2, most=None, seed=(0, 0))
    sizes = [len(asked) for asked, _ in run]
    assert sizes == [8, 33, 58, 83, 108, 133, 140]
    for (before, _), (after, _) in itertools.pairwise(run):
        assert after[: len(before)].tolist() == before.tolist()
    assert sorted(run[-1][0].tolist()) == list(range(140))


def test_a_run_reads_as_fits_on_its_labels() -> None:
    vectors, labels = gaussians((60, 60, 10, 10), 2, spread=2.0)
    for asked, reader in Pool(vectors, labels, vectors).run("badge", batch=40, first=2, most=None, seed=(1, 0)):
        slow = lda.fit(vectors[asked], labels[asked])
        assert (reader.predict(vectors) == slow.predict(vectors)).all()


def test_any_classifier_may_read() -> None:
    vectors, labels = gaussians(30, 3)
    ((_, one), (asked, other)) = Pool(vectors, labels, vectors, "logistic").run(
        "margin", batch=20, first=2, most=28, seed=(0,)
    )
    assert len(asked) == 28
    assert one.classes == other.classes == TYPES


@pytest.mark.slow
def test_what_strategies_share_is_fitted_once_and_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first labels, and all of them: one fit a fold each, whatever the order in which cells were asked for."""
    original, fitted = classifiers.fit, []

    def counted(vectors: Vectors, *rest: Any, **more: Any) -> LinearClassifier:
        fitted.append(len(vectors))
        return original(vectors, *rest, **more)

    monkeypatch.setattr(classifiers, "fit", counted)
    names = ("random", "margin", "typical")
    few = material((40, 40, 10, 10), spread=2.0)

    def run() -> tuple[pl.DataFrame, int]:
        fitted.clear()
        steps = Steps(workers=1)
        return active(few, strategies=names, classifier="logistic", batch=30, first=2, folds=2, steps=steps), len(
            fitted
        )

    table, fits = run()
    monkeypatch.setattr(Pool, "fit_shared", Pool.fit)
    alone, fits_alone = run()
    assert alone.equals(table)
    ends = table.filter(pl.col("labels") == pl.col("pool"), on="fold").drop("strategy", "round")
    assert ends.n_unique() == len(ends) / len(names), "to the last bit"
    assert fits_alone - fits == 2 * 2 * (len(names) - 1)


def test_all_strategies_of_a_fold_begin_and_end_alike() -> None:
    macro = TABLE.filter(metric="macro_f1", on="fold")
    for _, part in macro.group_by("fold"):
        begin = part.filter(round=0)["value"]
        assert begin[0] == begin[1]
        end = part.filter(pl.col("labels") == pl.col("pool"))["value"]
        assert len(end) == 2
        assert end[0] == pytest.approx(end[1], abs=1e-9)


def test_asking_for_the_unsure_reaches_the_rare_classes_first() -> None:
    asked = TABLE.filter(on="labels", metric="share", round=2).group_by("strategy", "class").agg(pl.col("cells").sum())
    rare = (
        asked.filter(pl.col("class").is_in(["monocyte", "neutrophil"])).group_by("strategy").agg(pl.col("cells").sum())
    )
    counts = dict(rare.iter_rows())
    assert counts["margin"] > counts["random"]


def test_shares_are_of_the_labels_so_far() -> None:
    shares = (
        TABLE.filter(on="labels").group_by("strategy", "fold", "round", "labels").agg(pl.col("value", "cells").sum())
    )
    assert shares["value"].to_list() == pytest.approx([1.0] * len(shares))
    assert shares["cells"].to_list() == shares["labels"].to_list()


def test_curves_are_means_over_all_folds() -> None:
    curve = learning(TABLE).filter(on="fold", metric="macro_f1", strategy="margin")
    assert (curve["n"] == 3).all()
    third = TABLE.filter(on="fold", metric="macro_f1", strategy="margin", round=3)["value"]
    assert curve.filter(round=3)["mean"].item() == pytest.approx(third.mean())


def _rare(seed: int) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Two large, tight, easy types and two rare, wide ones that are hard to tell apart: chance labels the easy."""
    centres = np.zeros((4, 8))
    centres[0, 0], centres[1, 1], centres[2, 2], centres[3, 2], centres[3, 3] = 10, 10, 10, 10, 2.5
    code = np.repeat(np.arange(4), [600, 600, 40, 40])
    spread = np.array([0.3, 0.3, 1.0, 1.0])[code, None]
    vectors = centres[code] + spread * np.random.default_rng(seed).normal(size=(len(code), 8))
    return vectors.astype(np.float32), np.array(TYPES)[code]


@pytest.mark.slow
def test_cold_margin_beats_chance_where_rare_cells_are_the_hard_ones() -> None:
    """Even chance that was told five cells of each type to begin with, where cold margin began without a label."""
    recalls: dict[str, list[float]] = {"random": [], "cold margin": []}
    for seed in range(12):
        vectors, labels = _rare(seed)
        fresh, truth = _rare(seed + 1000)
        for name, scores in recalls.items():
            run = Pool(vectors, labels, vectors).run(name, batch=20, first=5, most=100, seed=(seed, 0))
            assert len(run[0][0]) == 20
            assert set(labels[run[0][0]]) == set(TYPES), "typical cells are of every type"
            for hard in TYPES[2:]:
                cells = fresh[truth == hard]
                scores.append(float(np.mean([(reader.predict(cells) == hard).mean() for _, reader in run[1:]])))
    mine, chance = np.mean(recalls["cold margin"]), np.mean(recalls["random"])
    assert mine > chance + 0.01, f"{mine:.3f} against {chance:.3f}"


def _drawn(curves: dict[str, list[list[float]]]) -> pl.DataFrame:
    """A table of runs with these macro-F1, strategy -> fold -> rounds, of ten labels each."""
    return pl.DataFrame(
        [
            {
                "strategy": name,
                "fold": fold,
                "round": number,
                "labels": 10 * (number + 1),
                "pool": 10 * len(values),
                "on": "fold",
                "metric": "macro_f1",
                "class": None,
                "value": value,
            }
            for name, folds in curves.items()
            for fold, values in enumerate(folds)
            for number, value in enumerate(values)
        ],
        schema_overrides={"class": pl.String},
    )


def test_labels_that_reach_the_score_of_all_labels() -> None:
    table = _drawn(
        {
            "slow": [[0.5, 0.6, 0.7, 0.8, 0.9], [0.5, 0.6, 0.7, 0.8, 0.9]],
            "quick": [[0.5, 0.89, 0.92, 0.88, 0.9], [0.5, 0.85, 0.9, 0.92, 0.9]],
        }
    )
    rows = {(r["strategy"], r["within"]): r for r in reaching(table, within=(0.0, 0.05)).to_dicts()}
    assert rows["slow", 0.0]["labels"] == 50
    assert rows["quick", 0.0] == {
        "strategy": "quick", "on": "fold", "within": 0.0, "target": 0.9,
        "labels": 30, "share": 0.6, "low": 30, "high": 30, "stays": 30,
    }  # fmt: skip
    assert rows["quick", 0.05]["labels"] == 20


def test_a_run_that_ends_early_reaches_what_it_reached() -> None:
    whole = _drawn({"all labels": [[0.9]]}).with_columns(labels=pl.lit(50, pl.Int64))
    runs = _drawn({"slow": [[0.5, 0.6, 0.7]], "quick": [[0.5, 0.9, 0.88]]})
    table = pl.concat([runs, whole]).with_columns(pool=50)
    rows = {(r["strategy"], r["within"]): r for r in reaching(table, within=(0.0, 0.05)).to_dicts()}
    assert [rows["slow", 0.05][name] for name in ("labels", "share", "low", "high", "stays")] == [None] * 5
    assert [rows["quick", 0.05][name] for name in ("labels", "share", "low", "high", "stays")] == [20, 0.4, 20, 20, 20]
    assert (rows["quick", 0.0]["labels"], rows["quick", 0.0]["stays"]) == (20, None)
    assert rows["all labels", 0.0]["labels"] == 50


def test_runs_that_end_early_are_measured_against_all_labels() -> None:
    short = active(CELLS, strategies=["margin"], batch=20, first=2, folds=3, most=48, classifier="self-taught")
    whole = TABLE.filter((pl.col("labels") == pl.col("pool")) & (pl.col("strategy") == "margin"))
    at_the_end = short.filter(strategy="all labels").filter(pl.col("on") != "labels")
    assert (at_the_end["labels"] == at_the_end["pool"]).all()
    for metric in ("macro_f1", "accuracy"):
        for on in ("fold", "held-out"):
            both = (table.filter(metric=metric, on=on)["value"].to_list() for table in (at_the_end, whole))
            assert next(both) == pytest.approx(next(both)), "with no cell left unlabelled there is none to learn from"
    assert set(reaching(short)["strategy"]) == {"margin", "all labels"}


def test_a_self_taught_reader_learns_from_what_was_not_asked() -> None:
    vectors, labels = gaussians((60, 60, 10, 10), 2, spread=2.0)
    for asked, reader in Pool(vectors, labels, vectors, "self-taught").run(
        "margin", batch=40, first=2, most=88, seed=(1, 0)
    ):
        left = np.setdiff1d(np.arange(len(labels)), asked)
        slow = selftraining.fit(vectors[asked], labels[asked], selftraining.Background(vectors[left]))
        assert np.allclose(reader.probabilities(vectors), slow.probabilities(vectors))


@pytest.mark.slow
def test_faster_rates_are_found_and_not_invented() -> None:
    rng = np.random.default_rng(0)
    sizes = np.arange(10, 400, 10)
    rows = [
        {"strategy": name, "fold": fold, "class": label, "labels": n, "on": "fold", "metric": "f1", "value": value}
        for name, rate in (("random", 0.5), ("quick", 0.9), ("same", 0.5))
        for fold in range(4)
        for label in TYPES
        for n, value in zip(
            sizes, 0.95 - 2.0 * (sizes + 5.0) ** -rate + 0.003 * rng.normal(size=len(sizes)), strict=True
        )
    ]
    fitted = laws(pl.DataFrame(rows))
    assert len(fitted) == 3 * 4 * 4
    assert fitted.filter(strategy="quick")["r"].median() == pytest.approx(0.9, abs=0.15)
    tests = {(r["strategy"], r["quantity"]): r for r in faster(fitted).to_dicts()}
    assert tests["quick", "r"]["p"] < 0.001
    assert tests["quick", "area"]["p"] < 0.001
    assert tests["same", "area"]["p"] > 0.01
    assert tests["same", "r"]["pairs"] == 16
    assert not fitted["at_bound"].any()
    assert (tests["same", "r"]["at_bound"], tests["same", "area"]["at_bound"]) == (0, None)


def test_rates_that_are_bounds_are_counted() -> None:
    """Curves of one strategy and class come to rest as an exponential does, sooner than any power."""
    sizes = np.arange(10, 400, 10)
    power, exponential = 0.95 - 2.0 * (sizes + 5.0) ** -0.5, 0.95 - 0.5 * np.exp(-sizes / 60.0)
    rows = [
        {"strategy": name, "fold": fold, "class": label, "labels": n, "on": "fold", "metric": "f1", "value": value}
        for name in ("random", "quick")
        for fold in range(3)
        for label in TYPES[:2]
        for n, value in zip(
            sizes, exponential if (name, label) == ("quick", TYPES[0]) else power + 0.01 * fold, strict=True
        )
    ]
    fitted = laws(pl.DataFrame(rows))
    assert fitted.filter("at_bound").select("strategy", "class").unique().rows() == [("quick", TYPES[0])]
    counted = {row["quantity"]: (row["pairs"], row["at_bound"]) for row in faster(fitted).to_dicts()}
    assert counted == {"r": (6, 3), "area": (6, None)}


def test_principal_axes_keep_what_they_span() -> None:
    rng = np.random.default_rng(4)
    flat = (rng.normal(size=(50, 3)) @ rng.normal(size=(3, 20))).astype(np.float32)
    seen = principal(flat, 3)
    for one, other in ((0, 1), (7, 30)):
        assert np.linalg.norm(seen[one] - seen[other]) == pytest.approx(
            np.linalg.norm(flat[one] - flat[other]), rel=1e-3
        )
    assert principal(flat, 20) is flat
