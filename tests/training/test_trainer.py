"""The one loop under a task of its own: weights, their moving average, and a log, stopped anywhere and gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hemosight.errors import TrainingFailed
from hemosight.training.display import Display
from hemosight.training.trainer import StepResult, Task, Trainer, read_ahead, read_state, seed_for, write_state

pytestmark = pytest.mark.train


class Regression(Task[torch.Tensor]):
    """A linear network that learns to copy; its average of weights is what would be kept."""

    def __init__(self, lr: float = 0.1, patience: int = 3) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(5, 5)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(0.9))
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=lr)
        self.lr, self.patience = lr, patience
        self.rows: list[dict[str, Any]] = []
        self.began = 0

    @property
    def epochs(self) -> int:
        return 3

    @property
    def steps_per_epoch(self) -> int:
        return 4

    def begin(self) -> None:
        self.began += 1

    def batches(self, epoch: int, start: int) -> Iterator[tuple[int, torch.Tensor]]:
        def read(number: int) -> torch.Tensor:
            return torch.randn(6, 5, generator=torch.Generator().manual_seed(seed_for(1, "batch", epoch, number)))

        return read_ahead(read, range(start, self.steps_per_epoch))

    def step(self, batch: torch.Tensor, epoch: int, number: int) -> StepResult:
        loss = (self.network(batch) - batch).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return StepResult(loss.item(), len(batch), self.lr)

    def end_epoch(self, epoch: int, loss: float) -> Mapping[str, Any]:
        return {"mean": loss}

    def should_stop(self) -> bool:
        return len([row for row in self.rows if "mean" in row]) >= self.patience

    def log(self, row: Mapping[str, Any]) -> None:
        self.rows.append({key: value for key, value in row.items() if key != "images_per_second"})

    def state(self) -> dict[str, Any]:
        parts = {"network": self.network, "average": self.average, "optimizer": self.optimizer}
        return {name: part.state_dict() for name, part in parts.items()}

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


class Kept:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.saved: list[int] = []

    def save(self, state: Mapping[str, Any]) -> None:
        self.saved.append(state["step"])
        write_state(self.file, state)

    def load(self) -> dict[str, Any] | None:
        return read_state(self.file) if self.file.exists() else None


def trainer(task: Regression, kept: Kept | None = None, save_every: float | None = None) -> Trainer:
    return Trainer(task, kept, Display(quiet=True), save_every=save_every)


def bits(task: Regression) -> list[bytes]:
    return [tensor.numpy().tobytes() for part in (task.network, task.average) for tensor in part.state_dict().values()]


@pytest.mark.parametrize("after", [1, 4, 6, 11])
def test_a_run_stopped_anywhere_ends_in_the_same_bits(after: int, tmp_path: Path) -> None:
    straight = Regression()
    assert trainer(straight).train()
    kept = Kept(tmp_path / "checkpoint.pt")
    stopped = Regression()
    first = trainer(stopped, kept, save_every=60)
    assert not first.train(lambda: first.step == after)
    assert kept.saved == [after]
    resumed = Regression()
    second = trainer(resumed, kept, save_every=60)
    saved = kept.load()
    assert saved is not None
    second.restore(saved)
    assert second.train()
    assert second.step == 12
    assert (stopped.began, resumed.began) == (1, 0)
    assert stopped.rows + resumed.rows == straight.rows, "the mean loss of the epoch it was stopped in, too"
    assert bits(resumed) == bits(straight)


def test_a_checkpoint_after_every_epoch_and_no_other(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "checkpoint.pt")
    assert trainer(Regression(), kept).train()
    assert kept.saved == [4, 8, 12]


def test_patience_ends_a_run_between_epochs() -> None:
    task = Regression(patience=2)
    loop = trainer(task)
    assert loop.train()
    assert loop.step == 8
    assert loop.train(), "and there is nothing left to do"
    assert loop.step == 8


def test_a_loss_that_is_no_number_is_not_saved(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "checkpoint.pt")
    task = Regression()
    with torch.no_grad():
        task.network.weight.fill_(torch.inf)
    with pytest.raises(TrainingFailed):
        trainer(task, kept).train()
    assert not kept.saved


def test_batches_are_read_one_ahead_and_in_order() -> None:
    read: list[int] = []

    def reading(number: int) -> int:
        read.append(number)
        return 10 * number

    steps = read_ahead(reading, range(2, 6))
    assert next(steps) == (2, 20)
    assert list(steps) == [(3, 30), (4, 40), (5, 50)]
    assert read == [2, 3, 4, 5]
