"""LMU_AML: leukocytes of patients with acute myeloid leukemia and of controls, Munich (Matek et al. 2019)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from hemosight.blood.vocabulary import label_and_subtype
from hemosight.images.sources.source import Record, Source, SourceLayout, homes

LMU_AML = Source(
    name="lmu_aml",
    title="Munich AML morphology data set (AML-Cytomorphology_LMU)",
    place="Munich (LMU)",
    licence="CC BY 3.0",
    citation=(
        "Matek C, Schwarz S, Marr C, Spiekermann K. A single-cell morphological dataset of leukocytes from AML "
        "patients and non-malignant controls. The Cancer Imaging Archive (2019). doi:10.7937/tcia.2019.36f5o9ld; "
        "Matek C, Schwarz S, Spiekermann K, Marr C. Nature Machine Intelligence 1:538-544 (2019)"
    ),
    page="https://doi.org/10.7937/tcia.2019.36f5o9ld",
    folder="LMU_AML",
    counts={
        "basophil": 79,
        "blast": 3294,
        "eosinophil": 424,
        "erythroblast": 78,
        "ig": 145,
        "lymphocyte": 3948,
        "monocyte": 1789,
        "neutrophil": 8593,
        "smudge": 15,
    },
    scale=0.733,
    red_cell_px=105.0,
    by_hand="The Cancer Imaging Archive hands this collection out by IBM Aspera only",
    note="Red cells are wider than in pbc (105 against 77 px): crops are brought to one scale. No patients are given.",
)

# The publisher's codes: label and finer type; its PMO is a promyelocyte, elsewhere a promonocyte. Myeloblasts are the
# blasts of the paper; monoblasts are blasts too, told apart by subtype.
CODES: dict[str, tuple[str | None, str | None]] = {
    "BAS": ("basophil", None),
    "EBO": ("erythroblast", None),
    "EOS": ("eosinophil", None),
    "KSC": (None, "smudge"),
    "LYA": ("lymphocyte", "variant_lymphocyte"),
    "LYT": ("lymphocyte", None),
    "MMZ": ("ig", "metamyelocyte"),
    "MOB": ("blast", "monoblast"),
    "MON": ("monocyte", None),
    "MYB": ("ig", "myelocyte"),
    "MYO": ("blast", "myeloblast"),
    "NGB": ("neutrophil", "band_neutrophil"),
    "NGS": ("neutrophil", "segmented_neutrophil"),
    "PMB": ("ig", "bilobed_promyelocyte"),
    "PMO": ("ig", "promyelocyte"),
}
_HOMES = homes("lmu[ _-]?aml", "munich[ _-]?aml", "(?:pkg[ _-]*)?(?:munich[ _-]?)?aml[ _-]cytomorphology(?:[ _-]lmu)?")
_PUBLISHED = re.compile(r"[A-Za-z]{3}_\d{4}", re.ASCII)
_OWN = frozenset(("EBO", "KSC", "LYA", "MMZ", "MOB", "MYB", "MYO", "NGB", "NGS", "PMB"))
"""Codes that are Munich's alone; BAS, EOS, LYT, MON and PMO are any laboratory's abbreviations."""
_NAME = re.compile(rf"({'|'.join(CODES)})_\d{{4,}}", re.IGNORECASE)


def _code(name: str) -> str:
    match = _NAME.match(name)
    return match[1].upper() if match else ""


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten are ``<class or code>/<CODE>_<number>``."""
    fitting = sum(
        len(path.parts) == 2
        and (path.parts[0].upper() in CODES or path.parts[0].lower() in LMU_AML.counts)
        and bool(_code(path.name))
        for path in paths
    )
    return fitting > 0 and fitting >= 0.9 * len(paths)


def numbered(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten are numbered like the published files, by four digits."""
    return sum(_PUBLISHED.fullmatch(path.stem) is not None for path in paths) >= 0.9 * len(paths)


def evident(paths: Sequence[PurePath]) -> bool:
    """Whether a code that is Munich's alone is among them."""
    return any(_code(path.name) in _OWN for path in paths)


def records(_root: Path, images: Sequence[Path]) -> list[Record]:
    """A row for each image; a folder that names a class decides, else the code in the file's name."""
    rows: list[Record] = []
    for path in images:
        label, subtype = CODES.get(_code(path.name), (None, None))
        folder = path.parent.name.lower()
        if folder in LMU_AML.counts and folder not in (label, subtype):
            label, subtype = label_and_subtype(folder)
        rows.append({"path": str(path), "label": label, "subtype": subtype, "source": LMU_AML.name})
    return rows


LAYOUT = SourceLayout(
    "lmu_aml",
    "<class or code>/<CODE>_<number>.tiff|.jpg, as published",
    recognises,
    records,
    LMU_AML,
    _HOMES,
    numbered,
    evident,
    lacking="without a code that is Munich's alone",
)
