"""`hemosight find` as its user types it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner, Result

from hemosight.cli import app
from hemosight.engine.bundle import Bundle
from hemosight.images.synthetic.camera import draw_field


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn fields with a table of boxes, and a file that is none."""
    folder = tmp_path_factory.mktemp("fields")
    with (folder / "boxes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "kind", "type", "xmin", "ymin", "xmax", "ymax"])
        for number in range(3):
            field = draw_field(640, 480, ["neutrophil", "lymphocyte"][: number + 1], np.random.default_rng(number))
            Image.fromarray(field.pixels).save(folder / f"field_{number}.png")
            for cell in field.cells:
                corners = (cell.x, cell.y, cell.x + cell.width, cell.y + cell.height)
                writer.writerow([f"field_{number}.png", "wbc", cell.label, *corners])
    return folder


def test_cells_fields_crops_readings_and_figures(fields: Path, tmp_path: Path, tiny_bundle: Bundle) -> None:
    bundle = tiny_bundle.save(tmp_path / "tiny.hemosight")
    out = tmp_path / "out"
    result = run(
        "find", fields, "--out", out, "--mpp", 0.0974, "--read", "--bundle", bundle, "--boxes", fields / "boxes.csv"
    )
    assert result.exit_code == 0, result.output
    cells = table(out / "cells.csv")
    assert list(cells[0])[:6] == ["image", "x", "y", "width", "height", "score"]
    known = table(fields / "boxes.csv")
    assert len(cells) == len(known)
    for cell in cells:
        own = [box for box in known if box["image"] == cell["image"]]
        middle = float(cell["x"]) + float(cell["width"]) / 2
        assert min(abs(middle - (float(box["xmin"]) + float(box["xmax"])) / 2) for box in own) < 20
        with Image.open(out / cell["crop"]) as crop:
            assert crop.size == (360, 360)
    readings = table(out / "readings.csv")
    assert [Path(row["path"]).name for row in readings] == [Path(cell["crop"]).name for cell in cells]
    assert all(row["label"] for row in readings)
    rows = table(out / "fields.csv")
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert {row["scale_from"] for row in rows} == {"given"}
    assert [row["fair"] for row in rows] == ["yes"] * 3
    assert all(0.2 < float(row["covered"]) < 0.8 for row in rows)
    assert "F1           1.000" in result.stdout
    assert f"{len(cells)} white cells" in result.stdout


def test_a_field_that_is_unfit_for_counting_says_why(tmp_path: Path) -> None:
    pixels = draw_field(640, 480, ["neutrophil"], np.random.default_rng(1)).pixels
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(9)).save(tmp_path / "blurred.png")
    bare = np.full_like(pixels, 240)
    bare[:90, :90] = pixels[:90, :90]
    Image.fromarray(bare).save(tmp_path / "edge.png")
    run("find", tmp_path, "--out", tmp_path / "out", "--mpp", 0.0974, "--no-crops")
    fair = {row["image"]: row["fair"] for row in table(tmp_path / "out" / "fields.csv")}
    assert fair == {"blurred.png": "blurred", "edge.png": "thin"}


def test_a_bad_file_costs_its_own_row_and_the_exit_code_says_so(fields: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff nothing")
    result = run("find", fields / "field_0.png", bad, "--out", tmp_path / "out", "--mpp", 0.0974, "--no-crops")
    assert result.exit_code == 3
    rows = table(tmp_path / "out" / "fields.csv")
    assert [row["status"] == "ok" for row in rows] == [True, False]
    assert rows[1]["cells"] == "0"
    cells = table(tmp_path / "out" / "cells.csv")
    assert len(cells) == 1
    assert cells[0]["crop"] == ""
    assert not (tmp_path / "out" / "crops").exists()


def test_a_field_of_the_longest_name_costs_no_other(fields: Path, tmp_path: Path) -> None:
    folder = tmp_path / "film"
    folder.mkdir()
    field = (fields / "field_1.png").read_bytes()
    for name in ("x" * 251 + ".png", "x" * 250 + "y.png", "z.png"):
        (folder / name).write_bytes(field)
    result = run("find", folder, "--out", tmp_path / "out", "--mpp", 0.0974)
    assert result.exit_code == 0, result.output
    crops = [row["crop"] for row in table(tmp_path / "out" / "cells.csv")]
    assert len(set(crops)) == len(crops) == 6
    assert all((tmp_path / "out" / crop).is_file() for crop in crops)


def test_reading_needs_crops(fields: Path, tmp_path: Path) -> None:
    result = run("find", fields, "--out", tmp_path / "out", "--read", "--no-crops")
    assert result.exit_code == 1
    assert "Leave --no-crops away" in str(result.exception)
