"""Tables of labels as people and programs save them, and labels as people write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from hemosight.errors import BadTable
from hemosight.images import sources
from hemosight.images.catalog import Catalog
from hemosight.images.names import from_text, one_line, to_text
from hemosight.images.sources import values

ROWS = [(f"img/cell {k}.JPG", "neutrophil" if k < 3 else "lymphocyte") for k in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "img").mkdir()
    for k, (path, _) in enumerate(ROWS):
        Image.new("RGB", (20, 24), (k, 9, 7)).save(tmp_path / path, format="PNG")
    return tmp_path


def csv(rows: list[tuple[str, str]], sep: str = ",", head: str = "path,label") -> str:
    return "".join(sep.join(row) + "\n" for row in [tuple(head.split(",")), *rows])


def read(folder: Path, content: str | bytes, name: str = "t.csv") -> tuple[dict[str, str | None], list[str]]:
    """Label of each file name, and what was said but that it names no patients."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    said: list[str] = []
    catalog = sources.read(folder / name, say=said.append)
    assert catalog.table["width"].null_count() == 0, catalog.table["path"].to_list()
    told = [one for one in said if not one.startswith("no column of patients")]
    return {Path(path).name: label for path, label in catalog.table.select("path", "label").rows()}, told


EXPECTED = {Path(path).name: label for path, label in ROWS}


@pytest.mark.parametrize(
    "content",
    [
        csv(ROWS),
        csv(ROWS, sep=";"),
        csv(ROWS, sep="\t"),
        csv(ROWS, sep="|"),
        "sep=;\n" + csv(ROWS, sep=";"),
        "sep=\t\n" + csv(ROWS, sep="\t"),
        csv(ROWS).encode("utf-16"),
        csv(ROWS, sep="\t").encode("utf-16-le"),
        b"\xef\xbb\xbf" + csv(ROWS).encode(),
        csv(ROWS).replace("\n", "\r\n"),
        csv(ROWS) + ",\n,\n\n",
        csv(ROWS) + "\x1a",
        '"sep=;"\r\n' + csv(ROWS, sep=";"),
        csv(ROWS).encode("utf-32"),
        "Cells of March\n\n" + csv(ROWS),
        "# one\n# two\n" + csv(ROWS, sep=";"),
        csv(ROWS, head="Path,Label"),
        csv(ROWS, head="Filename,Class"),
        csv(ROWS, head=" name ,cell_type"),
        csv([(path.replace("/", "\\"), label) for path, label in ROWS]),
        csv([(f"C:\\lab\\{path}".replace("/", "\\"), label) for path, label in ROWS]),
        csv([(f"file:///data/{path}".replace(" ", "%20"), label) for path, label in ROWS]),
        csv([(f" {path} ", f"{label} ") for path, label in ROWS]),
        csv([(f'"{path}"', f'"{label}"') for path, label in ROWS]),
        csv([(path, label, "a remark; with, both") for path, label in ROWS], sep="\t", head="path,label,remark"),  # pyright: ignore[reportArgumentType]
    ],
    ids=[
        *("comma", "semicolon", "tab", "bar", "sep line", "sep tab", "utf16", "utf16 without mark", "bom", "crlf"),
        *(
            "blank lines",
            "end of file",
            "quoted sep line",
            "utf32",
            "title",
            "comments",
            "capitals",
            "filename,class",
            "name",
            "backslash",
            "drive",
            "url",
            "blanks",
            "quoted",
            "remark",
        ),
    ],
)
def test_a_table_is_read_however_it_was_saved(folder: Path, content: str | bytes) -> None:
    assert read(folder, content)[0] == EXPECTED


def test_a_workbook_is_read(folder: Path, workbook: Callable[[Path, list[tuple[str, ...]]], None]) -> None:
    workbook(folder / "t.xlsx", [("path", "label"), *ROWS])
    assert read(folder, (folder / "t.xlsx").read_bytes(), "t.xlsx")[0] == EXPECTED


def test_a_workbook_that_names_a_cell_at_the_end_of_the_sheet_ends_nothing(
    folder: Path, workbook: Callable[[Path, list[tuple[str, ...]]], None]
) -> None:
    """Some hundred bytes ask for 500 GB of room: the process that reads them may not have it, and we go on."""
    import zipfile

    workbook(folder / "t.xlsx", [("path", "label"), *ROWS])
    with zipfile.ZipFile(folder / "t.xlsx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    last = b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
    parts[sheet] = parts[sheet].replace(b"</sheetData>", last)
    with zipfile.ZipFile(folder / "t.xlsx", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(BadTable, match="more memory or time"):
        read(folder, (folder / "t.xlsx").read_bytes(), "t.xlsx")


@pytest.fixture
def workbook() -> Callable[[Path, list[tuple[str, ...]]], None]:
    """Writes the smallest workbook there is."""
    import zipfile

    def write(path: Path, rows: list[tuple[str, ...]]) -> None:
        cells = "".join(
            f'<row r="{r}">'
            + "".join(f'<c r="{"ABCDEF"[c]}{r}" t="inlineStr"><is><t>{v}</t></is></c>' for c, v in enumerate(row))
            + "</row>"
            for r, row in enumerate(rows, 1)
        )
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        package = "http://schemas.openxmlformats.org/package/2006"
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(
                "[Content_Types].xml",
                f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="application/vnd.'
                f'openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="{kind}.'
                f'sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
                "</Types>",
            )
            archive.writestr(
                "_rels/.rels",
                f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" Type="{office}/officeDocument" '
                'Target="xl/workbook.xml"/></Relationships>',
            )
            archive.writestr(
                "xl/workbook.xml",
                f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="s" sheetId="1" r:id="r"/></sheets>'
                "</workbook>",
            )
            archive.writestr(
                "xl/_rels/workbook.xml.rels",
                f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" Type="{office}/worksheet" '
                'Target="worksheets/sheet1.xml"/></Relationships>',
            )
            archive.writestr(
                "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
            )

    return write


def test_a_row_that_comes_again_counts_once_and_one_that_contradicts_is_left_out(folder: Path) -> None:
    again, said = read(folder, csv(ROWS + ROWS[:2]))
    assert again == EXPECTED
    assert said == ["2 pictures stand in t.csv more than once with one label, and count once"]
    found, said = read(folder, csv([*ROWS, (ROWS[0][0], "monocyte")]))
    assert found == {name: label for name, label in EXPECTED.items() if name != "cell 0.JPG"}
    (clash,) = said
    assert "cell 0.JPG (line 2: neutrophil, line 8: monocyte)" in clash


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("path,label\n,x\n", r"line 2 \(empty paths\)"),
        ("path,label\nimg/cell 0.JPG,a,b,c\n", "4 values in line 2 under 2 columns"),
        ("weight,label\n3,x\n", "the columns weight, label"),
        (csv(ROWS).replace("neutrophil", "Zellgr\u00f6\u00dfe").encode("latin-1"), "no UTF-8, in line 2"),
        ("", "nothing"),
        ("path,label,probability,novelty,status\nimg/cell 0.JPG,ig,0.9,0.5,ok\n", "what a model read"),
    ],
)
def test_a_table_that_cannot_be_read_says_the_real_reason(folder: Path, content: str | bytes, word: str) -> None:
    with pytest.raises(BadTable, match=word):
        read(folder, content)


def test_a_scale_with_a_decimal_comma(folder: Path) -> None:
    (folder / "t.csv").write_text("path;label;scale\nimg/cell 0.JPG;ig;0,73\n")
    assert sources.read(folder / "t.csv").table["scale"].to_list() == [0.73]


# --- labels ---


def settled(*labels: str | None) -> tuple[list[str | None], list[str]]:
    rows = [{"path": str(k), "label": label} for k, label in enumerate(labels)]
    said: list[str] = []
    values.settle(rows, said.append)
    return [row["label"] for row in rows], said


def test_names_that_differ_by_case_width_or_blanks_are_one_class() -> None:
    found, said = settled("Hairy  cell", "hairy cell ", "hairy cell", "\uff28airy cell", "ig")
    assert found == ["hairy cell"] * 4 + ["ig"]
    assert len(said) == 1
    assert "are one class: hairy cell" in said[0]
    assert settled("NEUTROPHIL", "NEUTROPHIL", "neutrophil")[0] == ["neutrophil"] * 3
    assert settled("Mu\u0308ller", "M\u00fcller")[0] == ["M\u00fcller"] * 2


def test_what_means_nothing_is_no_label_and_a_question_mark_is_unsure() -> None:
    found, said = settled("NaN", "NA", "nan", "None", "", " ", "null", "?", None, "ig")
    assert found == [None] * 9 + ["ig"]
    assert said == ["1 unsure ('?'), which count as without a label"]


@pytest.mark.parametrize("name", ["SNE", "PMN", "Segmented neutrophils", "NGS"])
def test_synonyms_are_proposed_and_never_joined(name: str) -> None:
    found, said = settled(name, "neutrophil")
    assert found == [name, "neutrophil"]
    assert said == [f"{name!r} and 'neutrophil' are kept apart; if they are one class (neutrophil), give them one name"]
    assert settled(name)[1] == [f"{name!r} is kept as it is; HemoSight's own name for it would be neutrophil"]
    assert settled("neutrophil", "my own class")[1] == []


# --- names of files ---


def test_a_name_that_is_no_utf8_is_written_and_found_again(tmp_path: Path) -> None:
    for number, label in ((1, b"a"), (2, b"gro\xdf")):
        place = os.path.join(os.fsencode(tmp_path), label)
        os.makedirs(place)
        with open(os.path.join(place, b"caf\xe9 %d.png" % number), "wb") as file:
            Image.new("RGB", (20, 24), (number, 9, 7)).save(file, format="PNG")
    catalog = sources.read(tmp_path)
    assert catalog.table["width"].to_list() == [20, 20]
    assert catalog.table["label"].to_list() == ["a", "gro\\xdf"]
    for suffix in ("csv", "parquet"):
        catalog.write(tmp_path / f"c.{suffix}")
        assert all(path.is_file() for path in Catalog.read(tmp_path / f"c.{suffix}").paths)


def test_names_as_text() -> None:
    odd = os.fsdecode(b"/x/caf\xe9\n.png")
    assert to_text(odd) == "/x/caf\\xe9\n.png"
    assert os.fsencode(from_text(to_text(odd))) == b"/x/caf\xe9\n.png"
    assert one_line(to_text(odd)) == "/x/caf\\xe9\\n.png"
    assert from_text("plain.png") == Path("plain.png")


def test_a_new_line_in_a_name_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (20, 24)).save(tmp_path / "a" / 'one\ntwo,three".png', format="PNG")
    catalog = sources.read(tmp_path)
    catalog.write(tmp_path / "c.csv")
    assert pl.read_csv(tmp_path / "c.csv").height == 1
    assert Catalog.read(tmp_path / "c.csv").paths[0].is_file()


@pytest.mark.parametrize(
    "head",
    [
        "file_path,class_name",
        "Image File,Cell-Type",
        "img,target",
        "imageName,label_name",
        "filename,type",
        "PICTURE,Class",
    ],
)
def test_columns_go_by_many_names(folder: Path, head: str) -> None:
    assert read(folder, csv(ROWS, head=head)) == (EXPECTED, [])


def test_a_table_without_labels_says_so(folder: Path) -> None:
    labels, said = read(folder, csv(ROWS, head="path,y"))
    assert set(labels.values()) == {None}
    assert said == ["no column of labels (label, class, cell type) among path, y: no cell has a label"]


def test_patients_and_splits_are_taken_from_their_usual_columns(folder: Path) -> None:
    rows = "".join(
        f"{path},{label},p{k % 2},{('Train', 'VALID', 'test')[k % 3]}\n" for k, (path, label) in enumerate(ROWS)
    )
    (folder / "t.csv").write_text("path,label,Patient ID,split\n" + rows)
    table = sources.read(folder / "t.csv").table
    assert table["patient"].to_list() == ["p0", "p1"] * 3
    assert table["official_split"].to_list() == ["train", "val", "test"] * 2


@pytest.mark.parametrize(
    "written",
    [
        lambda path: path.removeprefix("img/"),
        lambda path: path.removesuffix(".JPG"),
        lambda path: path.upper(),
        lambda path: "\\\\server\\share\\" + path.replace("/", "\\"),
        lambda path: path.removeprefix("img/").removesuffix(".JPG"),
    ],
    ids=["without folder", "without suffix", "in capitals", "of a share", "a bare number"],
)
def test_files_are_found_by_what_tables_say_of_them(folder: Path, written: Callable[[str], str]) -> None:
    assert read(folder, csv([(written(path), label) for path, label in ROWS])) == (EXPECTED, [])


def test_of_two_files_of_one_name_none_is_guessed(folder: Path) -> None:
    (folder / "more").mkdir()
    Image.new("RGB", (20, 24), (77, 9, 7)).save(folder / "more" / "cell 0.JPG", format="PNG")
    (folder / "t.csv").write_text(csv([(path.removeprefix("img/"), label) for path, label in ROWS]))
    table = sources.read(folder / "t.csv").table
    assert table["width"].null_count() == 1
    assert table.filter(pl.col("width").is_null())["path"].to_list() == [str(folder / "cell 0.JPG")]


def test_more_ways_to_say_nothing_and_not_sure(folder: Path) -> None:
    words = ["n.a.", "--", "Unlabelled", "??", "unsure", "\u200bneutrophil\u200b"]
    labels, said = read(folder, csv([(path, word) for (path, _), word in zip(ROWS, words, strict=True)]))
    assert list(labels.values()) == [None] * 5 + ["neutrophil"]
    assert said == ["2 unsure ('?'), which count as without a label"]


def test_full_width_signs_are_as_narrow_ones() -> None:
    found, said = settled(
        "\uff1f", "\uff1f\uff1f", "\uff2e\uff21", "\uff2e\uff0f\uff21", "\uff4e\uff41\uff4e", "\u3000", "ig"
    )
    assert found == [None] * 6 + ["ig"]
    assert said == ["2 unsure ('?'), which count as without a label"]


@pytest.mark.parametrize("word", ["None", "NULL", "n/a", "#N/A", "nan", "NA", "-", "\uff2e\uff21", ""])
def test_a_patient_that_is_none_is_no_patient(folder: Path, word: str) -> None:
    head = "path,label,patient,diagnosis,attribute.granules\n"
    (folder / "t.csv").write_text(head + "".join(f"{path},{label},{word},{word},None\n" for path, label in ROWS))
    table = sources.read(folder / "t.csv").table
    assert (table["patient"].null_count(), table["diagnosis"].null_count()) == (6, 6)
    assert table["attribute.granules"].unique().to_list() == ["None"]  # which may be a value


@pytest.mark.parametrize(
    "word",
    [
        "?",
        "(?)",
        "unknown",
        "UNK",
        "unknown?",
        "not known",
        "unsure",
        "\uff1f",
        "Anonymous",
        "unbekannt",
        "pending",
        "TBD?",
    ],
)
def test_patients_that_nobody_knows_are_not_one_patient(folder: Path, word: str) -> None:
    rows = "".join(f"{path},{label},{word}\n" for path, label in ROWS[1:]) + f"{ROWS[0][0]},{ROWS[0][1]},Unkel\n"
    (folder / "t.csv").write_text("path,label,patient\n" + rows)
    said: list[str] = []
    table = sources.read(folder / "t.csv", say=said.append).table
    assert table["patient"].drop_nulls().to_list() == ["Unkel"]
    assert said[0] == f"no patient: {word!r} (5)"


def test_a_row_that_comes_again_with_another_patient_or_split_is_told(folder: Path) -> None:
    rows = "".join(f"{path},{label},A,train\n" for path, label in ROWS) + f"{ROWS[0][0]},{ROWS[0][1]},B,test\n"
    (folder / "t.csv").write_text("path,label,patient,split\n" + rows)
    said: list[str] = []
    table = sources.read(folder / "t.csv", say=said.append).table
    assert (table["patient"].unique().to_list(), table.height) == (["A"], 6)
    assert said[0] == "1 picture stands in t.csv more than once with one label, and counts once"
    assert "the first counts" in said[1]
    assert "patient: line 2: A, line 8: B; official_split: line 2: train, line 8: test" in said[1]


@pytest.mark.parametrize(
    "head",
    [
        "path,label,probability,novelty",
        "path,label,probability,status",
        "path,label,probability,neutrophil,lymphocyte",
        "Path,Label,Probability,Novelty",
    ],
)
def test_what_a_model_read_is_no_label_with_columns_left_out(folder: Path, head: str) -> None:
    row = ",".join(["0.9"] * (head.count(",") - 1))
    with pytest.raises(BadTable, match="what a model read"):
        read(folder, head + "\n" + "".join(f"{path},{label},{row}\n" for path, label in ROWS))


@pytest.mark.parametrize(
    "content",
    [
        '"path","label"\n' + "".join(f'"{path}","{label}; a; b; c; d"\n' for path, label in ROWS),
        "path;label\n" + "".join(f"{path};{label}, segmented, mature, of March\n" for path, label in ROWS),
        "path\tlabel\tnote\n" + "".join(f"{path}\t{label}\ta;b;c;d;e|f|g|h\n" for path, label in ROWS),
        'path;label;"size (h, w, d, t)"\n' + "".join(f"{path};{label};1,2,3,4\n" for path, label in ROWS),
        "Cells, of March, of ward 3, seen by M.\npath;label\n" + "".join(f"{p};{label}\n" for p, label in ROWS),
    ],
    ids=["semicolons in quotes", "commas in labels", "signs in notes", "commas in a column's name", "title"],
)
def test_what_separates_is_told_by_the_header(folder: Path, content: str) -> None:
    labels = read(folder, content)[0]
    assert [str(label).partition(";")[0].partition(",")[0] for label in labels.values()] == list(EXPECTED.values())


def test_empty_columns_without_a_name_are_none(folder: Path) -> None:
    rows = "".join(f"{path},,{label},,x\n" for path, label in ROWS)
    assert read(folder, "path,,label,,notes\n" + rows)[0] == EXPECTED
    numbered = "".join(f"{k},{path},,{label}\n" for k, (path, label) in enumerate(ROWS))
    assert read(folder, ",path,,label\n" + numbered)[0] == EXPECTED, "the numbers of the rows"
    with pytest.raises(BadTable, match="2 columns with values and no name"):
        read(folder, f"path,,label,,notes\n{ROWS[0][0]},1,ig,2,x\n")


@pytest.mark.parametrize(
    "head",
    ["Patient No", "patient_number", "Patient Nr.", "Pat-ID", "donor_id", "Donor", "MRN", "Case number", "Subject No."],
)
def test_patients_go_by_many_names(folder: Path, head: str) -> None:
    rows = "".join(f"{path},{label},p{k % 2}\n" for k, (path, label) in enumerate(ROWS))
    (folder / "t.csv").write_text(f"path,label,{head}\n{rows}")
    said: list[str] = []
    assert sources.read(folder / "t.csv", say=said.append).table["patient"].to_list() == ["p0", "p1"] * 3
    assert said == []


def test_a_table_without_patients_says_so(folder: Path) -> None:
    (folder / "t.csv").write_text("path,label,slide\n" + "".join(f"{path},{label},s\n" for path, label in ROWS))
    said: list[str] = []
    assert sources.read(folder / "t.csv", say=said.append).table["patient"].null_count() == len(ROWS)
    assert said == ["no column of patients (patient, subject, donor, case) among path, label, slide: no cell has one"]


def test_a_cases_number_goes_before_a_column_that_may_say_anything(folder: Path) -> None:
    """Whether somebody gave blood is no name of a patient: all cells would be of two."""
    rows = "".join(f"{path},{label},{'yes' if n % 2 else 'no'},24-{n}\n" for n, (path, label) in enumerate(ROWS))
    (folder / "t.csv").write_text("path,label,donor,case_id\n" + rows)
    assert sources.read(folder / "t.csv").table["patient"].to_list() == [f"24-{n}" for n in range(len(ROWS))]
