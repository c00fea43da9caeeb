"""Steps: what an interruption left is not done twice, and what changed is done anew."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from hemosight.study.steps import Steps


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
