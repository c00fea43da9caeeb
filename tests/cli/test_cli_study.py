"""``hemosight study``: every study runs on drawn cells, writes its tables, and goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from hemosight.cli import app
from hemosight.engine.bundle import Bundle
from hemosight.errors import BadTable
from hemosight.space.embeddings import Embeddings

pytestmark = pytest.mark.slow
RUN = CliRunner()


@pytest.fixture(scope="module")
def packed(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle.save(tmp_path_factory.mktemp("bundle") / "tiny.hemosight")


def _run(*words: str) -> str:
    done = RUN.invoke(app, ["study", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_label_efficiency(packed: Path, tmp_path: Path) -> None:
    words = ("label-efficiency", "--bundle", str(packed), "--out", str(tmp_path), "--repeats", "1")
    printed = _run(*words)
    assert "label-efficiency-means" in printed
    table = pl.read_parquet(tmp_path / "label-efficiency.parquet")
    assert set(table["per_class"].drop_nulls()) == {2, 5}
    assert len(pl.read_csv(tmp_path / "label-efficiency.csv")) == len(table)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "steps").rglob("*.parquet")}
    _run(*words)
    assert kept == {file: file.stat().st_mtime_ns for file in (tmp_path / "steps").rglob("*.parquet")}


def test_held_out(packed: Path, drawn_smear: Path, tmp_path: Path) -> None:
    for more in ([], ["--data", str(drawn_smear)]):
        printed = _run("held-out", "--bundle", str(packed), "--out", str(tmp_path), *more)
        assert "macro-F1 of 5 fits" in printed
        scores = pl.read_csv(tmp_path / "held-out-scores.csv")
        assert set(scores["on"]) == {"held-out" if more else "fold"}
        assert scores.filter(metric="f1")["class"].n_unique() == 9


def test_attributes(packed: Path, tmp_path: Path) -> None:
    assert "nucleus_shape" in _run("attributes", "--bundle", str(packed), "--out", str(tmp_path))


def test_a_strategy_that_is_none_is_answered_with_all_there_are(packed: Path, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["study", "active", "--bundle", str(packed), "--out", str(tmp_path), "--strategy", "best"])
    assert "diversity, cold margin; found 'best'" in str(done.exception)


@pytest.mark.slow
def test_active(packed: Path, tmp_path: Path) -> None:
    words = ["--strategy", "random", "--strategy", "margin", "--batch", "6", "--first", "2"]
    _run("active", "--bundle", str(packed), "--out", str(tmp_path), *words)
    reached = pl.read_parquet(tmp_path / "active-reaching.parquet")
    assert set(reached["strategy"]) == {"random", "margin"}
    assert (tmp_path / "active-faster.parquet").exists()


def test_baseline(packed: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    points = tmp_path / "points.safetensors"
    support = tiny_bundle.support.embeddings
    Embeddings(support.ids, support.vectors, support.space).save(points)
    words = ("baseline", "--bundle", str(packed), "--out", str(tmp_path))
    assert "self_supervised" in _run(*words, "--features", str(points))
    # A bundle holds no crops to make features of, or to train on.
    for more in ([], ["--features", str(points), "--train-baseline", "2"]):
        with pytest.raises(BadTable, match="Give --data"):
            _run(*words, *more)
    for text, why in (("0", "neither a number"), ("all:6", "no number of folds"), ("2:", "no number of folds")):
        wrong = RUN.invoke(app, ["study", *words, "--train-baseline", text])
        assert wrong.exit_code == 2
        assert why in wrong.output


@pytest.mark.train
def test_baseline_trained(
    packed: Path, drawn_smear: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hemosight.training import baseline as network

    def contender(*_: Any, **__: Any) -> Any:
        return lambda _support, labels, queries, _seed: (
            tuple(sorted(set(labels.tolist()))),
            np.full((len(queries), 9), 1 / 9),
        )

    monkeypatch.setattr(network, "contender", contender)
    points = tmp_path / "points.safetensors"
    tiny_bundle.support.embeddings.save(points)
    words = ("--bundle", str(packed), "--data", str(drawn_smear), "--features", str(points), "--out", str(tmp_path))
    _run("baseline", *words, "--train-baseline", "2", "--train-baseline", "all:3")
    table = pl.read_parquet(tmp_path / "baseline.parquet").filter(classifier="trained network")
    assert set(table["per_class"]) == {2, None}
    assert table.filter(pl.col("per_class").is_null())["fold"].n_unique() == 3


def test_transfer(packed: Path, drawn_smear: Path, tmp_path: Path) -> None:
    mixed = pl.read_csv(drawn_smear / "labels.csv").with_columns(
        path=str(drawn_smear) + "/" + pl.col("path"),
        source=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("one")).otherwise(pl.lit("two")),
    )
    mixed.write_csv(tmp_path / "mixed.csv")
    _run("transfer", "--bundle", str(packed), "--data", str(tmp_path / "mixed.csv"), "--out", str(tmp_path))
    table = pl.read_parquet(tmp_path / "laboratories.parquet")
    assert set(table["laboratory"]) == {"one", "two"}
    assert set(table["split"]) == {"by image"}
    assert {"untouched", "joined", "alone"} <= set(table["support"])
    assert set(pl.read_parquet(tmp_path / "scanner-only.parquet")["laboratory"]) == {"one", "two"}
    assert set(pl.read_parquet(tmp_path / "background-only.parquet")["crops"]) == {"as they are", "background only"}


def test_suspects(packed: Path, drawn_smear: Path, tmp_path: Path) -> None:
    words = ("--bundle", str(packed), "--data", str(drawn_smear), "--out", str(tmp_path), "--label", "blast")
    said = _run("suspects", *words)
    table = pl.read_parquet(tmp_path / "suspects.parquet")
    blasts = table.filter(pl.col("suspect") & (pl.col("label") == "blast"))
    assert f"{len(blasts)} suspects of {len(table)} labelled cells" in said


def test_plan(packed: Path, drawn_smear: Path, tmp_path: Path) -> None:
    words = ("--bundle", str(packed), "--labels", str(drawn_smear / "labels.csv"), "--out", str(tmp_path / "plan.json"))
    assert "72 labels read" in _run("plan", "--target", "0.9", *words)
    enough = _run("plan", "--target", "0.05", *words[:4])
    assert "no more are needed" in enough
    assert "the next 0 labels" not in enough
    facts = json.loads((tmp_path / "plan.json").read_text())
    beyond = _run("plan", "--target", "0.999", *words[:4])
    assert "over 648 more" in beyond
    assert "next 648 labels" in beyond
    assert {row["class"] for row in facts["by_class"]} == set(pl.read_csv(drawn_smear / "labels.csv")["label"])
