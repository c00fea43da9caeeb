from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from hemosight.cli import app
from hemosight.errors import BadSetting
from hemosight.images.catalog import Catalog
from hemosight.training import pretrain as training
from hemosight.training.pretrain import TrainingResult

pytestmark = pytest.mark.train
TINY = ["--set", "size=32", "--set", "field=336", "--set", "batch=8", "--set", "weights=none", "--device", "cpu"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command asks of the trainer, which does nothing but stop."""
    seen: list[dict[str, Any]] = []

    def stopped(catalog: Catalog, config: Any, out: Path, **options: Any) -> TrainingResult:
        seen.append({"catalog": catalog, "config": config, "out": out, **options})
        return TrainingResult(False, 3, 0, None, None, out)

    monkeypatch.setattr(training, "pretrain", stopped)
    return seen


def test_settings_and_the_held_out_tenth_reach_the_trainer(
    drawn_smear: Path, tmp_path: Path, calls: list[dict[str, Any]]
) -> None:
    command = ["pretrain", "--data", str(drawn_smear), "--recipe", "paper", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*command, "--set", "lr=1e-3", "--set", "views.hue=0", "--hold-out", "0.25"])
    assert result.exit_code == 130
    (call,) = calls
    assert call["config"].recipe == "paper"
    assert call["config"].lr == 1e-3
    assert call["config"].views.hue == 0
    assert len(call["held_out"]) == 18
    assert not set(call["catalog"].ids) & set(call["held_out"].ids)
    assert len(call["catalog"]) == 54
    CliRunner().invoke(app, [*command, "--hold-out", "0"])
    assert calls[1]["held_out"] is None
    assert len(calls[1]["catalog"]) == 72


def test_a_wrong_setting_is_said_before_anything_is_read(tmp_path: Path, calls: list[dict[str, Any]]) -> None:
    nowhere = ["pretrain", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]
    assert isinstance(CliRunner().invoke(app, [*nowhere, "--set", "speed=9"]).exception, BadSetting)
    assert CliRunner().invoke(app, [*nowhere, "--set", "lr"]).exit_code == 2
    assert not calls


def test_interrupted_from_outside_then_resumed(drawn_smear: Path, tmp_path: Path) -> None:
    """The installed command, a real network, a real SIGTERM."""
    run = tmp_path / "run"
    command = [sys.executable, "-c", "from hemosight.cli import main; main()", "pretrain", "--data", str(drawn_smear)]
    command += ["--out", str(run), "--cache", str(tmp_path / "pixels"), *TINY]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    log = run / "log.csv"
    with subprocess.Popen(
        [*command, "--set", "epochs=200"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and log.read_text().count("\n") > 3:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    assert "go on with --resume" in told
    steps = log.read_text().count("\n") - 2
    again = subprocess.run(
        [*command, "--set", "epochs=201", "--resume"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert again.returncode == 2
    assert "epochs=200" in again.stderr
    facts = json.loads((run / "run.json").read_text())
    assert facts["command"][:2] == ["hemosight", "pretrain"]
    held = pl.read_parquet(run / "split.parquet").filter(part="held-out").height
    assert 5 <= held <= 9  # a tenth of eight cells of each of nine types
    assert facts["data"]["train"] + facts["data"]["validation"] + held == 72
    assert steps >= 2
