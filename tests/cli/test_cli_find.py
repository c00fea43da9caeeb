"""`hemosight find` as its user types it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFilter
from typer.testing import CliRunner, Result

from hemosight.cli import app
from hemosight.engine.bundle import Bundle
from hemosight.images.synthetic.camera import DrawnField, draw_field


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
            Image.fromarray(field.pixels).save(folder / f"field_{number}.png", compress_level=1)
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
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(9)).save(tmp_path / "blurred.png", compress_level=1)
    bare = np.full_like(pixels, 240)
    bare[:90, :90] = pixels[:90, :90]
    Image.fromarray(bare).save(tmp_path / "edge.png", compress_level=1)
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


@pytest.mark.slow
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


def test_a_second_search_leaves_nothing_of_the_first_and_nothing_else_goes(
    fields: Path, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    bundle, out = tiny_bundle.save(tmp_path / "tiny.hemosight"), tmp_path / "out"
    assert run("find", fields, "--out", out, "--mpp", 0.0974, "--read", "--bundle", bundle).exit_code == 0
    own = out / "crops" / "mine.png"
    own.touch()
    assert run("find", fields / "field_0.png", "--out", out, "--mpp", 0.0974).exit_code == 0
    named = {out / row["crop"] for row in table(out / "cells.csv")}
    assert len(named) == 1
    assert set((out / "crops").iterdir()) == named | {own}, "crops of fields that were searched before are gone"
    assert not (out / "readings.csv").exists(), "they would be of other crops"


def test_known_boxes_are_read_before_the_search(fields: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "labels.csv"
    wrong.write_text("path,label\na.png,blast\n")
    for boxes, said in ((wrong, "no 'image'"), (tmp_path / "none.csv", "no such path")):
        result = run("find", fields, "--out", tmp_path / "out", "--boxes", boxes)
        assert said in str(result.exception)
        assert not (tmp_path / "out").exists()


def test_reading_needs_crops(fields: Path, tmp_path: Path) -> None:
    result = run("find", fields, "--out", tmp_path / "out", "--read", "--no-crops")
    assert result.exit_code == 1
    assert "Leave --no-crops away" in str(result.exception)


# --- overlapping fields, slides ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def film() -> DrawnField:
    """A piece of film larger than a field, with cells all over it."""
    return draw_field(1160, 760, ["lymphocyte", "neutrophil", "monocyte", "blast"] * 3, np.random.default_rng(21))


CORNERS = [(x, y) for y in (0, 280) for x in (0, 520)]
"""Of four fields of 640 x 480 that overlap by 120 and by 200 pixels."""


def _cut(film: DrawnField, folder: Path, name: str) -> None:
    folder.mkdir()
    for number, (x, y) in enumerate(CORNERS):
        tile = film.pixels[y : y + 480, x : x + 640]
        Image.fromarray(tile).save(folder / name.format(x=x, y=y, number=number), compress_level=1)


@pytest.mark.slow
def test_overlapping_fields_count_a_cell_once_where_their_names_say_where_they_lie(
    film: DrawnField, tmp_path: Path
) -> None:
    _cut(film, tmp_path / "film", "film_x{x}_y{y}.png")
    result = run("find", tmp_path / "film", "--out", tmp_path / "out", "--mpp", 0.0974)
    cells, rows = table(tmp_path / "out" / "cells.csv"), table(tmp_path / "out" / "fields.csv")
    counted = [cell for cell in cells if "seen again" not in cell["mark"]]
    whole = run("find", _whole(film, tmp_path), "--out", tmp_path / "alone", "--mpp", 0.0974, "--no-crops")
    alone = table(tmp_path / "alone" / "cells.csv")
    assert whole.exit_code == 0
    assert len(cells) > len(alone) + 2, "several cells lie where fields overlap"
    assert len(counted) == len(alone)
    at = {row["image"]: (float(row["x"]), float(row["y"])) for row in rows}
    for one in alone:
        middle = np.array([float(one["x"]) + float(one["width"]) / 2, float(one["y"]) + float(one["height"]) / 2])
        near = [
            cell
            for cell in counted
            if np.abs(
                np.array([float(cell["x"]) + float(cell["width"]) / 2, float(cell["y"]) + float(cell["height"]) / 2])
                + at[cell["image"]]
                - middle
            ).max()
            < 38
        ]
        assert len(near) == 1, one
    assert sum(int(row["cells"]) for row in rows) == len(counted)
    assert sum(int(row["seen_again"]) for row in rows) == len(cells) - len(counted)
    crops = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out" / "crops").rglob("*.png")}
    assert crops == {cell["crop"] for cell in counted}
    assert f"{len(counted)} white cells" in result.stdout
    assert f"{len(cells) - len(counted)} more that an overlapping field shows" in result.stdout
    assert "are not known" not in result.stdout


def _whole(film: DrawnField, folder: Path) -> Path:
    Image.fromarray(film.pixels).save(folder / "whole.png", compress_level=1)
    return folder / "whole.png"


@pytest.mark.slow
def test_where_nothing_tells_the_places_the_user_is_told_and_a_table_mends_it(film: DrawnField, tmp_path: Path) -> None:
    _cut(film, tmp_path / "film", "{number}.png")
    said = run("find", tmp_path / "film", "--out", tmp_path / "out", "--mpp", 0.1, "--no-crops").stdout
    assert "the places of 4 fields are not known: where they overlap, a cell counts twice" in said
    assert {row["seen_again"] for row in table(tmp_path / "out" / "fields.csv")} == {""}
    lines = [f"{number}.png,{x * 0.1},{y * 0.1}" for number, (x, y) in enumerate(CORNERS)]
    (tmp_path / "stage.csv").write_text("\n".join(["image,x_um,y_um", *lines]), encoding="utf-8")
    placed = ("--places", tmp_path / "stage.csv")
    said = run("find", tmp_path / "film", "--out", tmp_path / "out", "--mpp", 0.1, "--no-crops", *placed).stdout
    assert "more that an overlapping field shows as well" in said
    assert [(row["x"], row["y"]) for row in table(tmp_path / "out" / "fields.csv")] == [
        (f"{x:.1f}", f"{y:.1f}") for x, y in CORNERS
    ]


@pytest.mark.slow
def test_a_slide_as_a_scanner_writes_it(film: DrawnField, tmp_path: Path) -> None:
    """Tiles as JPEG, the scale in the description as Aperio writes it: cells, crops, and a map of fair parts."""
    path = tmp_path / "film.svs"
    tifffile.imwrite(
        path,
        film.pixels,
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": 92},
        description="Aperio Image Library v1\r\n1160x760 [0,0 1160x760] (256x256) JPEG/RGB Q=92|MPP = 0.0974",
        metadata=None,
    )
    result = run("find", path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    (row,) = table(tmp_path / "out" / "fields.csv")
    assert (row["scale_from"], float(row["red_cell_px"])) == ("slide", pytest.approx(77, abs=0.2))
    cells = table(tmp_path / "out" / "cells.csv")
    assert abs(len(cells) - len(film.cells)) <= 1
    with Image.open(tmp_path / "out" / cells[0]["crop"]) as crop:
        assert crop.size == (360, 360)
    (tile,) = table(tmp_path / "out" / "tiles.csv")
    assert (tile["cells"], tile["fair"]) == (str(len(cells)), "yes")
    assert {cell["fair"] for cell in cells} == {"yes"}
    assert "counting is fair in 1 of 1 parts of slides" in result.stdout
    assert "are not known" not in result.stdout
