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


def test_no_secret_travels_with_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    words = ["hemosight", "validate", "7", "--token", "hs_abc", "--out", "dossier", "--token=hs_abc", "--address"]
    assert typed([*words, "http://me:pw1@host/x"]) == [
        *("hemosight", "validate", "7", "--token", "***", "--out", "dossier", "--token=***", "--address"),
        "http://me:***@host/x",
    ]
    # A value that looks like an option is a value all the same; an empty one says nothing.
    assert typed(["--token", "--token", "x", "--token=", "--token"]) == [
        "--token",
        "***",
        "x",
        "--token=***",
        "--token",
    ]
    dsn = [
        "--database",
        "postgresql://hemo:p@ss@db:5432/x",
        "--database=host=db password=pw2 user=u",
        "--password",
        "z",
    ]
    assert typed(dsn) == [
        *("--database", "postgresql://hemo:***@db:5432/x"),
        *("--database=host=db password=*** user=u", "--password", "***"),
    ]
    assert typed(["http://host/first-run?token=abc&x=1", f"x/hs_{'a' * 20}"]) == [
        "http://host/first-run?token=***&x=1",
        "x/***",
    ]
    # What only names a file, or has a like name, stays.
    files = ["--password-file", "pw.txt", "--tokens-file=x", "7", "C:/a@b", "http://host:8321/a@b"]
    assert typed(files) == files


def test_a_secret_is_masked_where_the_folder_of_data_sets_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hs_abc").mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert typed(["--token", "hs_abc", "."]) == ["--token", "***", "$HEMOSIGHT_DATA"]
