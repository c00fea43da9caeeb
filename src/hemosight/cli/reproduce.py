"""``hemosight reproduce``: every experiment in one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hemosight.cli.outputs import check_folder
from hemosight.cli.progress import bars
from hemosight.cli.train_baseline import TrainBaseline, sizes_of
from hemosight.cli.typed import typed


def reproduce(
    data: Annotated[Path, typer.Option("--data", help="Folder of crops or of data sets, or a catalog.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html, tables/, figures/ and what is kept.")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle whose encoder is studied.")] = None,
    embeddings: Annotated[
        Path | None, typer.Option("--embeddings", help="Points of that encoder that `hemosight embed` wrote.")
    ] = None,
    classifier: Annotated[
        str, typer.Option("--classifier", help="discriminant, svm (the paper's, much slower) or logistic.")
    ] = "discriminant",
    baseline_features: Annotated[
        Path | None,
        typer.Option(
            "--baseline-features",
            help="Points of the network that the supervised baseline starts from; else ImageNet's are made once "
            "(needs the [train] extra).",
        ),
    ] = None,
    train_baseline: TrainBaseline = None,
    layout: Annotated[
        str, typer.Option("--map", help="How the landscape is laid out: tsne (the paper's) or umap.")
    ] = "tsne",
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this study; may be given again.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="Not this study; may be given again.")] = None,
    hold_out: Annotated[float, typer.Option("--hold-out", help="Share of the cells kept from everything.")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Of the split, folds and draws.")] = 0,
    workers: Annotated[int | None, typer.Option("--workers", help="Fits at a time; as many as cores if left.")] = None,
) -> None:
    """Run every study on labelled crops and write one report with its tables and figures.

    Studies: patients, label-efficiency, held-out, baseline, attributes, active, self-taught, landscape, explanation,
    transfer, plan. What is done is kept in OUT/steps: run the same command again after an interruption and it goes on
    where it stopped. The report shows crops; it stays on this machine unless you share it.
    """
    from datetime import UTC, datetime

    from hemosight.cli.baseline_network import baseline_network
    from hemosight.engine.bundle import load
    from hemosight.errors import UnknownName
    from hemosight.lab.report.figure import ReportInputs
    from hemosight.lab.report.reproduce import chosen
    from hemosight.lab.report.reproduce import reproduce as run
    from hemosight.lab.studies.steps import Steps
    from hemosight.lab.studies.study_data import gather
    from hemosight.space.landscape import METHODS

    check_folder(out)
    if layout not in METHODS:
        raise UnknownName(kind="the map", choices=", ".join(METHODS), name=layout)
    train = sizes_of(train_baseline)
    studies = chosen(only or (), skip or ())
    started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    packed = load(bundle)
    with bars("reading", "embedding", "fitting") as (say, (reading, embedding, fitting)):
        material = gather(
            data,
            bundle=packed,
            embeddings=embeddings,
            cache=out / "steps",
            fraction=hold_out,
            seed=seed,
            reading=reading,
            embedding=embedding,
            say=say,
        )
        packed.space.require(material.embeddings.space)
        steps = Steps(out / "steps", workers, fitting)
        work = ReportInputs(
            material,
            packed,
            classifier,
            steps,
            seed,
            say,
            embedding,
            features=baseline_features,
            network=baseline_network(),
            train=train,
            map=layout,
        )
        command = " ".join(typed(["hemosight", *sys.argv[1:]]))
        made = run(work, out, studies=studies, command=command, started=started)
    for section in made.sections:
        typer.echo(f"{section.title} ({made.seconds[section.name]:.0f} s)")
        for claim in section.claims:
            typer.echo(
                f"  {claim.what}: {claim.value} ({claim.basis})" + (f"; paper {claim.paper}" * bool(claim.paper))
            )
    for name, why in made.left_out.items():
        typer.echo(f"left out: {name}: {why}")
    typer.echo(f"-> {made.report}")
