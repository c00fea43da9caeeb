"""Found boxes against known ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemosight.errors import BadTable
from hemosight.scoring.boxes import ious, judge, matched, read


def test_two_boxes_in_common() -> None:
    assert ious([(0, 0, 10, 10)], [(5, 0, 15, 10)])[0, 0] == pytest.approx(50 / 150)
    assert ious([(0, 0, 10, 10)], [(20, 20, 30, 30)])[0, 0] == 0


def test_no_match_is_given_up_for_a_better_fit() -> None:
    # The first found box fits the first known one best, but only it can meet the second.
    found, known = [(0, 0, 10, 10), (0, -4, 10, 6)], [(0, 0, 10, 10), (0, 4, 10, 14)]
    assert sorted(pair[:2] for pair in matched(found, known)) == [(0, 1), (1, 0)]


def test_a_second_box_of_a_cell_is_a_false_one() -> None:
    judged = judge([([(0, 0, 10, 10), (1, 1, 10, 10)], [(0, 0, 10, 10)])])
    assert (judged.met, judged.found, judged.known) == (1, 2, 1)
    assert judged.f1 == pytest.approx(2 / 3)


def test_figures_of_three_fields() -> None:
    cell = (0.0, 0.0, 100.0, 80.0)
    shifted = (24.0, 0.0, 124.0, 80.0)
    far = (30.0, 0.0, 130.0, 80.0)
    judged = judge([([shifted], [cell]), ([far], [cell]), ([cell, (200, 0, 300, 80)], [])])
    assert (judged.fields, judged.known, judged.found, judged.met, judged.centred) == (3, 2, 4, 2, 1)
    assert (judged.precision, judged.recall) == (0.5, 1.0)
    assert judged.bias == pytest.approx(2 / 3)
    assert judged.high - judged.bias == pytest.approx(1.96 * (4 / 3) ** 0.5)
    assert "F1           0.667" in judged.text()
    assert "beside them  2" in judged.text(partly=True)


def test_nothing_found_where_nothing_is() -> None:
    assert judge([([], [])]).f1 == 1.0


def test_a_table_of_boxes(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("image,kind,type,xmin,ymin,xmax,ymax\na.png,rbc,,1,2,3,4\nb.png,wbc,,5,6,7,8.5\n")
    assert read(table) == {"a.png": [], "b.png": [(5.0, 6.0, 7.0, 8.5)]}
    table.write_text("image,xmin,ymin,xmax,ymax\na.png,1,2,3,4\n")
    assert read(table) == {"a.png": [(1.0, 2.0, 3.0, 4.0)]}


@pytest.mark.parametrize("text", ["image,xmin\na,1\n", "image,xmin,ymin,xmax,ymax\na.png,1,2,x,4\n"])
def test_a_table_that_is_none(tmp_path: Path, text: str) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text(text)
    with pytest.raises(BadTable):
        read(table)
