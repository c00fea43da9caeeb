"""Self-supervised pretraining: two random views of a cell are to be neighbours, and no other cell between them.

``pretrain`` runs a recipe on a catalog and leaves a run folder with an encoder. What a step does depends on the
settings, the data and the number of the step alone, so a run that was stopped and resumed ends, on the same machine,
in the same bits as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from hemosight.errors import BadSetting
from hemosight.images.catalog import Catalog
from hemosight.training import backbones
from hemosight.training.display import Display
from hemosight.training.distributed import choose_device, processes
from hemosight.training.learner import Create
from hemosight.training.pretraining_data import cache_home, prepare
from hemosight.training.pretraining_task import PretrainingTask, TrainingResult
from hemosight.training.recipes import PretrainConfig
from hemosight.training.run_folder import RunFolder
from hemosight.training.stopping import stop_signals

__all__ = ["TrainingResult", "pretrain"]


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
) -> TrainingResult:
    """Train an encoder without labels.

    SIGINT and SIGTERM end the step, save and return; under ``torchrun`` every process calls this and shares the work.

    Parameters
    ----------
    catalog
        Cells to train on. Labels, where there are any, are looked at by the k-NN probe alone.
    config
        See :func:`hemosight.training.recipes.resolve`.
    run_dir
        New or empty; with ``resume``, that of the run to go on with.
    held_out
        Cells the encoder must never see: their copies are dropped from ``catalog``, and the run folder names them.
    device
        A torch device; the best one by default.
    cache
        Folder of prepared pixels, shared by runs; in the user's cache folder by default.
    create
        Makes the encoder; by default :func:`hemosight.training.backbones.create`.
    display
        Where progress is shown; silent by default.
    command
        What the user typed, for the record.

    Raises
    ------
    RunConflict, TooFewCells, BadSetting
    """
    create = create or (lambda config: backbones.create(config.backbone, config.weights, config.dropout))
    folder = RunFolder(Path(run_dir))
    with processes() as group:
        parts = group.count * config.micro_batches
        if config.batch % parts:
            why = f"{group.count} processes, {config.micro_batches} micro-batches"
            suggestion = max(1, round(config.batch / parts)) * parts
            raise BadSetting(
                code="uneven_batch",
                expected=f"a batch of images that divides by {parts} ({why})",
                came=f"a batch of {config.batch}",
                mend=f"Use --set batch={suggestion}.",
            )
        folder.check(resume)  # before the pixels, which take a while
        where = choose_device(device, group.local_rank)
        shown = display if display is not None and group.first else Display(quiet=True)
        with shown, torch.random.fork_rng([where] if where.type == "cuda" else []), stop_signals() as stopped:
            home = Path(cache) if cache is not None else cache_home()
            data = prepare(catalog, held_out, config, home, group, shown)
            task, trainer = PretrainingTask.open(
                data, config, folder, create=create, resume=resume, device=where, group=group, display=shown
            )
            if group.first and not resume:
                folder.begin(task.config, task.facts(command), data.split(held_out))
            shown.say(
                f"{len(data.train)} cells to train on, {len(data.validation)} to watch; {task.epochs} epochs of "
                f"{task.steps_per_epoch} steps on {where}, from step {trainer.step}"
            )
            began = time.monotonic()
            finished = trainer.train(stopped)
            return task.finish(trainer, finished=finished, seconds=time.monotonic() - began)
