"""`hemosight classify` as its user types it: a row for every input, in order, whatever some of the files are."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner, Result

from hemosight.cli import app, main
from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.images import pixel_scale
from hemosight.images.catalog import Catalog
from hemosight.images.decode import decode
from hemosight.space.familiarity import Familiarity

NINE = ["basophil", "blast", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil", "platelet"]


@pytest.fixture(scope="module")
def bundle_file(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle.save(tmp_path_factory.mktemp("bundle") / "tiny.hemosight")


Classify = Callable[..., Result]


@pytest.fixture(scope="module")
def classify(bundle_file: Path) -> Classify:
    def run(*words: object) -> Result:
        return CliRunner().invoke(app, ["classify", "--bundle", str(bundle_file), *map(str, words)])

    return run


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _awkward(cell: bytes, slide: bytes) -> dict[str, tuple[bytes, str]]:
    """Files that laboratories really have: bytes, and a word of the status they must get."""
    image = Image.fromarray(decode(cell))
    sixteen = io.BytesIO()
    tifffile.imwrite(sixteen, np.asarray(image).astype(np.uint16) * 257, photometric="rgb")
    return {
        "a_fine.jpg": (cell, "ok"),
        "b_truncated.jpg": (cell[: len(cell) // 3], "truncated"),
        "c_empty.jpg": (b"", "empty"),
        "d_text.jpg": (b"Patient moved, no slide today.", "text"),
        "e_onebyone.png": (_encoded(Image.new("RGB", (1, 1)), "PNG"), "1 x 1"),
        "f_slide.png": (slide, "400 megapixels"),
        "g_cmyk.jpg": (_encoded(image.convert("CMYK"), "JPEG", quality=95), "ok"),
        "h_sixteen.tif": (sixteen.getvalue(), "ok"),
        "i_grey.png": (_encoded(image.convert("L"), "PNG"), "without colour"),
        "j_palette.png": (_encoded(image.convert("P"), "PNG"), "ok"),
        "k_alpha.png": (_encoded(image.convert("RGBA"), "PNG"), "ok"),
        "l_fine.bmp": (_encoded(image, "BMP"), "ok"),
        "m_fine.webp": (_encoded(image, "WEBP", lossless=True), "ok"),
    }


def test_awkward_files_each_get_a_row_and_cost_no_other(
    classify: Classify, drawn_catalog: Catalog, slide: bytes, tmp_path: Path
) -> None:
    cell = drawn_catalog.paths[0].read_bytes()
    folder = tmp_path / "crops"
    folder.mkdir()
    files = _awkward(cell, slide)
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    (folder / "notes.txt").write_text("not an image by its name: passed over in a folder")

    result = classify(folder, "--out", tmp_path / "out.csv")

    assert result.exit_code == 3, result.output
    table = pl.read_csv(tmp_path / "out.csv")
    assert table.columns == ["path", "label", "probability", *NINE, "novelty", "status"]
    assert [Path(path).name for path in table["path"]] == sorted(files)
    for name, status, label in zip(sorted(files), table["status"], table["label"], strict=True):
        word = files[name][1]
        assert word in status, f"{name}: {status}"
        assert (label is not None) == (word == "ok")
    # The same cell in another container is the same cell.
    by_name = dict(zip(sorted(files), table["label"], strict=True))
    assert len({by_name[name] for name in ("a_fine.jpg", "g_cmyk.jpg", "h_sixteen.tif", "l_fine.bmp")}) == 1


@pytest.mark.slow
@given(order=st.permutations(range(6)))
@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_in_input_order(classify: Classify, drawn_catalog: Catalog, tmp_path: Path, order: list[int]) -> None:
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(b"\xff\xd8\xff")
    inputs = [*drawn_catalog.paths[:50:10], torn]
    chosen = [inputs[i] for i in order]
    result = classify(*chosen, "--out", tmp_path / "rows.parquet")
    assert result.exit_code == 3
    table = pl.read_parquet(tmp_path / "rows.parquet")
    assert table["path"].to_list() == [str(path) for path in chosen]
    assert [label is None for label in table["label"]] == [path == torn for path in chosen]


@pytest.mark.slow
def test_probabilities_are_of_the_label(classify: Classify, drawn_smear: Path, tmp_path: Path) -> None:
    assert classify(drawn_smear, "--out", tmp_path / "out.json").exit_code == 0
    rows = json.loads((tmp_path / "out.json").read_text())
    assert len(rows) == 72
    for row in rows:
        assert sum(row[name] for name in NINE) == pytest.approx(1.0, abs=1e-6)
        assert row[row["label"]] == row["probability"] == max(row[name] for name in NINE)
    # The tiny bundle was fitted on these very cells.
    assert np.mean([row["label"] == Path(row["path"]).parent.name for row in rows]) > 0.8


def test_without_out_another_program_reads_csv(classify: Classify, drawn_smear: Path) -> None:
    result = classify(drawn_smear / "blast")
    assert result.exit_code == 0
    table = pl.read_csv(io.StringIO(result.stdout))
    assert table.height == 8
    assert set(table["status"]) == {"ok"}


@pytest.mark.parametrize("as_table", [False, True])
def test_support_replaces_the_labels(
    classify: Classify, drawn_smear: Path, drawn_catalog: Catalog, tmp_path: Path, as_table: bool
) -> None:
    """Two classes of a laboratory's own, three cells each, from a folder or a table."""
    own = {"with_lobes": drawn_catalog.paths[56:59], "without": drawn_catalog.paths[40:43]}
    if as_table:
        support = tmp_path / "labels.csv"
        rows = [f"{path},{label}" for label, paths in own.items() for path in paths]
        support.write_text("path,label\n" + "\n".join(rows) + "\n")
    else:
        support = tmp_path / "support"
        for label, paths in own.items():
            (support / label).mkdir(parents=True)
            for path in paths:
                (support / label / path.name).write_bytes(path.read_bytes())
    crops = [drawn_smear / "neutrophil", drawn_smear / "lymphocyte"]
    result = classify(*crops, "--support", support, "--out", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    table = pl.read_csv(tmp_path / "out.csv")
    assert table.columns == ["path", "label", "probability", "with_lobes", "without", "novelty", "status"]
    expected = ["with_lobes" if Path(path).parent.name == "neutrophil" else "without" for path in table["path"]]
    assert np.mean([a == b for a, b in zip(table["label"], expected, strict=True)]) > 0.8


def test_crops_that_are_support_cells_are_told(classify: Classify, drawn_smear: Path) -> None:
    """Reading cells by their own labels looks like perfection."""
    labels = drawn_smear / "labels.csv"
    itself = classify("--support", labels, "--scale", 1, *sorted(drawn_smear.rglob("*.jpg"))[:5])
    assert "5 of these crops are labelled cells of --support" in itself.stderr
    assert "labelled cells of --support" not in classify("--scale", 1, *sorted(drawn_smear.rglob("*.jpg"))[:5]).stderr


def test_what_cannot_be_answered_is_refused_before_crops_are_measured(
    classify: Classify, drawn_smear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "stream", lambda *_, **__: pytest.fail("read"))
    with monkeypatch.context() as unmeasured:
        unmeasured.setattr(pixel_scale, "measure_each", lambda *_: pytest.fail("measured"))
        refused = str(classify("--label-set", "colour", drawn_smear).exception)
    assert "label set to be one of" in refused
    rows = pl.read_csv(drawn_smear / "labels.csv").select(path=str(drawn_smear) + "/" + pl.col("path"), label="label")
    rows.with_columns(label=pl.col("label").replace({"blast": "status"})).write_csv(tmp_path / "labels.csv")
    named = classify("--support", tmp_path / "labels.csv", drawn_smear)
    assert "found a class 'status' in the labels. Rename the class." in str(named.exception)


def test_another_label_set(classify: Classify, drawn_smear: Path, tmp_path: Path) -> None:
    result = classify(drawn_smear / "neutrophil", "--label-set", "nucleus_shape", "--out", tmp_path / "out.csv")
    assert result.exit_code == 0
    assert "segmented-multilobed" in pl.read_csv(tmp_path / "out.csv").columns


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "no such path: nowhere"),
        (["{empty}"], "none in"),
        (["{cell}", "--label-set", "mood"], "cell_type"),
        (["{cell}", "--out", "table.xlsx"], ".parquet"),
        (["{cell}", "--bundle", "nowhere.hemosight"], "no such path"),
        (["{cell}", "--support", "nowhere"], "no such path"),
        (["{cell}", "--support", "{one}"], "only 'blast'"),
    ],
    ids=["missing", "empty", "label-set", "format", "bundle", "support", "one-class"],
)
def test_mistakes_say_how_to_mend_them(
    words: list[str],
    expected: str,
    drawn_smear: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one" / "blast").mkdir(parents=True)
    cell = drawn_smear / "blast" / "blast_0001.jpg"
    (tmp_path / "one" / "blast" / "1.jpg").write_bytes(cell.read_bytes())
    places = {"empty": tmp_path / "empty", "one": tmp_path / "one", "cell": cell}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["hemosight", "classify", *(word.format(**places) for word in words)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert expected in said
    assert "Traceback" not in said


def test_what_is_passed_over_is_counted_in_the_last_line(
    classify: Classify, drawn_catalog: Catalog, tmp_path: Path
) -> None:
    cell = drawn_catalog.paths[0].read_bytes()
    folder = tmp_path / "crops"
    (folder / "@eaDir").mkdir(parents=True)
    for name in ("a.jpg", "b.jfif", "c", "d.jpe", "notes.txt", "@eaDir/a.jpg"):
        (folder / name).write_bytes(b"notes" if name == "notes.txt" else cell)
    result = classify(folder, "--out", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "4 crops: 4 read, 0 not readable, 2 passed over (.txt 1, @eaDir 1)"
    (folder / "f.dcm").write_bytes(cell)
    (folder / "g.jpg.bak").write_bytes(cell)
    result = classify(folder, "--out", tmp_path / "out.csv")
    assert result.exit_code == 3, "pictures were passed over"
    assert result.output.splitlines()[-1].endswith(
        "4 passed over (.bak 1, .dcm 1, .txt 1, @eaDir 1), pictures among them: f.dcm, g.jpg.bak"
    )
    # Beside a table on stdout the line goes to stderr.
    assert pl.read_csv(io.StringIO(classify(folder).stdout)).height == 4


def test_one_bad_item_costs_its_own_row(classify: Classify, drawn_catalog: Catalog, tmp_path: Path) -> None:
    cell = drawn_catalog.paths[0].read_bytes()
    folder = tmp_path / "crops"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(cell)
    with open(os.fsencode(folder) + b"/caf\xe9\n.jpg", "wb") as file:
        file.write(cell)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "gone.jpg").symlink_to("nowhere")
    for suffix in ("csv", "json", "parquet"):
        result = classify(folder, "--out", tmp_path / f"out.{suffix}")
        assert result.exit_code == 3, result.output
    table = pl.read_csv(tmp_path / "out.csv")
    assert [Path(path).name for path in table["path"]] == [
        "caf\\xe9\n.jpg",
        "gone.jpg",
        "good.jpg",
        "pipe.jpg",
        "zero.jpg",
    ]
    assert [status[:25] for status in table["status"]].count("ok") == 2
    assert "a pipe" in table["status"][3]
    assert "a device" in table["status"][4]


def test_bits_decide_where_a_file_does_not_say(classify: Classify, drawn_catalog: Catalog, tmp_path: Path) -> None:
    pixels = decode(drawn_catalog.paths[0].read_bytes())
    Image.fromarray(pixels).save(tmp_path / "eight.png")
    tifffile.imwrite(tmp_path / "twelve.tif", pixels.astype(np.uint16) * 16, photometric="rgb")
    files = (tmp_path / "eight.png", tmp_path / "twelve.tif")
    refused = pl.read_csv(io.StringIO(classify(*files).stdout))
    assert refused["label"].null_count() == 1
    assert "--bits 12" in refused["status"][1]
    read = pl.read_csv(io.StringIO(classify(*files, "--bits", "12").stdout))
    assert read["label"].n_unique() == 1
    assert abs(read["probability"][0] - read["probability"][1]) < 0.03


def test_a_foreign_folder_is_told_in_one_line_and_its_rows_say_unfamiliar(
    tiny_bundle: Bundle, drawn_catalog: Catalog, tmp_path: Path
) -> None:
    wary = tiny_bundle.with_familiarity(Familiarity(limit=0.0, growth=1.0)).save(tmp_path / "wary.hemosight")
    crops = [str(path) for path in drawn_catalog.paths[:4]]
    done = CliRunner().invoke(app, ["classify", "--bundle", str(wary), "--blast-suspicion", *crops])
    assert done.exit_code == 0
    rows = pl.read_csv(io.StringIO(done.stdout))
    assert rows["status"].to_list() == ["unfamiliar"] * 4
    assert rows["label"].null_count() == 0
    assert rows.columns[-1] == "blast_suspicion"
    (line,) = (said for said in done.stderr.splitlines() if "unfamiliar" in said)
    assert line.startswith("4 of 4 cells (100%) are unfamiliar (median novelty ")
    assert "--support" in line


def test_a_known_folder_has_no_such_line_nor_column(classify: Classify, drawn_catalog: Catalog) -> None:
    done = classify(*drawn_catalog.paths[:4])
    assert "unfamiliar" not in done.output
    assert "blast_suspicion" not in done.stdout
