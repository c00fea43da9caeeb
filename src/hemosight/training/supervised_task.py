"""What a step of training with labels of several laboratories does: the task of the training loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.optim import swa_utils

from hemosight.training.baseline_task import Classifier
from hemosight.training.distributed import Processes
from hemosight.training.labelled_cells import LabelledCells
from hemosight.training.partial_labels import partial_cross_entropy
from hemosight.training.scanner_views import scanner_views
from hemosight.training.schedules import cosine
from hemosight.training.supervised_config import SupervisedConfig
from hemosight.training.trainer import StepResult, Task, seed_for


def early_layers(network: nn.Module, stages: int) -> list[nn.Module]:
    """The stem and the first stages of an EfficientNet-like network; none of a network that is built otherwise."""
    blocks = getattr(network, "blocks", None)
    if not isinstance(blocks, nn.Sequential) or not stages:
        return []
    stem = [getattr(network, name, None) for name in ("conv_stem", "bn1")]
    return [part for part in stem if isinstance(part, nn.Module)] + list(blocks)[:stages]


def make_optimizer(network: Classifier, config: SupervisedConfig) -> torch.optim.AdamW:
    """AdamW with a rate for each layer, relative to its weights."""
    groups = []
    for name, parameter in network.named_parameters():
        if name.startswith("top."):
            lr = config.head_lr
        elif parameter.ndim > 1:
            lr = config.lr * max(float(parameter.detach().square().mean().sqrt()), 1e-3)
        else:
            lr = config.norm_lr
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.append({"params": [parameter], "lr": lr, "whole": lr, "weight_decay": decay})
    fused = next(network.parameters()).device.type == "cuda"
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=fused)


class SupervisedTask(Task[None]):
    """The network in training, and the average of its weights. All steps are one epoch: cells are drawn, not dealt.

    ``keep`` takes the row of each step.
    """

    def __init__(
        self,
        network: Classifier,
        config: SupervisedConfig,
        data: LabelledCells,
        group: Processes,
        keep: Callable[[Mapping[str, Any]], None] = lambda row: None,
        teachers: Sequence[Classifier] = (),
    ) -> None:
        self.keep = keep
        self.network, self.config, self.data, self.group = network, config, data, group
        self.teachers = [teacher.eval().requires_grad_(False) for teacher in teachers]
        self.device = next(network.parameters()).device
        self.averaged = copy.deepcopy(network).eval()
        self.optimizer = make_optimizer(network, config)
        scanners = data.scanners(config)
        self.scanners = None if scanners is None else scanners.to(self.device)
        self._resident = self._on_device()

    def _on_device(self) -> Tensor | None:
        """All pixels on a graphics card, which waits for a step's pictures otherwise; None where they may not fit."""
        if self.device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self.device)
        if 4 * self.data.pixels.pixels.nbytes > free:
            return None
        return torch.from_numpy(self.data.pixels[self.data.cells]).to(self.device)

    @property
    def epochs(self) -> int:
        """One."""
        return 1

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the run."""
        return self.config.steps

    def batches(self, epoch: int, start: int) -> Iterator[tuple[int, None]]:
        """The numbers of the steps; what is drawn follows from them."""
        return ((number, None) for number in range(start, self.config.steps))

    def step(self, batch: None, epoch: int, number: int) -> StepResult:
        """One step on the cross entropy of one view of each cell drawn."""
        config, network, data = self.config, self.network, self.data
        resting = early_layers(network.encoder.network, config.resting_stages)
        rests = number >= config.rest_after * config.steps
        part = cosine(number, config.steps, lr=1.0, warmup=config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = group["whole"] * part
        nn.Module.train(network)  # Classifier.train would hold the norms' statistics, which are learnt here
        for layer in resting:
            layer.train(not rests).requires_grad_(not rests)
        numbers = (number, self.group.rank)
        rng = np.random.default_rng(seed_for(config.seed, "order", *numbers))
        rows = np.sort(rng.choice(len(data.codes), config.batch, p=data.shares))
        pictures = scanner_views(
            self._pictures(rows),
            torch.from_numpy(data.masks[rows]).to(self.device),
            torch.from_numpy(data.whose[rows]).to(self.device),
            self.scanners,
            config.views,
            size=config.window,
            generator=torch.Generator().manual_seed(seed_for(config.seed, "views", *numbers)),
        ).contiguous(memory_format=torch.channels_last)
        torch.manual_seed(seed_for(config.seed, "dropout", *numbers))
        with self._arithmetic():
            logits = network(pictures)
        loss = self._loss(logits.float(), pictures, torch.from_numpy(data.allowed[rows]).to(self.device))
        loss.backward()
        if self.group.count > 1:
            self._average_gradients()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._average_weights(number)
        return StepResult(float(loss.detach()), config.batch * self.group.count, self.optimizer.param_groups[0]["lr"])

    def _pictures(self, rows: NDArray[np.int64]) -> Tensor:
        if self._resident is not None:
            return self._resident[torch.from_numpy(rows).to(self.device)]
        return torch.from_numpy(self.data.pixels[self.data.cells[rows]]).to(self.device)

    def _arithmetic(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    def _loss(self, logits: Tensor, pictures: Tensor, allowed: Tensor) -> Tensor:
        """Of the labels, and of what teachers say of the same view, averaged over them and over quarter turns."""
        config = self.config
        labelled = partial_cross_entropy(logits, allowed, config.smoothing)
        if not self.teachers:
            return labelled
        with torch.no_grad(), self._arithmetic():
            turned = [torch.rot90(pictures, turn, (2, 3)) for turn in range(config.teacher_turns)]
            said = [teacher(view).float().softmax(dim=1) for teacher in self.teachers for view in turned]
        taught = torch.stack(said).mean(dim=0)
        shown = -(taught * logits.log_softmax(dim=1)).sum(dim=1).mean()
        return (1 - config.teacher_share) * labelled + config.teacher_share * shown

    def _average_gradients(self) -> None:
        trained = [parameter for parameter in self.network.parameters() if parameter.grad is not None]
        flat = torch.cat([parameter.grad.flatten() for parameter in trained if parameter.grad is not None])
        distributed.all_reduce(flat)
        flat /= self.group.count
        for parameter, part in zip(trained, flat.split([parameter.numel() for parameter in trained]), strict=True):
            parameter.grad = part.view_as(parameter).contiguous()

    @torch.no_grad()
    def _average_weights(self, number: int) -> None:
        keep = min(self.config.average, (number + 1) / (number + 10))
        swa_utils.get_ema_multi_avg_fn(keep)(list(self.averaged.parameters()), list(self.network.parameters()), 1)
        pairs = zip(self.averaged.buffers(), self.network.buffers(), strict=True)
        floating = [(mean, now) for mean, now in pairs if now.dtype.is_floating_point]
        # Statistics follow the weights, which stand for an average already.
        means, nows = [mean for mean, _ in floating], [now for _, now in floating]
        swa_utils.get_ema_multi_avg_fn(min(keep, 0.98))(means, nows, 1)

    def log(self, row: Mapping[str, Any]) -> None:
        """Hand the step's row on."""
        self.keep(row)

    def state(self) -> dict[str, Any]:
        """Weights, their average, and the optimizer."""
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Take up a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
