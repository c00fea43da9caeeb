"""PBC: normal peripheral blood cells of the Hospital Clínic of Barcelona (Acevedo et al. 2020)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePath
from statistics import fmean, median

from hemosight.blood.vocabulary import named
from hemosight.images.sources.source import Record, RemoteFile, Source, SourceLayout, homes

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
_NAME = re.compile(r"([A-Za-z]+)_(\d+)")
_HOMES = homes("pbc[ _-]?dataset(?:[ _-]?normal)?(?:[ _-]?dib)?", "snkd93bnjr")
_PUBLISHED = re.compile(r"[A-Z]+_[1-9]\d{4,5}", re.ASCII)
"""98 in 100 names: a number without zeros before it. An analyzer counts from 0001, or on in millions."""
_LEAST = 20
_QUARTILES = (400_000, 600_000)
"""Published numbers are strewn evenly up to a million, so their quartiles lie near 250,000 and 750,000 (227,000 to
325,000 and 603,000 to 827,000 in each type); the counter of a laboratory stays near one number."""
_FEW = 8
"""Pictures that tell anything at all."""
_OF_ONE_TYPE = 5
_SPAN = 50_000
_APART = 100
"""The first of each type by their names begin with 1 or 2, and are as thinly strewn as the rest: one in 290 numbers of
the most frequent type. A counter that ran so far has the cells of a case close to each other, or skips few numbers."""


def _prefix(name: str) -> str:
    match = _NAME.match(name)
    return match[1].upper() if match else ""


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten are ``<class>/<PREFIX>_<number>`` with a prefix of that class."""
    fitting = sum(
        len(path.parts) == 2 and _prefix(path.name) in _PREFIXES.get(path.parts[0].lower(), ()) for path in paths
    )
    return fitting > 0 and fitting >= 0.9 * len(paths)


def numbered(paths: Sequence[PurePath]) -> bool:
    """Whether nine in ten are numbered like the published files."""
    return sum(_PUBLISHED.fullmatch(path.stem) is not None for path in paths) >= 0.9 * len(paths)


def evident(paths: Sequence[PurePath]) -> bool:
    """Whether their numbers are strewn as the published are: CellaVision's own codes are SNE, BNE, MO and so on too.

    All of them up to a million, or those of each code evenly and far apart, as in the first 50 of each type by name.
    """
    types: dict[str, list[int]] = defaultdict(list)
    for path in paths:
        if match := _PUBLISHED.match(path.stem):
            types[_prefix(path.name)].append(int(match[0].split("_")[1]))
    numbers = sorted(number for some in types.values() for number in some)
    if len(numbers) < _FEW:
        return False
    low, high = numbers[len(numbers) // 4], numbers[3 * len(numbers) // 4]
    if len(numbers) >= _LEAST and low < _QUARTILES[0] and high > _QUARTILES[1]:
        return True
    if numbers[-1] - numbers[0] < _SPAN:
        return False
    several = [some for some in types.values() if len(some) >= _OF_ONE_TYPE]
    if 2 * sum(map(len, several)) < len(numbers):
        several = [numbers]
    strewn = sum(len(some) for some in several if _is_even(some))
    return 2 * strewn > sum(map(len, several))


def _is_even(numbers: Sequence[int]) -> bool:
    """Whether numbers of one length lie far apart, and most neighbours as far as the mean."""
    longest = sorted(number for number in numbers if number >= 100_000)
    some = longest if 2 * len(longest) > len(numbers) else sorted(numbers)
    gaps = [after - before for before, after in pairwise(some)]
    return len(gaps) > 1 and fmean(gaps) >= _APART and median(gaps) >= fmean(gaps) / 4


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


LAYOUT = SourceLayout(
    "pbc",
    "<class>/<PREFIX>_<number>.jpg, as published",
    recognises,
    records,
    PBC,
    _HOMES,
    numbered,
    evident,
    lacking="too few or not strewn as published",
)
