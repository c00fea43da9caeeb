"""An encoder taught with the labels of several laboratories, so that it reads cells of laboratories it never saw.

Cross entropy over the finest cell types that labels tell (:mod:`hemosight.training.partial_labels`), and one class more
for what is no cell to be counted (smudges, artefacts), on the views of :mod:`hemosight.training.scanner_views`.
Laboratories and types are drawn by a power of their frequency, so that no laboratory stands for a type by its number.
Averaged weights are kept (Polyak & Juditsky 1992). What the first layers do (edges, colours) settles early; after a
share of the steps they rest, which makes steps on a processor up to 1.8 times as quick.

What a step does depends on the settings, the data and its number alone: a run that was stopped goes on to the same
bits. Under ``torchrun`` every process draws batches of its own, and gradients are averaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file

from hemosight.errors import BadSetting
from hemosight.images.catalog import Catalog
from hemosight.training import backbones, run_folder
from hemosight.training.baseline_task import Classifier
from hemosight.training.display import Display
from hemosight.training.distributed import Processes, choose_device, processes
from hemosight.training.labelled_cells import LabelledCells
from hemosight.training.pretraining_data import cache_home
from hemosight.training.stopping import stop_signals
from hemosight.training.supervised_config import SupervisedConfig
from hemosight.training.supervised_task import SupervisedTask
from hemosight.training.trainer import CheckpointFile, Trainer, read_state, require_batch, seed_for

COLUMNS = ("step", "loss", "lr", "images_per_second")
"""Of ``log.csv``."""


def train_supervised(
    catalog: Catalog,
    config: SupervisedConfig,
    folder: str | Path,
    *,
    resume: bool = False,
    device: str | None = None,
    cache: str | Path | None = None,
    display: Display | None = None,
    command: Sequence[str] = (),
) -> bool:
    """Train on a catalog's labelled cells; the run folder has an encoder that ``hemosight pack --encoder`` takes.

    Parameters
    ----------
    catalog
        Cells that may be learnt from: what is held out must not be among them.
    folder
        New, unless ``resume``.
    device
        A torch device; the best one by default.
    cache
        Folder of prepared pixels, shared by runs; in the user's cache folder by default.
    command
        What was typed, for the record.

    Returns
    -------
    bool
        False where a signal stopped it; it can be resumed.

    Raises
    ------
    TooFewLabels, TooFewCells
        Too little to learn from.
    RunConflict
        The folder holds a run already, or none, or one of other settings or cells.
    TrainingFailed
        The loss is no number any more.
    """
    folder, display = Path(folder), display or Display(quiet=True)
    if not resume and (folder / "config.json").exists():
        raise run_folder.run_exists(folder)
    if resume and not (folder / "checkpoint.pt").exists():
        raise run_folder.run_missing(folder)
    with processes() as group, display if group.first else Display(quiet=True) as shown:
        if not group.first:
            group.wait()  # the first process prepares; the others then find everything there
        data = LabelledCells.prepare(catalog, config, cache_home() if cache is None else Path(cache), shown)
        if group.first:
            group.wait()
        require_batch(len(data.codes), config.batch)
        torch.manual_seed(seed_for(config.seed, "top"))
        encoder = backbones.create(config.backbone, config.weights)
        network = Classifier(encoder, len(data.classes), config.dropout)
        _take_head(network, config.weights)
        where = choose_device(device, group.local_rank)
        network = _placed(network, where)
        teachers = [_placed(_teacher(Path(run), data.classes, config.dropout), where) for run in config.teachers]
        log = _Log(folder)
        task = SupervisedTask(network, config, data, group, log.add, teachers)
        kept = CheckpointFile(
            folder / "checkpoint.pt", beside=lambda state: _save_averaged(folder, task, state["step"])
        )
        loop = Trainer(task, kept, shown, processes=group, device=where, save_every=config.checkpoint_minutes)
        facts = _facts(config, data, command, group, where)
        if resume:
            _require_same(json.loads((folder / "run.json").read_text()), facts)
            saved = read_state(folder / "checkpoint.pt")
            loop.restore(saved)
            if group.first:
                log.cut(saved["step"])
        elif group.first:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "run.json").write_text(json.dumps(facts, indent=2) + "\n")
            (folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
        group.wait()
        with stop_signals() as stopped:
            finished = loop.train(stopped)
        if finished:
            loop.save()
        return finished


def _save_averaged(folder: Path, task: SupervisedTask, step: int) -> None:
    """Write the averaged weights beside the checkpoint, as an encoder and a classifying layer."""
    facts = json.loads((folder / "run.json").read_text())
    averaged = task.averaged
    backbones.save(averaged.encoder, folder, task.config.preprocessing, {**facts, "step": step})
    head = {"weight": averaged.top.weight.detach().cpu().contiguous(), "bias": averaged.top.bias.detach().cpu()}
    save_file(head, folder / "classifier.safetensors")


class _Log:
    """``log.csv`` of a run folder: a line for each step."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "log.csv"

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a step's line."""
        file = self.file
        if not file.is_file():
            file.write_text(",".join(COLUMNS) + "\n")
        with open(file, "a") as lines:
            lines.write(f"{row['step']},{row['loss']:.5f},{row['lr']:.3g},{row['images_per_second']:.1f}\n")

    def cut(self, step: int) -> None:
        """Leave the lines up to a step: a run that was killed had gone beyond its checkpoint."""
        file = self.file
        lines = file.read_text().splitlines(keepends=True)
        kept = [line for line in lines[1:] if line.endswith("\n") and int(line.split(",")[0]) <= step]
        file.write_text("".join([lines[0], *kept]))


def _placed(network: Classifier, device: torch.device) -> Classifier:
    return network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] -- untyped in torch


def _teacher(run: Path, classes: Sequence[str], dropout: float) -> Classifier:
    """The averaged network of another run, which has to tell the same classes apart."""
    encoder, file = backbones.load(run)
    theirs = file.provenance.get("classes")
    if theirs != list(classes):
        raise BadSetting(
            expected=f"a teacher of the classes {', '.join(classes)}",
            came=f"{run}, of {theirs}",
            mend="Train the teacher on the same laboratories.",
        )
    network = Classifier(encoder, len(classes), dropout)
    network.top.load_state_dict(load_file(run / "classifier.safetensors"))
    return network


def _take_head(network: Classifier, weights: str) -> None:
    """Take the classifying layer of the run whose encoder is continued, if it has as many classes."""
    beside = Path(weights).parent / "classifier.safetensors"
    if not weights.endswith("encoder.safetensors") or not beside.is_file():
        return
    head = load_file(beside)
    if head["weight"].shape == network.top.weight.shape:
        network.top.load_state_dict(head)


def _facts(
    config: SupervisedConfig, data: LabelledCells, command: Sequence[str], group: Processes, device: torch.device
) -> dict[str, Any]:
    table = pl.DataFrame(
        {"laboratory": np.array(data.laboratories)[data.whose], "type": np.array(data.types)[data.codes]}
    )
    counts = table.group_by("laboratory", "type").len().sort("laboratory", "type")
    cells: dict[str, dict[str, int]] = {}
    for laboratory, name, count in counts.iter_rows():
        cells.setdefault(laboratory, {})[name] = count
    return {
        "trained": "with labels, on several laboratories",
        "recipe": {**config.model_dump(mode="json", exclude={"views"}), "views": asdict(config.views)},
        "types": list(data.types),
        "classes": list(data.classes),
        "cells": cells,
        "data": {"hash": data.hash},
        "processes": group.count,
        "device": device.type,
        "taught_by": [_taught_by(run) for run in config.teachers],
        "command": list(command),
        **_went_on_from(config.weights),
        **run_folder.environment(),
    }


def _taught_by(run: str) -> dict[str, Any]:
    """What a teacher's run said of itself, and which weights it taught with."""
    folder = Path(run)
    said = json.loads((folder / "encoder.json").read_text())["provenance"]
    weights = hashlib.sha256((folder / "encoder.safetensors").read_bytes()).hexdigest()
    return {"run": run, "encoder": weights, "command": said.get("command"), "recipe": said.get("recipe")}


def _went_on_from(weights: str) -> dict[str, Any]:
    """What the run said of itself whose encoder training goes on from; nothing where it begins anew."""
    beside = Path(weights).with_suffix(".json")
    if not weights.endswith("encoder.safetensors") or not beside.is_file():
        return {}
    return {"went_on_from": json.loads(beside.read_text())["provenance"]}


def _require_same(began: dict[str, Any], now: dict[str, Any]) -> None:
    what_of = {
        "recipe": "settings",
        "data": "data",
        "processes": "settings",
        "taught_by": "teachers",
        "device": "kind of device",
    }
    for key, what in what_of.items():
        # Runs of older versions do not say by whom they are taught, nor where.
        if key in began and json.dumps(began[key]) != json.dumps(json.loads(json.dumps(now[key]))):
            raise run_folder.run_differs(what, f"{key} of the run's beginning", "others")
