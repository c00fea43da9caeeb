from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hemosight.blood.palette import KNOWN, PAGE, marks, ordered
from hemosight.blood.vocabulary import TYPES, parent_of

# Machado, Oliveira and Fernandes 2009, severity 1, applied to linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> NDArray[np.float64]:
    v = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    to_cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return to_lab @ np.cbrt(to_cones @ np.clip(rgb, 0, 1))


def contrast(a: str, b: str) -> float:
    light, dark = sorted((float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_knows_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("page", [0, 1])
def test_any_two_types_are_told_apart_by_colour_alone(vision: str, page: int) -> None:
    least = 0.08 if vision == "tritanopia" else 0.10
    labs = {name: oklab(VISIONS[vision] @ linear((mark.light, mark.dark)[page])) for name, mark in KNOWN.items()}
    for one, other in combinations(labs, 2):
        assert np.linalg.norm(labs[one] - labs[other]) >= least, (one, other)


@pytest.mark.parametrize("name", KNOWN)
def test_colours_stand_out_from_their_page(name: str) -> None:
    assert contrast(KNOWN[name].light, PAGE[0]) >= 3
    assert contrast(KNOWN[name].dark, PAGE[1]) >= 3


def test_known_types_come_first_in_the_order_of_a_differential_and_uncounted_ones_last() -> None:
    given = ["smudge", "giant_platelet", "platelet", "Artefact", "band_neutrophil", "neutrophil", "platelet", "zebra"]
    assert ordered(given) == (
        "neutrophil",
        "band_neutrophil",
        "platelet",
        "giant_platelet",
        "Artefact",
        "zebra",
        "smudge",
    )


def test_a_new_type_takes_its_own_first_free_letter() -> None:
    found = marks(["smudge", "neutrophil", "hairy cell", "band_neutrophil"])
    assert found["neutrophil"].letter == "N"
    assert found["smudge"].letter == "S"
    assert found["band_neutrophil"].letter == "A"  # B is the basophils'
    assert found["hairy cell"].letter == "Y"  # H is the key of the heat map, A is taken, I and R are known types'


def test_a_finer_type_has_the_colour_of_its_own_and_no_further_type_that_of_one_of_the_nine() -> None:
    found = marks([*TYPES, "hairy cell", "Auer rod", "zebra"])
    nine = {mark.light for mark in KNOWN.values()} | {mark.dark for mark in KNOWN.values()}
    for name, mark in found.items():
        parent = name if name in KNOWN else parent_of(name)
        if parent is None:
            assert not {mark.light, mark.dark} & nine
            assert contrast(mark.light, PAGE[0]) >= 3
            assert contrast(mark.dark, PAGE[1]) >= 3
        else:
            assert (mark.light, mark.dark) == (KNOWN[parent].light, KNOWN[parent].dark)
    assert len({found[name].light for name in ("hairy cell", "Auer rod", "zebra")}) == 3


@given(st.sets(st.one_of(st.sampled_from(sorted(KNOWN)), st.text(min_size=1, max_size=12)), max_size=70))
def test_every_type_has_a_letter_of_its_own(types: set[str]) -> None:
    found = marks(types)
    assert set(found) == types
    assert len({mark.letter for mark in found.values()}) == len(types)
    assert all(found[name] == KNOWN[name] for name in types & KNOWN.keys())
    assert not {mark.letter for name, mark in found.items() if name not in KNOWN} & {m.letter for m in KNOWN.values()}
