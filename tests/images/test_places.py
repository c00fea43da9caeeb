"""Where fields lie on a film, and which of their cells are counted in another field."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemosight.errors import BadTable
from hemosight.images.finding.cells import BORDER, FoundCell
from hemosight.images.finding.places import FieldPlace, FilmCell, by_name, in_pixels, read, seen_again


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a/7 [x=1024,y=2048,w=512,h=512].tif", FieldPlace("a/7 []", 1024, 2048)),
        ("a/7 [d=4,x=1024,y=2048,w=512,h=512].png", FieldPlace("a/7 []", 256, 512)),
        ("film_x0_y480.jpg", FieldPlace("film_", 0, 480)),
        ("film_X000640_Y000480_v2.jpg", FieldPlace("film__v2", 640, 480)),
        ("tile x=12.5, y=8.5.png", FieldPlace("tile ", 12.5, 8.5)),
        ("field_003.jpg", None),
        ("max12y3.jpg", None),
        ("film_12_40.jpg", None),  # columns, dates, numbers of a film: not guessed
        ("x12/y40.jpg", None),
        pytest.param(f"film_x{'9' * 320}_y0.jpg", None, id="infinite"),
        pytest.param(f"film_x0_y{'9' * 320}.jpg", None, id="infinite down"),
        ("film_x1000000000_y0.jpg", None),
        pytest.param(f"[d={'9' * 320},x=5,y={'9' * 320},w=5].png", None, id="no number"),
    ],
)
def test_names_that_tell_a_place_and_names_that_do_not(name: str, place: FieldPlace | None) -> None:
    assert by_name(name) == place


def test_films_are_told_apart_by_what_else_the_name_says() -> None:
    one, other = by_name("a_x1_y2.png"), by_name("b_x1_y2.png")
    assert one is not None
    assert other is not None
    assert one.film != other.film


def test_numbers_of_columns_and_rows_are_no_pixels() -> None:
    grid = [(x, y) for x in range(4) for y in range(3)]
    counted = {f"{x}{y}": (FieldPlace("a", x, y), 640, 480) for x, y in grid}
    pixels = {f"b{x}{y}": (FieldPlace("b", 600 * x, 440 * y + x % 2), 640, 480) for x, y in grid}
    assert in_pixels(counted | pixels) == {name: place for name, (place, _, _) in pixels.items()}


def test_a_row_of_fields_has_places() -> None:
    row = {str(x): (FieldPlace("a", 600 * x, 0), 640, 480) for x in range(3)}
    assert len(in_pixels(row)) == 3


def test_fields_at_one_place_of_a_film_are_of_two_and_none_of_theirs_is_known() -> None:
    """Two slides that were exported under the same names, as a table may name them."""
    films = {f"{film}{x}": (FieldPlace(film, 600 * x, 0), 640, 480) for film in "ab" for x in range(3)}
    again = {"other": (FieldPlace("b", 600, 0), 640, 480)}
    assert set(in_pixels(films | again)) == {"a0", "a1", "a2"}


def _shown(field: str, number: int, x: float, y: float, score: float = 0.9, marks: tuple[str, ...] = ()) -> FilmCell:
    return FilmCell(field, number, FoundCell(x, y, 150, 150, score, marks))


def test_a_cell_of_two_fields_counts_once_and_the_whole_one_stays() -> None:
    cut = FilmCell("a", 1, FoundCell(560, 100, 80, 150, 0.99, (BORDER,)))
    whole = _shown("b", 1, 565, 104, 0.7)
    apart = _shown("b", 2, 900, 104)
    assert seen_again([cut, whole, apart]) == {("a", 1): whole}


def test_two_cells_of_one_field_are_two_however_near() -> None:
    assert seen_again([_shown("a", 1, 100, 100), _shown("a", 2, 120, 100)]) == {}


def test_a_corner_that_four_fields_show_counts_once() -> None:
    four = [_shown(field, 1, 600 + 20 * at, 440 - 10 * at, 0.9 - at / 100) for at, field in enumerate("abcd")]
    again = seen_again(four)
    assert set(again) == {("b", 1), ("c", 1), ("d", 1)}
    assert set(again.values()) == {four[0]}


def test_places_may_be_wrong_by_half_a_red_cell_but_not_by_two() -> None:
    one = _shown("a", 1, 600, 100)
    assert len(seen_again([one, _shown("b", 1, 600 + 38, 100 - 38)])) == 1
    assert seen_again([one, _shown("b", 1, 600 + 154, 100)]) == {}


def test_cells_on_either_side_of_a_square_are_compared() -> None:
    """Against the slow obvious comparison of every pair."""
    cells = [_shown("ab"[at % 2], at, 37.0 * at, 11.0 * at, 0.5 + at / 1000) for at in range(200)]
    again = seen_again(cells)
    kept = [one for one in cells if (one.field, one.number) not in again]
    for at, one in enumerate(kept):
        for other in kept[at + 1 :]:
            if one.field != other.field:
                across = 150 - abs(one.cell.x - other.cell.x)
                down = 150 - abs(one.cell.y - other.cell.y)
                assert across <= 0 or down <= 0 or across * down / 150**2 < 0.45
    assert again


def test_a_table_gives_places_in_pixels_or_micrometres(tmp_path: Path) -> None:
    table = tmp_path / "places.csv"
    table.write_text("image,x_um,y_um\nfilm/a.png,100,50.5\nfilm\\b.png,0,0\n", encoding="utf-8")
    found = read(table, {"film/a.png": 0.1})
    assert found["film/a.png"] == FieldPlace("film", 1000, 505)
    assert found["film/b.png"].film == "film"
    table.write_text("image,x,y\na.png,7,8\n", encoding="utf-8")
    assert read(table, {}) == {"a.png": FieldPlace(".", 7, 8)}


@pytest.mark.parametrize(
    "text", ["image,left,top\na.png,1,2\n", "", "image,x,y\na.png,1,two\n", "image,x,y\na.png,nan,1e999\n"]
)
def test_a_table_that_gives_none_says_what_is_wanted(tmp_path: Path, text: str) -> None:
    (tmp_path / "places.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BadTable, match=r"x_um|numbers in line 2"):
        read(tmp_path / "places.csv", {})
