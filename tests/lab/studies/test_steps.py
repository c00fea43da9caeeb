"""Steps: what an interruption left is not done twice, and what changed is done anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from hemosight.lab.studies import steps as module
from hemosight.lab.studies.steps import Steps

_LAB = ("lab/studies/a.py", "lab/report/a.py")


def _pieces(done: list[str], fail: str = "") -> dict:
    def piece(name: str):
        def work() -> pl.DataFrame:
            if name == fail:
                raise KeyboardInterrupt
            done.append(name)
            return pl.DataFrame({"piece": [name]})

        return work

    return {name: piece(name) for name in "abcd"}


def test_an_interrupted_study_goes_on(tmp_path: Path) -> None:
    first: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        Steps(tmp_path, workers=1).run("s", {"seed": 0}, _pieces(first, fail="c"))
    assert first[:2] == ["a", "b"]
    second: list[str] = []
    told: list[tuple[int, int]] = []
    steps = Steps(tmp_path, workers=2, progress=lambda done, total: told.append((done, total)))
    table = steps.run("s", {"seed": 0}, _pieces(second))
    assert not {"a", "b"} & set(second)
    assert table["piece"].to_list() == list("abcd"), "in their own order, whoever finished first"
    assert told[-1] == (4, 4)
    assert told[0][0] >= 2


def test_other_settings_are_other_pieces(tmp_path: Path) -> None:
    done: list[str] = []
    Steps(tmp_path).run("s", {"seed": 0}, _pieces(done))
    Steps(tmp_path).run("s", {"seed": 1}, _pieces(done))
    Steps(tmp_path).run("t", {"seed": 0}, _pieces(done))
    assert len(done) == 12
    Steps(tmp_path).run("t", {"seed": 0}, _pieces(done))
    assert len(done) == 12


def test_without_a_folder_nothing_is_kept() -> None:
    done: list[str] = []
    for _ in range(2):
        Steps().run("s", {}, _pieces(done))
    assert len(done) == 8


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of this name whose source may be edited."""
    folder = tmp_path / "hemosight"
    sources = ("images/splits.py", "images/sources/own.py", "engine/network.py", "space/a.py", *_LAB)
    for name in (*sources, "service/a.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("A = 1\n", encoding="utf-8")
    monkeypatch.setattr(module, "PACKAGE", folder)
    module.code.cache_clear()
    yield folder
    module.code.cache_clear()


@pytest.mark.parametrize(
    ("edited", "by_study", "by_report"),
    [
        ("images/splits.py", True, True),
        ("images/sources/own.py", True, True),
        ("engine/network.py", True, True),
        ("space/a.py", True, True),
        ("lab/studies/a.py", True, True),
        ("lab/report/a.py", False, True),
        ("service/a.py", False, False),
    ],
)
def test_other_code_makes_other_pieces(
    package: Path, tmp_path: Path, edited: str, by_study: bool, by_report: bool
) -> None:
    """A piece rests on the rooms that studies are made of, and on the one that defines it."""
    for room, anew in (("lab.studies", by_study), ("lab.report", by_report)):
        done: list[str] = []
        pieces = _pieces(done)
        for piece in pieces.values():
            piece.__module__ = f"hemosight.{room}.a"
        for source in ("A = 1\n", "A = 2\n", "A = 1\n"):
            (package / edited).write_text(source, encoding="utf-8")
            module.code.cache_clear()
            Steps(tmp_path / room, workers=1).run("s", {}, pieces)
        assert len(done) == (8 if anew else 4), f"a piece of {room}"


def test_source_that_moves_is_other_source(package: Path) -> None:
    before = module.code()
    (package / "space" / "a.py").rename(package / "space" / "b.py")
    module.code.cache_clear()
    assert module.code() != before


def test_the_rooms_are_those_that_studies_import() -> None:
    """What this package's studies import, and what these rooms import, is hashed or decides nothing."""
    decide_nothing = {"errors", "blood", "training"}  # names; and training by its vectors, and by `rests_on`
    package = Path(module.__file__).parents[2]
    named = set()
    for room in module.ROOMS:
        for file in (package / room).rglob("*.py"):
            for line in file.read_text(encoding="utf-8").splitlines():
                if line.strip().startswith("from hemosight."):
                    named.add(line.split()[1].split(".")[1])
    assert named <= {*(room.split("/")[0] for room in module.ROOMS), *decide_nothing}
