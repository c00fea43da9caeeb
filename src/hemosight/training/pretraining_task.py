"""Self-supervised pretraining as a task of the one loop: its steps, what is measured after an epoch, what is saved."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from hemosight.training import augment, run_folder
from hemosight.training.display import Display, clock
from hemosight.training.distributed import Processes
from hemosight.training.learner import (
    ContrastiveNetwork,
    Create,
    backward,
    batch_ids,
    make_loss,
    make_optimizer,
    views_of,
)
from hemosight.training.pretraining_data import Cells, PretrainingData
from hemosight.training.probe import embed, knn_accuracy, probe_cells
from hemosight.training.recipes import PretrainConfig
from hemosight.training.run_folder import RunFolder
from hemosight.training.schedules import LossHistory, learning_rate
from hemosight.training.trainer import StepResult, Task, Trainer, seed_for

_TRIAL_STEPS = 6


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Parameters
    ----------
    finished
        False where a signal stopped it; it can be resumed.
    step, epoch
        Steps done, and whole epochs.
    val_loss, knn
        Of the last evaluation; None where there is no validation, or no labels.
    folder
        The run folder.
    """

    finished: bool
    step: int
    epoch: int
    val_loss: float | None
    knn: float | None
    folder: Path


@dataclass
class PretrainingTask(Task[NDArray[np.uint8]]):
    """A pretraining run in memory: what stands, and what moves (``progress``, ``measured``, the learner)."""

    config: PretrainConfig
    data: PretrainingData
    folder: RunFolder
    learner: ContrastiveNetwork
    module: nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    processes: Processes
    display: Display
    probe: Cells
    progress: LossHistory
    measured: dict[str, float | None]

    @classmethod
    def open(
        cls,
        data: PretrainingData,
        config: PretrainConfig,
        folder: RunFolder,
        *,
        create: Create,
        resume: bool,
        device: torch.device,
        group: Processes,
        display: Display,
    ) -> tuple[PretrainingTask, Trainer]:
        """The task and the trainer of it; with ``resume``, where the folder's checkpoint stands."""
        torch.manual_seed(seed_for(config.seed, "weights"))
        saved: dict[str, Any] | None = None
        if resume:
            config, saved = folder.resume(config, data.hash)
        learner = ContrastiveNetwork(create(config), config).to(device)
        if config.channels_last:
            learner = learner.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] -- untyped in torch
        if group.count > 1 and device.type == "cuda" and not config.freeze_batch_norm:
            convert_sync_batchnorm(learner)  # timm's: torch's would drop the activation that timm's norms hold
        rng = np.random.default_rng(seed_for(config.seed, "probe"))
        task = cls(
            config=config,
            data=data,
            folder=folder,
            learner=learner,
            module=learner,
            optimizer=make_optimizer(learner, config),
            device=device,
            processes=group,
            display=display,
            probe=probe_cells(data.catalog.labels(), data.validation, rng),
            progress=LossHistory(lr=config.lr),
            measured={"val_loss": None, "knn": None},
        )
        trainer = Trainer(task, folder, display, group, device, save_every=config.checkpoint_minutes)
        if saved is not None:
            trainer.restore(saved)
        elif config.minutes is not None:
            task.config = config.model_copy(update={"epochs": task.epochs_in(60 * config.minutes)})
        if group.count > 1:
            task.module = DistributedDataParallel(learner, device_ids=[device.index] if device.type == "cuda" else None)
        return task, trainer

    def facts(self, command: Sequence[str]) -> dict[str, Any]:
        """What the run folder says about the run's beginning."""
        table = self.data.catalog.table
        return {
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": list(command),
            **run_folder.environment(),
            "device": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type,
            "processes": self.processes.count,
            "seed": self.config.seed,
            "data": {
                "hash": self.data.hash,
                "train": len(self.data.train),
                "validation": len(self.data.validation),
                "sources": {
                    str(name): count for name, count in sorted(table["source"].value_counts().iter_rows(), key=str)
                },
            },
        }

    # --- steps ---

    @property
    def epochs(self) -> int:
        """Epochs of the whole run."""
        return self.config.epochs

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.data.steps(self.config.batch)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Pixels of this process' share of each batch."""
        return self.data.batches(self.config, epoch, self.processes, start)

    def step(self, batch: NDArray[np.uint8], epoch: int, number: int) -> StepResult:
        """One step on the contrastive loss of two views of each image."""
        config = self.config
        at = epoch * self.steps_per_epoch + number
        lr = learning_rate(config, at, self.epochs * self.steps_per_epoch, self.progress)
        return StepResult(self.learn(batch, epoch, number, lr), config.batch, lr)

    def learn(self, pixels: NDArray[np.uint8], epoch: int, number: int, lr: float) -> float:
        """Change the weights by one batch at a learning rate; its loss."""
        config = self.config
        self.learner.train()
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        pictures = views_of(
            pixels,
            config,
            device=self.device,
            seed=seed_for(config.seed, "views", epoch, number),
            images=config.batch,
            share=self.processes.share(config.batch),
            count=config.views_per_image,
        )
        ids = batch_ids(config.batch, config.views_per_image, self.processes).to(self.device)
        loss = backward(
            self.module,
            pictures,
            ids,
            make_loss(config),
            self.processes,
            micro_batches=config.micro_batches,
            seed=seed_for(config.seed, "dropout", epoch, number, self.processes.rank),
        )
        self.optimizer.step()
        return loss.item()

    # --- between epochs ---

    def begin(self) -> None:
        """Measure before training, so that the log shows from where it came."""
        self._evaluate(epoch=0)
        if self.processes.first:
            self.folder.log({"step": 0, "epoch": 0, **self.measured})
            self.folder.save({"step": 0, **self.state()})
        self._tell(0, None)

    def end_epoch(self, epoch: int, loss: float) -> Mapping[str, Any]:
        """Validation loss and k-NN accuracy; the best encoder so far is kept."""
        self._evaluate(epoch + 1)
        self._tell(epoch + 1, loss)
        return self.measured

    def should_stop(self) -> bool:
        """Whether the validation loss has not fallen for as long as the recipe has patience."""
        return self.progress.should_stop(self.config)

    def log(self, row: Mapping[str, Any]) -> None:
        """A row of the run folder's ``log.csv``."""
        self.folder.log(row)

    def _evaluate(self, epoch: int) -> None:
        """Measure on the validation cells, on the first process; remember the best."""
        config = self.config
        if not len(self.data.validation):
            return
        knn_due = len(self.probe) > 0 and (epoch % config.probe_every == 0 or epoch == config.epochs)
        val_loss, knn = 0.0, None
        if self.processes.first:
            val_loss = self._validation_loss()
            if knn_due:
                points = embed(self.learner.encoder, self.data.pixels, self.probe, config.size, self.device)
                labels = self.data.catalog.labels()
                knn = knn_accuracy(points, [str(labels[cell]) for cell in self.probe], config.probe)
        val_loss = self.processes.agree(val_loss, self.device)
        self.measured = {"val_loss": val_loss, "knn": knn}
        if epoch == 0:  # before training; not a model to keep
            return
        self.progress = self.progress.after(epoch, val_loss, config)
        if self.processes.first and self.progress.improved(epoch):
            self._save_encoder("best", epoch, epoch * self.steps_per_epoch)

    @torch.no_grad()
    def _validation_loss(self) -> float:
        """Mean loss over batches of validation cells, with the same views every time."""
        config, cells = self.config, self.data.validation
        self.learner.eval()
        loss, count = make_loss(config), config.views_per_image
        size = min(config.batch, len(cells))  # a loss depends on how many negatives there are: whole batches only
        values = []
        for number in range(len(cells) // size):
            images = torch.from_numpy(self.data.pixels[cells[number * size : (number + 1) * size]])
            generator = torch.Generator().manual_seed(seed_for(config.seed, "validation", number))
            draws = augment.draw(config.views, count * size, generator)
            rows = []
            for part in torch.arange(count * size).split(max(1, 2 * config.batch // config.micro_batches)):
                pictures = augment.apply(images[part % size].to(self.device), draws.rows(part), config.size)
                rows.append(self.learner(pictures))
            ids = torch.arange(size, device=self.device).repeat(count)
            values.append(loss(torch.cat(rows), ids).item())
        return float(np.mean(values))

    def _tell(self, epoch: int, loss: float | None) -> None:
        parts = [f"epoch {epoch}/{self.config.epochs}"] if loss is not None else ["before training"]
        parts += [f"loss {loss:.4f}"] if loss is not None else []
        parts += [f"{name} {value:.4f}" for name, value in self.measured.items() if value is not None]
        self.display.say(", ".join(parts))

    # --- saving ---

    def state(self) -> dict[str, Any]:
        """Weights, optimizer, and what is remembered of validation losses."""
        return {
            "progress": asdict(self.progress),
            "measured": dict(self.measured),
            "learner": self.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Take up a checkpoint; rows logged after it are dropped, as they will be written again."""
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = LossHistory(**state["progress"])
        self.measured = state["measured"]
        if self.processes.first:
            self.folder.forget_after(step)

    def _save_encoder(self, name: str, epoch: int, step: int) -> None:
        results = {"epoch": epoch, "step": step, **self.measured}
        self.folder.save_encoder(name, self.learner.encoder, self.config, results)

    def finish(self, trainer: Trainer, *, finished: bool, seconds: float) -> TrainingResult:
        """Say how the run ended; of a finished one, keep the encoder and write its results."""
        step = trainer.step
        epoch = step // self.steps_per_epoch
        result = TrainingResult(
            finished, step, epoch, self.measured["val_loss"], self.measured["knn"], self.folder.path
        )
        if not finished:
            self.display.say(f"stopped after step {step}; go on with --resume")
        elif self.processes.first:
            trainer.save()
            self._save_encoder("final", epoch, step)
            self.folder.keep(self.config.keep)
            results = {"epoch": epoch, "step": step, **self.measured, "best_epoch": self.progress.best_epoch}
            self.folder.finish({**results, "seconds_since_start_or_resume": round(seconds, 1)})
            self.display.say(f"done in {clock(seconds)}: {self.folder.path}")
        self.processes.wait()
        return result

    # --- how many epochs fit into a time ---

    def epochs_in(self, seconds: float) -> int:
        """Epochs that fit, by timing a few steps on a copy that is thrown away."""
        share = self.config.batch // self.processes.count
        config = self.config.model_copy(update={"batch": share})
        learner = copy.deepcopy(self.learner)
        trial = replace(
            self,
            config=config,
            learner=learner,
            module=learner,
            optimizer=make_optimizer(learner, config),
            processes=Processes(),
        )
        _, pixels = next(self.data.batches(config, 0, trial.processes))
        times = []
        for number in range(_TRIAL_STEPS):
            self.display.show("timing", number, _TRIAL_STEPS)
            began = time.monotonic()
            trial.learn(pixels, 0, number, config.lr)
            times.append(time.monotonic() - began)
        step = median(times[_TRIAL_STEPS // 2 :])  # the first ones make room and tune
        # A forward pass takes a third of a step; so does each batch's worth of pictures that is only looked at.
        looked_at = len(self.data.validation) * config.views_per_image + len(self.probe)
        looking = step / 3 * looked_at / (share * config.views_per_image)
        epochs = int(seconds / (step * self.steps_per_epoch + looking))
        return int(self.processes.agree(max(1, epochs), self.device))
