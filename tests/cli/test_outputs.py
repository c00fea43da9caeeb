"""What cannot be written is said before the work, in words; what the system refuses later is no traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hemosight.cli import main, outputs
from hemosight.engine import engine as engines
from hemosight.errors import HemoSightError

Failed = Callable[..., tuple[int | str | None, str]]


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Failed:
    def run(*words: object) -> tuple[int | str | None, str]:
        monkeypatch.setattr(sys, "argv", ["hemosight", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, capsys.readouterr().err

    return run


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    folder = tmp_path / "crops"
    folder.mkdir()
    Image.new("RGB", (80, 80), (200, 120, 180)).save(folder / "cell.png")
    return folder


def test_what_stands_in_the_way_of_an_output_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "labels.csv"
    file.touch()
    outputs.check_file(None)
    outputs.check_file(tmp_path / "new" / "deeper" / "out.csv", (".csv",))
    outputs.check_folder(tmp_path / "new" / "deeper")
    for refused, came in (
        (lambda: outputs.check_file(tmp_path), f"a folder: {tmp_path}"),
        (lambda: outputs.check_file(file / "out.csv"), f"a file where a folder should be: {file}"),
        (lambda: outputs.check_folder(file), f"a file of that name: {file}"),
        (lambda: outputs.check_file(tmp_path / "out.xlsx", (".csv", ".json")), "'.xlsx'"),
    ):
        with pytest.raises(HemoSightError) as fault:
            refused()
        assert fault.value.parts[1] == came
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(HemoSightError, match=f"no permission to write into {tmp_path}"):
        outputs.check_file(tmp_path / "new" / "out.csv")
    with pytest.raises(HemoSightError, match=f"a file that may not be changed: {file}"):
        outputs.check_file(file)


def test_no_command_begins_its_work_for_an_output_that_cannot_be_written(
    crops: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.setattr(engines, "load", worked)
    file = crops / "cell.png"
    for words in (
        ("classify", crops, "--out", file / "readings.csv"),
        ("embed", "--data", crops, "--out", crops),
        ("embed", "--data", crops, "--out", "points.csv"),
        ("find", crops, "--out", file),
        ("drift", crops, "--out", file),
        ("compare-bundles", crops, "--new", "new.hemosight", "--out", file),
        ("study", "held-out", "--data", crops, "--out", file),
        ("study", "plan", "--labels", crops, "--out", crops),
        ("data", "check", crops, "--json", crops),
        ("pretrain", "--data", crops, "--out", file),
        ("train", "--data", crops, "--out", file),
        ("reproduce", "--data", crops, "--out", file),
    ):
        code, said = failed(*words)
        assert code == 2, words
        assert said.startswith("hemosight: expected "), said


def test_a_bundle_does_not_lie_down_among_the_crops(crops: Path, failed: Failed) -> None:
    code, said = failed("pack", "--data", crops, "--out", crops)
    assert (code, f"a folder with other files in it: {crops}" in said) == (2, True)
    assert [file.name for file in crops.iterdir()] == ["cell.png"]


def test_a_catalog_of_a_folder_that_is_not_there_is_refused_in_words(tmp_path: Path, failed: Failed) -> None:
    catalog = tmp_path / "catalog.parquet"
    catalog.touch()  # one of before is there already
    code, said = failed("data", "add", tmp_path / "mising", "--out", catalog)
    assert (code, f"no such path: {tmp_path / 'mising'}" in said) == (2, True)


def test_what_the_system_refuses_is_one_message(crops: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(engines, "load", full)
    code, said = failed("classify", crops)
    assert (code, said.count("\n"), "No space left on device" in said) == (2, 1, True)


def test_a_fault_that_names_no_file_stays_a_traceback_for_who_mends_the_program() -> None:
    assert outputs.explained(OSError("socket")) is None
    assert outputs.explained(BrokenPipeError(errno.EPIPE, "Broken pipe", "out")) is None
    refused = outputs.explained(PermissionError(errno.EACCES, "Permission denied", b"caf\xe9"))
    assert refused is not None
    assert refused.came == "Permission denied: caf\udce9"
