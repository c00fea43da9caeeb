"""What a command is given that is not there, or is something else: the message names what should have been there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hemosight.cli import main

Failed = Callable[..., str]


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Failed:
    """What the installed program says, which ends with exit code 2."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["hemosight", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    return run


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    for number, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/2.png")):
        file = tmp_path / "crops" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 80), (200, 120 + number, 180)).save(file)
    return tmp_path / "crops"


def test_what_is_missing_is_called_what_it_should_be(crops: Path, tmp_path: Path, failed: Failed) -> None:
    gone = tmp_path / "gone"
    assert "expected a HemoSight bundle" in failed("classify", crops, "--bundle", gone)
    assert "expected a HemoSight bundle" in failed("compare-bundles", crops, "--new", gone, "--out", tmp_path / "out")
    assert "expected a protocol" in failed("validate", crops, "--protocol", gone, "--out", tmp_path / "out")
    assert "expected a file or folder of cell crops" in failed("classify", gone)


def test_a_table_whose_pictures_are_elsewhere_names_itself_and_where_its_paths_start(
    tmp_path: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels.csv").write_text("path,label\nnone1.png,a\nnone2.png,b\n")
    monkeypatch.chdir(tmp_path)
    said = failed("data", "add", "labels.csv")
    assert "expected the pictures that labels.csv names" in said
    assert f"relative paths start at {tmp_path}." in said


def test_a_laboratory_that_is_not_there_cannot_be_left_out(crops: Path, tmp_path: Path, failed: Failed) -> None:
    pytest.importorskip("torch")
    said = failed("train", "--data", crops, "--out", tmp_path / "run", "--without", "kropps")
    assert "expected a laboratory to leave out to be one of crops; found 'kropps'" in said
    assert not (tmp_path / "run").exists()


def test_embeddings_of_nothing_are_no_result(crops: Path, tmp_path: Path, failed: Failed) -> None:
    for file in crops.rglob("*.png"):
        file.write_text("no picture")
    said = failed("embed", "--data", crops, "--out", tmp_path / "points.safetensors")
    assert f"found none of 4 in {crops}. `hemosight data check {crops}` says why" in said
    assert not (tmp_path / "points.safetensors").exists()


def test_a_classifier_that_is_none_is_refused_before_the_encoder_is_exported(
    crops: Path, tmp_path: Path, failed: Failed
) -> None:
    for option in ("--classifier", "--attributes"):
        said = failed("pack", "--data", crops, "--out", tmp_path / "x.hemosight", option, "forest")
        assert "expected classifier to be one of discriminant, " in said
