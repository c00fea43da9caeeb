"""Names that look like what stands for other names, and folders that may not be entered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from hemosight.cli import app
from hemosight.images import sources
from hemosight.images.catalog import Catalog
from hemosight.images.names import from_text, to_text
from hemosight.images.sources import layout
from hemosight.images.synthetic import draw_slide

NAMES = (b"caf\xe9.png", b"caf\\xe9.png", b"caf\\x5cxe9.png", b"caf\\x5c\xe9.png", b"plain\\x.png", b"caf\\xE9.png")


def test_each_name_has_a_text_of_its_own_and_is_found_by_it(tmp_path: Path) -> None:
    paths = [Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))) for name in NAMES]
    for path in paths:
        path.touch()
    texts = [to_text(path) for path in paths]
    assert len(set(texts)) == len(NAMES)
    assert [from_text(text) for text in texts] == paths
    assert texts[0].endswith("caf\\xe9.png")


def test_a_name_that_looks_like_another_stops_no_catalog(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number, name in enumerate(NAMES):
        with open(os.path.join(os.fsencode(tmp_path / "a"), name), "wb") as file:
            Image.new("RGB", (20 + number, 24), (number, 9, 7)).save(file, format="PNG")
    catalog = sources.read(tmp_path)
    catalog.write(tmp_path / "c.csv")
    again = Catalog.read(tmp_path / "c.csv")
    assert sorted(again.table["width"]) == [20 + number for number in range(len(NAMES))]
    assert {os.fsencode(path.name) for path in again.paths} == set(NAMES)
    checked = CliRunner().invoke(app, ["data", "check", str(tmp_path / "a")])
    assert f"{len(NAMES)} cells" in checked.stdout


def test_a_table_may_name_a_file_as_it_is(tmp_path: Path) -> None:
    Image.new("RGB", (20, 24)).save(tmp_path / "caf\\xe9.png")
    (tmp_path / "t.csv").write_text("path,label\ncaf\\xe9.png,ig\n")
    assert sources.read(tmp_path / "t.csv").table["width"].to_list() == [20]


# --- folders that may not be entered ---


@pytest.fixture
def shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sound cell, and one inside that may not be entered (who runs the tests may enter any)."""
    ((_, data),) = draw_slide(1, seed=3)
    (tmp_path / "cells" / "closed").mkdir(parents=True)
    (tmp_path / "cells" / "a.jpg").write_bytes(data)
    (tmp_path / "cells" / "closed" / "b.jpg").write_bytes(data)
    scan = os.scandir

    def refuse(path: Any = ".") -> Any:
        if os.fspath(path) == str(tmp_path / "cells" / "closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return tmp_path / "cells"


def test_a_folder_that_may_not_be_entered_is_counted(shut: Path) -> None:
    found = layout.survey(shut)
    assert found.closed == [shut / "closed"]
    assert found.described() == "1 passed over (folders that may not be entered 1)"
    said: list[str] = []
    sources.rows_of(shut, say=said.append)
    assert said == [found.described()]


def test_it_makes_the_exit_code_3(shut: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["classify", str(shut), "--scale", "1", "--out", str(tmp_path / "out.csv")])
    assert done.exit_code == 3, done.output
    assert f"not entered: {shut}/closed" in " ".join(done.output.split("\n"))
