"""An analyzer's own names are not taken for the public sets that such analyzers exported, and no patient gets lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from test_layouts import draw, told

from hemosight.errors import UnknownLayout
from hemosight.images import sources

CODES = {"monocyte": "MO", "neutrophil": "SNE", "lymphocyte": "LY"}


def heard(root: Path) -> list[str]:
    said: list[str] = []
    sources.rows_of(root, say=said.append)
    return said


def published(number: int = 40) -> list[str]:
    """Names with numbers as the Barcelona set has them, strewn up to a million."""
    strewn = random.Random(3).sample(range(10_000, 1_000_000), number)
    kinds = list(CODES.items())
    return [f"{kinds[k % 3][0]}/{kinds[k % 3][1]}_{one}.jpg" for k, one in enumerate(strewn)]


# --- below cases, sites ---


@pytest.mark.parametrize("other", ["MO", "picture"])
def test_cases_of_an_analyzer_keep_their_patients(tmp_path: Path, other: str) -> None:
    names = [f"Case_1/{folder}/{code}_{k:04}.jpg" for folder, code in CODES.items() for k in range(3)]
    draw(tmp_path, *names, *[f"Case_2/monocyte/{other}_{k:04}.jpg" for k in range(3)])
    assert told(tmp_path, "patient", "source") == [
        ("lymphocyte", "Case_1", tmp_path.name),
        ("monocyte", "Case_1", tmp_path.name),
        ("monocyte", "Case_2", tmp_path.name),
        ("neutrophil", "Case_1", tmp_path.name),
    ]
    assert heard(tmp_path) == []


@pytest.mark.parametrize("numbers", [range(1, 60), range(28_422_000, 28_422_060)])
def test_sites_of_analyzers_keep_their_source(tmp_path: Path, numbers: range) -> None:
    draw(tmp_path, *[f"{lab}/monocyte/MO_{k:04}.jpg" for lab in ("labA", "labB") for k in numbers])
    assert told(tmp_path, "source", "patient") == [("monocyte", "labA", None), ("monocyte", "labB", None)]


def test_numbers_as_published_make_no_case_public(tmp_path: Path) -> None:
    draw(tmp_path, *[f"{case}/{name}" for case in ("Patient_1", "24-1093") for name in published()])
    assert {patient for _, patient in told(tmp_path, "patient")} == {"Patient_1", "24-1093"}
    assert {source for _, source in told(tmp_path, "source")} == {tmp_path.name}


@pytest.mark.parametrize(
    "name", ["LYT/LYT_0001.jpg", "monocyte/MON_0001.jpg", "blast/MYO_0001.jpg", "lymphocyte/L-8_0044_0.jpg"]
)
def test_cases_are_none_of_munich_or_bangkok(tmp_path: Path, name: str) -> None:
    draw(tmp_path, f"Case_1/{name}", f"Case_2/{name}")
    assert {row[1:] for row in told(tmp_path, "patient", "source")} == {
        ("Case_1", tmp_path.name),
        ("Case_2", tmp_path.name),
    }


def test_signed_slides_of_an_analyzer_are_not_those_of_johns_hopkins(tmp_path: Path) -> None:
    for case in ("Case_7", "24-1093"):
        for slides in ("Signed slides", "Unsigned slides"):
            draw(tmp_path, f"{case}/{slides}/Segmented neutrophils/SNE_1.jpg", f"{case}/{slides}/Monocytes/MO_2.jpg")
    # One patient, however many folders of slides he has.
    assert {row[1:] for row in told(tmp_path, "patient", "source")} == {
        ("Case_7", tmp_path.name),
        ("24-1093", tmp_path.name),
    }


def test_what_is_not_taken_for_a_public_set_is_said_once(tmp_path: Path) -> None:
    for case in ("24-1093", "24-1094"):
        draw(tmp_path, f"{case}/Signed slides/Monocytes/MO_1.jpg", f"{case}/Signed slides/Blasts/BL_2.jpg")
    words = "named like jhu_aml, but not numbered as published, so not taken for it; --as jhu_aml does"
    assert heard(tmp_path) == [f"{tmp_path}: {words}"]


def test_a_part_that_is_taken_is_not_said_to_be_not(tmp_path: Path) -> None:
    draw(tmp_path, "Patient_07/Signed slides/Monocytes/MO_1.jpg", "24-1094/Signed slides/Monocytes/MO_1.jpg")
    words = "named like jhu_aml, but not numbered as published, so not taken for it; --as jhu_aml does"
    taken = "taken for jhu_aml, by names and numbers as published; --as folder reads an ordinary folder"
    assert heard(tmp_path) == [f"{tmp_path}/Patient_07: {taken}", f"{tmp_path}/24-1094: {words}"]


# --- in folders of classes alone ---


@pytest.mark.parametrize("number", ["{:04}", "{}", "2842{:04}"])
def test_an_analyzers_numbers_are_not_those_of_barcelona(tmp_path: Path, number: str) -> None:
    root = tmp_path / "ours"
    draw(root, *[f"{folder}/{code}_{number.format(k)}.jpg" for folder, code in CODES.items() for k in range(1, 30)])
    assert {source for _, source in told(root, "source")} == {"ours"}
    assert heard(root) == [f"{root}: named like pbc, but not numbered as published, so not taken for it; --as pbc does"]
    assert {source for _, source in told(root, "source", kind="pbc")} == {"pbc"}


def first_by_name(number: int) -> list[str]:
    """The first files of each type by name, of as many as the Barcelona set has."""
    strewn, names = random.Random(5), list[str]()
    for folder, code, full in (("basophil", "BA", 1218), ("eosinophil", "EO", 3117), ("neutrophil", "SNE", 1646)):
        names += sorted(f"{folder}/{code}_{k}.jpg" for k in strewn.sample(range(1, 1_000_000), full))[:number]
    return names


@pytest.mark.parametrize("number", [6, 17, 50, 200])
def test_the_first_published_files_of_each_type_by_name_are_barcelonas(tmp_path: Path, number: int) -> None:
    root = tmp_path / "wbc"
    draw(root, *first_by_name(number))
    assert {source for _, source in told(root, "source")} == {"pbc"}
    assert ("neutrophil", "segmented_neutrophil") in told(root, "subtype")
    assert [line.split(": ")[1][:13] for line in heard(root)] == ["taken for pbc"]


def test_a_dozen_published_files_are_barcelonas_and_a_handful_are_too_few(tmp_path: Path) -> None:
    draw(tmp_path / "dozen", *published(12))
    assert {source for _, source in told(tmp_path / "dozen", "source")} == {"pbc"}
    root = tmp_path / "few"
    draw(root, *published(7))
    assert {source for _, source in told(root, "source")} == {"few"}
    words = "named like pbc, but too few or not strewn as published, so not taken for it; --as pbc does"
    assert heard(root) == [f"{root}: {words}"]


@pytest.mark.parametrize("apart", [1, 17])
@pytest.mark.parametrize("starts", [(20_000, 60_000, 110_000), (101_000, 133_000, 160_000, 180_000)])
def test_a_counter_that_ran_far_is_not_barcelonas(tmp_path: Path, starts: tuple[int, ...], apart: int) -> None:
    """Cases of an analyzer, each with its cells near one number."""
    root, codes = tmp_path / "ours", list(CODES.items())
    numbers = [start + apart * k for start in starts for k in range(12)]
    draw(root, *[f"{codes[k % 3][0]}/{codes[k % 3][1]}_{one}.jpg" for k, one in enumerate(numbers)])
    assert {source for _, source in told(root, "source")} == {"ours"}
    assert "too few or not strewn as published" in heard(root)[0]


@pytest.mark.parametrize("case", ["Mueller {}", "24-{:02}", "Ward {}"])
def test_few_cells_of_many_cases_are_not_barcelonas_together(tmp_path: Path, case: str) -> None:
    draw(tmp_path, *[f"{case.format(k % 12 + 1)}/{name}" for k, name in enumerate(published(36))])
    assert sources.detect(tmp_path) == ("analyzer",)


@pytest.mark.parametrize("above", ["", "train/"])
def test_numbers_as_published_are_taken_for_barcelona_and_told(tmp_path: Path, above: str) -> None:
    root = tmp_path / "copy"
    draw(root, *[above + name for name in published()])
    draw(root, *(["test/monocyte/MO_77123.jpg"] if above else []))
    assert {source for _, source in told(root, "source")} == {"pbc"}
    splits = {split for _, split in told(root, "official_split")}
    assert splits == ({"train", "test"} if above else {None})
    where = f"{root}/test, {root}/train" if above else str(root)
    words = "taken for pbc, by names and numbers as published; --as folder reads an ordinary folder"
    assert heard(root) == [f"{where}: {words}"]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("EOS/EOS_0001.jpg", "LYT/LYT_0002.jpg"), "lmu_aml"),
        (("blast/MYO_29208563.jpg",), "lmu_aml"),
        (("lymphocyte/S-12_001_3.jpg", "monocyte/AB-7_12_33.jpg"), "chula"),
    ],
)
def test_any_laboratorys_names_are_not_munich_nor_bangkok(tmp_path: Path, names: tuple[str, ...], kind: str) -> None:
    root = tmp_path / "ours"
    draw(root, *names)
    assert {source for _, source in told(root, "source")} == {"ours"}
    why = {"EOS": "without a code that is Munich's alone"}.get(names[0][:3], "not numbered as published")
    assert heard(root)[0] == f"{root}: named like {kind}, but {why}, so not taken for it; --as {kind} does"


@pytest.mark.parametrize(
    "home", ["PBC_dataset_normal_DIB", "pbc_dataset_normal_DIB-copy", "site 2/PBC_dataset_normal_DIB"]
)
def test_in_the_publishers_folder_a_few_files_are_enough(tmp_path: Path, home: str) -> None:
    draw(tmp_path, f"{home}/train/monocyte/MO_10001.jpg", f"{home}/train/neutrophil/SNE_20002.jpg")
    for root in (tmp_path, tmp_path / home, tmp_path / home / "train"):
        if root != tmp_path or "/" not in home:
            assert {source for _, source in told(root, "source")} == {"pbc"}
            assert heard(root) == []


@pytest.mark.parametrize(
    ("above", "name"),
    [
        ("Munich_AML_study/our_slides", "EOS/EOS_0001.jpg"),
        ("Munich AML 2019", "LYT/LYT_0001.jpg"),
        ("lmu_amlodipine", "EOS/EOS_0001.jpg"),
        ("AML-Cytomorphology_MLL_Helmholtz", "EOS/EOS_0001.jpg"),
        ("chulapat/slides", "monocyte/AB-7_12_33.jpg"),
        ("pbc_datasets_of_ours", "monocyte/MO_1.jpg"),
        ("jhu_amlab", "monocyte/Patient_7__MO_1.jpg"),
    ],
)
def test_a_name_that_begins_like_a_publishers_is_none(tmp_path: Path, above: str, name: str) -> None:
    draw(tmp_path / above, name)
    assert not {"pbc", "lmu_aml", "chula", "jhu_aml"} & {row[1] for row in told(tmp_path / above, "source")}


@pytest.mark.parametrize(
    "home",
    [
        "LMU_AML",
        "LMU-AML (1)",
        "lmu_aml_224x224",
        "AML-Cytomorphology_LMU",
        "PKG - AML-Cytomorphology_LMU",
        "munich_aml",
    ],
)
def test_likes_of_a_publishers_name_are_its(tmp_path: Path, home: str) -> None:
    draw(tmp_path, f"{home}/EOS/EOS_0001.jpg")
    assert told(tmp_path, "source") == [("eosinophil", "lmu_aml")]


def test_a_publishers_name_above_what_was_given_decides_nothing(tmp_path: Path) -> None:
    root = tmp_path / "LMU_AML" / "ours" / "slides"
    draw(root, "EOS/EOS_0001.jpg")
    assert {source for _, source in told(root, "source")} == {"slides"}
    assert {source for _, source in told(root.parent, "source")} == {"lmu_aml"}


def test_a_publishers_name_around_other_numbers_is_told(tmp_path: Path) -> None:
    root = tmp_path / "PBC_dataset"
    draw(root, "train/monocyte/MO_1.jpg", "test/neutrophil/SNE_2.jpg")
    assert {source for _, source in told(root, "source")} == {"pbc"}
    words = "taken for pbc by the publisher's name above, though not numbered as published"
    assert heard(root) == [f"{root}/test, {root}/train: {words}; --as folder reads an ordinary folder"]


@pytest.mark.parametrize("top", ["pbc_v1.0", "PBC_2020-07", "PBC_dataset_normal_DIB (1)", "wbc_2.1", "202007"])
def test_a_set_called_by_a_version_or_month_is_no_case_and_makes_none_of_what_lies_beside(
    tmp_path: Path, top: str
) -> None:
    draw(tmp_path, *[f"{top}/{name}" for name in published()], "OwnLab/monocyte/1.png", "OwnLab/blast/2.png")
    assert told(tmp_path, "patient", "source") == [
        ("blast", None, "OwnLab"),
        ("lymphocyte", None, "pbc"),
        ("monocyte", None, "OwnLab"),
        ("monocyte", None, "pbc"),
        ("neutrophil", None, "pbc"),
    ]


def test_cases_called_like_months_beside_a_public_set_are_refused(tmp_path: Path) -> None:
    draw(tmp_path, "PBC_dataset_normal_DIB/monocyte/MO_1.jpg")
    draw(tmp_path, *[f"24-0{k}/{folder}/x{k}.jpg" for k in (1, 2) for folder in ("monocyte", "blast")])
    with pytest.raises(UnknownLayout, match=r"24-01, 24-02 .*--folders patient/class"):
        sources.read(tmp_path)


def test_cases_beside_a_public_set_are_one_set_with_its_patients(tmp_path: Path) -> None:
    draw(tmp_path, "PBC_dataset_normal_DIB/monocyte/MO_1.jpg")
    draw(tmp_path, *[f"Patient_{k}/{folder}/x{k}.jpg" for k in (1, 2) for folder in ("monocyte", "blast")])
    found = [row for row in told(tmp_path, "patient", "source") if row[2] != "pbc"]
    assert found == [(label, f"Patient_{k}", tmp_path.name) for label in ("blast", "monocyte") for k in (1, 2)]
