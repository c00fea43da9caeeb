"""Pictures that lie above the classes by chance: wrappers, montages and test sets make no class."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_layouts import draw, told

from hemosight.errors import UnknownLayout
from hemosight.images import sources


def said(root: Path) -> list[str]:
    heard: list[str] = []
    sources.rows_of(root, say=heard.append)
    return heard


def test_a_set_in_its_own_wrapper_with_an_unlabelled_test_set(tmp_path: Path) -> None:
    """C-NMC as it is distributed."""
    names = [f"C-NMC_Leukemia/training_data/fold_{k}/{label}/{k}.png" for k in range(3) for label in ("all", "hem")]
    names += [f"C-NMC_Leukemia/testing_data/C-NMC_test_final_phase_data/{k}.png" for k in range(2)]
    assert told(draw(tmp_path, *names), "fold", "official_split") == sorted(
        [(label, f"fold_{k}", "train") for label in ("all", "hem") for k in range(3)] + [(None, None, "test")], key=str
    )


@pytest.mark.parametrize("loose", ["set/overview.png", "set/test/1.png", "set/more/overview.png"])
@pytest.mark.parametrize("above", ["", "download/"])
def test_a_lone_wrapper_is_no_class_because_of_loose_pictures(tmp_path: Path, above: str, loose: str) -> None:
    draw(tmp_path, *[f"{above}set/train/{label}/{k}.png" for label in ("ALL", "AML") for k in range(2)])
    if "more" in loose:
        draw(tmp_path, f"{above}set/overview.png")
    else:
        draw(tmp_path, above + loose)
    assert [row for row in told(tmp_path, "official_split") if row[0]] == [("ALL", "train"), ("AML", "train")]


def test_a_wrapper_around_classes_with_an_overview(tmp_path: Path) -> None:
    draw(tmp_path, "set/ALL/1.png", "set/AML/2.png", "set/overview.png")
    assert told(tmp_path) == [("ALL",), ("AML",), (None,)]


def test_one_class_with_a_folder_of_further_pictures_stays_one(tmp_path: Path) -> None:
    draw(tmp_path / "a", *[f"band/{k}.png" for k in range(5)], "band/again/9.png")
    assert told(tmp_path / "a") == [("band",)]
    draw(tmp_path / "b", "neutrophil/1.png", "neutrophil/monday/2.png", "neutrophil/tuesday/3.png")
    assert told(tmp_path / "b", kind="folder") == [("neutrophil",)]


@pytest.mark.parametrize("stray", [("Munich/m.png", "Essen/e.png"), ("Munich/m.png",)])
def test_a_montage_does_not_make_a_laboratory_a_class(tmp_path: Path, stray: tuple[str, ...]) -> None:
    draw(tmp_path, *[f"{a}/{b}/{a}{b}.png" for a in ("Munich", "Essen") for b in ("ALL", "AML")], *stray)
    with pytest.raises(
        UnknownLayout,
        match=r"outer \(Essen, Munich\) or the inner \(ALL, AML\).*--folders",
        check=lambda fault: fault.code == "ambiguous_layout",
    ):
        sources.read(tmp_path)
    found = told(tmp_path, "source", folders="source/class")
    assert {row for row in found if row[0]} == {(b, a) for a in ("Munich", "Essen") for b in ("ALL", "AML")}


def test_a_montage_beside_known_types_changes_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "in", "neutrophil/a/1.png", "monocyte/a/2.png", "neutrophil/3.png", "monocyte/4.png")
    assert told(tmp_path / "in", kind="folder") == [("monocyte",), ("neutrophil",)]
    draw(tmp_path / "out", "Munich/neutrophil/1.png", "Essen/neutrophil/2.png", "Munich/3.png", "Essen/4.png")
    assert told(tmp_path / "out", kind="folder") == [("neutrophil",), (None,)]


def test_a_patients_overview_makes_no_patient_a_class(tmp_path: Path) -> None:
    names = [f"patient_{k}/{label}/{k}.png" for k in (1, 2) for label in ("ALL", "AML")]
    draw(tmp_path, *names, "patient_1/overview.png", "patient_2/overview.png")
    assert told(tmp_path, "patient") == sorted(
        [(label, f"patient_{k}") for label in ("ALL", "AML", None) for k in (1, 2)], key=str
    )


# --- above known types ---


def test_a_word_for_a_split_is_no_patient_whatever_stands_beside_it(tmp_path: Path) -> None:
    draw(tmp_path, *[f"{a}/{b}/{a}{b}.png" for a in ("train", "more") for b in ("neutrophil", "monocyte")])
    assert told(tmp_path, "official_split", "patient") == sorted(
        [(label, split, None) for label in ("neutrophil", "monocyte") for split in ("train", None)], key=str
    )
    assert said(tmp_path) == ["more: beside folders of splits, and in none of them; say --folders where that is wrong"]


def test_magnifications_are_sources(tmp_path: Path) -> None:
    draw(tmp_path, *[f"{a}/{b}/{a}{b}.png" for a in ("40x", "100x") for b in ("neutrophil", "monocyte")])
    assert told(tmp_path, "source", "patient") == sorted(
        [(label, source, None) for label in ("neutrophil", "monocyte") for source in ("40x", "100x")], key=str
    )


@pytest.mark.parametrize("names", [("1", "2", "3"), ("Munich", "Essen 2"), ("24-1093", "Munich", "Essen 2")])
def test_what_may_be_no_patient_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    draw(tmp_path, *[f"{a}/{b}/{a}{b}.png" for a in names for b in ("neutrophil", "monocyte")])
    with pytest.raises(
        UnknownLayout,
        match=r"patients or cases, or laboratories.*--folders patient/class` for",
        check=lambda fault: fault.code == "ambiguous_layout",
    ):
        sources.read(tmp_path)


@pytest.mark.parametrize("names", [("24-1093", "24-1094"), ("patient 1", "patient 2"), ("24-1093", "24-1094", "QC")])
def test_among_cases_a_folder_is_a_case_and_the_odd_one_is_told(tmp_path: Path, names: tuple[str, ...]) -> None:
    draw(tmp_path, *[f"{a}/{b}/{a}{b}.png" for a in names for b in ("neutrophil", "monocyte")])
    assert {patient for _, patient in told(tmp_path, "patient")} == set(names)
    words = "QC: taken for cases, as those beside; --folders patient/class says that they are"
    assert said(tmp_path) == ([words] if "QC" in names else [])


@pytest.mark.parametrize("wrapper", ["dataset2-master", "dataset2-master/dataset2-master", "myset", "WBC-main/images"])
@pytest.mark.parametrize("split", ["", "TRAIN/"])
def test_an_archives_folder_is_no_patient(tmp_path: Path, wrapper: str, split: str) -> None:
    draw(tmp_path, *[f"{wrapper}/{split}{b}/{b}.png" for b in ("neutrophil", "monocyte")])
    assert told(tmp_path, "patient", "official_split") == [
        (label, None, "train" if split else None) for label in ("monocyte", "neutrophil")
    ]
    assert said(tmp_path) == []


def test_one_case_alone_is_a_case(tmp_path: Path) -> None:
    draw(tmp_path, "24-1093/neutrophil/1.png", "24-1093/monocyte/2.png")
    assert told(tmp_path, "patient") == [("monocyte", "24-1093"), ("neutrophil", "24-1093")]
