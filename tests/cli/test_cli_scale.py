"""`hemosight scale` as its user types it, and `classify` that measures by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from hemosight.cli import app
from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.images.synthetic import Scanner, draw_cell

WIDE = 110
"""Width of the red cells of the other scanner, in pixels."""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawn crops of a scanner with large red cells, in a folder of one class each."""
    folder = tmp_path_factory.mktemp("wide")
    for row in range(12):
        label = ("neutrophil", "lymphocyte")[row % 2]
        cell = draw_cell(label, np.random.default_rng([8, row]), scanner=Scanner(pixels_per_um=WIDE / 7.5), size=400)
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(cell.pixels).save(folder / label / f"{row:02}.png", compress_level=1)
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    Image.fromarray(np.full((90, 90, 3), 240, np.uint8)).save(folder / "glass.png")
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_scale_of_a_folder_as_json(wide: Path) -> None:
    result = run("scale", wide, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["red_cell_px"] == pytest.approx(1.06 * WIDE, rel=0.08)
    assert found["low"] < found["red_cell_px"] < found["high"]
    assert found["factor"] == found["used"] == pytest.approx(77 / found["red_cell_px"])
    assert found["crops"] == 12
    assert found["cells"] >= 15
    assert found["method"] == "red-cell outlines"
    assert found["reason"] is None


@pytest.mark.slow
def test_the_scale_for_a_person_of_files_as_well_as_folders(wide: Path) -> None:
    folder, files = run("scale", wide), run("scale", *sorted(wide.rglob("*.png")))
    assert folder.exit_code == 0
    assert folder.stdout == files.stdout
    assert [line.split()[0] for line in folder.stdout.splitlines()] == [
        "red_cell_px",
        "factor",
        "cells",
        "crops",
        "method",
    ]


def test_where_it_cannot_be_told_the_exit_code_and_a_reason_say_so(empty: Path) -> None:
    said = run("scale", empty)
    assert said.exit_code == 4
    assert "cannot tell: no red cell was seen" in said.stdout
    told = run("scale", empty, "--json")
    assert told.exit_code == 4
    found = json.loads(told.stdout)
    assert found["red_cell_px"] is found["factor"] is found["method"] is None
    assert found["used"] == 1.0
    assert found["reason"] == "no red cell was seen"


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert run("scale", tmp_path / "nowhere").exit_code == 1


@pytest.fixture(scope="module")
def classify(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Result]:
    file = tiny_bundle.save(tmp_path_factory.mktemp("bundle") / "tiny.hemosight")
    return lambda *words: run("classify", "--bundle", file, *words)


@pytest.mark.slow
def test_classify_measures_and_says_so_unless_told(classify: Callable[..., Result], wide: Path, empty: Path) -> None:
    measured = classify(wide)
    assert measured.exit_code == 0
    line, summary = measured.stderr.strip().splitlines()
    assert summary == "12 crops: 12 read, 0 not readable"
    factor = float(line.rsplit("scale ", 1)[1])
    assert line.startswith("red cells 1")
    assert factor == pytest.approx(77 / WIDE / 1.06, rel=0.08)
    told, as_it_is = classify(wide, "--scale", factor), classify(wide, "--scale", 1)
    assert told.stderr.splitlines() == as_it_is.stderr.splitlines() == [summary]
    assert as_it_is.stdout != measured.stdout
    rows = [[line.split(",") for line in result.stdout.splitlines()[1:]] for result in (measured, told)]
    near = [abs(float(one[2]) - float(other[2])) for one, other in zip(*rows, strict=True)]
    assert max(near) < 0.05, "the factor on the line is rounded"
    assert classify(empty).stderr.startswith("width of red cells unknown (no red cell was seen")


@pytest.mark.slow
def test_labels_of_ones_own_are_measured_as_well(classify: Callable[..., Result], wide: Path, empty: Path) -> None:
    result = classify(wide, "--support", wide)
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert lines[0] == f"labels: {lines[1]}"
    assert "red cells" not in classify(wide, "--support", wide, "--scale", 1).stderr


@pytest.mark.slow
def test_the_engine_measures_unless_told(tiny_engine: Engine, wide: Path) -> None:
    paths = sorted(wide.rglob("*.png"))
    auto = tiny_engine.classify(paths)
    assert auto == tiny_engine.classify(paths, scale="auto") == list(tiny_engine.stream(path for path in paths))
    assert auto != tiny_engine.classify(paths, scale=1.0)
    each = [1.0] * 6 + [0.7] * 6
    mixed = tiny_engine.classify(paths, scale=each)
    assert mixed[:6] == tiny_engine.classify(paths[:6], scale=1.0)
    assert mixed[6:] == tiny_engine.classify(paths[6:], scale=0.7)
