"""A run's folder: what it began with, where it stands, what it measured, what came of it.

====================  ====================================================================================
``config.json``       the resolved settings
``run.json``          versions, commit, device, data hash, command; at the end the results
``split.parquet``     content id and scale of every cell, and its part: train, validation, held-out
``log.csv``           one row per step: step, epoch, loss, lr, images/s, and val_loss and knn where measured
``checkpoint.pt``     everything the next step depends on; loads with ``weights_only=True``
``best/``             encoder of the lowest validation loss (``encoder.safetensors``, ``encoder.json``)
``final/``            encoder after the last step
``encoder.*``         the one of the two that the recipe keeps
====================  ====================================================================================
"""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import torch

import hemosight
from hemosight.errors import RunConflict
from hemosight.training import backbones
from hemosight.training.recipes import PretrainConfig
from hemosight.training.trainer import read_state, write_state

COLUMNS = ("step", "epoch", "loss", "lr", "images_per_second", "val_loss", "knn")
"""Of ``log.csv``."""


def run_exists(path: Path) -> RunConflict:
    """The fault of a run that would begin where there is one."""
    return RunConflict(
        code="run_exists",
        expected="a new or empty folder for the run",
        came=f"a run in {path}",
        mend="Continue it with --resume, or name another folder.",
    )


def run_missing(path: Path) -> RunConflict:
    """The fault of a run that would go on where there is none."""
    return RunConflict(
        code="run_missing",
        expected="a run folder with a checkpoint",
        came=f"none in {path}",
        mend="Start the run without --resume.",
    )


def run_differs(what: str, expected: str, came: str) -> RunConflict:
    """The fault of a run that would go on with other settings or data than it began with."""
    return RunConflict(
        expected=f"the {what} the run began with ({expected})",
        came=came,
        mend="Resume with what it began with, or start a new run in another folder.",
    )


@dataclass(frozen=True)
class RunFolder:
    """A run on disk. Files are replaced whole, so that a kill leaves the old one or the new one."""

    path: Path

    # --- beginning and going on ---

    def check(self, resume: bool) -> None:
        """Whether a run can begin here, or go on; :class:`~hemosight.errors.RunConflict` where not."""
        if not resume and (self.path / "config.json").exists():
            raise run_exists(self.path)
        if resume and not (self.path / "checkpoint.pt").exists():
            raise run_missing(self.path)

    def begin(self, config: PretrainConfig, facts: Mapping[str, Any], split: pl.DataFrame) -> None:
        """Write down what the run begins with; :class:`~hemosight.errors.RunConflict` where there is a run already."""
        self.check(resume=False)
        self.path.mkdir(parents=True, exist_ok=True)
        split.write_parquet(self.path / "split.parquet")
        self._write("run.json", json.dumps(facts, indent=2))
        with open(self.path / "log.csv", "w", newline="") as file:
            csv.writer(file).writerow(COLUMNS)
        self._write("config.json", config.model_dump_json(indent=2))

    def resume(self, config: PretrainConfig, data: str) -> tuple[PretrainConfig, dict[str, Any]]:
        """The settings the run began with, and its last checkpoint.

        Parameters
        ----------
        config
            What the user asks for now; epochs that came of a time budget are taken from the run.
        data
            Hash of the data as it is now.

        Raises
        ------
        RunConflict
            Other settings, or other data.
        """
        began = PretrainConfig.model_validate_json((self.path / "config.json").read_text())
        if config.minutes is not None and config.minutes == began.minutes:
            config = config.model_copy(update={"epochs": began.epochs})
        ours, theirs = config.model_dump(), began.model_dump()
        for key, value in theirs.items():
            if ours[key] != value:
                raise run_differs("settings", f"{key}={value}", f"{key}={ours[key]}")
        known = self.facts()["data"]["hash"]
        if known != data:
            raise run_differs("data", f"hash {known}", f"hash {data}")
        return began, read_state(self.path / "checkpoint.pt")

    def facts(self) -> dict[str, Any]:
        """What ``run.json`` says."""
        return json.loads((self.path / "run.json").read_text())

    # --- while it runs ---

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint."""
        write_state(self.path / "checkpoint.pt", state)

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint; None where there is none."""
        file = self.path / "checkpoint.pt"
        return read_state(file) if file.exists() else None

    def log(self, row: Mapping[str, Any]) -> None:
        """Add a row to ``log.csv``; what is missing or None stays empty."""
        with open(self.path / "log.csv", "a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow({key: row.get(key) for key in COLUMNS})

    def forget_after(self, step: int) -> None:
        """Drop the rows of ``log.csv`` after a step: they will be written again."""
        lines = (self.path / "log.csv").read_text().splitlines(keepends=True)
        kept = [line for line in lines[1:] if line.endswith("\n") and int(line.split(",")[0]) <= step]
        self._write("log.csv", "".join([lines[0], *kept]))

    # --- what comes of it ---

    def save_encoder(self, name: str, encoder: backbones.Encoder, config: PretrainConfig, results: Any) -> None:
        """Write ``encoder.safetensors`` and ``encoder.json`` into the run, or a folder ``name`` of it."""
        provenance = {**self.facts(), "recipe": config.model_dump(mode="json"), "results": results}
        part = self.path / "encoder.part"
        backbones.save(encoder, part, config.preprocessing, provenance)
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        for file in ("encoder.safetensors", "encoder.json"):
            os.replace(part / file, folder / file)
        part.rmdir()

    def keep(self, name: str) -> None:
        """Make the encoder in ``best`` or ``final`` the run's own."""
        for file in ("encoder.safetensors", "encoder.json"):
            shutil.copyfile(self.path / name / file, self.path / f"{file}.part")
            os.replace(self.path / f"{file}.part", self.path / file)

    def finish(self, results: Mapping[str, Any]) -> None:
        """Add the results to ``run.json``."""
        self._write("run.json", json.dumps({**self.facts(), "results": results}, indent=2))

    def _write(self, name: str, text: str) -> None:
        part = self.path / f"{name}.part"
        part.write_text(text.rstrip("\n") + "\n")
        os.replace(part, self.path / name)


def environment() -> dict[str, Any]:
    """Versions, machine and commit, for a run's record."""
    packages = ("torch", "timm", "numpy", "polars", "safetensors", "simplejpeg", "pillow")
    return {
        "hemosight": version("hemosight"),
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }


def _commit() -> str | None:
    """The commit of the source HemoSight runs from, with ``+`` for changes since; None outside a checkout."""
    source = Path(hemosight.__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(source), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # An installed copy may lie inside some other project's checkout.
        if not git("ls-files", "--", "__init__.py"):
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", str(source)) else "")
    except (OSError, subprocess.CalledProcessError):
        return None
