from __future__ import annotations

import csv
import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import small, tiny_without_norm

from hemosight.errors import BadSetting
from hemosight.images.catalog import Catalog
from hemosight.training.distributed import Processes, choose_device
from hemosight.training.pretrain import pretrain
from hemosight.training.recipes import PretrainConfig

pytestmark = pytest.mark.train


def one_of_two(rank: int, port: int, config: PretrainConfig, table: Path, folder: Path, cache: Path) -> None:
    """What torchrun does for each process."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    outcome = pretrain(Catalog.read(table), config, folder, cache=cache, create=tiny_without_norm, device="cpu")
    assert outcome.finished


@pytest.mark.parametrize("loss", ["triplet", "ntxent"])
def test_two_processes_learn_what_one_learns(loss: str, drawn_catalog: Catalog, tmp_path: Path) -> None:
    # No batch norm, whose statistics are each process' own on a CPU. The triplet run also cuts micro-batches.
    config = small(loss=loss, head=None, epochs=1, micro_batches=2 if loss == "triplet" else 1, lr=1e-3)
    table = tmp_path / "catalog.parquet"
    drawn_catalog.write(table)
    cache = tmp_path / "pixels"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=one_of_two, args=(rank, port, config, table, tmp_path / "two", cache)) for rank in (0, 1)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    pretrain(drawn_catalog, config, tmp_path / "one", cache=cache, create=tiny_without_norm, device="cpu")
    one = load_file(tmp_path / "one" / "encoder.safetensors")
    two = load_file(tmp_path / "two" / "encoder.safetensors")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-6)
    one_loss, two_loss = (losses(tmp_path / name) for name in ("one", "two"))
    assert two_loss == pytest.approx(one_loss, rel=1e-5)
    assert len({round(value, 3) for value in one_loss}) == 4  # it moves, so the weights above are not the first ones


def losses(folder: Path) -> list[float]:
    with open(folder / "log.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file) if row["loss"]]


def test_shares_make_up_the_batch_in_order() -> None:
    batch = list(range(12))
    assert [image for rank in range(3) for image in batch[Processes(rank, 3).share(12)]] == batch


def test_alone_everything_is_as_it_came() -> None:
    alone = Processes()
    rows = torch.rand(3, 2, requires_grad=True)
    assert alone.gather(rows) is rows
    assert alone.any(True, torch.device("cpu"))
    assert alone.agree(0.25, torch.device("cpu")) == 0.25
    assert choose_device("meta").type == "meta"


@pytest.mark.parametrize("name", ["graphics", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_in_words(name: str) -> None:
    with pytest.raises(BadSetting, match=f"expected a torch device that this machine has.*found '{name}'"):
        choose_device(name)
