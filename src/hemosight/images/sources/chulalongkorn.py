"""CHULA: cells of camera fields, Chulalongkorn University, Bangkok: five types, the slide in the file's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from hemosight.images.sources.source import Record, Source, SourceLayout, homes

CHULA = Source(
    name="chula",
    title="WBC_Dataset: white blood cells photographed by a low-cost camera, Chulalongkorn University",
    place="Bangkok (Chulalongkorn)",
    licence="MIT",
    citation=(
        "WBC_Dataset. Embedded System and Integrated Circuit Design Laboratory, Chulalongkorn University, Bangkok "
        "(2022). https://github.com/singgihbekti/WBC_Dataset"
    ),
    page="https://github.com/singgihbekti/WBC_Dataset",
    folder="CHULA",
    red_cell_px=79.0,
    by_hand="the publisher hands out whole fields with boxes; the crops are 360 x 360 pixels around each box",
    note=(
        "Vignetted, blurred, chromatic fringes. No patients are given; cells of one slide are kept together like "
        "those of one patient. Type and slide are partly confounded."
    ),
)

TYPES = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
"""The five folders."""

_NAME = re.compile(r"([A-Z]+(?:-[A-Z]+)*-\d+[A-Za-z]*)_\d+_\d+", re.ASCII)

_HOMES = homes("chula(?:longkorn)?(?:[ _-]?wbc)?", "wbc_dataset-(?:main|master)")
_PUBLISHED = re.compile(r"(?:HF-)?[BELMN]-\d{1,2}[A-Z]?[a-z]?_\d{4}_\d", re.ASCII)
"""As published: a slide is the letter of a type and a number, a field four digits, a cell one."""


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten are ``<type>/<SLIDE>_<field>_<cell>``, a slide being letters, a dash and a number."""
    fitting = sum(
        len(path.parts) == 2 and path.parts[0].lower() in TYPES and _NAME.fullmatch(path.stem) is not None
        for path in paths
    )
    return fitting > 0 and fitting >= 0.9 * len(paths)


def numbered(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten are called like the published slides, fields and cells."""
    return sum(_PUBLISHED.fullmatch(path.stem) is not None for path in paths) >= 0.9 * len(paths)


def records(_root: Path, images: Sequence[Path]) -> list[Record]:
    """A row for each image; its slide (``L-8`` of ``L-8_0044_0.jpg``) stands in the place of a patient."""
    rows: list[Record] = []
    for path in images:
        folder, match = path.parent.name.lower(), _NAME.fullmatch(path.stem)
        rows.append(
            {
                "path": str(path),
                "label": folder if folder in TYPES else None,
                "source": CHULA.name,
                "patient": match[1] if match else None,
            }
        )
    return rows


LAYOUT = SourceLayout("chula", "<type>/<SLIDE>_<field>_<cell>.jpg", recognises, records, CHULA, _HOMES, numbered)
