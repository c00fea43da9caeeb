"""Folders as public sets and laboratories lay them out: which level is the class, and what the others are."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from PIL import Image

from hemosight.errors import UnknownLayout, UnknownName
from hemosight.images import sources
from hemosight.images.sources import layout, roles


def draw(root: Path, *names: str) -> Path:
    for k, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 24), (k % 256, len(name), 7)).save(path, format="PNG")
    return root


def told(root: Path, *columns: str, **how: str) -> list[tuple[str | None, ...]]:
    """Distinct values of the label and these columns, sorted."""
    table = sources.read(root, **how).table  # pyright: ignore[reportArgumentType]
    return sorted(table.select("label", *columns).unique().rows(), key=str)


def test_folds_above_classes_are_folds(tmp_path: Path) -> None:
    names = [f"C-NMC_training_data/fold_{k}/{label}/UID_{k}_{label}.png" for k in range(3) for label in ("all", "hem")]
    found = told(draw(tmp_path, *names), "fold", "official_split", "patient")
    assert found == sorted([(label, f"fold_{k}", "train", None) for k in range(3) for label in ("all", "hem")], key=str)


@pytest.mark.parametrize(
    "words", [("train", "test"), ("TRAIN", "TEST_SIMPLE"), ("Train", "TestA"), ("training set", "testing")]
)
@pytest.mark.parametrize("above", ["", "images/", "dataset2-master/images/"])
def test_splits_above_classes_are_splits_whatever_the_classes_are_called(
    tmp_path: Path, words: tuple[str, str], above: str
) -> None:
    for k, classes in enumerate((("C1", "C2"), ("basophil", "monocyte"), ("EOSINOPHIL", "Segmented neutrophils"))):
        root = tmp_path / str(k)
        draw(root, *[f"{above}{word}/{label}/{n}.png" for word in words for label in classes for n in range(2)])
        assert told(root, "official_split", "patient") == sorted(
            [(label, split, None) for label in classes for split in ("train", "test")], key=str
        )
        assert told(root, kind="folder") == sorted([(label,) for label in classes])


def test_a_split_inside_each_class_is_a_split(tmp_path: Path) -> None:
    draw(tmp_path, "C1/train/1.png", "C1/val/2.png", "C2/train/3.png", "C2/test/4.png")
    assert told(tmp_path, "official_split") == [("C1", "train"), ("C1", "val"), ("C2", "test"), ("C2", "train")]


def test_a_word_for_a_split_beside_another_word_is_a_class(tmp_path: Path) -> None:
    draw(tmp_path, "test/1.png", "control/2.png")
    assert told(tmp_path, "official_split") == [("control", None), ("test", None)]


@pytest.mark.parametrize("names", [("labA", "labB"), ("site_1", "site_2"), ("Hospital North", "Hospital South")])
def test_laboratories_above_classes_are_sources(tmp_path: Path, names: tuple[str, str]) -> None:
    draw(tmp_path, *[f"{name}/{label}/{k}.png" for name in names for label in ("ALL", "AML") for k in range(2)])
    assert told(tmp_path, "source") == sorted([(label, name) for label in ("ALL", "AML") for name in names])


def test_patients_above_or_below_classes_are_patients(tmp_path: Path) -> None:
    draw(tmp_path / "above", *[f"patient_{k}/{label}/{k}.png" for k in (1, 2) for label in ("ALL", "AML")])
    draw(tmp_path / "below", *[f"{label}/Case 0{k}/{k}.png" for k in (1, 2) for label in ("ALL", "AML")])
    assert told(tmp_path / "above", "patient") == sorted(
        [(label, f"patient_{k}") for label in ("ALL", "AML") for k in (1, 2)]
    )
    assert told(tmp_path / "below", "patient") == sorted(
        [(label, f"Case 0{k}") for label in ("ALL", "AML") for k in (1, 2)]
    )


def test_an_analyzers_export_may_lie_in_splits(tmp_path: Path) -> None:
    draw(tmp_path, "train/24-1093/Segmented neutrophils/1.png", "test/24-1099/Monocytes/2.png")
    assert told(tmp_path, "patient", "official_split") == [
        ("monocyte", "24-1099", "test"),
        ("neutrophil", "24-1093", "train"),
    ]


def test_two_levels_that_could_be_classes_are_refused_with_both_and_the_option(tmp_path: Path) -> None:
    draw(tmp_path, *[f"{a}/{b}/{a}{b}.png" for a in ("munich", "barcelona") for b in ("ALL", "AML")])
    with pytest.raises(
        UnknownLayout,
        match=r"outer \(barcelona, munich\) or the inner \(ALL, AML\).*--folders",
        check=lambda fault: fault.code == "ambiguous_layout",
    ):
        sources.read(tmp_path)
    assert told(tmp_path, "source", folders="source/class") == [
        ("ALL", "barcelona"),
        ("ALL", "munich"),
        ("AML", "barcelona"),
        ("AML", "munich"),
    ]
    assert told(tmp_path, "patient", folders="class/-") == [("barcelona", None), ("munich", None)]
    assert told(tmp_path, "patient", folders="patient/class")[0] == ("ALL", "barcelona")
    with pytest.raises(UnknownName, match="class, subtype, source"):
        sources.read(tmp_path, folders="genus/class")


def test_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    draw(tmp_path, "band/1.png", "band/again/2.png", "hairy cell/3.png")
    assert told(tmp_path) == [("band",), ("hairy cell",)]
    draw(tmp_path / "known", "neutrophil/from Monday/1.png", "lymphocyte/from Tuesday/2.png")
    assert told(tmp_path / "known", kind="folder") == [("lymphocyte",), ("neutrophil",)]


def test_a_split_copy_of_a_public_set_keeps_the_split(tmp_path: Path) -> None:
    home = "PBC_dataset_normal_DIB"
    draw(tmp_path, f"{home}/train/basophil/BA_1.jpg", f"{home}/test/eosinophil/EO_2.jpg")
    assert told(tmp_path, "official_split", "source") == [
        ("basophil", "train", "pbc"),
        ("eosinophil", "test", "pbc"),
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("TEST_SIMPLE", "test"),
        ("TestB", "test"),
        ("C-NMC_test_prelim_phase_data", "test"),
        ("validation", "val"),
        ("dev", "val"),
        ("restrain", None),
        ("testis", None),
        ("trainee cells", None),
        ("devil", None),
    ],
)
def test_words_for_splits(name: str, split: str | None) -> None:
    assert roles.split_of(name) == split


@pytest.mark.parametrize(
    "name", ["train_val", "training-val", "val_train", "train+val", "excluded_from_test", "not_train"]
)
def test_a_name_of_two_splits_or_of_what_is_left_out_is_none(name: str) -> None:
    assert roles.split_of(name) is None


# --- what is passed over ---


def test_litter_is_passed_over_and_counted(tmp_path: Path) -> None:
    draw(tmp_path, "alpha/1.png", "alpha/2.png", "beta/3.png", "beta/4.png")
    draw(tmp_path, "alpha/@eaDir/1.png/SYNOPHOTO_THUMB_M.png", "#recycle/y.png", "$RECYCLE.BIN/S-1/a.png")
    draw(tmp_path, "lost+found/x.png", ".Trash-1000/z.png", "beta/._3.png", "System Volume Information/w.png")
    (tmp_path / "alpha" / "Thumbs.db").write_bytes(b"litter")
    assert told(tmp_path) == [("alpha",), ("beta",)]
    found = layout.survey(tmp_path)
    assert len(found.images) == 4
    assert found.passed_over == {
        "@eaDir": 1,
        "#recycle": 1,
        "$RECYCLE.BIN": 1,
        "lost+found": 1,
        "hidden": 2,
        "System Volume Information": 1,
        "Thumbs.db": 1,
    }


def test_suffixes_of_pictures_and_their_absence(tmp_path: Path) -> None:
    draw(tmp_path, "a.jfif", "b.jpe", "c", "d.dib", "e.dcm", "f.png.bak", "g.gif")
    (tmp_path / "README").write_text("no picture")
    (tmp_path / "labels.csv").write_text("path,label\n")
    os.mkfifo(tmp_path / "pipe")
    found = layout.survey(tmp_path)
    assert [path.name for path in found.images] == ["a.jfif", "b.jpe", "c", "d.dib"]
    assert [path.name for path in found.pictures] == ["e.dcm", "f.png.bak", "g.gif"]
    assert found.described() == "6 passed over (.bak 1, .csv 1, .dcm 1, .gif 1, without suffix 2)"


@pytest.mark.parametrize(
    "folds", [("k-fold-1", "k-fold-2"), ("5fold_1", "5fold_2"), ("fold 1 of 5", "fold 2 of 5"), ("fold_a", "fold_b")]
)
def test_folds_go_by_many_names(tmp_path: Path, folds: tuple[str, str]) -> None:
    draw(tmp_path, *[f"{fold}/{label}/{label}{fold}.png" for fold in folds for label in ("all", "hem")])
    assert told(tmp_path, "fold") == sorted([(label, fold) for label in ("all", "hem") for fold in folds], key=str)


def test_a_part_held_out_is_the_test_split(tmp_path: Path) -> None:
    draw(tmp_path, "train/C1/1.png", "hold-out/C2/2.png")
    assert told(tmp_path, "official_split") == [("C1", "train"), ("C2", "test")]


def test_folders_of_patients_inside_classes_are_patients(tmp_path: Path) -> None:
    draw(tmp_path, "neutrophil/P001/1.png", "blast/P002/2.png")
    assert told(tmp_path, "patient") == [("blast", "P002"), ("neutrophil", "P001")]


@pytest.mark.parametrize(
    ("names", "above", "levels"),
    [
        (("Barcelona", "Munich"), "", "{}/class"),
        (("1", "2"), "", "{}/class"),
        (("1", "2"), "train/", "split/{}/class"),
        (("1", "2"), "images/", "-/{}/class"),
    ],
)
def test_names_that_may_be_patients_laboratories_or_folds_are_refused_with_the_options_that_say_which(
    tmp_path: Path, names: tuple[str, str], above: str, levels: str
) -> None:
    labels = ("neutrophil", "blast")
    draw(tmp_path, *[f"{above}{name}/{label}/{name}{label}.png" for name in names for label in labels])
    told_as = {role: levels.format(role) for role in ("patient", "source", "fold", "-")}
    words = (
        f"{', '.join(names)} in {tmp_path}, above folders of classes: patients or cases, or laboratories, folds or "
        f"dates. Say which: `hemosight data add DIR --folders {told_as['patient']}` for patients or cases, "
        f"{told_as['source']} for laboratories, {told_as['fold']} for folds, {told_as['-']} for none"
    )
    with pytest.raises(UnknownLayout, match=re.escape(words), check=lambda fault: fault.code == "ambiguous_layout"):
        sources.read(tmp_path)
    # Each option does what it says, and settles it.
    said: list[str] = []
    none = sources.read(tmp_path, folders=told_as.pop("-")).table
    assert set(none["label"]) == set(labels)
    assert set(none["patient"]) == {None}
    for role, option in told_as.items():
        said.clear()
        found = sources.read(tmp_path, folders=option, say=said.append).table
        assert sorted(found.select("label", role).rows()) == sorted((label, name) for label in labels for name in names)
        assert set(found["official_split"]) == ({"train"} if "split" in option else {None})
        assert said == []


def test_folders_whose_files_say_the_class_are_cases_only_where_they_are_called_so(tmp_path: Path) -> None:
    draw(tmp_path, *[f"{case}/{code}_{k}.png" for case in ("1", "2") for k, code in enumerate(("SNE", "MO", "LY"))])
    said: list[str] = []
    words = r"1, 2 in .*: patients or cases, or classes.*`hemosight data add DIR --as analyzer`.*`--as folder`"
    with pytest.raises(UnknownLayout, match=words, check=lambda fault: fault.code == "ambiguous_layout"):
        sources.read(tmp_path, say=said.append)
    assert set(sources.read(tmp_path, "folder").table["label"]) == {"1", "2"}
    assert set(sources.read(tmp_path, "analyzer", say=said.append).table["patient"]) == {"1", "2"}
    assert said == []


@pytest.mark.parametrize("name", ["thumbs", "Thumbnails", "Trash", "Recycle Bin", "Papierkorb", "__pycache__"])
def test_what_programs_and_people_threw_away_or_made_small_is_no_class(tmp_path: Path, name: str) -> None:
    draw(tmp_path, "alpha/1.png", "beta/2.png", f"beta/{name}/3.png", f"{name}/4.png", f"{name}/deep/5.png")
    draw(tmp_path, "alpha/.thumbnails/6.png")
    assert told(tmp_path) == [("alpha",), ("beta",)]
    assert layout.survey(tmp_path).passed_over == {name: 3, "hidden": 1}


@pytest.mark.parametrize(
    "name", ["~snapshot", "FOUND.000", "RECYCLED", "_vti_cnf", "cell.png@SynoEAStream", "$RECYCLE.BIN"]
)
def test_more_litter(tmp_path: Path, name: str) -> None:
    draw(tmp_path, "alpha/1.png", "beta/2.png", f"alpha/{name}/3.png", f"{name}/4.png")
    assert told(tmp_path) == [("alpha",), ("beta",)]
    assert layout.survey(tmp_path).passed_over == {name: 2}


# --- when, and nobody's number ---


@pytest.mark.parametrize(
    "name", ["2021", "1999", "2021-03", "202103", "2021.03.17", "20210317", "2021_03_17", "17.3.2021", "03-17-2021"]
)
def test_a_date_is_no_number_of_a_case(name: str) -> None:
    assert roles.is_case(name) == (name == "03-17-2021"), "American dates are numbers like any other"


@pytest.mark.parametrize("name", ["24-1093", "2024.17", "1234567", "2021-1093", "20210317-01", "3021", "2021-13"])
def test_a_number_of_a_case_is_one(name: str) -> None:
    assert roles.is_case(name)


@pytest.mark.parametrize("day", ["2021", "2021-03", "20210317"])
def test_one_date_above_classes_is_nothing(tmp_path: Path, day: str) -> None:
    draw(tmp_path, *[f"{site}/{day}/{label}/1.png" for site in ("site A", "site B") for label in ("blast", "monocyte")])
    assert told(tmp_path, "patient", "source") == [
        (label, None, site) for label in ("blast", "monocyte") for site in ("site A", "site B")
    ]
    assert told(tmp_path / "site A", "patient") == [("blast", None), ("monocyte", None)]


@pytest.mark.parametrize("above", ["", "site A/"])
def test_dates_above_classes_are_refused_with_the_options_that_say_what_they_are(tmp_path: Path, above: str) -> None:
    draw(tmp_path, *[f"{above}{day}/{label}/{day}.png" for day in ("2021", "2022-03") for label in ("blast", "ig")])
    levels = "source/{}/class" if above else "{}/class"
    words = f"2021, 2022-03 in .*--folders {levels.format('patient')}`.*{levels.format('-')} for none of them"
    with pytest.raises(UnknownLayout, match=words, check=lambda fault: fault.code == "ambiguous_layout"):
        sources.read(tmp_path)
    assert told(tmp_path, "patient", folders=levels.format("-")) == [("blast", None), ("ig", None)]


def test_a_number_like_a_year_among_numbers_of_cases_is_one_more_and_told(tmp_path: Path) -> None:
    draw(tmp_path, *[f"{case}/{label}/{case}.png" for case in ("3044", "2021", "3107") for label in ("blast", "ig")])
    said: list[str] = []
    assert set(sources.read(tmp_path, say=said.append).table["patient"]) == {"2021", "3044", "3107"}
    assert said == ["2021: taken for cases, as those beside; --folders patient/class says that they are"]


def test_what_lies_inside_a_case_is_of_the_same_patient(tmp_path: Path) -> None:
    days = [f"24-109{case}/2021-0{day}" for case in (3, 4) for day in (1, 2)]
    draw(tmp_path / "known", *[f"{day}/{label}/1.png" for day in days for label in ("blast", "ig")])
    assert {patient for _, patient in told(tmp_path / "known", "patient")} == {"24-1093", "24-1094"}
    draw(tmp_path / "days", *[f"2021-0{day}/24-1093/{label}/1.png" for day in (1, 2) for label in ("blast", "ig")])
    assert {patient for _, patient in told(tmp_path / "days", "patient")} == {"24-1093"}
    for at, tree in enumerate(("Patient_{}/slide_{}/{}", "{2}/Patient_{0}/slide_{1}", "Patient_{0}/{2}/slide_{1}")):
        root = tmp_path / str(at)
        draw(root, *[f"{tree.format(p, s, c)}/1.png" for p in (1, 2) for s in (1, 2) for c in ("ALL", "AML")])
        assert told(root, "patient") == [(label, f"Patient_{k}") for label in ("ALL", "AML") for k in (1, 2)]


@pytest.mark.parametrize("name", ["17.03.24", "7-3-24", "03-2024", "12.2024", "24-03", "24_12"])
def test_short_dates_are_dates(name: str) -> None:
    assert (roles.is_date(name), roles.is_case(name)) == (True, False)


@pytest.mark.parametrize(
    "name",
    [
        "2024-03-12_0915",
        "2024-03-12-1",
        "2024-03-12 09-15-00",
        "2024.03.12_091500",
        "12.03.2024_0915",
        "12.3.2024-2",
        "20240312091500",
        "202403120915",
        "20240312_0915",
        "20240312T091500",
    ],
)
def test_a_day_and_a_time_or_number_is_a_date(name: str) -> None:
    assert (roles.is_date(name), roles.is_case(name)) == (True, False)


@pytest.mark.parametrize("name", ["20240312-01", "HEM2024-03-12-17", "20249912091500", "240312", "12.3", "24-10-93-1"])
def test_other_numbers_around_a_day_stay_numbers_of_cases(name: str) -> None:
    assert (roles.is_date(name), roles.is_case(name)) == (False, True)


@pytest.mark.parametrize(
    "names",
    [
        ("240312", "240313"),
        ("12.3", "13.3"),
        ("12.3.", "13.3."),
        ("240312", "2024-03-13"),
        ("2024-03-12_0915", "2024-03-12_1030"),
        ("20240312091500", "20240313101500"),
    ],
)
def test_names_that_may_all_be_days_are_refused_as_dates_are(tmp_path: Path, names: tuple[str, str]) -> None:
    draw(tmp_path, *[f"{name}/{label}/{name}.png" for name in names for label in ("blast", "ig")])
    words = rf"{re.escape(', '.join(sorted(names)))} in .*--folders patient/class`.*-/class for none of them"
    with pytest.raises(UnknownLayout, match=words, check=lambda fault: fault.code == "ambiguous_layout"):
        sources.read(tmp_path)
    assert {patient for _, patient in told(tmp_path, "patient", folders="patient/class")} == set(names)


@pytest.mark.parametrize("names", [("240312", "241593"), ("12.3", "12.17"), ("24-1093", "240312"), ("240312",)])
def test_one_number_that_is_no_day_leaves_all_of_them_cases(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert patients(tmp_path, *names) == set(names)


@pytest.mark.parametrize(
    "name", ["Case_24-1093", "Case 24-1093", "Patient_1", "P1", "HEM24-1093", "CBC_24-1093", "B24-03"]
)
def test_a_word_before_a_number_leaves_it_a_case(name: str) -> None:
    assert roles.is_case(name)


@pytest.mark.parametrize(
    "name", ["v1.0", "pbc_v1.0", "PBC_v2.1.3", "wbc_2.1", "PBC_2020-07", "PBC2020-07", "set_24-03"]
)
def test_a_words_version_or_month_is_no_case(name: str) -> None:
    assert not roles.is_case(name)


def patients(root: Path, *folders: str) -> set[str | None]:
    """The patients of these folders, each above two known types."""
    draw(root, *[f"{folder}/{label}/1.png" for folder in folders for label in ("neutrophil", "monocyte")])
    return {patient for _, patient in told(root, "patient")}


@pytest.mark.parametrize("around", ["24-03", "03-2024", "17.03.24", "2024-03", "v1.0"])
@pytest.mark.parametrize("slide", ["", "/slide_2", "/2024-04"])
def test_cases_around_which_a_date_or_version_stands_are_the_patients(tmp_path: Path, around: str, slide: str) -> None:
    assert patients(tmp_path, *[f"{around}/24-{k}{slide}" for k in (1093, 1094, 1095)]) == {
        "24-1093",
        "24-1094",
        "24-1095",
    }


@pytest.mark.parametrize(
    "months", [("24-03", "24-04"), ("03-2024", "04-2024"), ("17.03.24", "18.03.24"), ("v1.0", "v1.1")]
)
def test_a_case_seen_in_two_months_is_one_patient(tmp_path: Path, months: tuple[str, str]) -> None:
    folders = [f"{month}/{case}" for month in months for case in ("24-1093", "24-1094")]
    assert patients(tmp_path, *folders) == {"24-1093", "24-1094"}


@pytest.mark.parametrize("around", [("0412", "0413"), ("2020.1", "2020.2"), ("0412", "2020.1")])
@pytest.mark.parametrize("case", ["Case_1", "Patient_1"])
def test_a_word_for_a_patient_decides_before_a_number_around_it(
    tmp_path: Path, around: tuple[str, str], case: str
) -> None:
    folders = [f"{ward}/{case}{k}" for ward in around for k in (1, 2)]
    assert patients(tmp_path, *[f"{folder}/slide_{k}" for folder in folders for k in (1, 2)]) == set(folders)


def test_numbers_of_cases_in_the_number_of_a_ward_keep_both_and_are_told(tmp_path: Path) -> None:
    folders = [f"{ward}/24-{case}" for ward, cases in (("0412", (1093, 1094)), ("0413", (1095,))) for case in cases]
    assert patients(tmp_path, *folders) == set(folders)
    said: list[str] = []
    sources.read(tmp_path, say=said.append)
    assert said == [
        "0412/24-1093, 0412/24-1094, 0413/24-1095: taken for one patient each; --folders patient/-/class says that the "
        "outer are, -/patient/class that the inner are"
    ]
    assert {patient for _, patient in told(tmp_path, "patient", folders="patient/-/class")} == {"0412", "0413"}
    assert len(told(tmp_path, "patient", folders="-/patient/class")) == 6


def test_counters_that_start_anew_each_day_are_no_one_patient(tmp_path: Path) -> None:
    for at, case in enumerate(("Case_1", "0001")):
        root = tmp_path / str(at)
        days = {f"{day}/{case}" for day in ("17.03.24", "2024-03-18")} | {f"2024-03-18/{case[:-1]}2"}
        assert patients(root, *days) == days
        said: list[str] = []
        sources.read(root, say=said.append)
        assert len(said) == 1, said
        words = "taken for one patient each; --folders patient/-/class says that the outer are, -/patient/class that"
        assert words in said[0]


@pytest.mark.parametrize("names", [("24-1093", "0001", "0002"), ("1234567", "7654321", "7654322")])
def test_numbers_inside_numbers_are_refused_with_the_options_that_say_which(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    outer, *inner = names
    draw(tmp_path, *[f"{outer}/{case}/{label}/1.png" for case in inner for label in ("blast", "monocyte")])
    with pytest.raises(
        UnknownLayout,
        match=r"numbers inside numbers.*--folders patient/-/class` .*outer.*-/patient/class where the inner",
        check=lambda fault: fault.code == "ambiguous_layout",
    ):
        sources.read(tmp_path)
    assert {patient for _, patient in told(tmp_path, "patient", folders="patient/-/class")} == {outer}
    assert {patient for _, patient in told(tmp_path, "patient", folders="-/patient/class")} == set(inner)
    assert {patient for _, patient in told(tmp_path, "patient", kind="analyzer")} == {f"{outer}/{k}" for k in inner}


def test_cases_stay_apart_below_three_numbers_and_beside_dates(tmp_path: Path) -> None:
    deep = {f"0412/{room}/24-109{k}" for room in ("0001", "0002") for k in (3, 4)} | {"0413/0003/24-1095"}
    assert patients(tmp_path / "deep", *deep) == deep
    assert patients(tmp_path / "beside", "0412/24-1093", "0412/2021-03/24-1094", "0412/2021-03/24-1095") == {
        "0412/24-1093",
        "0412/24-1094",
        "0412/24-1095",
    }


@pytest.mark.parametrize("years", [("2023", "2024"), ("23", "24")])
def test_months_and_rooms_without_a_zero_are_no_evidence_for_themselves(tmp_path: Path, years: tuple[str, str]) -> None:
    folders = [f"{year}/{month}" for year in years for month in (1, 2, 3, 4)]
    assert not any(roles.counted_on(name, folders) for name in folders)
    assert not roles.counted_on("2023-17", ["2023-17"])
    assert roles.counted_on("24-03", ["24-03", "24-13"])
    draw(tmp_path, *[f"{folder}/{label}/1.png" for folder in folders for label in ("blast", "ig")])
    with pytest.raises(UnknownLayout, check=lambda fault: fault.code == "ambiguous_layout"):
        sources.read(tmp_path)


def test_slides_in_cases_called_like_months_are_read_as_told(tmp_path: Path) -> None:
    folders = [f"24-0{k}/slide_{slide}" for k in (1, 2) for slide in (1, 2)]
    draw(tmp_path, *[f"{folder}/{code}_{k}.png" for folder in folders for k, code in enumerate(("SNE", "MO"))])
    with pytest.raises(UnknownLayout, match=r"24-01, 24-02 in .*`hemosight data add DIR --as analyzer` reads them as"):
        sources.read(tmp_path)
    assert {patient for _, patient in told(tmp_path, "patient", kind="analyzer")} == {"24-01", "24-02"}


_LIKE_DATES = [("1999", "2001", "2002"), ("200101", "200102"), ("2024-01", "2024-04"), ("24-01", "24-12")]


@pytest.mark.parametrize(
    ("cases", "slide"),
    [*((cases, slide) for cases in _LIKE_DATES for slide in ("", "slide_1/")), (("Mueller", "Schmidt"), "")],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_cases_refused_as_dates_or_names_are_cases_by_the_remedy(
    tmp_path: Path, cases: tuple[str, ...], slide: str, by_name: bool
) -> None:
    kinds = ("SNE_1.png", "MO_2.png") if by_name else ("neutrophil/1.png", "monocyte/2.png")
    draw(tmp_path, *[f"{case}/{slide}{kind}" for case in cases for kind in kinds])
    with pytest.raises(UnknownLayout, check=lambda fault: fault.code == "ambiguous_layout") as refused:
        sources.read(tmp_path)
    remedy = re.findall(r"`hemosight data add DIR (--\w+) ([\w/-]+)`", str(refused.value))[0]
    assert remedy == (("--as", "analyzer") if by_name else ("--folders", f"patient/{'-/' if slide else ''}class"))
    how = {{"--as": "kind", "--folders": "folders"}[remedy[0]]: remedy[1]}
    assert told(tmp_path, "patient", **how) == sorted(
        [(label, case) for label in ("neutrophil", "monocyte") for case in cases], key=str
    )


def test_names_inside_names_are_cases_by_the_remedy_for_either_level(tmp_path: Path) -> None:
    folders = {"Mueller/Schmidt", "Mueller/Weber", "Maier/Schmidt"}
    draw(tmp_path, *[f"{folder}/{label}/1.png" for folder in folders for label in ("neutrophil", "monocyte")])
    words = "patient/-/class` for patients or cases (-/patient/class where those inside are, `--as analyzer` where it"
    with pytest.raises(UnknownLayout, match=re.escape(words)):
        sources.read(tmp_path)
    assert {patient for _, patient in told(tmp_path, "patient", folders="patient/-/class")} == {"Maier", "Mueller"}
    assert {patient for _, patient in told(tmp_path, "patient", folders="-/patient/class")} == {"Schmidt", "Weber"}
    assert {patient for _, patient in told(tmp_path, "patient", kind="analyzer")} == folders


def test_a_cases_own_slides_are_of_its_patient(tmp_path: Path) -> None:
    assert patients(tmp_path / "a", *[f"24-{k}/24-{k}-{slide}" for k in (1093, 1094) for slide in (1, 2)]) == {
        "24-1093",
        "24-1094",
    }
    assert patients(tmp_path / "b", *[f"24-{k}/slide_{slide}" for k in (1093, 1094) for slide in (1, 2)]) == {
        "24-1093",
        "24-1094",
    }
    for at, folders in enumerate(({"2401/2401-093", "2401/2401-094"}, {"0412/0412-7", "0412/0412-8"})):
        assert patients(tmp_path / str(at), *folders) == folders, "a month's or a ward's cases"
    assert patients(tmp_path / "c", "Sample_1/0001", "Sample_1/0002", "Sample_2/0001") == {"Sample_1", "Sample_2"}


def test_months_among_numbers_of_the_same_shape_are_numbers(tmp_path: Path) -> None:
    cases = {f"24-{k:02}" for k in range(1, 18)}
    assert patients(tmp_path, *[f"{case}/slide_{k}" for case in cases for k in (1, 2)]) == cases
    said: list[str] = []
    sources.read(tmp_path, say=said.append)
    assert said == []


@pytest.mark.parametrize("classes", [("ALL", "HEM"), ("blast", "monocyte")])
@pytest.mark.parametrize(
    ("name", "fold"),
    [("fold{0}_{1}", "fold{0}"), ("{1}_fold_{0}", "fold_{0}"), ("Fold {0} - {1}", "Fold {0}"), ("cv{0}-{1}", "cv{0}")],
)
def test_a_fold_and_a_split_in_one_name_are_both(
    tmp_path: Path, name: str, fold: str, classes: tuple[str, str]
) -> None:
    parts = [(k, split) for k in (1, 2) for split in ("train", "test")]
    draw(tmp_path, *[f"{name.format(*part)}/{label}/1.png" for part in parts for label in classes])
    assert told(tmp_path, "official_split", "fold", "patient") == sorted(
        [(label, split, fold.format(k), None) for label in classes for k, split in parts], key=str
    )
