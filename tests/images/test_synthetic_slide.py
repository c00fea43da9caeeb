"""A drawn slide: the same cells every time, mixed as a smear mixes them, and named so that nobody mistakes them."""

from __future__ import annotations

import io
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from hemosight.images.synthetic import CELL_TYPES, SHARES, DrawnCell, draw_slide


def _label(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as image:
        return json.loads(image.info["comment"])["recipe"]["label"]


def test_a_longer_slide_begins_with_a_shorter_one() -> None:
    short, long = list(draw_slide(2, 7)), list(draw_slide(4, 7))
    assert long[:2] == short
    assert len({data for _, data in long}) == 4
    assert next(draw_slide(1, 8))[1] != short[0][1]


def test_names_say_drawn_and_no_type() -> None:
    for name, data in draw_slide(3, 0):
        assert name.startswith("drawn-0/drawn_")
        assert not any(label in name for label in CELL_TYPES)
        assert _label(data) in CELL_TYPES


@pytest.mark.slow
def test_types_come_in_their_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(SHARES) == set(CELL_TYPES)
    assert sum(SHARES.values()) == pytest.approx(1)
    monkeypatch.setattr("hemosight.images.synthetic.slide.draw_cell", _blank)
    found = Counter(_label(data) for _, data in draw_slide(2000, 0))
    for label, share in SHARES.items():
        spread = np.sqrt(2000 * share * (1 - share))
        assert abs(found[label] - 2000 * share) < 4 * spread
    assert {_label(data) for _, data in draw_slide(200, 0)} == set(CELL_TYPES)  # what the empty desk offers


def _blank(label: str, *_: object, **__: object) -> DrawnCell:
    return DrawnCell(np.zeros((32, 32, 3), np.uint8), label, {})
