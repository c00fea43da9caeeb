"""Records of commands name the folder of data sets by its variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemosight.cli.typed import VARIABLE, typed


def test_the_folder_of_data_sets_goes_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sets" / "pbc").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "sets"))
    monkeypatch.chdir(tmp_path / "other")
    words = ["hemosight", "pack", "--data", "../sets", "--encoder", "../sets/pbc", "--out", str(tmp_path / "other")]
    assert typed(words) == [*words[:3], "$HEMOSIGHT_DATA", "--encoder", "$HEMOSIGHT_DATA/pbc", *words[6:]]


def test_without_the_variable_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert typed(["hemosight", "pack", "--data", "."]) == ["hemosight", "pack", "--data", "."]
