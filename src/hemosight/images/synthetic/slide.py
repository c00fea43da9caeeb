"""Cells of one drawn slide, one after the other, as a microscope meets them: types mixed, one stain, one scanner."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np

from hemosight.images.synthetic.smear import VERSION, draw_cell
from hemosight.images.synthetic.stain import Scanner, Stain

SHARES: Mapping[str, float] = {
    "neutrophil": 0.44,
    "lymphocyte": 0.22,
    "monocyte": 0.09,
    "ig": 0.06,
    "eosinophil": 0.05,
    "platelet": 0.05,
    "blast": 0.04,
    "erythroblast": 0.03,
    "basophil": 0.02,
}
"""How often each type comes: a left-shifted smear, in which every type can be met among two hundred cells."""


def draw_slide(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Draw the first ``count`` cells of a slide: names and JPEG bytes, each drawn when it is asked for.

    A picture depends on the seed and its number alone, so that a longer slide begins with the cells of a shorter one
    and the same call gives the same bytes. Names say ``drawn`` and no type; the type and the attributes are in the
    file's comment, as :func:`~hemosight.images.synthetic.draw_smear` writes them.
    """
    scanner, stain = Scanner.reference(), Stain.random(np.random.default_rng([seed, 0]))
    labels = np.random.default_rng([seed, 1]).choice(list(SHARES), size=count, p=list(SHARES.values()))
    for number, label in enumerate(labels.tolist(), start=1):
        cell = draw_cell(label, np.random.default_rng([seed, 2, number]), stain=stain, scanner=scanner)
        about = {
            "recipe": {"version": VERSION, "seed": seed, "label": label, "slide": number},
            "attributes": dict(cell.attributes),
        }
        yield f"drawn-{seed}/drawn_{number:04d}.jpg", scanner.export(cell.pixels, json.dumps(about))
