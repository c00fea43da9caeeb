"""PBC: normal peripheral blood cells of the Hospital Clínic of Barcelona (Acevedo et al. 2020)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from hemosight.blood.vocabulary import named
from hemosight.images.sources.source import Record, RemoteFile, Source, SourceLayout

PBC = Source(
    name="pbc",
    title="Microscopic peripheral blood cell images, Hospital Clínic of Barcelona",
    place="Barcelona (PBC)",
    licence="CC BY 4.0",
    citation=(
        "Acevedo A, Merino A, Alférez S, Molina Á, Boldú L, Rodellar J. A dataset of microscopic peripheral blood "
        "cell images for development of automatic recognition systems. Data in Brief 30:105474 (2020). "
        "doi:10.1016/j.dib.2020.105474; data: Mendeley Data, doi:10.17632/snkd93bnjr.1"
    ),
    page="https://data.mendeley.com/datasets/snkd93bnjr/1",
    folder="PBC_dataset_normal_DIB",
    counts={
        "basophil": 1218,
        "eosinophil": 3117,
        "erythroblast": 1551,
        "ig": 2895,
        "lymphocyte": 1214,
        "monocyte": 1420,
        "neutrophil": 3329,
        "platelet": 2348,
    },
    distinct=17075,
    red_cell_px=77.0,
    files=(
        RemoteFile(
            url="https://data.mendeley.com/public-files/datasets/snkd93bnjr/files/"
            "2fc38728-2ae7-4a62-a857-032af82334c3/file_downloaded",
            name="PBC_dataset_normal_DIB.zip",
            archive=True,
        ),
    ),
    note="17 pairs of identical files; one of them is labelled neutrophil and eosinophil. No patients are given.",
)

_PREFIXES = {
    "basophil": ("BA",),
    "eosinophil": ("EO",),
    "erythroblast": ("ERB",),
    "ig": ("IG", "MMY", "MY", "PMY"),
    "lymphocyte": ("LY",),
    "monocyte": ("MO",),
    "neutrophil": ("NEUTROPHIL", "SNE", "BNE"),
    "platelet": ("PLATELET",),
}
_FINER = ("SNE", "BNE", "MMY", "MY", "PMY")
"""Prefixes that tell a finer type; the others repeat the folder."""
_NAME = re.compile(r"([A-Za-z]+)_\d+")


def _prefix(name: str) -> str:
    match = _NAME.match(name)
    return match[1].upper() if match else ""


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten are ``<class>/<PREFIX>_<number>`` with a prefix of that class."""
    fitting = sum(
        len(path.parts) == 2 and _prefix(path.name) in _PREFIXES.get(path.parts[0].lower(), ()) for path in paths
    )
    return fitting > 0 and fitting >= 0.9 * len(paths)


def records(_root: Path, images: Sequence[Path]) -> list[Record]:
    """A row for each image; the class is its folder, the finer type its prefix.

    ``NEUTROPHIL`` and ``IG`` are cells whose finer type was not given.
    """
    return [
        {
            "path": str(path),
            "label": path.parent.name.lower() if path.parent.name.lower() in PBC.counts else None,
            "subtype": named(_prefix(path.name)) if _prefix(path.name) in _FINER else None,
            "source": PBC.name,
        }
        for path in images
    ]


LAYOUT = SourceLayout("pbc", "<class>/<PREFIX>_<number>.jpg, as published", recognises, records, PBC)
