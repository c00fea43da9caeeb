"""The supervised baseline: the same network taught with labels, from ImageNet, end to end (Liu et al. 2024, Methods).

A dense softmax layer stands behind global average pooling and dropout. It is trained alone first, then every layer at a
hundredth of the rate, batch norms frozen; with 450 images or fewer it is trained alone throughout. Errors weigh by the
rarity of their class. What an epoch does depends on the settings, the data and its number alone, so a run that was
stopped and goes on ends in the same bits.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hemosight.errors import TooFewLabels
from hemosight.images import preprocess
from hemosight.images.catalog import Catalog
from hemosight.training import augment, backbones, baseline_task, learner, pixel_cache, trainer
from hemosight.training.baseline_task import BaselineConfig, BaselineTask, Classifier
from hemosight.training.display import Display
from hemosight.training.distributed import choose_device
from hemosight.training.learner import Create
from hemosight.training.pixel_cache import PixelCache
from hemosight.training.pretraining_data import cache_home
from hemosight.training.run_folder import run_differs
from hemosight.training.trainer import CheckpointFile, Trainer, require_batch, seed_for

Answers = tuple[tuple[str, ...], NDArray[np.float64]]
"""Classes, and probabilities: cells x classes."""
_LOOK = 128
"""Crops read at a time."""


@dataclass(frozen=True)
class Baseline:
    """A trained baseline.

    Parameters
    ----------
    classes
        Names, in the order of the columns of its probabilities.
    network
        In evaluation mode.
    losses
        Mean training loss of each epoch.
    """

    classes: tuple[str, ...]
    network: Classifier
    config: BaselineConfig
    losses: tuple[float, ...]

    @torch.no_grad()
    def probabilities(
        self, catalog: Catalog, *, cache: str | Path | None = None, device: str | None = None
    ) -> NDArray[np.float64]:
        """Of every cell of a catalog, cells x classes; a row of NaN where a crop cannot be read."""
        pixels = _pixels(catalog, self.config, cache)
        where = choose_device(device)
        network = self.network.to(where).eval()
        found = np.full((len(catalog), len(self.classes)), np.nan)
        readable = np.flatnonzero(pixels.rows >= 0)
        for start in range(0, len(readable), _LOOK):
            rows = readable[start : start + _LOOK]
            images = torch.from_numpy(pixels[rows]).to(where)
            logits = network(augment.centre(images, self.config.encoder.size))
            found[rows] = torch.softmax(logits.double(), dim=1).cpu().numpy()
        return found


def train_baseline(
    catalog: Catalog,
    labels: Sequence[str | None],
    config: BaselineConfig | None = None,
    *,
    folder: str | Path | None = None,
    cache: str | Path | None = None,
    device: str | None = None,
    create: Create | None = None,
    display: Display | None = None,
) -> Baseline:
    """Train on labelled crops.

    Parameters
    ----------
    catalog, labels
        Crops, and one label each. Unreadable crops and those labelled None are left out.
    folder
        Where a checkpoint is kept after every epoch. A run that was stopped goes on from there, and one that is
        finished is read and not repeated.
    cache
        Folder of prepared pixels, shared by runs; in the user's cache folder by default.
    device
        A torch device; the best one by default.
    create
        Makes the encoder; by default :func:`hemosight.training.backbones.create`.
    display
        Where progress is shown; silent by default.

    Raises
    ------
    TooFewLabels
        Fewer than two classes.
    TooFewCells
        No crop can be read.
    RunConflict
        The folder holds a run on other cells, labels or settings.
    TrainingFailed
        The loss is no number any more.
    """
    config = config or BaselineConfig()
    pixels = _pixels(catalog, config, cache)
    cells = np.flatnonzero((pixels.rows >= 0) & np.array([label is not None for label in labels]))
    require_batch(len(cells), 1)
    names, codes = np.unique(np.asarray(labels, np.str_)[cells], return_inverse=True)
    if len(names) < 2:
        raise TooFewLabels(came=f"only {str(names[0])!r}")
    where = choose_device(device)
    make = create or (lambda settings: backbones.create(settings.backbone, settings.weights))
    with torch.random.fork_rng([where] if where.type == "cuda" else []):
        torch.manual_seed(seed_for(config.seed, "top"))
        network = Classifier(make(config.encoder), len(names), config.dropout).to(where)
        if config.encoder.channels_last:
            network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] -- untyped in torch
        ids = [catalog.ids[cell] for cell in cells]
        facts = _facts(config, ids, names[codes].tolist())
        kept = _checkpoint(folder, facts)
        task = BaselineTask(network, config, pixels, cells, torch.from_numpy(codes).to(where), where)
        loop = Trainer(task, kept, display or Display(quiet=True), device=where, shows="epochs")
        if (saved := kept.load()) is not None:
            _require_same(facts, saved["facts"], kept.file)
            loop.restore(saved)
        loop.train()
        losses = task.losses
    return Baseline(tuple(str(name) for name in names), network.eval(), config, tuple(losses))


def contender(
    catalog: Catalog,
    config: BaselineConfig | None = None,
    *,
    folder: str | Path | None = None,
    cache: str | Path | None = None,
    device: str | None = None,
    create: Create | None = None,
) -> Callable[[NDArray[np.int64], NDArray[np.str_], NDArray[np.int64], int], Answers]:
    """A function that trains on some rows of a catalog and reads others: what a study compares.

    It takes rows to learn from, their labels, rows to read and a seed. Below ``folder`` each run has a folder of its
    own while it lasts, so that a run that was stopped goes on, and a file of its answers afterwards, so that other
    studies of the same cells and labels, with other embeddings for instance, need not train it again; answers of
    other settings or other code are not taken. The rest is as for :func:`train_baseline`.
    """
    settings = config or BaselineConfig()

    def learn_and_read(
        support: NDArray[np.int64], labels: NDArray[np.str_], queries: NDArray[np.int64], seed: int
    ) -> Answers:
        seeded = settings.model_copy(update={"seed": seed})
        cells, asked = catalog.take(support), catalog.take(queries)
        own = None
        if folder is not None:
            facts = [_facts(seeded, cells.ids, labels.tolist()), list(asked.ids), code_hash()]
            own = Path(folder) / hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
            if (kept := own.with_suffix(".npz")).is_file():
                with np.load(kept) as file:
                    return tuple(file["classes"].tolist()), file["probabilities"]
        trained = train_baseline(cells, labels.tolist(), seeded, folder=own, cache=cache, device=device, create=create)
        answers = trained.classes, trained.probabilities(asked, cache=cache, device=device)
        if own is not None:
            part = own / "answers.npz"
            np.savez(part, classes=np.array(answers[0]), probabilities=answers[1])
            os.replace(part, own.with_suffix(".npz"))
            shutil.rmtree(own)  # tens of megabytes a run, and its answers are all that a study keeps
        return answers

    return learn_and_read


def _pixels(catalog: Catalog, config: BaselineConfig, cache: str | Path | None) -> PixelCache:
    home = cache_home() if cache is None else Path(cache)
    return pixel_cache.build(catalog, config.encoder.wide_preprocessing, home)


def code_hash() -> str:
    """Hash of the source that decides what a baseline answers."""
    modules = (sys.modules[__name__], baseline_task, trainer, backbones, learner, augment, pixel_cache, preprocess)
    return hashlib.sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in modules)).hexdigest()


def _facts(config: BaselineConfig, ids: Sequence[str], labels: Sequence[str]) -> str:
    lines = sorted(f"{cell} {label}\n" for cell, label in zip(ids, labels, strict=True))
    data = hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
    return json.dumps({"config": config.model_dump(mode="json"), "data": data}, sort_keys=True)


def _checkpoint(folder: str | Path | None, facts: str) -> CheckpointFile:
    """The checkpoint of a run on these cells with these settings; nowhere, where there is no folder."""
    if folder is None:
        return CheckpointFile(None)
    file = Path(folder) / "baseline.pt"
    file.parent.mkdir(parents=True, exist_ok=True)
    return CheckpointFile(file, {"facts": facts})


def _require_same(facts: str, saved: str, file: Path | None) -> None:
    """Raises :class:`~hemosight.errors.RunConflict` where a checkpoint is of other cells or settings."""
    if saved != facts:
        what = "data" if json.loads(facts)["data"] != json.loads(saved)["data"] else "settings"
        raise run_differs(what, f"those of {file}", "others")
