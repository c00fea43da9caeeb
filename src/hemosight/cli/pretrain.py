"""``hemosight pretrain``: a recipe and a folder of cells -> a run folder with an encoder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hemosight.cli.outputs import check_folder
from hemosight.cli.typed import typed

INTERRUPTED = 130
"""Exit code of a run that a signal stopped and ``--resume`` goes on with."""


def pretrain(
    data: Annotated[Path, typer.Option(help="A folder of crops, or a catalog made by `hemosight data add`.")],
    out: Annotated[Path, typer.Option(help="The run folder; new, unless --resume.")],
    recipe: Annotated[str, typer.Option(help="default, or paper.")] = "default",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting of the recipe, such as lr=1e-3 or minutes=60."
        ),
    ] = None,
    hold_out: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the cells the encoder never sees; 0 for none.")
    ] = 0.1,
    hold_out_seed: Annotated[int, typer.Option(min=0, help="Seed of that share.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: Annotated[str | None, typer.Option(help="A torch device; the best one by default.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Where prepared pixels lie, for all runs.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train an encoder on cells, without labels.

    Ctrl-C ends the step and saves; the same command with --resume goes on. Under torchrun, processes share the work.
    """
    try:
        from hemosight.training.display import Display
        from hemosight.training.distributed import choose_device
        from hemosight.training.pretrain import pretrain as train
        from hemosight.training.recipes import resolve
    except ImportError as error:
        from hemosight.errors import ExtraMissing

        raise ExtraMissing("train", error.name or "torch") from error
    from hemosight.images.sources import read
    from hemosight.images.splits import hold_out as split

    check_folder(out)
    keep_memory()
    if device is not None:
        choose_device(device)  # refused before crops are prepared, not after
    config = resolve(recipe, parse_settings(settings or []))
    catalog = read(data)
    held = None
    if hold_out:
        sides = split(catalog, hold_out, hold_out_seed)
        catalog, held = catalog.take(sides.rest), catalog.take(sides.held)
    outcome = train(
        catalog,
        config,
        out,
        held_out=held,
        resume=resume,
        device=device,
        cache=cache,
        display=Display(quiet),
        command=typed(["hemosight", *sys.argv[1:]]),
    )
    if not outcome.finished:
        raise typer.Exit(INTERRUPTED)
    typer.echo(out)


def parse_settings(texts: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` texts as a dictionary; a text without ``=`` is a usage error."""
    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
        settings[key.strip()] = value.strip()
    return settings


def keep_memory() -> None:
    """Let the C library keep freed memory: training asks for the same gigabytes again in every step.

    Giving them back and faulting them in again took a sixth of a step's time on a processor.
    """
    import ctypes

    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's malloc.h
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
