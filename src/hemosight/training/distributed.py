"""Several processes that train one encoder: PyTorch's own, started by ``torchrun``.

Every process holds a share of each batch. Embeddings are gathered, so that pairs are mined among all of them, as
one process would.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from hemosight.errors import BadSetting


@dataclass(frozen=True)
class Processes:
    """One process among those that train together; alone, ``rank`` 0 of ``count`` 1."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def share(self, images: int) -> slice:
        """The images of a batch that are for this process."""
        size = images // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def gather(self, rows: Tensor) -> Tensor:
        """Rows of all processes, in the order of their ranks; the gradient reaches this process' own only.

        Every process computes the loss of the whole batch, and each gets its share of its gradient: multiply by
        :attr:`count` where gradients are averaged over processes afterwards.
        """
        if self.count == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.count)]
        distributed.all_gather(parts, rows.detach().contiguous())
        parts[self.rank] = rows
        return torch.cat(parts)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is up in any process."""
        if self.count == 1:
            return flag
        flags = torch.tensor([float(flag)], device=device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags.item())

    def agree(self, value: float, device: torch.device) -> float:
        """The first process' value."""
        if self.count == 1:
            return value
        values = torch.tensor([value], device=device, dtype=torch.float32 if device.type == "mps" else torch.float64)
        distributed.broadcast(values, src=0)
        return values.item()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def processes(environment: Mapping[str, str] | None = None) -> Iterator[Processes]:
    """Join the group that ``torchrun`` describes in the environment; a group of one without it."""
    environment = os.environ if environment is None else environment
    count = int(environment.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    local_rank = int(environment.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank)
    # Preparing pixels on the first process may take long; the others wait that long.
    # A run may lie on the processor although there is a card: gloo carries what is there.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=timedelta(hours=4))
    try:
        yield Processes(int(environment["RANK"]), count, local_rank)
    finally:
        distributed.destroy_process_group()


def choose_device(name: str | None = None, local_rank: int = 0) -> torch.device:
    """The device that was asked for, or the best there is: CUDA, Apple's, the processor.

    Raises :class:`~hemosight.errors.BadSetting` where the one that was asked for is none, or is not there.
    """
    if name is not None:
        try:
            device = torch.device(name)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise BadSetting(
                expected="a torch device that this machine has, such as cpu, cuda or mps",
                came=f"{name!r} ({str(error).splitlines()[0]})",
                mend="Name another with --device, or leave it away: the best one is taken.",
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda", local_rank)
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
