"""Self-supervised pretraining: two random views of a cell are to be neighbours, and no other cell between them.

``pretrain`` runs a recipe on a catalog and leaves a run folder with an encoder. What a step does depends on the
settings, the data and the number of the step alone, so a run that was stopped and resumed ends, on the same machine,
in the same bits as one that was not.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from hemosight.encoder import backbones
from hemosight.encoder.display import Display
from hemosight.encoder.distributed import choose_device, processes
from hemosight.encoder.pretraining_data import cache_home, prepare
from hemosight.encoder.recipes import PretrainConfig
from hemosight.encoder.run import Create, Outcome, Run
from hemosight.encoder.run_folder import RunFolder
from hemosight.errors import UnevenBatch
from hemosight.images.catalog import Catalog

__all__ = ["Outcome", "pretrain"]


def pretrain(
    catalog: Catalog,
    config: PretrainConfig,
    run_dir: str | Path,
    *,
    held_out: Catalog | None = None,
    resume: bool = False,
    device: str | None = None,
    cache: str | Path | None = None,
    create: Create | None = None,
    display: Display | None = None,
    command: Sequence[str] = (),
) -> Outcome:
    """Train an encoder without labels.

    SIGINT and SIGTERM end the step, save and return; under ``torchrun`` every process calls this and shares the work.

    Parameters
    ----------
    catalog
        Cells to train on. Labels, where there are any, are looked at by the k-NN probe alone.
    config
        See :func:`hemosight.encoder.recipes.resolve`.
    run_dir
        New or empty; with ``resume``, that of the run to go on with.
    held_out
        Cells the encoder must never see: their copies are dropped from ``catalog``, and the run folder names them.
    device
        A torch device; the best one by default.
    cache
        Folder of prepared pixels, shared by runs; in the user's cache folder by default.
    create
        Makes the encoder; by default :func:`hemosight.encoder.backbones.create`.
    display
        Where progress is shown; silent by default.
    command
        What the user typed, for the record.

    Raises
    ------
    RunExists, RunMissing, RunDiffers, BatchTooLarge, UnevenBatch
    """
    create = create or (lambda config: backbones.create(config.backbone, config.weights, config.dropout))
    folder = RunFolder(Path(run_dir))
    with processes() as group:
        parts = group.count * config.micro_batches
        if config.batch % parts:
            why = f"{group.count} processes, {config.micro_batches} micro-batches"
            suggestion = max(1, round(config.batch / parts)) * parts
            raise UnevenBatch(parts=parts, why=why, batch=config.batch, suggestion=suggestion)
        folder.check(resume)  # before the pixels, which take a while
        where = choose_device(device, group.local_rank)
        shown = display if display is not None and group.first else Display(quiet=True)
        with shown, torch.random.fork_rng([where] if where.type == "cuda" else []), _stop_signals() as stopped:
            home = Path(cache) if cache is not None else cache_home()
            data = prepare(catalog, held_out, config, home, group, shown)
            run = Run.open(data, config, folder, create=create, resume=resume, device=where, group=group, display=shown)
            if group.first and not resume:
                folder.begin(run.config, run.facts(command), data.split(held_out))
            return run.train(stopped)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came. A second one acts as if nobody listened."""
    came: list[int] = []
    before: dict[int, Any] = {}

    def listen(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, before[number] or signal.SIG_DFL)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.getsignal(number)
            signal.signal(number, listen)
    except ValueError:  # not the main thread, which alone may listen
        before.clear()
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
