"""The one training loop: epochs of steps, what is shown, when it is saved, how it resumes.

A :class:`Trainer` knows *when*: it runs the steps, shows them, saves a checkpoint and stops at a signal. A
:class:`Task` knows *what*: which batches an epoch has, what one step does to the weights, what is measured between
epochs, what a checkpoint has to hold. Self-supervised pretraining (:mod:`hemosight.training.pretraining_task`),
training with labels of several laboratories (:mod:`hemosight.training.supervised_task`) and the supervised baseline
(:mod:`hemosight.training.baseline_task`) are three tasks; another kind of run is another subclass.

What a step does may depend on the task's settings, its data and the step's place (epoch, number within it) alone: seed
every draw with :func:`seed_for`. Then a run that was stopped and resumed ends, on the same machine, in the same bits as
one that was not.
"""

from __future__ import annotations

import math
import os
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import torch

from hemosight.errors import TooFewCells, TrainingFailed
from hemosight.training.display import Display
from hemosight.training.distributed import Processes

Batch = TypeVar("Batch")
Read = TypeVar("Read")


def seed_for(seed: int, purpose: str, *numbers: int) -> int:
    """A seed of 63 bits for one purpose at one place of a run.

    Everything random is seeded by where it is and not by what came before, so that a resumed run needs no state of
    any generator.
    """
    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *numbers])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def require_batch(images: int, batch: int, purpose: str = "training") -> None:
    """Raise :class:`~hemosight.errors.TooFewCells` where so many ``images`` do not fill one ``batch``."""
    if images < batch:
        smaller = f", or train with a smaller batch (--set batch={images})" if images > 1 else ""
        raise TooFewCells(
            code="batch_too_large",
            expected=f"at least {batch} images for one batch",
            came=f"{images} distinct readable images for {purpose}",
            mend=f"Add images{smaller}.",
        )


def read_ahead(read: Callable[[int], Read], steps: range) -> Iterator[tuple[int, Read]]:
    """Each step's number and what ``read`` returns for it, read in a thread one step ahead."""
    with ThreadPoolExecutor(1) as reader:
        ahead = [reader.submit(read, step) for step in steps[:1]]
        for place, step in enumerate(steps):
            batch = ahead.pop().result()
            ahead += [reader.submit(read, later) for later in steps[place + 1 : place + 2]]
            yield step, batch


@dataclass(frozen=True)
class StepResult:
    """What one step did: the mean ``loss`` over its ``images``, and the learning rate it was taken with."""

    loss: float
    images: int
    lr: float


class Task(ABC, Generic[Batch]):
    """What is trained. Epochs and the numbers of steps within them count from 0."""

    @property
    @abstractmethod
    def epochs(self) -> int:
        """Epochs of the whole run, unless :meth:`should_stop` ends it earlier."""

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""

    @abstractmethod
    def batches(self, epoch: int, start: int) -> Iterable[tuple[int, Batch]]:
        """An epoch's batches from number ``start`` on, each with its number (:func:`read_ahead`)."""

    @abstractmethod
    def step(self, batch: Batch, epoch: int, number: int) -> StepResult:
        """Change the weights, and whatever follows them (an average of weights, for instance), by one batch."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on besides its place; loads with ``weights_only=True``."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Go back to what :meth:`state` returned after ``step`` steps."""

    def begin(self) -> None:
        """Called once, before the first step of a new run."""

    def start_epoch(self, epoch: int) -> None:
        """Called before the first step of an epoch, and where a resumed run goes on within one."""

    def end_epoch(self, epoch: int, loss: float) -> Mapping[str, Any]:
        """Measure after the last step of an epoch with this mean training loss; what is returned joins the log row."""
        return {}

    def should_stop(self) -> bool:
        """Whether the run is over before its last epoch; asked between epochs."""
        return False

    def log(self, row: Mapping[str, Any]) -> None:
        """Keep a step's row: step (from 1), epoch (from 1), loss, lr, images_per_second, and what was measured."""


class Checkpoints(Protocol):
    """Where checkpoints of one run are kept."""

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint."""

    def load(self) -> dict[str, Any] | None:
        """The last one; None where there is none."""


@dataclass(frozen=True)
class CheckpointFile:
    """The checkpoint of a run as one file.

    Parameters
    ----------
    file
        Where it is, in a folder that is there when it is saved; nowhere where None.
    run
        What tells the run from others; it is in every checkpoint.
    beside
        Called with the state that was saved, to write what lies beside the checkpoint.
    """

    file: Path | None
    run: Mapping[str, Any] = field(default_factory=dict)
    beside: Callable[[Mapping[str, Any]], None] | None = None

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint, and what lies beside it."""
        if self.file is None:
            return
        write_state(self.file, {**self.run, **state})
        if self.beside is not None:
            self.beside(state)

    def load(self) -> dict[str, Any] | None:
        """The last one; None where there is none."""
        return None if self.file is None or not self.file.is_file() else read_state(self.file)


@dataclass
class Trainer:
    """Trains a task from where it stands to its end, or to a signal.

    Parameters
    ----------
    task
        What is trained.
    checkpoints
        Where its state is kept; None keeps nothing.
    display
        Where progress is shown.
    processes, device
        Those that train together, and this one's device.
    save_every
        Minutes between checkpoints; None for one after every epoch. One is saved on a signal in any case.
    shows
        What progress counts: steps or epochs.
    step
        Steps done.
    """

    task: Task[Any]
    checkpoints: Checkpoints | None
    display: Display
    processes: Processes = Processes()  # noqa: RUF009 -- frozen
    device: torch.device = torch.device("cpu")  # noqa: RUF009 -- immutable
    save_every: float | None = None
    shows: Literal["steps", "epochs"] = "steps"
    step: int = 0
    _loss_sum: float = 0.0
    _image_count: int = 0

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.task.epochs * self.task.steps_per_epoch

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        whole = self.step % self.task.steps_per_epoch == 0
        return self.step >= self.steps or (whole and self.step > 0 and self.task.should_stop())

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was saved."""
        self.step = saved["step"]
        self._loss_sum, self._image_count = saved.get("lost", 0.0), saved.get("seen", 0)
        self.task.restore(saved, self.step)

    def save(self) -> None:
        """Save a checkpoint now, on the first process."""
        if self.checkpoints is not None and self.processes.first:
            epoch = {"lost": self._loss_sum, "seen": self._image_count}  # so called in the checkpoints that there are
            self.checkpoints.save({"step": self.step, **epoch, **self.task.state()})

    def train(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Whether the run was finished; False where ``stopped`` ended it, after whose step a checkpoint is saved."""
        began = saved = time.monotonic()
        begin = self.step
        if self.step == 0:
            self.task.begin()
        per_epoch = self.task.steps_per_epoch
        while not self.over:
            epoch, start = divmod(self.step, per_epoch)
            if start == 0:
                self._loss_sum, self._image_count = 0.0, 0
            self.task.start_epoch(epoch)
            for number, batch in self.task.batches(epoch, start):
                row = self._one(batch, epoch, number)
                ended = number + 1 == per_epoch
                if ended:
                    row |= self.task.end_epoch(epoch, self._loss_sum / self._image_count)
                if self.processes.first:
                    self.task.log(row)
                due = ended if self.save_every is None else time.monotonic() - saved > 60 * self.save_every
                if due:
                    saved = time.monotonic()
                    self.save()
                left = (time.monotonic() - began) / (self.step - begin) * (self.steps - self.step)
                self._show(epoch, ended, row, left)
                if self.processes.any(stopped(), self.device):
                    if not due:
                        self.save()
                    return self.over
        return True

    def _one(self, batch: Any, epoch: int, number: int) -> dict[str, Any]:
        """Take one step; its row of the log."""
        clocked = time.monotonic()
        done = self.task.step(batch, epoch, number)
        self.step += 1
        if not math.isfinite(done.loss):
            raise TrainingFailed(
                code="training_diverged",
                expected="a finite loss",
                came=f"{done.loss} at step {self.step}",
                mend="Train with a lower rate (--set lr=...), a longer warm-up, or --set precision=fp32.",
            )
        self._loss_sum += done.loss * done.images
        self._image_count += done.images
        speed = round(done.images / (time.monotonic() - clocked), 2)
        return {"step": self.step, "epoch": epoch + 1, "loss": done.loss, "lr": done.lr, "images_per_second": speed}

    def _show(self, epoch: int, ended: bool, row: Mapping[str, Any], left: float) -> None:
        if self.shows == "steps":
            note = f"loss {row['loss']:.4f}, {row['images_per_second']:.1f} images/s"
            self.display.show("steps", self.step, self.steps, note, left)
        elif ended:
            loss = self._loss_sum / self._image_count
            self.display.show("epochs", epoch + 1, self.task.epochs, f"loss {loss:.4f}", left)


def write_state(file: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint whole: a kill leaves the old file or the new one."""
    part = file.with_name(f"{file.name}.part")
    with open(part, "wb") as opened:
        torch.save(dict(state), opened)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(part, file)


def read_state(file: Path) -> dict[str, Any]:
    """Read what :func:`write_state` wrote, on the processor; nothing but tensors and plain values is accepted."""
    return torch.load(file, map_location="cpu", weights_only=True)
