"""Which cell a row of a table of labels means: by the longest end of its path, at a cost that nobody can drive up."""

from __future__ import annotations

import tracemalloc

import pytest

from hemosight.images.sources.cells import TextTable
from hemosight.service.desk.label_import import KnownImage, plan

CLASSES = [{"name": "blast", "title": "Blast", "key": "X", "light": "#7e5b00", "dark": "#f3af1d"}]


def _meant(names: list[str], path: str) -> str | None:
    """The name of the cell that a row is of."""
    cells = [KnownImage(number, name, "") for number, name in enumerate(names)]
    table = TextTable(("path", "label"), [(2, [path, "blast"])])
    found = plan(table, cells, CLASSES, {}, file="labels.csv", overwrite=False).labels
    assert len(found) <= 1
    return next((names[image] for image in found), None)


def test_the_longest_end_that_is_of_one_cell_decides() -> None:
    names = ["a/film/1.png", "b/film/1.png", "b/film/2.png"]
    assert _meant(names, "/mnt/x/b/film/1.png") == "b/film/1.png"
    assert _meant(names, "elsewhere/film/2.png") == "b/film/2.png"
    assert _meant(names, "film/1.png") is None, "of two"
    assert _meant(names, "c/film/1.png") is None, "of two"
    assert _meant(names, "3.png") is None
    deep = "/".join("abcdefghij")
    assert _meant([f"x/{deep}.png", f"y/{deep}.png"], f"/data/y/{deep}.png") == f"y/{deep}.png"
    assert _meant([f"x/{deep}.png", f"y/{deep}.png"], f"/data/z/{deep}.png") is None


@pytest.mark.timeout(60)  # a path of so many parts took a quarter of a minute, in which nobody else could label
def test_a_path_of_very_many_parts_costs_what_its_length_costs() -> None:
    assert _meant(["a/1.png"], "a/" * 500_000 + "1.png") == "a/1.png"


def test_names_of_many_parts_are_kept_once() -> None:
    """Every end of every name was kept: 2,000 cells took 150 MB."""
    names = ["a/" * 190 + f"{number}.png" for number in range(1_000)]
    tracemalloc.start()
    try:
        assert _meant(names, names[7]) == names[7]
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()


def test_cells_that_no_row_names_are_not_kept() -> None:
    """A project may have a million; a table names a few of them."""
    cells = (KnownImage(number, f"case/film {number % 7}/{number}.png", f"{number:064}") for number in range(50_000))
    table = TextTable(("path", "sha256", "label"), [(2, ["9.png", "", "blast"]), (3, ["", f"{8:064}", "blast"])])
    tracemalloc.start()
    try:
        found = plan(table, cells, CLASSES, {}, file="labels.csv")
        assert (found.labels, found.versions) == ({9: "blast", 8: "blast"}, {9: 0, 8: 0})
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["film/1.PNG", "film\\1.png", "film/1.png/", "film/1.png/.", "./1.png"])
def test_a_cell_is_found_however_its_name_is_written(name: str) -> None:
    assert _meant(["film/2.png", name], "/export/film/1.png") == name
