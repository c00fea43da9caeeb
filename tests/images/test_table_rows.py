"""Which picture a row of a table is of: by its content where it states it, each file once however it is written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from PIL import Image

from hemosight.blood.counting import OFFERED
from hemosight.errors import BadTable, PathMissing
from hemosight.images import sources
from hemosight.images.sources import values
from hemosight.images.sources.columns import column_of, require_single
from hemosight.service.desk import label_import


def draw(path: Path, shade: int) -> str:
    """A picture of its own; its content id."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 24), (shade, 9, 7)).save(path, format="PNG")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(table: Path, content: str) -> tuple[dict[str, str | None], list[str]]:
    """Label of each picture by its path below the table's folder, and what was said but that it names no patients."""
    table.write_text(content)
    said: list[str] = []
    catalog = sources.read(table, say=said.append)
    below = [os.path.relpath(os.path.realpath(path), os.path.realpath(table.parent)) for path in catalog.paths]
    assert len(set(below)) == len(below), "a file counts once"
    told = [one for one in said if not one.startswith("no column of patients")]
    return dict(zip(below, catalog.labels(), strict=True)), told


# --- by content ---


def test_a_label_of_another_cell_of_the_same_name_lands_on_no_picture(tmp_path: Path) -> None:
    """Each case has a 0001.jpg: labels of case B read beside the pictures of case A."""
    draw(tmp_path / "A/0001.jpg", 1)
    second, other = draw(tmp_path / "A/0002.jpg", 2), draw(tmp_path / "elsewhere/0001.jpg", 3)
    text = f"path,label,sha256,case\n0001.jpg,lymphocyte,{other},B\n0002.jpg,blast,{second.upper()},A\n"
    found, said = read(tmp_path / "A/labels.csv", text)
    assert found == {"0002.jpg": "blast"}
    (told,) = said
    assert told.startswith("1 left out, because no picture here has the content (sha256) of the row: line 2: ")
    assert told.endswith("0001.jpg (another picture)")
    with pytest.raises(BadTable, match=r"content \(sha256\) that the rows state.*line 2"):
        read(tmp_path / "A/labels.csv", f"path,label,sha256\n0001.jpg,lymphocyte,{other}\n")
    with pytest.raises(PathMissing):
        read(tmp_path / "A/labels.csv", f"path,label,sha256\n0009.jpg,lymphocyte,{other}\n")


def test_the_id_of_a_catalogs_rows_is_their_content(tmp_path: Path) -> None:
    first, moved = draw(tmp_path / "0001.jpg", 1), draw(tmp_path / "B/0001.jpg", 2)
    text = f"id,path,label\n{moved},0001.jpg,lymphocyte\n{first},0001.jpg,ig\n"
    assert read(tmp_path / "t.csv", text) == ({"B/0001.jpg": "lymphocyte", "0001.jpg": "ig"}, [])
    assert read(tmp_path / "t.csv", "id,path,label\n7,0001.jpg,blast\n") == ({"0001.jpg": "blast"}, [])


def test_a_picture_is_found_by_content_though_another_one_has_its_name(tmp_path: Path) -> None:
    first, moved = draw(tmp_path / "0001.jpg", 1), draw(tmp_path / "B/renamed.jpg", 2)
    text = f"path,label,sha256\n0001.jpg,lymphocyte,{moved}\n0001.jpg,neutrophil,{first}\n"
    assert read(tmp_path / "t.csv", text) == ({"B/renamed.jpg": "lymphocyte", "0001.jpg": "neutrophil"}, [])


def test_a_name_below_the_folder_is_no_match_for_another_content(tmp_path: Path) -> None:
    draw(tmp_path / "B/0001.jpg", 1)
    own = draw(tmp_path / "B/0002.jpg", 2)
    text = f"path,label,sha256\n0001.jpg,blast,{'0' * 64}\n0002.jpg,ig,{own}\n"
    found, said = read(tmp_path / "t.csv", text)
    assert found == {"B/0002.jpg": "ig"}
    assert "line 2: " in said[0]
    assert said[0].endswith("0001.jpg (not there)")


def test_copies_of_a_picture_each_have_their_row(tmp_path: Path) -> None:
    sha = {draw(tmp_path / case / "0001.jpg", 1) for case in "AB"}.pop()
    text = f"path,label,sha256,case\n0001.jpg,ig,{sha},B\n0001.jpg,ig,{sha},A\n"
    (tmp_path / "t.csv").write_text(text)
    table = sources.read(tmp_path / "t.csv").table
    assert {(Path(path).parent.name, case) for path, case in table.select("path", "patient").rows()} == {
        ("A", "A"),
        ("B", "B"),
    }


def test_what_is_no_checksum_is_told_and_the_path_decides(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", 1)
    found, said = read(tmp_path / "t.csv", "path,label,sha256\n1.png,ig,d41d8cd9\n")
    assert (found, said) == ({"1.png": "ig"}, ["no sha256, so that the path alone says which picture it is: line 2"])
    assert read(tmp_path / "t.csv", "path,label,sha256\n1.png,ig,-\n") == ({"1.png": "ig"}, [])


# --- each file once ---


@pytest.mark.parametrize("other", ["{folder}/img/ly 0.JPG", "img/../img/ly 0.JPG", "./img//ly 0.JPG", "link/ly 0.JPG"])
def test_one_file_written_in_two_ways_is_one_file(tmp_path: Path, other: str) -> None:
    draw(tmp_path / "img/ly 0.JPG", 1)
    draw(tmp_path / "img/ly 1.JPG", 2)
    (tmp_path / "link").symlink_to("img")
    written = other.format(folder=tmp_path)
    rows = "path,label\nimg/ly 0.JPG,lymphocyte\nimg/ly 1.JPG,ig\n"
    found, said = read(tmp_path / "t.csv", f"{rows}{written},blast\n")
    assert found == {"img/ly 1.JPG": "ig"}
    assert "(line 2: lymphocyte, line 4: blast)" in said[0]
    found, said = read(tmp_path / "t.csv", f"{rows}{written},lymphocyte\n")
    assert found == {"img/ly 0.JPG": "lymphocyte", "img/ly 1.JPG": "ig"}
    assert said == ["1 picture stands in t.csv more than once with one label, and counts once"]


def test_names_that_differ_by_case_are_two_files_where_the_disk_has_two(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", 1)
    draw(tmp_path / "A.png", 2)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this disk takes both names for one file")
    assert read(tmp_path / "t.csv", "path,label\na.png,ig\nA.png,blast\n")[0] == {"a.png": "ig", "A.png": "blast"}


@pytest.mark.parametrize("written", ["img/ly%200.JPG", "img\\ly%200.JPG", "C:\\lab\\img\\ly%200.JPG", "ly%200.JPG"])
def test_a_path_written_as_in_an_url_is_decoded_where_the_plain_one_is_not_there(tmp_path: Path, written: str) -> None:
    draw(tmp_path / "img/ly 0.JPG", 1)
    assert read(tmp_path / "t.csv", f"path,label\n{written},ig\n") == ({"img/ly 0.JPG": "ig"}, [])
    draw(tmp_path / "img/ly%200.JPG", 2)
    assert read(tmp_path / "t.csv", f"path,label\n{written},ig\n")[0] == {"img/ly%200.JPG": "ig"}


@pytest.mark.parametrize("name", ["0001.png", "0001", "0001.PNG"])
def test_of_equal_names_in_every_case_the_rows_own_case_has_the_picture(tmp_path: Path, name: str) -> None:
    for shade, case in enumerate(("24-1", "B\u00e9", "24-3")):
        draw(tmp_path / f"img/{case}/0001.png", shade)
    rows = f"24-1,{name},ig\nbe\u0301,{name},blast\n24-3,{name},monocyte\n"
    found, said = read(tmp_path / "t.csv", "case,file,class\n" + rows)
    assert said == []
    assert found == {"img/24-1/0001.png": "ig", "img/B\u00e9/0001.png": "blast", "img/24-3/0001.png": "monocyte"}


def test_a_row_of_a_case_without_a_folder_takes_no_other_cases_picture(tmp_path: Path) -> None:
    draw(tmp_path / "A/0001.png", 1)
    draw(tmp_path / "0002.png", 2)
    found, said = read(tmp_path / "t.csv", "case,file,class\nA,0001.png,ig\nB,0001.png,blast\nB,0002.png,ig\n")
    assert found == {"A/0001.png": "ig", "0001.png": "blast", "0002.png": "ig"}
    assert said == []


def test_a_case_named_by_a_row_whose_path_is_right_keeps_its_pictures_too(tmp_path: Path) -> None:
    for name in ("0001.png", "0002.png"):
        draw(tmp_path / "B" / name, ord(name[3]))
    rows = "path,label,patient\nB/0001.png,lymphocyte,B\n0002.png,blast,A\n"
    found, said = read(tmp_path / "t.csv", rows)
    assert found == {"B/0001.png": "lymphocyte", "0002.png": "blast"}
    assert said == []


@pytest.mark.parametrize(("folder", "patient"), [("Patient_0{}", "{}"), ("{}", "P{}"), ("P{}", "case 0{}")])
def test_a_case_is_found_by_its_number_too(tmp_path: Path, folder: str, patient: str) -> None:
    for case in (1, 2):
        draw(tmp_path / folder.format(case) / "0001.png", case)
    draw(tmp_path / folder.format(2) / "0002.png", 3)
    rows = "".join(
        f"{name},{label},{patient.format(case)}\n"
        for name, label, case in (("0001.png", "ig", 1), ("0001.png", "blast", 2), ("0002.png", "monocyte", 1))
    )
    found, _ = read(tmp_path / "t.csv", f"path,label,patient\n{rows}")
    assert found == {
        f"{folder.format(1)}/0001.png": "ig",
        f"{folder.format(2)}/0001.png": "blast",
        "0002.png": "monocyte",  # the second patient's is none of the first
    }


def test_of_files_that_are_not_there_nobody_says_that_only_their_rows_differ(tmp_path: Path) -> None:
    for case in "AB":
        draw(tmp_path / case / "0001.png", ord(case))
    with pytest.raises(PathMissing, match=r"0001\.png"):
        read(tmp_path / "t.csv", "path,label\n0001.png,ig\n0001.png,blast\n")
    draw(tmp_path / "0002.png", 3)
    _, said = read(tmp_path / "t.csv", "path,label\n0001.png,ig\n0001.png,blast\n0002.png,ig\n")
    assert "no such file is there, and its rows differ" in said[0]


def test_a_table_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "0001.png", 1)
    with pytest.raises(BadTable, match="a picture whose rows have one label"):
        read(tmp_path / "t.csv", "path,label\n0001.png,ig\n0001.png,blast\n")


# --- columns and values ---


@pytest.mark.parametrize(
    "head",
    ["path,Label,label", "path,label,LABEL", "path,cell type,Cell_Type", "Path,path,label", "path,label,fold,Fold"],
)
def test_two_columns_that_are_one_are_refused(tmp_path: Path, head: str) -> None:
    draw(tmp_path / "1.png", 1)
    row = ",".join("1.png" if name.lower() == "path" else "ig" for name in head.split(","))
    with pytest.raises(BadTable, match=r"one column of each meaning; found the columns '.*' and '.*'"):
        read(tmp_path / "t.csv", f"{head}\n{row}\n")


def test_other_columns_may_differ_by_case_alone(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", 1)
    assert read(tmp_path / "t.csv", "path,label,note,Note,Name,name\n1.png,ig,a,b,c,d\n") == ({"1.png": "ig"}, [])


@pytest.mark.parametrize("header", ["path,label,Label %", "path,Label %,label", "Path,Class,Patient,Patient #"])
def test_a_column_with_further_signs_counts_where_there_is_none_without(header: str) -> None:
    columns = header.split(",")
    require_single(columns, "t.csv")
    assert [column_of(kind, columns) for kind in ("label", "patient")] in (["label", None], ["Class", "Patient"])
    assert column_of("patient", ["path", "Patient #"]) == "Patient #"


def test_an_import_of_labels_refuses_two_columns_of_labels() -> None:
    from hemosight.images.sources.cells import parse_cells

    table = parse_cells(b"path,Label,label\n1.png,ig,blast\n", "t.csv")
    with pytest.raises(BadTable, match="'Label' and 'label'"):
        label_import.plan(table, [], [], {}, file="t.csv")


def test_values_that_are_no_split_are_told(tmp_path: Path) -> None:
    for number in range(4):
        draw(tmp_path / f"{number}.png", number)
    rows = "".join(f"{number}.png,ig,{split}\n" for number, split in enumerate(["A", "train", "A", "NA"]))
    (tmp_path / "t.csv").write_text("path,label,split\n" + rows)
    said: list[str] = []
    table = sources.read(tmp_path / "t.csv", say=said.append).table
    assert table["official_split"].to_list() == [None, "train", None, None]
    assert said[1:] == ["no split (train, val or test), and left out: 'A' (2)"], "the first is of the patients"


@pytest.mark.parametrize(("head", "folds"), [("", ["fold1", None, "fold 2"]), (",fold", ["7", "7", "7"])])
def test_a_fold_in_a_value_of_the_splits_is_kept_where_there_is_no_other(
    tmp_path: Path, head: str, folds: list[str | None]
) -> None:
    for number in range(3):
        draw(tmp_path / f"{number}.png", number)
    rows = "".join(
        f"{number}.png,ig,{split}{head and ',7'}\n" for number, split in enumerate(["fold1_train", "test", "fold 2"])
    )
    (tmp_path / "t.csv").write_text(f"path,label,split{head}\n" + rows)
    said: list[str] = []
    table = sources.read(tmp_path / "t.csv", say=said.append).table
    assert (table["official_split"].to_list(), table["fold"].to_list()) == (["train", "test", None], folds)
    told = "the fold is that of its own column, where the split names another: line 2, line 4"
    assert said[1:] == ([told] if head else []), "the first is of the patients"


def test_a_fold_that_its_column_and_the_split_name_alike_is_worth_no_word(tmp_path: Path) -> None:
    rows = zip(("01", "fold 2", "Fold B"), ("fold1_train", "fold_2_test", "fold b"), strict=True)
    for number in range(3):
        draw(tmp_path / f"{number}.png", number)
    text = "".join(f"{number}.png,ig,{fold},{split}\n" for number, (fold, split) in enumerate(rows))
    assert read(tmp_path / "t.csv", f"path,label,fold,split\n{text}")[1] == []


@pytest.mark.parametrize("content", ["path,label\n", "path,label\n,\n\n", "id,path,label,width,height\n"])
def test_a_table_without_a_row_says_so(tmp_path: Path, content: str) -> None:
    with pytest.raises(BadTable, match="expected a row for each picture; found no row"):
        read(tmp_path / "t.csv", content)


def settled(*labels: str) -> tuple[list[str | None], list[str]]:
    rows = [{"path": str(k), "label": label} for k, label in enumerate(labels)]
    said: list[str] = []
    values.settle(rows, said.append)
    return [row["label"] for row in rows], said


def test_what_spreadsheets_and_programs_write_for_nothing_is_no_label() -> None:
    assert settled("NaT", "#VALUE!", "#REF!", "#NAME?", "#DIV/0!", "#N/A", "n.d.", "n. d.", "ig") == (
        [None] * 8 + ["ig"],
        [],
    )


def test_a_name_with_a_question_mark_is_unsure() -> None:
    found, said = settled("not sure", "(?)", "?neutrophil", "Blast (?)", "hairy cell?", "hairy cell")
    assert found == [None] * 5 + ["hairy cell"]
    assert said == [
        "5 unsure ('?', '?neutrophil', 'Blast (?)', 'hairy cell?'), which count as without a label",
    ]
    found, said = settled("my own?", "\u00b1 ?")
    assert found == ["my own?", "\u00b1 ?"]
    assert said == [f"{name!r} is kept as a class of its own; unsure is written as '?'" for name in found]


@pytest.mark.parametrize("name", ["band neutrophil", "Band-Neutrophil", "BNE", "NGB", "stab"])
def test_bands_are_proposed_as_bands(name: str) -> None:
    told = [f"{name!r} is kept as it is; HemoSight's own name for it would be band_neutrophil"]
    assert settled(name) == ([name], told)
    assert settled(name, "neutrophil") == ([name, "neutrophil"], told)
    assert settled("band_neutrophil", "neutrophil")[1] == []
    assert settled(name, "band_neutrophil")[1] == [
        f"{name!r} and 'band_neutrophil' are kept apart; if they are one class (band_neutrophil), give them one name"
    ]
    assert "band_neutrophil" in OFFERED


# --- paths that no file can have ---


@pytest.mark.parametrize(
    "path", ["b\0.png", "file://[x", "https://[x/data/b.png", "/data/local-files/?x=1", f"https://h/{'b' * 300}.png"]
)
def test_a_path_that_no_file_can_have_is_not_there_and_the_others_are_kept(tmp_path: Path, path: str) -> None:
    draw(tmp_path / "a.png", 1)
    draw(tmp_path / "c.png", 2)
    table = tmp_path / "t.csv"
    table.write_text(f"path,label\na.png,ig\n{path},blast\n")
    catalog = sources.read(table)
    assert catalog.labels() == ["ig", "blast"]
    assert [os.path.exists(place) for place in catalog.paths] == [True, False]
    assert catalog.readable().labels() == ["ig"]
    catalog.write(tmp_path / "catalog.csv")
    assert len(sources.read(tmp_path / "catalog.csv")) == 2


def test_pictures_that_are_hashed_for_one_wrong_checksum_are_counted_out(tmp_path: Path) -> None:
    *_, own = (draw(tmp_path / f"{number}.png", number) for number in range(5))
    table, seen = tmp_path / "t.csv", list[tuple[int, int]]()
    table.write_text(f"path,label,sha256\n4.png,ig,{own}\n3.png,blast,{'0' * 64}\n")
    sources.read(table, progress=lambda done, total: seen.append((done, total)))
    stated, below, kept = [(1, 2), (2, 2)], [(done, 5) for done in range(1, 6)], [(1, 1)]
    assert seen == stated + below + kept
