"""JHU_AML: signed cells of leukemia patients, Johns Hopkins Hospital (Sidhom et al. 2021), with their patients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

import polars as pl

from hemosight.blood.vocabulary import TYPES, label_and_subtype, named
from hemosight.errors import BadTable
from hemosight.images.sources.source import Record, Source, SourceLayout, homes

JHU_AML = Source(
    name="jhu_aml",
    title="DeepAPL: peripheral blood cells of patients with acute leukemia, Johns Hopkins Hospital",
    place="Baltimore (JHU)",
    licence=(
        "not certain: the repository bears a copyright line of Johns Hopkins University only; the figshare record "
        "10.6084/m9.figshare.14294675 is believed to be CC BY 4.0 and could not be opened"
    ),
    citation=(
        "Sidhom JW, Siddarthan IJ, Lai BS, et al. Deep learning for diagnosis of acute promyelocytic leukemia via "
        "recognition of genomically imprinted morphologic features. npj Precision Oncology 5:38 (2021). "
        "doi:10.1038/s41698-021-00179-y; data: doi:10.6084/m9.figshare.14294675"
    ),
    page="https://doi.org/10.6084/m9.figshare.14294675",
    folder="JHU_AML",
    red_cell_px=77.8,
    by_hand="the record could not be opened, so no link to it could be checked",
    note=(
        "Patient in every file's name, diagnosis (AML or APL) in patients.csv. Labels are those of the signed "
        "differential; the folders eosinophil and basophil are perhaps a third wrong: `hemosight study suspects`."
    ),
)

DIAGNOSES = "patients.csv"
"""The table that says which patient has which leukemia."""

_NAME = re.compile(r"(Patient_\d+)__([A-Za-z]+)_\d+")
_HOMES = homes("jhu[ _-]?aml", "deepapl")
_PATIENT = re.compile(r"Patient_\d+")
_PUBLISHED = ("Signed slides", "Unsigned slides")
"""The folders between a patient's and a type's, as published: Patient_NN/Signed slides/<type>/<CODE>_<number>.jpg."""


def _patient(path: PurePath) -> str | None:
    """The patient, told by the file's name or, as published, by a folder above it."""
    match = _NAME.match(path.name)
    if match:
        return match[1]
    return next((part for part in reversed(path.parts[:-1]) if _PATIENT.fullmatch(part)), None)


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten are ``<fine type>/Patient_<number>__<CODE>_<number>``, or as published."""
    fitting = sum(
        (len(path.parts) == 2 and path.parts[0] in TYPES and _NAME.match(path.name) is not None)
        or (len(path.parts) >= 3 and path.parts[-3] in _PUBLISHED and named(path.parent.name) is not None)
        for path in paths
    )
    return fitting > 0 and fitting >= 0.9 * len(paths)


def numbered(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten name a patient as published, ``Patient_00`` to ``Patient_105``, in the file or above it.

    ``Signed slides`` alone is no evidence: CellaVision calls its folders so everywhere.
    """
    named_so = sum((patient := _patient(path)) is not None and len(patient) in (10, 11) for path in paths)
    return named_so >= 0.9 * len(paths)


def records(root: Path, images: Sequence[Path]) -> list[Record]:
    """A row for each image: the folder is the finest type, whatever code the file's name begins with.

    Raises :class:`~hemosight.errors.BadTable` where ``patients.csv`` is there and cannot be read.
    """
    diagnoses = _diagnoses(root)
    rows: list[Record] = []
    for path in images:
        known = named(path.parent.name)
        label, subtype = label_and_subtype(known) if known is not None else (None, None)
        patient = _patient(path)
        rows.append(
            {
                "path": str(path),
                "label": label,
                "subtype": subtype,
                "source": JHU_AML.name,
                "patient": patient,
                "diagnosis": diagnoses.get(patient or ""),
            }
        )
    return rows


def _diagnoses(root: Path) -> dict[str, str]:
    """Patient -> diagnosis; empty where the table is not there."""
    file = root / DIAGNOSES
    if not file.is_file():
        return {}
    table = pl.read_csv(file, infer_schema=False)
    if not {"Patient_ID", "Diagnosis"} <= set(table.columns):
        raise BadTable(
            expected="the columns Patient_ID and Diagnosis",
            came=f"the columns {', '.join(table.columns)}",
            path=file,
            mend="Put the publisher's table there, or take it away.",
        )
    return dict(table.select("Patient_ID", pl.col("Diagnosis").str.strip_chars()).drop_nulls().iter_rows())


LAYOUT = SourceLayout(
    "jhu_aml",
    "<fine type>/Patient_<number>__<CODE>_<number>.jpg",
    recognises,
    records,
    JHU_AML,
    _HOMES,
    numbered,
    names_patients=True,
)
