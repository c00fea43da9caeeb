"""One run in memory: the loop, the evaluation after every epoch, and what is saved."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hemosight.encoder import backbones, run_folder
from hemosight.encoder.display import Display, clock
from hemosight.encoder.distributed import Processes
from hemosight.encoder.learner import Learner, backward, batch_ids, make_loss, make_optimizer
from hemosight.encoder.pretraining_data import Cells, PretrainingData, seed_for
from hemosight.encoder.probe import embed, knn_accuracy, probe_cells
from hemosight.encoder.recipes import PretrainConfig
from hemosight.encoder.run_folder import RunFolder
from hemosight.encoder.schedules import Progress, learning_rate
from hemosight.errors import TrainingDiverged
from hemosight.images import augment

Create = Callable[[PretrainConfig], backbones.Encoder]
"""Makes the encoder of a recipe."""


_TRIAL_STEPS = 6


@dataclass(frozen=True)
class Outcome:
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
class Run:
    """A run in memory: what stands, and what moves (``step``, ``progress``, ``measured``)."""

    config: PretrainConfig
    data: PretrainingData
    folder: RunFolder
    learner: Learner
    module: nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    processes: Processes
    display: Display
    probe: Cells
    step: int
    progress: Progress
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
    ) -> Run:
        """Make what trains; with ``resume``, put it where the folder's checkpoint stands."""
        torch.manual_seed(seed_for(config.seed, "weights"))
        saved: dict[str, Any] | None = None
        if resume:
            config, saved = folder.resume(config, data.hash)
        learner = Learner(create(config), config).to(device)
        if config.channels_last:
            learner = learner.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] -- untyped in torch
        if group.count > 1 and device.type == "cuda" and not config.freeze_batch_norm:
            convert_sync_batchnorm(learner)  # timm's: torch's would drop the activation that timm's norms hold
        rng = np.random.default_rng(seed_for(config.seed, "probe"))
        run = cls(
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
            step=0,
            progress=Progress(lr=config.lr),
            measured={"val_loss": None, "knn": None},
        )
        if saved is not None:
            run._restore(saved)
        elif config.minutes is not None:
            run.config = config.model_copy(update={"epochs": run._epochs_in(60 * config.minutes)})
        if group.count > 1:
            run.module = DistributedDataParallel(learner, device_ids=[device.index] if device.type == "cuda" else None)
        return run

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

    # --- the loop ---

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.config.epochs * self.steps_per_epoch

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.data.steps(self.config.batch)

    def train(self, stopped: Callable[[], bool]) -> Outcome:
        """Go on from where it stands to the end, or to a signal."""
        first = self.processes.first
        began = saved = time.monotonic()
        begin = self.step
        if self.step == 0:
            self._evaluate(epoch=0)
            if first:
                self.folder.log({"step": 0, "epoch": 0, **self.measured})
                self._save()
            self._tell(0, None)
        self.display.say(
            f"{len(self.data.train)} cells to train on, {len(self.data.validation)} to watch; "
            f"{self.config.epochs} epochs of {self.steps_per_epoch} steps on {self.device}, from step {self.step}"
        )
        interrupted = False
        while not interrupted and not self._over():
            epoch, start = divmod(self.step, self.steps_per_epoch)
            losses: list[float] = []
            for number, pixels in self.data.batches(self.config, epoch, self.processes, start):
                clocked = time.monotonic()
                lr = learning_rate(self.config, self.step, self.steps, self.progress)
                loss = self._step(pixels, epoch, number, lr)
                self.step += 1
                losses.append(loss)
                if not math.isfinite(loss):
                    raise TrainingDiverged(step=self.step, loss=loss)
                speed = self.config.batch / (time.monotonic() - clocked)
                row: dict[str, Any] = {"step": self.step, "epoch": epoch + 1, "loss": loss, "lr": lr}
                row["images_per_second"] = round(speed, 2)
                if number + 1 == self.steps_per_epoch:
                    self._evaluate(epoch + 1)
                    row |= self.measured
                    self._tell(epoch + 1, float(np.mean(losses)))
                if first:
                    self.folder.log(row)
                left = (time.monotonic() - began) / (self.step - begin) * (self.steps - self.step)
                self.display.show("steps", self.step, self.steps, f"loss {loss:.4f}, {speed:.1f} images/s", left)
                interrupted = self.processes.any(stopped(), self.device)
                if interrupted or time.monotonic() - saved > 60 * self.config.checkpoint_minutes:
                    saved = time.monotonic()
                    self._save()
                if interrupted:
                    break
        return self._end(interrupted and not self._over(), time.monotonic() - began)

    def _over(self) -> bool:
        whole = self.step % self.steps_per_epoch == 0
        return self.step >= self.steps or (whole and self.progress.should_stop(self.config))

    def _step(self, pixels: NDArray[np.uint8], epoch: int, number: int, lr: float) -> float:
        config = self.config
        self.learner.train()
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        pictures = self._views(pixels, seed_for(config.seed, "views", epoch, number))
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

    def _views(self, pixels: NDArray[np.uint8], seed: int) -> Tensor:
        """Views of this process' share; drawn for the whole batch, so that they do not depend on who shares it."""
        config = self.config
        count = config.views_per_image
        draws = augment.draw(config.views, count * config.batch, torch.Generator().manual_seed(seed))
        mine = torch.arange(config.batch)[self.processes.share(config.batch)]
        rows = (config.batch * torch.arange(count)[:, None] + mine).flatten()
        images = torch.from_numpy(pixels).to(self.device)
        pictures = augment.apply(images.repeat(count, 1, 1, 1), draws.rows(rows), config.size)
        return pictures.contiguous(memory_format=torch.channels_last) if config.channels_last else pictures

    # --- looking ---

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
            self._save_encoder("best", epoch)

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

    def _save(self) -> None:
        if not self.processes.first:
            return
        self.folder.checkpoint(
            {
                "step": self.step,
                "progress": asdict(self.progress),
                "measured": dict(self.measured),
                "learner": self.learner.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
        )

    def _restore(self, saved: dict[str, Any]) -> None:
        self.learner.load_state_dict(saved["learner"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step = saved["step"]
        self.progress = Progress(**saved["progress"])
        self.measured = saved["measured"]
        if self.processes.first:
            self.folder.forget_after(self.step)

    def _save_encoder(self, name: str, epoch: int) -> None:
        results = {"epoch": epoch, "step": self.step, **self.measured}
        self.folder.save_encoder(name, self.learner.encoder, self.config, results)

    def _end(self, interrupted: bool, seconds: float) -> Outcome:
        epoch = self.step // self.steps_per_epoch
        outcome = Outcome(
            not interrupted, self.step, epoch, self.measured["val_loss"], self.measured["knn"], self.folder.path
        )
        if interrupted:
            self.display.say(f"stopped after step {self.step}; go on with --resume")
        elif self.processes.first:
            self._save()
            self._save_encoder("final", epoch)
            self.folder.keep(self.config.keep)
            results = {"epoch": epoch, "step": self.step, **self.measured, "best_epoch": self.progress.best_epoch}
            self.folder.finish({**results, "seconds_since_start_or_resume": round(seconds, 1)})
            self.display.say(f"done in {clock(seconds)}: {self.folder.path}")
        self.processes.wait()
        return outcome

    # --- how many epochs fit into a time ---

    def _epochs_in(self, seconds: float) -> int:
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
            trial._step(pixels, 0, number, config.lr)
            times.append(time.monotonic() - began)
        step = median(times[_TRIAL_STEPS // 2 :])  # the first ones make room and tune
        # A forward pass takes a third of a step; so does each batch's worth of pictures that is only looked at.
        looked_at = len(self.data.validation) * config.views_per_image + len(self.probe)
        looking = step / 3 * looked_at / (share * config.views_per_image)
        epochs = int(seconds / (step * self.steps_per_epoch + looking))
        return int(self.processes.agree(max(1, epochs), self.device))
