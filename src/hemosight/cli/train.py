"""``hemosight train``: labelled cells of several laboratories -> a run folder with an encoder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hemosight.cli.outputs import check_folder
from hemosight.cli.pretrain import INTERRUPTED, keep_memory, parse_settings
from hemosight.cli.typed import typed


def train(
    data: Annotated[Path, typer.Option(help="A folder of data sets, or a catalog made by `hemosight data add`.")],
    out: Annotated[Path, typer.Option(help="The run folder; new, unless --resume.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe, such as steps=3000."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="SOURCE", help="Leave a laboratory out, whole; may be repeated."),
    ] = None,
    hold_out: Annotated[
        float,
        typer.Option(
            min=0.0, max=0.9, help="Share of the cells that is held out, where patients are not known; 0: none."
        ),
    ] = 0.1,
    hold_out_seed: Annotated[int, typer.Option(min=0, help="Seed of that share.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: Annotated[str | None, typer.Option(help="A torch device; the best one there is by default.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Where prepared pixels lie, for all runs.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train an encoder with the labels of several laboratories, for laboratories it never saw.

    What is held out is what `hemosight pack` holds out. Ctrl-C ends the step and saves; the same command with --resume
    goes on. Under torchrun, processes share the work.
    """
    try:
        from hemosight.training.display import Display
        from hemosight.training.distributed import choose_device
        from hemosight.training.supervised import train_supervised
        from hemosight.training.supervised_config import SupervisedConfig
    except ImportError as error:
        from hemosight.errors import ExtraMissing

        raise ExtraMissing("train", error.name or "torch") from error
    import polars as pl
    from pydantic import ValidationError

    from hemosight.errors import BadSetting, UnknownName
    from hemosight.images.laboratory_splits import hold_out_by_source
    from hemosight.images.sources import read

    check_folder(out)
    keep_memory()
    if device is not None:
        choose_device(device)  # refused before crops are prepared, not after
    values: dict[str, Any] = {}
    for key, text in parse_settings(settings or []).items():
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        outer, _, inner = key.partition(".")
        if inner:
            values.setdefault(outer, {})[inner] = value
        else:
            values[outer] = value
    try:
        config = SupervisedConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadSetting(
            expected=first["msg"],
            came=f"{where}={first['input']!r}",
            mend=f"Give options as --set key=value; the keys: {', '.join(SupervisedConfig.model_fields)}.",
        ) from error
    catalog = read(data)
    sources = sorted(set(catalog.table["source"].drop_nulls().to_list()))
    for name in without or []:
        if name not in sources:  # a misspelt one would stay, and its figures would be no stranger's
            raise UnknownName(kind="a laboratory to leave out", choices=", ".join(sources), name=name)
    if hold_out:
        catalog = catalog.take(hold_out_by_source(catalog, hold_out, hold_out_seed).rest)
    catalog = catalog.where(~pl.col("source").fill_null("").is_in(without or []))
    finished = train_supervised(
        catalog,
        config,
        out,
        resume=resume,
        device=device,
        cache=cache,
        display=Display(quiet),
        command=typed(["hemosight", *sys.argv[1:]]),
    )
    if not finished:
        raise typer.Exit(INTERRUPTED)
    typer.echo(out)
