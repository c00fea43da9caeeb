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


@pytest.mark.parametrize(
    ("word", "masked"),
    [
        # Quoted, with blanks, as libpq and ODBC write it; without an end, too.
        ("host=db password='two words' user=u", "host=db password=*** user=u"),
        (r"host=db password='it\'s mine' user=u", "host=db password=*** user=u"),
        ('Server=db;Password = "two words";x', "Server=db;Password = ***;x"),
        ("Driver=x;Pwd={two; words};Uid=u", "Driver=x;Pwd=***;Uid=u"),
        ("password='no end of it", "password=***"),
        ('{"password": "two words", "user": "u"}', '{"password": ***, "user": "u"}'),
        # What stands before the host.
        ("postgresql://hemo:two words@db:5432/x", "postgresql://hemo:***@db:5432/x"),
        ("postgresql://hemo:p/w@db/x", "postgresql://hemo:***@db/x"),
        ("postgresql+psycopg://hemo:p?w@db/x", "postgresql+psycopg://hemo:***@db/x"),
        ("postgresql://hemo:1234@db/x", "postgresql://hemo:***@db/x"),
        ("https://:hidden@host/x", "https://:***@host/x"),
        # Queries: signed addresses of object stores, keys of services.
        ("https://h/b?sv=2024&sig=abc%2Fd&se=1", "https://h/b?sv=2024&sig=***&se=1"),
        ("https://h/b?X-Amz-Signature=abc&X-Amz-Date=1", "https://h/b?X-Amz-Signature=***&X-Amz-Date=1"),
        ("https://h/b?X-Amz-Security-Token=abc", "https://h/b?X-Amz-Security-Token=***"),
        ("https://h/x?token=abc&x=1", "https://h/x?token=***&x=1"),
        ("https://h/x?a=1&access_token=abc", "https://h/x?a=1&access_token=***"),
        ("https://h/x?apikey=abc&key=def", "https://h/x?apikey=***&key=***"),
        # Headers.
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("Authorization: Basic aGVtbzpwdw==", "Authorization: Basic ***"),
        ("-HAuthorization: bearer abc", "-HAuthorization: bearer ***"),
        ("X-Api-Key: abc", "X-Api-Key: ***"),
        # A command within a word.
        ("hemosight export 7 --token 'a b' --out x", "hemosight export 7 --token *** --out x"),
        ("HEMOSIGHT_TOKEN=abc hemosight export 7", "HEMOSIGHT_TOKEN=*** hemosight export 7"),
        # Nothing to hide.
        ("http://host:8321/a@b", "http://host:8321/a@b"),
        ("http://host:8321", "http://host:8321"),
        ("http://[::1]:8321/x", "http://[::1]:8321/x"),
        ("postgresql://hemo@db/x", "postgresql://hemo@db/x"),
        ("https://h/x?design=7&assignment=8", "https://h/x?design=7&assignment=8"),
        ("--monkey=7", "--monkey=7"),
        ("key=7", "key=7"),
        ("C:/a@b", "C:/a@b"),
        ("tokens/secret cells", "tokens/secret cells"),
    ],
)
def test_a_secret_within_a_word_is_masked_and_nothing_else(word: str, masked: str) -> None:
    assert typed([word]) == [masked]


@pytest.mark.parametrize(
    "option",
    [
        "--secret-key",
        "--apikey",
        "--api-key",
        "--api_key",
        "--access-key",
        "--secret-access-key",
        "--passwd",
        "--db-pwd",
    ],
)
def test_options_for_secrets_have_many_names(option: str) -> None:
    assert typed([option, "two words", f"{option}=two words", "x"]) == [option, "***", f"{option}=***", "x"]


def test_what_follows_bearer_as_a_word_of_its_own_is_masked() -> None:
    assert typed(["--header", "Authorization:", "Bearer", "abc", "x"]) == [
        "--header",
        "Authorization:",
        "Bearer",
        "***",
        "x",
    ]


def test_a_secret_is_masked_where_the_folder_of_data_sets_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hs_abc").mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert typed(["--token", "hs_abc", "."]) == ["--token", "***", "$HEMOSIGHT_DATA"]
