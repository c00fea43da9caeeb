"""``hemosight embed``, ``pack``, ``landscape`` and ``measure``: from crops to points, from points to a bundle."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from hemosight.cli.outputs import check_bundle, check_file
from hemosight.cli.progress import bars
from hemosight.cli.typed import typed


class Levels(StrEnum):
    """Which levels of a network become an embedding."""

    ALL = "all"
    LAST = "last"
    MIXED = "mixed"


Data = Annotated[Path, typer.Option("--data", help="Folder of crops or of data sets, or a catalog.")]


def embed(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Embeddings to write (.safetensors).")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle whose encoder is used.")] = None,
    bits: Annotated[
        int | None, typer.Option("--bits", min=1, max=32, help="Bits of deep samples whose file does not say.")
    ] = None,
) -> None:
    """Turn crops into points of the landscape; unreadable ones are named and left out."""
    from hemosight.engine import engine as engines
    from hemosight.errors import TooFewCells
    from hemosight.images import sources

    check_file(out, (".safetensors",))
    engine = engines.load(bundle)
    with bars("reading", "embedding") as (say, (reading, embedding)):
        catalog = sources.read(data, bits=bits, progress=reading, say=say)
        embedded, left_out = engine.network.embed(catalog, embedding)
        for path, fault in left_out.items():
            say(f"left out: {path}: {fault}")
    if not len(embedded):
        raise TooFewCells(
            expected="pictures of cells that can be read",
            came=f"none of {len(catalog):,} in {data}",
            mend=f"`hemosight data check {data}` says why; a catalog holds paths of the machine that made it.",
        )
    embedded.save(out)
    typer.echo(f"{len(embedded):,} cells -> {out}" + (f", {len(left_out):,} left out" if left_out else ""))


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
        Levels,
        typer.Option("--levels", help="What is read: all levels, the last as in the paper, or both, mixed."),
    ] = Levels.ALL,
    name: Annotated[str, typer.Option("--name", help="What the bundle is called.")] = "unnamed",
    version: Annotated[str, typer.Option("--version", help="Its version.")] = "1",
    classifier: Annotated[str, typer.Option("--classifier", help="discriminant, svm (the paper's) or logistic.")] = (
        "discriminant"
    ),
    attributes: Annotated[
        str, typer.Option("--attributes", help="What reads all other label sets: one of those, or standardised.")
    ] = "standardised",
    hold_out: Annotated[float, typer.Option("--hold-out", help="Share of the cells kept for measuring.")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Of the split.")] = 0,
    with_map: Annotated[
        bool, typer.Option("--landscape/--no-landscape", help="Lay the labelled cells out on a map, some minutes.")
    ] = True,
    familiarity: Annotated[
        bool,
        typer.Option(
            "--familiarity/--no-familiarity",
            help="Call cells beyond what is known unfamiliar and be less sure of them; needs two laboratories.",
        ),
    ] = False,
    left_out: Annotated[
        list[str] | None,
        typer.Option(
            "--left-out",
            metavar="SOURCE=RUN",
            help="Run folder of `hemosight train --without SOURCE`: familiarity is fitted on that laboratory as its "
            "encoder sees it, which never met it. May be repeated.",
        ),
    ] = None,
) -> None:
    """Export an encoder, embed labelled crops, and pack both with the figures measured on the held-out part."""
    from hemosight.errors import ExtraMissing, UnknownName
    from hemosight.lab import packing
    from hemosight.space.classifiers import FITTERS

    if turns not in (1, 2, 4):
        raise typer.BadParameter(f"{turns} is none of 1, 2 and 4", param_hint="--turns")
    check_bundle(out)
    for reader in (classifier, attributes):
        if reader not in FITTERS:  # not after the encoder was exported
            raise UnknownName(kind="classifier", choices=", ".join(FITTERS), name=reader)
    unseen = _left_out(left_out or [])
    import numpy as np

    from hemosight.engine.network import Network
    from hemosight.images import sources
    from hemosight.images.laboratory_splits import hold_out_by_source as split
    from hemosight.lab.left_out import UnseenLaboratory
    from hemosight.lab.studies.study_data import embed as embed_cells

    try:
        from hemosight.training.export import exported
        from hemosight.training.readout_fit import SHARE
    except ImportError as error:
        raise ExtraMissing("train", error.name) from error

    with bars("reading", "reading out", "embedding") as (say, (reading, reading_out, embedding)):
        catalog = sources.read(data, progress=reading, say=say)
        sides = split(catalog, hold_out, seed)
        cells = catalog.take(sides.rest).readable() if levels is not Levels.LAST else None
        say("exporting the encoder")
        export = partial(
            exported,
            backbone=backbone,
            weights=weights,
            size=size,
            turns=turns,
            share=SHARE if levels is Levels.MIXED else 0.0,
            seed=seed,
            progress=reading_out,
        )
        made = export(encoder, cells=cells)
        network = Network(made.network, made.preprocessing)
        provenance, commands = dict(made.provenance), [" ".join(typed(["hemosight", *sys.argv[1:]]))]
        run: Any = provenance
        while isinstance(run, dict) and isinstance(trained := run.get("command"), list):
            run["command"] = typed(trained)
            commands.insert(0, " ".join(run["command"]))
            run = run.get("went_on_from")  # the run whose weights it began with
        embedded = embed_cells(catalog, network, split=sides, progress=embedding)
        read_by_others: list[UnseenLaboratory] = []
        for source, run_folder in unseen.items():
            say(f"reading {source} by an encoder that never met it")
            theirs = (catalog.table["source"] == source).fill_null(False).to_numpy()
            known = np.isin(np.arange(len(catalog)), sides.rest) & ~theirs
            others = catalog.take(np.flatnonzero(known)).readable() if levels is not Levels.LAST else None
            its = export(run_folder, cells=others)
            cells = catalog.take(np.flatnonzero(known | theirs))
            placed = embed_cells(cells, Network(its.network, its.preprocessing), progress=embedding)
            read_by_others.append(UnseenLaboratory.read(placed, source, classifier))
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
            attributes=attributes,
            commands=commands,
            with_familiarity=familiarity or bool(unseen),
            unseen=read_by_others,
        )
        if with_map:
            say("laying out the landscape")
            held = embedded.split.held
            labels = embedded.catalog.take(held).labels()
            try:
                bundle = packing.with_landscape(bundle, embedded.embeddings.take(held), labels)
            except ExtraMissing as fault:
                say(f"packed without a landscape: {fault}")
    bundle.save(out)
    _report(bundle.manifest.figures, out)


def _left_out(given: list[str]) -> dict[str, Path]:
    """``SOURCE=RUN`` as source -> run folder."""
    runs: dict[str, Path] = {}
    for text in given:
        source, equals, folder = text.partition("=")
        if not (source and equals and folder):
            raise typer.BadParameter(f"{text!r} is not SOURCE=RUN, such as jhu_aml=runs/rest", param_hint="--left-out")
        runs[source] = Path(folder)
    return runs


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
    from hemosight.engine.bundle import load
    from hemosight.images import sources
    from hemosight.lab import packing

    check_bundle(out)
    packed = load(bundle)
    with bars("reading", "embedding") as (say, (reading, embedding)):
        held, labels = None, []
        if data is not None:
            held, labels = packing.unseen(packed, sources.read(data, progress=reading, say=say), embedding)
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
    refit: Annotated[
        bool,
        typer.Option(
            "--refit", help="First fit anew how its label sets are read, on its own labelled cells, as pack would now."
        ),
    ] = False,
) -> None:
    """Measure a bundle's figures again on the cells held out of it; nothing else in it changes, unless --refit."""
    from hemosight.engine.bundle import load
    from hemosight.lab import packing
    from hemosight.lab.studies.study_data import gather

    if out is not None:
        check_bundle(out)
    packed = load(bundle)
    if refit:
        packed = packed.refitted(command=" ".join(typed(["hemosight", *sys.argv[1:]])))
    with bars("reading", "embedding") as (say, (reading, embedding)):
        material = gather(
            data,
            bundle=packed,
            embeddings=embeddings,
            fraction=hold_out,
            seed=seed,
            reading=reading,
            embedding=embedding,
            say=say,
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
    for heading, laboratories in (("held out of", held["by_source"]), ("untouched:", figures.get("left_out", {}))):
        for source, facts in laboratories.items():
            console.print(f"{heading} {source}: {_said(facts)}")
    if figures["attributes"]:
        console.print(f"attributes: mean macro-F1 {figures['attributes']['mean_macro_f1']}")
    if out is not None:
        console.print(f"-> {out} ({sum(f.stat().st_size for f in _parts(out)) / 1e6:.1f} MB)")


def _said(facts: dict[str, Any]) -> str:
    """One laboratory's figures as a line."""

    def interval(name: str, its: dict[str, float]) -> str:
        return f"{name} {its['value']:.3f} ({its['low']:.3f} to {its['high']:.3f})"

    parts = [f"{facts['cells']:,} cells", interval("macro-F1", facts["macro_f1"])]
    if "common_types" in facts:
        parts.append(interval("six common types", facts["common_types"]))
    if blasts := facts.get("blasts"):
        parts.append(interval("blasts found", blasts["found"]))
        parts.append(interval("called falsely", blasts["false"]))
        parts.append(f"in {blasts['patients_found']} of {blasts['patients']} patients")
    if "calibration_error" in facts:
        parts.append(f"calibration error {facts['calibration_error']:.3f}")
    return ", ".join(parts)


def _parts(out: Path) -> list[Path]:
    return [out] if out.is_file() else [file for file in out.iterdir() if file.is_file()]
