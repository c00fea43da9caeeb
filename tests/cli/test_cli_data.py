from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner, Result

from hemosight.cli import app, main
from hemosight.images import sources
from hemosight.images.catalog import Catalog


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


Failed = Callable[..., tuple[int | str | None, str]]


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Failed:
    """Exit code and stderr of the installed program, which says faults in its own words; as here, without its start."""

    def run(*arguments: str | Path) -> tuple[int | str | None, str]:
        monkeypatch.setattr(sys, "argv", ["hemosight", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, capsys.readouterr().err

    return run


def draw(root: Path, *names: str) -> Path:
    for k, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        # A frame whose thickness differs: alike in size, unlike in content.
        image = Image.new("RGB", (80, 80), (250, 230, 220))
        image.paste((90, 20 * k, 120), (4 + 9 * k, 10, 50 + 3 * k, 30 + 6 * k))
        image.save(root / name, format="PNG")
    return root


def test_the_list_names_every_set_its_licence_and_what_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEMOSIGHT_DATA", str(tmp_path))
    draw(tmp_path / "PBC_dataset_normal_DIB", "ig/MY_1.jpg", "ig/MY_2.jpg")
    draw(tmp_path / "our lab", "band/1.png")
    result = run("list")
    assert result.exit_code == 0
    for source in sources.SOURCES.values():
        assert f"{source.name}: {source.title}" in result.stdout
        assert source.licence in result.stdout
        assert source.citation in result.stdout
    assert "17,092 files (17,075 distinct), 8 classes; 2 on disk" in result.stdout
    assert "18,365 files, 9 classes; not on disk" in result.stdout
    assert "our lab: 1 images of your own" in result.stdout
    assert all(kind in result.stdout for kind in sources.KINDS)


def test_what_is_not_counted_is_told_apart_and_a_set_of_unknown_size_says_so(tmp_path: Path):
    draw(tmp_path / "JHU_AML", "smudge/Patient_00__SMU_1.jpg", "blast/Patient_00__BL_2.jpg")
    listed = run("list", "--at", tmp_path).stdout
    assert "size not stated; 2 on disk" in listed
    assert "by hand from https://doi.org/10.6084/m9.figshare.14294675" in listed
    added = run("add", tmp_path, "--out", tmp_path / "c.csv").stdout
    assert "uncounted: smudge              1" in added
    assert "patients: 1" in added


def test_the_list_works_before_there_is_any_folder(tmp_path: Path):
    result = run("list", "--at", tmp_path / "none")
    assert result.exit_code == 0
    assert "no such folder yet" in result.stdout


def test_add_writes_a_catalog_and_tells_what_is_in_it(tmp_path: Path):
    root = draw(tmp_path / "export", "24-1/Segmented neutrophils/1.png", "24-2/Monocytes/2.png", "24-2/Monocytes/3.png")
    (root / "24-2/Monocytes/4.png").write_bytes(b"broken")
    out = tmp_path / "c.parquet"
    result = run("add", root, "--scale", "0.8", "--out", out)
    assert result.exit_code == 0
    assert "export (scale 0.8)" in result.stdout
    assert "monocyte                       3" in result.stdout
    assert "patients: 2" in result.stdout
    assert f"4 cells -> {out}" in result.stdout
    assert "1 of them cannot be read" in result.stdout
    catalog = Catalog.read(out)
    assert catalog.labels() == ["neutrophil", "monocyte", "monocyte", "monocyte"]
    assert catalog.table["patient"].to_list() == ["24-1", "24-2", "24-2", "24-2"]
    assert set(catalog.table["scale"]) == {0.8}


def test_add_takes_a_layout_and_a_scale_for_each_source(tmp_path: Path):
    draw(tmp_path / "in" / "PBC_dataset_normal_DIB", "ig/MY_1.jpg")
    draw(tmp_path / "in" / "LMU_AML", "blast/MYO_0001.jpg")
    out = tmp_path / "c.csv"
    assert run("add", tmp_path / "in", "--scale", "lmu_aml=0.73", "--scale", "pbc=1", "--out", out).exit_code == 0
    assert dict(pl.read_csv(out).select("source", "scale").rows()) == {"pbc": 1.0, "lmu_aml": 0.73}
    done = run("add", tmp_path / "in", "--as", "folder", "--out", out)
    assert (done.exit_code, "patients: 0" in done.stdout) == (0, True)
    assert set(Catalog.read(out).labels()) == {"ig", "blast"}


@pytest.mark.parametrize("scale", ["big", "lmu_aml=", "0", "-1", "nan", "1e9"])
def test_a_scale_that_is_none_is_refused(tmp_path: Path, scale: str):
    root = draw(tmp_path / "in", "a/1.png")
    result = run("add", root, f"--scale={scale}", "--out", tmp_path / "c.csv")
    assert result.exit_code == 2
    assert "SOURCE=X" in result.stderr


def test_add_never_overwrites_what_it_reads(tmp_path: Path):
    draw(tmp_path, "1.png")
    table = tmp_path / "labels.csv"
    table.write_text("path,label,remark\n1.png,ig,mine\n")
    result = run("add", table, "--out", table)
    assert result.exit_code == 2
    assert "would overwrite" in result.stderr
    assert table.read_text() == "path,label,remark\n1.png,ig,mine\n"
    assert run("add", table, "--out", tmp_path / "c.txt").exit_code == 2


def test_check_is_clean_with_code_0(tmp_path: Path):
    result = run("check", draw(tmp_path, "a/1.png", "b/2.png"))
    assert result.exit_code == 0
    assert "2 cells: 2 distinct files, 2 distinct cells" in result.stdout


def test_copies_alone_need_no_mending(tmp_path: Path):
    draw(tmp_path, "a/1.png")
    (tmp_path / "a/2.png").write_bytes((tmp_path / "a/1.png").read_bytes())
    result = run("check", tmp_path)
    assert result.exit_code == 0
    assert f"  {tmp_path}/a/1.png\n    = {tmp_path}/a/2.png" in result.stdout


def test_conflicts_and_unreadable_files_give_code_1_from_folder_and_catalog(tmp_path: Path):
    root = draw(tmp_path / "in", "neutrophil/1.png")
    (root / "eosinophil").mkdir()
    (root / "eosinophil/2.png").write_bytes((root / "neutrophil/1.png").read_bytes())
    conflict = run("check", root)
    assert conflict.exit_code == 1
    assert f"  {root}/eosinophil/2.png: eosinophil\n    {root}/neutrophil/1.png: neutrophil" in conflict.stdout
    (root / "eosinophil/2.png").write_bytes(b"<html>")
    run("add", root, "--out", tmp_path / "c.parquet")
    unreadable = run("check", tmp_path / "c.parquet", "--json", tmp_path / "new" / "report.json")
    assert unreadable.exit_code == 1
    assert "text or another kind of document" in unreadable.stdout
    report = json.loads((tmp_path / "new" / "report.json").read_text())
    assert [Path(row["path"]).name for row in report["unreadable"]] == ["2.png"]


def test_the_report_can_go_to_stdout_alone(tmp_path: Path):
    result = run("check", draw(tmp_path, "a/1.png"), "--json", "-")
    assert json.loads(result.stdout)["cells"] == 1


def test_long_lists_are_cut_and_say_so(tmp_path: Path):
    (tmp_path / "a").mkdir()
    for k in range(25):
        (tmp_path / "a" / f"{k}.png").write_bytes(b"x%d" % k)
    result = run("check", tmp_path)
    assert "and 5 more: --json FILE lists all" in result.stdout


def test_faults_are_one_message_and_code_2(tmp_path: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch):
    code, says = failed("check", tmp_path / "nowhere")
    assert (code, "no such path" in says, "Traceback" in says) == (2, True, False)
    code, says = failed("get", "raabin")
    assert (code, "pbc, lmu_aml, jhu_aml, chula, wbcatt" in says) == (2, True)
    monkeypatch.setenv("HEMOSIGHT_DATA", str(tmp_path))
    code, says = failed("get", "lmu_aml")
    assert (code, "--as lmu_aml" in says) == (2, True)


def test_get_leaves_what_is_there_and_tells_how_to_cite_it(tmp_path: Path):
    draw(tmp_path / "PBC_dataset_normal_DIB", "ig/MY_1.jpg")
    result = run("get", "pbc", "--to", tmp_path)
    assert result.exit_code == 0
    assert f"pbc is in {tmp_path}/PBC_dataset_normal_DIB" in result.stdout
    assert "licence: CC BY 4.0" in result.stdout
    assert "Acevedo" in result.stdout
    assert "note: 1 images of 17,092 published ones are there" in result.stdout
    assert "already" in result.stderr


@pytest.mark.data
@pytest.mark.skipif("HEMOSIGHT_DATA" not in os.environ, reason="HEMOSIGHT_DATA names no folder of crops")
def test_the_real_sets_through_the_command_line(tmp_path: Path):
    home = os.environ["HEMOSIGHT_DATA"]
    assert run("add", home, "--scale", "lmu_aml=0.73", "--out", tmp_path / "c.parquet").exit_code == 0
    catalog = Catalog.read(tmp_path / "c.parquet")
    assert len(catalog.attributes) == 11
    assert set(catalog.where(pl.col("source") == "lmu_aml").table["scale"]) == {0.73}


def test_a_dry_run_is_of_folders(tmp_path: Path):
    table = tmp_path / "labels.csv"
    table.write_text("path,label\na.png,ig\n")
    result = run("add", table, "--dry-run", "--out", tmp_path / "c.parquet")
    assert result.exit_code == 2
    assert "a table says it itself" in result.output


def test_a_dry_run_prints_the_tree_as_it_is_understood_and_writes_nothing(tmp_path: Path):
    root = draw(tmp_path / "in", *[f"fold_{k}/{label}/{label}{k}.png" for k in range(2) for label in ("all", "hem")])
    result = run("add", root, "--dry-run", "--out", tmp_path / "c.parquet")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["fold_0/all/", "1", "class", "all,", "fold", "fold_0,", "source", "in"] in lines
    assert "4 pictures; nothing was read or written" in result.stdout
    assert not (tmp_path / "c.parquet").exists()


def test_add_says_what_each_level_is_where_it_is_told(tmp_path: Path, failed: Failed):
    root = draw(tmp_path / "in", *[f"{a}/{b}/{a}{b}.png" for a in ("munich", "barcelona") for b in ("ALL", "AML")])
    code, said = failed("add", root, "--out", tmp_path / "c.csv")
    assert code == 2
    assert "--folders source/class" in said
    assert run("add", root, "--folders", "source/class", "--out", tmp_path / "c.csv").exit_code == 0
    assert set(Catalog.read(tmp_path / "c.csv").table["source"]) == {"munich", "barcelona"}


@pytest.mark.parametrize(
    ("names", "across"),
    [
        (("train/a/1.png", "test/a/2.png"), "official_split"),
        (("fold_0/a/1.png", "fold_1/a/2.png"), "fold"),
        (("24-1/Monocytes/1.png", "24-2/Monocytes/2.png"), "patient"),
        (("labA/Case_1/Monocytes/1.png", "labB/Case_1/Monocytes/2.png"), "patient"),
        (("Patient_1/monocyte/MO_0001.png", "Patient_2/monocyte/MO_0001.png"), "patient"),
    ],
)
def test_copies_on_both_sides_of_a_boundary_are_found_and_strict_is_not_content(
    tmp_path: Path, names: tuple[str, str], across: str
):
    root = draw(tmp_path / "in", *names)
    first, second = (root / name for name in names)
    Image.open(first).save(second, format="BMP")  # other bytes, the same picture
    loose = run("check", root)
    assert loose.exit_code == 0
    assert f"({across})" in loose.stdout
    assert "copies that straddle       1" in loose.stdout
    assert run("check", root, "--strict").exit_code == 1
    second.unlink()
    assert run("check", root, "--strict").exit_code == 0


@pytest.mark.slow
def test_bits_are_kept_by_the_catalog_and_heeded_by_whatever_reads_it(tmp_path: Path, drawn_catalog: Catalog) -> None:
    shown = np.asarray(Image.open(drawn_catalog.paths[0]).convert("RGB"))
    folder, catalog = tmp_path / "crops" / "neutrophil", tmp_path / "catalog.parquet"
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "deep.tif", np.rint(shown / 255 * 1023).astype(np.uint16), photometric="rgb")
    assert run("add", folder.parent, "--out", catalog).exit_code == 0
    unread = run("check", catalog)
    assert (unread.exit_code, "--bits 12" in unread.output) == (1, True)
    assert run("check", catalog, "--bits", "10").exit_code == 0
    assert run("add", folder.parent, "--bits", "10", "--out", catalog).exit_code == 0
    assert run("check", catalog).exit_code == 0, "the catalog knows"
    for source, options in ((catalog, []), (folder.parent, ["--bits", "10"])):
        out = tmp_path / "cells.safetensors"
        done = CliRunner().invoke(app, ["embed", "--data", str(source), "--out", str(out), *options])
        assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, f"1 cells -> {out}"), done.output


def test_whatever_reads_a_table_says_which_rows_it_leaves_out(tmp_path: Path, drawn_catalog: Catalog) -> None:
    from hemosight.images.catalog import content_id

    one, other = (path.read_bytes() for path in drawn_catalog.paths[:2])
    (tmp_path / "0001.png").write_bytes(one)
    (tmp_path / "0002.png").write_bytes(other)
    rows = f"0001.png,ig,{content_id(one)}\n0002.png,blast,{'0' * 64}\n"
    (tmp_path / "labels.csv").write_text("path,label,sha256\n" + rows)
    out = tmp_path / "cells.safetensors"
    done = CliRunner().invoke(app, ["embed", "--data", str(tmp_path / "labels.csv"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "1 left out, because no picture here has the content (sha256) of the row: line 3" in done.stderr
    assert done.stdout.splitlines()[-1] == f"1 cells -> {out}"
