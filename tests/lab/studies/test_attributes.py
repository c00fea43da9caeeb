"""Attributes: each on its own labels, the official split apart, and a mean that is one."""

from __future__ import annotations

import numpy as np
import pytest
from problems import TYPES, gaussians, material

from hemosight.errors import TooFewLabels
from hemosight.lab.studies.attributes import MEAN, attributes

_, LABELS = gaussians(60, 0)
GRANULES = [{"eosinophil": "coarse", "neutrophil": "fine"}.get(name) for name in LABELS]
SHAPE = ["round" if TYPES.index(name) < 2 else "lobed" for name in LABELS]
SPLIT = [("train", "val", "test")[row % 3] for row in range(len(LABELS))]
CELLS = material(
    60,
    extra={"attribute.granules": GRANULES, "attribute.shape": SHAPE, "official_split": SPLIT, "attribute.one": SHAPE},
)


def test_each_attribute_is_read_from_the_cells_that_have_it() -> None:
    table = attributes(CELLS, names=["granules", "shape"])
    macro = table.filter(metric="macro_f1")
    folded = macro.filter(attribute="granules", split="folds")
    assert folded["cells"].sum() == 120
    assert folded["fold"].to_list() == [0, 1, 2, 3, 4]
    assert (folded["value"] > 0.9).all(), "granules are those of two well-separated types"
    official = macro.filter(attribute="shape", split="official")
    assert official["cells"].item() == 80
    assert official["labels"].item() == 160


def test_the_mean_is_that_of_the_attributes() -> None:
    macro = attributes(CELLS, names=["granules", "shape"]).filter(metric="macro_f1", split="folds", fold=2)
    each = macro.filter(macro["attribute"] != MEAN)["value"]
    assert len(each) == 2
    assert macro.filter(attribute=MEAN)["value"].item() == pytest.approx(np.mean(each.to_list()))


def test_cells_without_attributes_are_a_clear_error() -> None:
    with pytest.raises(TooFewLabels, match="240 cells", check=lambda fault: fault.code == "no_attributes"):
        attributes(material(60))
