from __future__ import annotations

import os
from collections import Counter
from pathlib import Path, PurePath

import polars as pl
import pytest
from PIL import Image

from hemosight.blood.vocabulary import NINE, TYPES
from hemosight.errors import BadTable, PathMissing, TooFewCells, UnknownLayout, UnknownName
from hemosight.images import sources
from hemosight.images.catalog import Catalog
from hemosight.images.sources import analyzer, barcelona, chulalongkorn, johns_hopkins, munich, wbcatt


def draw(root: Path, *names: str) -> Path:
    """Small pictures, each with its own bytes."""
    for k, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 24), (k % 256, len(name), 7)).save(path, format="PNG")
    return root


def facts(catalog: Catalog, *columns: str) -> dict[str, tuple[str | None, ...]]:
    """File name -> these columns."""
    return {Path(path).name: tuple(rest) for path, *rest in catalog.table.select("path", *columns).rows()}


PBC_FILES = (
    "basophil/BA_1.jpg",
    "eosinophil/EO_2.jpg",
    "erythroblast/ERB_3.jpg",
    "ig/IG_4.jpg",
    "ig/MMY_5.jpg",
    "ig/MY_6.jpg",
    "ig/PMY_7.jpg",
    "lymphocyte/LY_8.jpg",
    "monocyte/MO_9.jpg",
    "neutrophil/BNE_10.jpg",
    "neutrophil/NEUTROPHIL_11.jpg",
    "neutrophil/SNE_12.jpg",
    "platelet/PLATELET_13.jpg",
)
HEADER = "img_name,label," + ",".join(wbcatt.ATTRIBUTES) + ",path"


def annotate(root: Path, **splits: list[str]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for split in ("train", "val", "test"):
        lines = [HEADER]
        for name in splits.get(split, []):
            values = [f"{attribute}-{name[:2]}" for attribute in wbcatt.ATTRIBUTES]
            lines.append(",".join([name, "Any", *values, f"PBC_dataset_normal_DIB/any/{name}"]))
        (root / f"pbc_attr_v1_{split}.csv").write_text("\n".join(lines) + "\n")


# --- public sets ---


def test_pbc_takes_labels_from_folders_and_finer_types_from_names(tmp_path: Path):
    root = draw(tmp_path / "PBC_dataset_normal_DIB", *PBC_FILES)
    assert sources.detect(root) == ("pbc",)
    found = facts(sources.read(root), "label", "subtype", "source", "patient")
    assert found == {
        "BA_1.jpg": ("basophil", None, "pbc", None),
        "EO_2.jpg": ("eosinophil", None, "pbc", None),
        "ERB_3.jpg": ("erythroblast", None, "pbc", None),
        "IG_4.jpg": ("ig", None, "pbc", None),
        "MMY_5.jpg": ("ig", "metamyelocyte", "pbc", None),
        "MY_6.jpg": ("ig", "myelocyte", "pbc", None),
        "PMY_7.jpg": ("ig", "promyelocyte", "pbc", None),
        "LY_8.jpg": ("lymphocyte", None, "pbc", None),
        "MO_9.jpg": ("monocyte", None, "pbc", None),
        "BNE_10.jpg": ("neutrophil", "band_neutrophil", "pbc", None),
        "NEUTROPHIL_11.jpg": ("neutrophil", None, "pbc", None),
        "SNE_12.jpg": ("neutrophil", "segmented_neutrophil", "pbc", None),
        "PLATELET_13.jpg": ("platelet", None, "pbc", None),
    }


def test_hidden_files_and_macos_leftovers_are_passed_over(tmp_path: Path):
    draw(tmp_path, "neutrophil/SNE_1.jpg", "neutrophil/.DS_169665.jpg", "__MACOSX/neutrophil/SNE_1.jpg", ".x/SNE_2.jpg")
    assert set(facts(sources.read(tmp_path))) == {"SNE_1.jpg"}


def test_lmu_codes_become_labels_in_the_published_and_in_the_renamed_layout(tmp_path: Path):
    codes = ("BAS", "EBO", "EOS", "KSC", "LYA", "LYT", "MMZ", "MOB", "MON", "MYB", "MYO", "NGB", "NGS", "PMB", "PMO")
    draw(tmp_path / "published", *(f"{code}/{code}_0001.tiff" for code in codes))
    found = facts(sources.read(tmp_path / "published"), "label", "subtype")
    assert found["MYO_0001.tiff"] == ("blast", "myeloblast")
    assert found["MOB_0001.tiff"] == ("blast", "monoblast")
    assert found["NGS_0001.tiff"] == ("neutrophil", "segmented_neutrophil")
    assert found["PMO_0001.tiff"] == ("ig", "promyelocyte")
    assert found["KSC_0001.tiff"] == (None, "smudge")
    assert {label or subtype for label, subtype in found.values()} == set(sources.source("lmu_aml").counts)
    draw(tmp_path / "renamed", "blast/MYO_0001.jpg", "neutrophil/NGS_0001.jpg")
    assert sources.detect(tmp_path / "renamed") == ("lmu_aml",)
    assert facts(sources.read(tmp_path / "renamed"), "label", "source") == {
        "MYO_0001.jpg": ("blast", "lmu_aml"),
        "NGS_0001.jpg": ("neutrophil", "lmu_aml"),
    }


JHU_FILES = (
    "band_neutrophil/Patient_06__BNE_1.jpg",
    "blast/Patient_00__BL_2.jpg",
    "lymphocyte/Patient_00__LY_3.jpg",
    "plasma_cell/Patient_06__PC_4.jpg",
    "platelet_clump/Patient_103__ERC_5.jpg",
    "promonocyte/Patient_06__PMO_6.jpg",
    "promyelocyte/Patient_00__PMO_7.jpg",
    "smudge/Patient_00__SMU_8.jpg",
    "unidentified/Patient_06__UI_9.jpg",
)


def test_jhu_aml_takes_the_finest_type_from_the_folder_and_the_patient_from_the_name(tmp_path: Path):
    root = draw(tmp_path / "JHU_AML", *JHU_FILES)
    (root / "patients.csv").write_text("Patient_ID,Diagnosis,Cohort\nPatient_00,APL ,Discovery\nPatient_06,AML,x\n")
    assert sources.detect(root) == ("jhu_aml",)
    catalog = sources.read(root)
    assert facts(catalog, "label", "subtype", "patient", "diagnosis") == {
        "Patient_06__BNE_1.jpg": ("neutrophil", "band_neutrophil", "Patient_06", "AML"),
        "Patient_00__BL_2.jpg": ("blast", None, "Patient_00", "APL"),
        "Patient_00__LY_3.jpg": ("lymphocyte", None, "Patient_00", "APL"),
        "Patient_06__PC_4.jpg": ("lymphocyte", "plasma_cell", "Patient_06", "AML"),
        "Patient_103__ERC_5.jpg": ("platelet", "platelet_clump", "Patient_103", None),
        "Patient_06__PMO_6.jpg": ("blast", "promonocyte", "Patient_06", "AML"),
        # The folder decides: some promyelocytes are filed under another code.
        "Patient_00__PMO_7.jpg": ("ig", "promyelocyte", "Patient_00", "APL"),
        "Patient_00__SMU_8.jpg": (None, "smudge", "Patient_00", "APL"),
        "Patient_06__UI_9.jpg": (None, "unidentified", "Patient_06", "AML"),
    }
    assert set(catalog.table["source"]) == {"jhu_aml"}
    assert [source.name for source in sources.sources_of(catalog)] == ["jhu_aml"]
    fine = dict(zip((path.name for path in catalog.paths), catalog.labels("fine_type"), strict=True))
    assert fine["Patient_06__UI_9.jpg"] == "unidentified"
    assert fine["Patient_00__BL_2.jpg"] == "blast"
    assert fine["Patient_06__PC_4.jpg"] == "plasma_cell"


def test_jhu_aml_as_published_reads_the_same(tmp_path: Path):
    draw(
        tmp_path,
        "All/Patient_07/Signed slides/Segmented neutrophils/SNE_1.jpg",
        "All/Patient_08/Signed slides/Blast, no lineage spec/BL_2.jpg",
        "All/Patient_08/Unsigned slides/Smudge cells/SMU_3.jpg",
    )
    assert facts(sources.read(tmp_path), "label", "subtype", "source", "patient") == {
        "SNE_1.jpg": ("neutrophil", "segmented_neutrophil", "jhu_aml", "Patient_07"),
        "BL_2.jpg": ("blast", None, "jhu_aml", "Patient_08"),
        "SMU_3.jpg": (None, "smudge", "jhu_aml", "Patient_08"),
    }


def test_a_diagnosis_table_without_its_columns_is_refused(tmp_path: Path):
    root = draw(tmp_path, *JHU_FILES)
    (root / "patients.csv").write_text("id,illness\n1,AML\n")
    with pytest.raises(BadTable, match="the columns id, illness"):
        sources.read(root)


CHULA_FILES = (
    "basophil/B-56_0005_0.jpg",
    "monocyte/HF-M-8_0037_0.jpg",
    "lymphocyte/L-5Bb_0165_0.jpg",
    "lymphocyte/L-8_0044_1.jpg",
    "neutrophil/L-8_0044_0.jpg",
)


def test_chula_keeps_a_slide_together_like_a_patient(tmp_path: Path):
    root = draw(tmp_path / "CHULA", *CHULA_FILES)
    assert sources.detect(root) == ("chula",)
    assert facts(sources.read(root), "label", "subtype", "source", "patient") == {
        "B-56_0005_0.jpg": ("basophil", None, "chula", "B-56"),
        "HF-M-8_0037_0.jpg": ("monocyte", None, "chula", "HF-M-8"),
        "L-5Bb_0165_0.jpg": ("lymphocyte", None, "chula", "L-5Bb"),
        "L-8_0044_1.jpg": ("lymphocyte", None, "chula", "L-8"),
        "L-8_0044_0.jpg": ("neutrophil", None, "chula", "L-8"),
    }


def test_whole_fields_beside_their_boxes_are_no_crops(tmp_path: Path):
    draw(tmp_path / "CHULA", *CHULA_FILES)
    draw(tmp_path / "fields" / "CHULA", "B-56_0005.jpg")
    (tmp_path / "fields" / "CHULA" / "boxes.csv").write_text("image,kind,type,xmin,ymin,xmax,ymax\n")
    assert sources.detect(tmp_path) == ("chula",)
    assert len(sources.read(tmp_path)) == len(CHULA_FILES)
    assert sources.count(tmp_path) == {"chula": len(CHULA_FILES)}


def test_one_public_set_is_not_taken_for_the_other_nor_a_laboratorys_folder_for_either():
    pbc = [PurePath(name) for name in PBC_FILES]
    lmu = [PurePath("blast/MYO_0001.jpg"), PurePath("neutrophil/NGS_0001.jpg")]
    jhu = [PurePath(name) for name in JHU_FILES]
    chula = [PurePath(name) for name in CHULA_FILES]
    own = [PurePath("neutrophil/cell 1.png"), PurePath("blast/cell 2.png")]
    # A laboratory's own analyzer may number its cases like Johns Hopkins does.
    export = [PurePath("Patient_7/Segmented neutrophils/SNE_1.png"), PurePath("Patient_8/Monocytes/MO_2.png")]
    sets = (pbc, lmu, jhu, chula, own, export, [])
    for module, its in ((barcelona, pbc), (munich, lmu), (johns_hopkins, jhu), (chulalongkorn, chula)):
        assert [module.recognises(paths) for paths in sets] == [paths is its for paths in sets]


def test_a_folder_of_sets_reads_as_their_union_with_attributes_and_own_folders(tmp_path: Path):
    draw(tmp_path / "PBC_dataset_normal_DIB", *PBC_FILES)
    draw(tmp_path / "deep" / "LMU_AML", "blast/MYO_0001.jpg")
    draw(tmp_path / "our laboratory", "hairy cell/1.png", "SNE_12.jpg")
    draw(tmp_path, "loose.png")
    annotate(tmp_path / "wbcatt", train=["SNE_12.jpg"], val=["EO_2.jpg"], test=["BA_1.jpg", "BA_404.jpg"])
    assert sources.detect(tmp_path) == ("folder", "lmu_aml", "pbc", "wbcatt")
    catalog = sources.read(tmp_path)
    assert Counter(catalog.table["source"].to_list()) == {
        "pbc": 13,
        "lmu_aml": 1,
        "our laboratory": 2,
        tmp_path.name: 1,
    }
    assert set(catalog.attributes) == set(wbcatt.ATTRIBUTES)
    annotated = catalog.where(pl.col("attribute.cell_size").is_not_null())
    # The laboratory's own SNE_12.jpg is not the cell that WBCAtt describes.
    assert facts(annotated, "source", "official_split", "attribute.nucleus_shape") == {
        "SNE_12.jpg": ("pbc", "train", "nucleus_shape-SN"),
        "EO_2.jpg": ("pbc", "val", "nucleus_shape-EO"),
        "BA_1.jpg": ("pbc", "test", "nucleus_shape-BA"),
    }
    assert sources.count(tmp_path) == {"pbc": 13, "lmu_aml": 1, "our laboratory": 2, tmp_path.name: 1, "wbcatt": 3}
    assert [source.name for source in sources.sources_of(catalog)] == ["pbc", "lmu_aml", "wbcatt"]
    assert facts(sources.read(tmp_path, "wbcatt")).keys() == {"SNE_12.jpg", "EO_2.jpg", "BA_1.jpg"}


def test_a_split_copy_of_pbc_is_still_pbc(tmp_path: Path):
    home = "PBC_dataset_normal_DIB"
    draw(tmp_path, f"{home}/train/basophil/BA_1.jpg", f"{home}/test/eosinophil/EO_2.jpg")
    assert facts(sources.read(tmp_path), "label", "source") == {
        "BA_1.jpg": ("basophil", "pbc"),
        "EO_2.jpg": ("eosinophil", "pbc"),
    }


def test_attributes_join_a_few_cells_in_a_folder_of_any_name_where_they_are_asked_for(tmp_path: Path):
    draw(tmp_path / "some", "basophil/BA_1.jpg", "neutrophil/SNE_12.jpg")
    annotate(tmp_path, train=["BA_1.jpg"])
    assert facts(sources.read(tmp_path, "wbcatt"), "source", "official_split") == {"BA_1.jpg": ("pbc", "train")}


def test_attributes_without_their_images_say_what_is_missing(tmp_path: Path):
    annotate(tmp_path, train=["BA_1.jpg"])
    with pytest.raises(BadTable, match="PBC_dataset_normal_DIB"):
        sources.read(tmp_path)


def test_a_cell_annotated_twice_is_refused(tmp_path: Path):
    draw(tmp_path / "PBC_dataset_normal_DIB", *PBC_FILES)
    annotate(tmp_path, train=["BA_1.jpg"], test=["BA_1.jpg"])
    with pytest.raises(BadTable, match=r"BA_1\.jpg in 2 rows"):
        sources.read(tmp_path)


def test_a_table_of_attributes_without_its_columns_is_refused(tmp_path: Path):
    draw(tmp_path / "PBC_dataset_normal_DIB", *PBC_FILES)
    (tmp_path / "pbc_attr_v1_train.csv").write_text("img_name,cell_size\nBA_1.jpg,big\n")
    with pytest.raises(BadTable, match="no column cell_shape"):
        sources.read(tmp_path)


def test_the_published_numbers_add_up():
    assert sources.source("pbc").total == 17_092
    assert sources.source("lmu_aml").total == 18_365
    assert sources.source("wbcatt").total == 10_298
    with pytest.raises(UnknownName, match="pbc, lmu_aml, jhu_aml, chula, wbcatt"):
        sources.source("raabin")


# --- folders of one's own ---


def test_any_folder_of_classes(tmp_path: Path):
    root = draw(tmp_path / "lab", "band/SNE_1.png", "band/deeper/2.png", "Hairy cell/3.png", "4.png")
    assert facts(sources.read(root), "label", "source", "patient") == {
        "SNE_1.png": ("band", "lab", None),
        "2.png": ("band", "lab", None),
        "3.png": ("Hairy cell", "lab", None),
        "4.png": (None, "lab", None),
    }


def test_a_split_above_the_classes_is_no_label(tmp_path: Path):
    draw(tmp_path, "Train/a/1.png", "valid/b/2.png", "test/a/3.png")
    assert facts(sources.read(tmp_path), "label", "official_split") == {
        "1.png": ("a", "train"),
        "2.png": ("b", "val"),
        "3.png": ("a", "test"),
    }


def test_one_picture_is_a_catalog_of_one(tmp_path: Path):
    draw(tmp_path, "a/1.png")
    catalog = sources.read(tmp_path / "a" / "1.png")
    assert facts(catalog, "label") == {"1.png": (None,)}


def test_linked_folders_are_followed_once(tmp_path: Path):
    draw(tmp_path / "real", "a/1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "a" / "loop").symlink_to(tmp_path / "real", target_is_directory=True)
    assert list(facts(sources.read(tmp_path / "set"))) == ["1.png"]


# --- exports of analyzers ---


def test_an_export_with_a_folder_for_each_case_and_class(tmp_path: Path):
    root = draw(
        tmp_path / "DI-60",
        "24-1093/01_Segmented neutrophils/1.bmp",
        "24-1093/Band Neutrophils/2.bmp",
        "24-1093/Unidentified/3.bmp",
        "24-1093/Hairy cells/4.bmp",
        "24-1099/Blasts (no lineage spec.)/5.bmp",
        "24-1099/Variant-lymphocytes/6.bmp",
    )
    assert sources.detect(root) == ("analyzer",)
    assert facts(sources.read(root), "label", "subtype", "patient", "source") == {
        "1.bmp": ("neutrophil", "segmented_neutrophil", "24-1093", "DI-60"),
        "2.bmp": ("neutrophil", "band_neutrophil", "24-1093", "DI-60"),
        "3.bmp": (None, "unidentified", "24-1093", "DI-60"),
        "4.bmp": ("Hairy cells", None, "24-1093", "DI-60"),
        "5.bmp": ("blast", None, "24-1099", "DI-60"),
        "6.bmp": ("lymphocyte", "variant_lymphocyte", "24-1099", "DI-60"),
    }


def test_an_export_whose_file_names_tell_the_class(tmp_path: Path):
    root = draw(
        tmp_path,
        "case 7/SNE_0001.jpg",
        "case 7/LY_0002.jpg",
        "case 7/photo.jpg",
        "case 8/Giant thrombocyte 3.jpg",
        "case 8/mono-4.jpg",
    )
    assert sources.detect(root) == ("analyzer",)
    assert facts(sources.read(root), "label", "subtype", "patient") == {
        "SNE_0001.jpg": ("neutrophil", "segmented_neutrophil", "case 7"),
        "LY_0002.jpg": ("lymphocyte", None, "case 7"),
        "photo.jpg": (None, None, "case 7"),
        "Giant thrombocyte 3.jpg": ("platelet", "giant_platelet", "case 8"),
        "mono-4.jpg": ("monocyte", None, "case 8"),
    }


def test_folders_that_are_classes_are_not_cases(tmp_path: Path):
    # Files that all begin alike in folders of their own are DIR/<class>/image, whatever they begin with.
    root = draw(tmp_path, "mine/SNE_1.jpg", "mine/SNE_2.jpg", "yours/LY_1.jpg", "yours/LY_2.jpg")
    assert sources.detect(root) == ("folder",)
    # Asked for, a folder of one case reads as an export without patient.
    draw(tmp_path / "one", "Segmented neutrophils/1.png", "Monocytes/2.png")
    assert sources.detect(tmp_path / "one") == ("folder",)
    assert facts(sources.read(tmp_path / "one", "analyzer"), "label", "patient") == {
        "1.png": ("neutrophil", None),
        "2.png": ("monocyte", None),
    }


def test_an_analyzers_class_becomes_label_and_subtype():
    assert analyzer.meaning("Giant thrombocytes") == ("platelet", "giant_platelet")
    assert analyzer.meaning("02_Smudge cells") == (None, "smudge")
    assert analyzer.meaning("Monocytes") == ("monocyte", None)
    assert analyzer.meaning("24-1093") is None


# --- tables ---


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_names_its_pictures_from_its_own_folder(tmp_path: Path, suffix: str):
    draw(tmp_path / "pictures", "1.png", "2.png")
    frame = pl.DataFrame(
        {
            "path": ["pictures/1.png", str(tmp_path / "pictures" / "2.png")],
            "label": ["ig", None],
            "patient": ["007", "7"],
            "scale": ["0.5", None],
            "attribute.cell_size": ["big", None],
            "remark": ["left out", ""],
        }
    )
    file = tmp_path / f"mine{suffix}"
    if suffix == ".csv":
        frame.write_csv(file)
    else:
        frame.write_parquet(file)
    assert sources.detect(file) == ("table",)
    catalog = sources.read(file)
    assert facts(catalog, "label", "patient", "source", "scale", "attribute.cell_size") == {
        "1.png": ("ig", "007", "mine", 0.5, "big"),
        "2.png": (None, "7", "mine", 1.0, None),
    }
    assert catalog.table["width"].to_list() == [20, 20]
    assert "remark" not in catalog.table.columns


def test_a_written_catalog_is_read_back_without_reading_its_pictures(tmp_path: Path):
    root = draw(tmp_path / "lab", "a/1.png", "b/2.png")
    catalog = sources.read(root)
    catalog.write(tmp_path / "c.parquet")
    (root / "a" / "1.png").unlink()
    assert sources.read(tmp_path / "c.parquet").ids == catalog.ids


def test_tables_that_cannot_be_used_say_why(tmp_path: Path):
    file = tmp_path / "t.csv"
    file.write_text("weight,label\n3,x\n")
    with pytest.raises(BadTable, match="the columns weight, label"):
        sources.read(file)
    file.write_text("path,label\na.png,x\nb.png,y\n")
    with pytest.raises(PathMissing, match=r"a\.png"):
        sources.read(file)
    draw(tmp_path, "a.png")
    assert sources.read(file).table["width"].to_list() == [20, None]
    file.write_text("path,scale\na.png,huge\n")
    with pytest.raises(BadTable, match="'huge'"):
        sources.read(file)
    file.write_text("path,label\n,x\n")
    with pytest.raises(BadTable, match="empty paths"):
        sources.read(file)
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(BadTable, match=r"t\.parquet"):
        sources.read(tmp_path / "t.parquet")


# --- what the caller chooses ---


def test_scale_is_for_all_or_for_each_source(tmp_path: Path):
    draw(tmp_path / "PBC_dataset_normal_DIB", *PBC_FILES)
    draw(tmp_path / "LMU_AML", "blast/MYO_0001.jpg")
    # Unasked, Munich's crops are brought to Barcelona's scale: its red cells are 105 px wide, theirs 77.
    known = dict(sources.read(tmp_path).table.select("source", "scale").unique().rows())
    assert known == {"pbc": 1.0, "lmu_aml": pytest.approx(77 / 105, abs=0.001)}
    assert set(sources.read(tmp_path, scale=0.5).table["scale"]) == {0.5}
    each = sources.read(tmp_path, scale={"lmu_aml": 0.73})
    assert set(each.table.select("source", "scale").rows()) == {("pbc", 1.0), ("lmu_aml", 0.73)}
    with pytest.raises(UnknownName, match="lmu_aml, pbc"):
        sources.read(tmp_path, scale={"munich": 0.73})


def test_progress_counts_every_file(tmp_path: Path):
    told: list[tuple[int, int]] = []
    sources.read(draw(tmp_path, "a/1.png", "a/2.png"), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_faults_of_the_caller(tmp_path: Path):
    with pytest.raises(PathMissing, match="nowhere"):
        sources.read(tmp_path / "nowhere")
    with pytest.raises(TooFewCells, check=lambda fault: fault.code == "no_images"):
        sources.read(tmp_path)
    draw(tmp_path, "a/1.png")
    with pytest.raises(UnknownName, match="analyzer, folder, table"):
        sources.read(tmp_path, "imagenet")
    for kind in ("pbc", "lmu_aml", "jhu_aml", "chula", "wbcatt", "table"):
        with pytest.raises(UnknownLayout, check=lambda fault: fault.code == "unknown_source"):
            sources.read(tmp_path, kind)
    (tmp_path / "set.zip").write_bytes(b"PK")
    with pytest.raises(UnknownLayout, match=r"set\.zip", check=lambda fault: fault.code == "unknown_source"):
        sources.read(tmp_path / "set.zip")


@pytest.mark.data
@pytest.mark.skipif("HEMOSIGHT_DATA" not in os.environ, reason="HEMOSIGHT_DATA names no folder of crops")
def test_the_real_sets_are_recognised_and_whole():
    home = Path(os.environ["HEMOSIGHT_DATA"])
    catalog = sources.read(home)
    counts = sources.count(home)
    assert len(catalog) == sum(number for name, number in counts.items() if name != "wbcatt")
    assert len(catalog.readable()) == len(catalog)
    for name in ("pbc", "lmu_aml"):
        rows = catalog.where(pl.col("source") == name)
        source = sources.source(name)
        assert set(rows.labels()) <= set(source.counts)
        assert 0 < len(rows) <= source.total
    assert set(catalog.table["label"].drop_nulls()) <= set(NINE)
    assert set(catalog.table["subtype"].drop_nulls()) <= set(TYPES)
    assert not catalog.where(pl.coalesce("label", "subtype").is_null()).table.height
    for name, groups in (("jhu_aml", 107), ("chula", 40)):
        rows = catalog.where(pl.col("source") == name)
        assert not rows.table["patient"].null_count()
        assert 1 < rows.table["patient"].n_unique() < groups
    johns_hopkins_cells = catalog.where(pl.col("source") == "jhu_aml").table
    assert set(johns_hopkins_cells["diagnosis"]) == {"AML", "APL"}
    assert johns_hopkins_cells.group_by("patient").agg(pl.col("diagnosis").n_unique())["diagnosis"].max() == 1
    annotated = catalog.where(pl.col("official_split").is_not_null())
    assert len(annotated) == counts["wbcatt"]
    assert set(annotated.table["source"]) == {"pbc"}
    assert all(annotated.table[f"attribute.{name}"].null_count() == 0 for name in annotated.attributes)
