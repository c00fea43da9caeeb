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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from hemosight.encoder import backbones, learner, pretraining_data
from hemosight.encoder.display import Display
from hemosight.encoder.distributed import choose_device
from hemosight.encoder.learner import batch_norms
from hemosight.encoder.pretraining_data import cache_home, seed_for
from hemosight.encoder.recipes import RECIPES, Count, Positive, PretrainConfig, Share
from hemosight.encoder.run import Create
from hemosight.errors import BatchTooLarge, RunDiffers, TooFewLabels, TrainingDiverged
from hemosight.images import augment, pixel_cache, preprocess
from hemosight.images.catalog import Catalog
from hemosight.images.pixel_cache import PixelCache

Answers = tuple[tuple[str, ...], NDArray[np.float64]]
"""Classes, and probabilities: cells x classes."""
_LOOK = 128
"""Crops read at a time."""


class BaselineConfig(BaseModel):
    """The settings of a baseline; those of the paper, on the backbone of a recipe.

    Parameters
    ----------
    encoder
        Its backbone, weights, pixels, views and arithmetic are the baseline's; what it says of losses and schedules
        is not looked at.
    dropout
        Between pooling and the dense layer.
    batch
        Images per step; the last batch of an epoch may be smaller.
    top_lr, top_epochs
        Of the dense layer alone.
    all_lr, all_epochs
        Of all layers, afterwards.
    few, few_epochs
        With at most ``few`` images the dense layer is trained alone, for so many epochs.
    seed
        Of the dense layer's first weights, the order, the views, dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: PretrainConfig = RECIPES["default"]
    dropout: Share = 0.2
    batch: Count = 32
    top_lr: Positive = 1e-3
    top_epochs: Count = 10
    all_lr: Positive = 1e-5
    all_epochs: Count = 20
    few: int = 450
    few_epochs: Count = 30
    seed: int = 0

    def stages(self, images: int) -> tuple[Stage, ...]:
        """What is trained, in turn, with so many images."""
        if images <= self.few:
            return (Stage(self.few_epochs, self.top_lr, top_only=True),)
        return (
            Stage(self.top_epochs, self.top_lr, top_only=True),
            Stage(self.all_epochs, self.all_lr, top_only=False),
        )


@dataclass(frozen=True)
class Stage:
    """So many epochs at one rate, of the dense layer or of everything but batch norms."""

    epochs: int
    lr: float
    top_only: bool


class Classifier(nn.Module):
    """An encoder's pooled features, dropout, a dense layer: pixels ``[N, 3, H, W]`` -> logits ``[N, classes]``."""

    def __init__(self, encoder: backbones.Encoder, classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.top = nn.Linear(encoder.dim, classes)
        nn.init.xavier_uniform_(self.top.weight)  # as Keras' Dense begins
        nn.init.zeros_(self.top.bias)

    def teach(self, stage: Stage) -> list[nn.Parameter]:
        """Say what this stage may change, and list it."""
        self.encoder.requires_grad_(not stage.top_only)
        for norm in batch_norms(self.encoder):
            norm.requires_grad_(False)
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def train(self, mode: bool = True) -> Classifier:
        """Set the mode; batch norms stay in evaluation, so that their statistics stand still."""
        super().train(mode)
        for norm in batch_norms(self.encoder):
            norm.eval()
        if not any(parameter.requires_grad for parameter in self.encoder.parameters()):
            self.encoder.eval()  # a network that is only read drops nothing on the way
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits, float32."""
        return self.top(self.dropout(self.encoder.features(pixels).float().mean(dim=(2, 3))))


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
        Makes the encoder; by default :func:`hemosight.encoder.backbones.create`.
    display
        Where progress is shown; silent by default.

    Raises
    ------
    TooFewLabels
        Fewer than two classes.
    BatchTooLarge
        No crop can be read.
    RunDiffers
        The folder holds a run on other cells, labels or settings.
    TrainingDiverged
        The loss is no number any more.
    """
    config = config or BaselineConfig()
    pixels = _pixels(catalog, config, cache)
    cells = np.flatnonzero((pixels.rows >= 0) & np.array([label is not None for label in labels]))
    if not len(cells):
        raise BatchTooLarge(batch=1, images=0, purpose="training")
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
        run = _Run(network, config, pixels, cells, torch.from_numpy(codes).to(where), where)
        ids = [catalog.ids[cell] for cell in cells]
        kept = _Kept.open(folder, config, ids, names[codes].tolist())
        losses = run.train(kept, display or Display(quiet=True))
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
            facts = [_facts(seeded, cells.ids, labels.tolist()), list(asked.ids), _code()]
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


def class_weights(codes: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Weight of an error on each class: the mean number of cells of a class over the number of this one's."""
    return len(codes) / (classes * np.bincount(codes, minlength=classes))


def _pixels(catalog: Catalog, config: BaselineConfig, cache: str | Path | None) -> PixelCache:
    home = cache_home() if cache is None else Path(cache)
    return pixel_cache.build(catalog, config.encoder.wide_preprocessing, home)


def _code() -> str:
    """Hash of the source that decides what a baseline answers."""
    modules = (sys.modules[__name__], backbones, learner, pretraining_data, augment, pixel_cache, preprocess)
    return hashlib.sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in modules)).hexdigest()


# --- the run ----------------------------------------------------------------------------------------------


@dataclass
class _Run:
    network: Classifier
    config: BaselineConfig
    pixels: PixelCache
    cells: NDArray[np.int64]
    codes: Tensor
    device: torch.device

    def train(self, kept: _Kept, display: Display) -> list[float]:
        stages = self.config.stages(len(self.cells))
        total = sum(stage.epochs for stage in stages)
        done, losses, saved = kept.begin(self.network)
        first = 0
        for stage in stages:
            optimizer = torch.optim.Adam(self.network.teach(stage), lr=stage.lr, eps=1e-7)
            if saved is not None and first < done < first + stage.epochs:
                optimizer.load_state_dict(saved)  # the stage it was stopped in
            for epoch in range(max(done, first), first + stage.epochs):
                losses.append(self._epoch(epoch, optimizer))
                kept.save(epoch + 1, losses, self.network, optimizer)
                display.show("epochs", epoch + 1, total, f"loss {losses[-1]:.4f}")
            first += stage.epochs
        return losses

    def _epoch(self, epoch: int, optimizer: torch.optim.Optimizer) -> float:
        self.network.train()
        weights = class_weights(self.codes.cpu().numpy(), self.network.top.out_features)
        weight = torch.from_numpy(weights).float().to(self.device)
        lost = 0.0
        for step, rows in enumerate(self._batches(epoch)):
            pictures = self._views(rows, seed_for(self.config.seed, "views", epoch, step))
            torch.manual_seed(seed_for(self.config.seed, "dropout", epoch, step))
            truth = self.codes[torch.from_numpy(rows).to(self.device)]
            # The mean over images of weighted losses, as Keras weighs; torch would divide by the sum of weights.
            loss = (weight[truth] * functional.cross_entropy(self.network(pictures), truth, reduction="none")).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            lost += loss.item() * len(rows)
            if not np.isfinite(lost):
                raise TrainingDiverged(step=step + 1, loss=lost)
        return lost / len(self.cells)

    def _batches(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        order = np.random.default_rng(seed_for(self.config.seed, "order", epoch)).permutation(len(self.cells))
        for start in range(0, len(order), self.config.batch):
            yield order[start : start + self.config.batch]

    def _views(self, rows: NDArray[np.int64], seed: int) -> Tensor:
        settings = self.config.encoder
        draws = augment.draw(settings.views, len(rows), torch.Generator().manual_seed(seed))
        images = torch.from_numpy(self.pixels[self.cells[rows]]).to(self.device)
        pictures = augment.apply(images, draws, settings.size)
        return pictures.contiguous(memory_format=torch.channels_last) if settings.channels_last else pictures


def _facts(config: BaselineConfig, ids: Sequence[str], labels: Sequence[str]) -> str:
    lines = sorted(f"{cell} {label}\n" for cell, label in zip(ids, labels, strict=True))
    data = hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
    return json.dumps({"config": config.model_dump(mode="json"), "data": data}, sort_keys=True)


@dataclass(frozen=True)
class _Kept:
    """The checkpoint of a run on these cells with these settings; nowhere, where there is no folder."""

    file: Path | None
    facts: str

    @classmethod
    def open(
        cls, folder: str | Path | None, config: BaselineConfig, ids: Sequence[str], labels: Sequence[str]
    ) -> _Kept:
        facts = _facts(config, ids, labels)
        if folder is None:
            return cls(None, facts)
        file = Path(folder) / "baseline.pt"
        file.parent.mkdir(parents=True, exist_ok=True)
        return cls(file, facts)

    def begin(self, network: Classifier) -> tuple[int, list[float], dict[str, object] | None]:
        """Epochs done, their losses, and the optimizer's state; the network is put where it stood."""
        if self.file is None or not self.file.is_file():
            return 0, [], None
        saved = torch.load(self.file, map_location="cpu", weights_only=True)
        if saved["facts"] != self.facts:
            ours, theirs = json.loads(self.facts), json.loads(saved["facts"])
            what = "data" if ours["data"] != theirs["data"] else "settings"
            raise RunDiffers(what=what, expected=f"those of {self.file}", came="others")
        network.load_state_dict(saved["network"])
        return saved["epoch"], list(saved["losses"]), saved["optimizer"]

    def save(self, epoch: int, losses: list[float], network: Classifier, optimizer: torch.optim.Optimizer) -> None:
        if self.file is None:
            return
        state = {"facts": self.facts, "epoch": epoch, "losses": losses}
        part = self.file.with_suffix(".part")
        torch.save(state | {"network": network.state_dict(), "optimizer": optimizer.state_dict()}, part)
        os.replace(part, self.file)
