"""What a supervised baseline is and how it is taught: its settings, its network, and the task of the training loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from hemosight.training import backbones
from hemosight.training.learner import batch_norms, views_of
from hemosight.training.pixel_cache import PixelCache
from hemosight.training.recipes import RECIPES, Count, Positive, PretrainConfig, Share
from hemosight.training.trainer import StepResult, Task, read_ahead, seed_for


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

    def stages(self, images: int) -> tuple[TrainingStage, ...]:
        """What is trained, in turn, with so many images."""
        if images <= self.few:
            return (TrainingStage(self.few_epochs, self.top_lr, top_only=True),)
        return (
            TrainingStage(self.top_epochs, self.top_lr, top_only=True),
            TrainingStage(self.all_epochs, self.all_lr, top_only=False),
        )


@dataclass(frozen=True)
class TrainingStage:
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

    def teach(self, stage: TrainingStage) -> list[nn.Parameter]:
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


def class_weights(codes: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Weight of an error on each class: the mean number of cells of a class over the number of this one's."""
    return len(codes) / (classes * np.bincount(codes, minlength=classes))


Labelled = tuple[NDArray[np.int64], NDArray[np.uint8]]
"""Places of a batch's cells among those trained on, and their pixels."""


class BaselineTask(Task[Labelled]):
    """A baseline in training: the paper's stages, one after the other.

    Parameters
    ----------
    cells, codes
        Rows of ``pixels`` that are trained on, and the class number of each.
    """

    def __init__(
        self,
        network: Classifier,
        config: BaselineConfig,
        pixels: PixelCache,
        cells: NDArray[np.int64],
        codes: Tensor,
        device: torch.device,
    ) -> None:
        self.network, self.config, self.pixels, self.cells = network, config, pixels, cells
        self.codes, self.device = codes, device
        self.stages = [stage for stage in config.stages(len(cells)) for _ in range(stage.epochs)]
        """Of each epoch."""
        weights = class_weights(codes.cpu().numpy(), network.top.out_features)
        self.weight = torch.from_numpy(weights).float().to(device)
        self.losses: list[float] = []
        """Mean training loss of each epoch that is done."""
        self._stage: TrainingStage | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._saved: tuple[TrainingStage, dict[str, Any]] | None = None

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return len(self.stages)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the last of which may be smaller."""
        return -(-len(self.cells) // self.config.batch)

    def start_epoch(self, epoch: int) -> None:
        """Where a stage begins, begin with its optimizer; in a resumed run, with the one it was stopped with."""
        stage = self.stages[epoch]
        if stage is not self._stage:
            self._stage = stage
            self._optimizer = torch.optim.Adam(self.network.teach(stage), lr=stage.lr, eps=1e-7)
            if self._saved is not None and self._saved[0] is stage:
                self._optimizer.load_state_dict(self._saved[1])
            self._saved = None
        self.network.train()

    def batches(self, epoch: int, start: int) -> Iterator[tuple[int, Labelled]]:
        """All cells in an order of this epoch's own."""
        order = np.random.default_rng(seed_for(self.config.seed, "order", epoch)).permutation(len(self.cells))

        def read(number: int) -> Labelled:
            rows = order[number * self.config.batch : (number + 1) * self.config.batch]
            return rows, self.pixels[self.cells[rows]]

        return read_ahead(read, range(start, self.steps_per_epoch))

    def step(self, batch: Labelled, epoch: int, number: int) -> StepResult:
        """One step on the weighted cross-entropy of one view of each image."""
        assert self._optimizer is not None  # noqa: S101 -- narrows the type: start_epoch makes it
        rows, pixels = batch
        seed = seed_for(self.config.seed, "views", epoch, number)
        pictures = views_of(pixels, self.config.encoder, device=self.device, seed=seed)
        torch.manual_seed(seed_for(self.config.seed, "dropout", epoch, number))
        truth = self.codes[torch.from_numpy(rows).to(self.device)]
        # The mean over images of weighted losses, as Keras weighs; torch would divide by the sum of weights.
        lost = functional.cross_entropy(self.network(pictures), truth, reduction="none")
        loss = (self.weight[truth] * lost).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return StepResult(loss.item(), len(rows), self.stages[epoch].lr)

    def end_epoch(self, epoch: int, loss: float) -> Mapping[str, Any]:
        """Remember the epoch's loss; nothing is measured on other cells."""
        self.losses.append(loss)
        return {}

    def state(self) -> dict[str, Any]:
        """Weights, the losses so far, and the optimizer of the stage."""
        assert self._optimizer is not None  # noqa: S101 -- narrows the type: saved after a step
        return {
            "losses": list(self.losses),
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Take up a checkpoint; its optimizer is that of the stage in which its last step was taken."""
        self.network.load_state_dict(state["network"])
        self.losses = list(state["losses"])
        self._saved = self.stages[(step - 1) // self.steps_per_epoch], state["optimizer"]
