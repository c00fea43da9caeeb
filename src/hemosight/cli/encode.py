"""``hemosight embed``, ``pack``, ``landscape`` and ``measure``: from crops to points, from points to a bundle."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hemosight.cli.progress import bars
from hemosight.cli.typed import typed


class Levels(StrEnum):
    """Which levels of a network become an embedding."""

    ALL = "all"
    LAST = "last"


Data = Annotated[Path, typer.Option("--data", help="Folder of crops or of data sets, or a catalog.")]


def embed(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Embeddings to write (.safetensors).")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle whose encoder is used.")] = None,
) -> None:
    """Turn crops into points of the landscape; unreadable ones are named and left out."""
    import numpy as np

    from hemosight import engine as engines
    from hemosight.images import sources
    from hemosight.space.embeddings import Embeddings

    engine = engines.load(bundle)
    with bars("reading", "embedding") as (say, (reading, embedding)):
        catalog = sources.read(data, progress=reading)
        points = engine.network.points_of(catalog, embedding)
        for path, point in zip(catalog.paths, points, strict=True):
            if point.fault is not None:
                say(f"left out: {path}: {point.fault}")
    read = {str(point.id): point.vector for point in points if point.vector is not None}
    vectors = np.stack(list(read.values())) if read else np.empty((0, engine.network.dim), np.float32)
    Embeddings(tuple(read), vectors, engine.network.space).save(out)
    typer.echo(f"{len(read):,} cells -> {out}")


def pack(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Bundle to write: a folder, or one file ending in .hemosight.")],
    encoder: Annotated[
        Path | None, typer.Option("--encoder", help="Run folder of `hemosight pretrain`; else a backbone as it comes.")
    ] = None,
    backbone: Annotated[str, typer.Option("--backbone", help="timm network, where no --encoder is given.")] = (
        "tf_efficientnet_lite0"
    ),
    weights: Annotated[
        str,
        typer.Option("--weights", help="imagenet, none, a .safetensors file, or a bundle's: its path, or default."),
    ] = "imagenet",
    size: Annotated[
        int | None,
        typer.Option("--size", min=32, max=512, help="Side of the network's input; what it was trained at, or 224."),
    ] = None,
    turns: Annotated[
        int, typer.Option("--turns", help="Quarter turns of each crop that its embedding averages: 1, 2 or 4.")
    ] = 1,
    levels: Annotated[
        Levels, typer.Option("--levels", help="What is read: all levels of the network, or the last as in the paper.")
    ] = Levels.ALL,
    name: Annotated[str, typer.Option("--name", help="What the bundle is called.")] = "unnamed",
    version: Annotated[str, typer.Option("--version", help="Its version.")] = "1",
    classifier: Annotated[str, typer.Option("--classifier", help="discriminant, svm (the paper's) or logistic.")] = (
        "discriminant"
    ),
    hold_out: Annotated[float, typer.Option("--hold-out", help="Share of the cells kept for measuring.")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Of the split.")] = 0,
    with_map: Annotated[
        bool, typer.Option("--landscape/--no-landscape", help="Lay the labelled cells out on a map, some minutes.")
    ] = True,
) -> None:
    """Export an encoder, embed labelled crops, and pack both with the figures measured on the held-out part."""
    from hemosight import packing
    from hemosight.errors import StudyExtraMissing, TrainingExtraMissing

    if turns not in (1, 2, 4):
        raise typer.BadParameter(f"{turns} is none of 1, 2 and 4", param_hint="--turns")
    from hemosight.images import sources
    from hemosight.images.splits import hold_out as split
    from hemosight.network import Network
    from hemosight.study.material import embed as embed_cells

    try:
        from hemosight.encoder.export import exported
    except ImportError as error:
        raise TrainingExtraMissing(package=error.name) from error

    with bars("reading", "reading out", "embedding") as (say, (reading, reading_out, embedding)):
        catalog = sources.read(data, progress=reading)
        cells = catalog.take(split(catalog, hold_out, seed).rest).readable() if levels is Levels.ALL else None
        say("exporting the encoder")
        made = exported(
            encoder,
            backbone=backbone,
            weights=weights,
            size=size,
            turns=turns,
            cells=cells,
            seed=seed,
            progress=reading_out,
        )
        network = Network(made.network, made.preprocessing)
        provenance, commands = dict(made.provenance), [" ".join(typed(["hemosight", *sys.argv[1:]]))]
        if isinstance(trained := provenance.get("command"), list):
            provenance["command"] = typed(trained)
            commands.insert(0, " ".join(provenance["command"]))
        embedded = embed_cells(catalog, network, fraction=hold_out, seed=seed, progress=embedding)
        say(f"fitting {classifier} on {len(embedded.split.rest):,} cells")
        bundle = packing.pack(
            embedded,
            name=name,
            version=version,
            network=made.network,
            backbone=made.backbone,
            preprocessing=made.preprocessing,
            provenance=provenance,
            classifier=classifier,
            commands=commands,
        )
        if with_map:
            say("laying out the landscape")
            held = embedded.split.held
            labels = embedded.catalog.take(held).labels()
            try:
                bundle = packing.with_landscape(bundle, embedded.embeddings.take(held), labels)
            except StudyExtraMissing as fault:
                say(f"packed without a landscape: {fault}")
    bundle.save(out)
    _report(bundle.manifest.figures, out)


def landscape(
    bundle: Annotated[Path, typer.Argument(help="Bundle whose labelled cells are laid out.")],
    out: Annotated[Path, typer.Option("--out", help="Bundle to write; may be the same.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Labelled crops: those the bundle does not know measure how pure places are."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the layout.")] = 0,
) -> None:
    """Give a bundle a map of its labelled cells, or a new one; nothing else in it changes.

    The map is openTSNE's with the paper's settings: perplexity 30, PCA initialisation, 1000 iterations.
    """
    from hemosight import packing
    from hemosight.bundle import load
    from hemosight.images import sources

    packed = load(bundle)
    with bars("reading", "embedding") as (say, (reading, embedding)):
        held, labels = None, []
        if data is not None:
            held, labels = packing.unseen(packed, sources.read(data, progress=reading), embedding)
        say(f"laying out {len(packed.support):,} cells")
        made = packing.with_landscape(packed, held, labels, seed=seed)
    made.manifest.landscape["command"] = " ".join(typed(["hemosight", *sys.argv[1:]]))
    made.save(out)
    facts = made.manifest.landscape
    known = f"{facts['cells']:,} cells: trustworthiness {facts['trustworthiness']:.4f}, purity {facts['purity']:.4f}"
    unknown = facts.get("placed")
    typer.echo(known)
    if unknown:
        typer.echo(f"{unknown['cells']:,} cells it did not know, placed on it: purity {unknown['purity']:.4f}")
    typer.echo(f"-> {out}")


def measure(
    bundle: Annotated[Path, typer.Argument(help="Bundle whose figures are measured.")],
    data: Annotated[Path, typer.Option("--data", help="The labelled crops it was packed from.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Bundle to write the figures to; may be the same. Else only shown.")
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option("--embeddings", help="Points of its encoder that `hemosight embed` wrote.")
    ] = None,
    hold_out: Annotated[float, typer.Option("--hold-out", help="Share of the cells kept for measuring.")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Of the split.")] = 0,
) -> None:
    """Measure a bundle's figures again on the cells held out of it; nothing else in it changes."""
    from hemosight import packing
    from hemosight.bundle import load
    from hemosight.study.material import gather

    packed = load(bundle)
    with bars("reading", "embedding") as (say, (reading, embedding)):
        material = gather(
            data,
            bundle=packed,
            embeddings=embeddings,
            fraction=hold_out,
            seed=seed,
            reading=reading,
            embedding=embedding,
        )
        say(f"measuring on {len(material.split.held):,} held-out cells")
        made = packing.measured(packed, material)
    if out is not None:
        made.save(out)
    _report(made.manifest.figures, out)


def _report(figures: dict[str, Any], out: Path | None) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    held = figures["held_out"]
    macro = held["macro_f1"]
    console.print(
        f"held out: {held['cells']} cells, macro-F1 {macro['value']:.4f} "
        f"(95% interval {macro['low']:.4f} to {macro['high']:.4f}), calibration error {held['calibration_error']}"
    )
    for label, facts in figures["scanner_control"].items():
        console.print(
            f"control: {facts['read_as_it']} of {facts['other_cells']} other cells of {facts['source']} read as {label}"
        )
    if figures["attributes"]:
        console.print(f"attributes: mean macro-F1 {figures['attributes']['mean_macro_f1']}")
    if out is not None:
        console.print(f"-> {out} ({sum(f.stat().st_size for f in _parts(out)) / 1e6:.1f} MB)")


def _parts(out: Path) -> list[Path]:
    return [out] if out.is_file() else [file for file in out.iterdir() if file.is_file()]
