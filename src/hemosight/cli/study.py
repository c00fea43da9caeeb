"""``hemosight study``: experiments on labelled cells; each writes its tables and prints what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hemosight.cli.outputs import check_file
from hemosight.cli.progress import bars
from hemosight.cli.study_command import (
    BundlePath,
    Classifier,
    FewLabels,
    Given,
    LabelSet,
    Output,
    Seed,
    macro,
    show,
    study,
)
from hemosight.cli.train_baseline import TrainBaseline, sizes_of

app = typer.Typer(
    help="Experiments: how many labels, which ones, and what another laboratory changes.", no_args_is_help=True
)


@study(app, "label-efficiency", classifier=FewLabels)
def label_efficiency(
    given: Given,
    label_set: LabelSet = "cell_type",
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Draws of labels from each fold.")] = 3,
) -> Output:
    """How many labels are enough: support sets from two labels a class to all of them, in five folds."""
    from hemosight.lab.studies import label_efficiency as study
    from hemosight.lab.studies.tables import summary

    fitted = {"classifier": given.classifier, "seed": given.seed}
    table = study.label_efficiency(given.cells, label_set=label_set, repeats=repeats, steps=given.steps, **fitted)
    means = summary(table)
    return Output(
        {"label-efficiency": table, "label-efficiency-means": means},
        [macro(means, "on", "per_class", "labels", "n", "mean", "sd")],
    )


@study(app, "held-out")
def held_out(given: Given, label_set: LabelSet = "cell_type") -> Output:
    """Cells that took no part in anything: what each type is read as, how surely, and whether that is right.

    Without --data, where nothing is held out, each fold of the bundle's cells is read with the labels of the others.
    """
    import polars as pl

    from hemosight.lab.studies import held_out as study

    fitted = {"classifier": given.classifier, "seed": given.seed}
    readings = study.held_out(given.cells, label_set=label_set, steps=given.steps, **fitted)
    tables = study.summaries(readings)
    scores = tables["scores"]
    wrong = tables["confusion"].filter(pl.col("truth") != pl.col("read")).sort("cells", descending=True)
    spread = tables["repeats"].filter(metric="macro_f1")["value"]
    return Output(
        {"held-out-readings": readings, **{f"held-out-{name}": table for name, table in tables.items()}},
        [
            scores.filter(pl.col("class").is_not_null()).pivot("metric", index=["class", "cells"], values="value"),
            scores.filter(pl.col("class").is_null()).select("on", "metric", "cells", "value", "low", "high"),
            wrong.select("truth", "read", "cells", "share").head(5),
        ],
        f"macro-F1 of {len(spread)} fits without a fifth of the labels: {spread.mean():.4f} ± {spread.std():.4f}",
    )


@study(app, "attributes", classifier=FewLabels)
def attributes(given: Given) -> Output:
    """Morphological attributes on the same embedding: five folds, and the authors' own split."""
    from hemosight.lab.studies import attributes as study
    from hemosight.lab.studies.tables import summary

    table = study.attributes(given.cells, classifier=given.classifier, seed=given.seed, steps=given.steps)
    means = summary(table, over=("fold",))
    return Output(
        {"attributes": table, "attributes-means": means},
        [macro(means, "split", "attribute", "labels", "n", "mean", "sd")],
    )


@study(app, "active", classifier=FewLabels)
def active(
    given: Given,
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", help="Only this one; may be repeated. All of them otherwise.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Labels asked for in a round.")] = 90,
    first: Annotated[int, typer.Option("--first", min=1, help="Labels of each class to begin with.")] = 10,
    most: Annotated[
        int | None, typer.Option("--most", min=1, help="Labels after which to stop; to the end else.")
    ] = None,
    label_set: LabelSet = "cell_type",
) -> Output:
    """Which cells to label: query strategies from ten labels a class to all, in five folds."""
    from hemosight.lab.studies import active as study
    from hemosight.lab.studies import active_results as results

    table = study.active(
        given.cells,
        strategies=strategy or study.NAMES,
        label_set=label_set,
        classifier=given.classifier,
        batch=batch,
        first=first,
        most=most,
        seed=given.seed,
        steps=given.steps,
    )
    laws, reached = results.laws(table), results.reaching(table)
    tables = {"active": table, "active-learning": results.learning(table), "active-laws": laws}
    if "random" in laws["strategy"]:
        tables["active-faster"] = results.faster(laws)
    return Output({**tables, "active-reaching": reached}, [reached])


@study(app, "baseline")
def baseline(
    given: Given,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            help="Embeddings of the same data by the network the baseline starts from; else ImageNet's are made of "
            "--data (needs the [train] extra).",
        ),
    ] = None,
    train: TrainBaseline = None,
) -> Output:
    """A softmax layer on a frozen network beside the bundle's embeddings: same labels, and where the two cross."""
    from hemosight.errors import BadTable

    sizes = sizes_of(train)
    if given.data is None and (features is None or sizes):
        raise BadTable(
            expected="crops", came="none", path="the bundle", mend="Give --data, or --features and no --train-baseline."
        )
    from hemosight.cli.baseline_network import baseline_network
    from hemosight.lab.studies import baseline as study
    from hemosight.lab.studies import label_efficiency as efficiency
    from hemosight.lab.studies.tables import summary

    theirs = study.compared(
        given.cells,
        features=features,
        network=baseline_network(),
        train=sizes,
        seed=given.seed,
        steps=given.steps,
        progress=given.steps.progress,
    )
    fitted = {"classifier": given.classifier, "seed": given.seed}
    ours = efficiency.label_efficiency(given.cells, repeats=1, steps=given.steps, **fitted)
    crossing, means = study.crossing(ours, theirs), summary(theirs)
    return Output(
        {"baseline": theirs, "baseline-means": means, "baseline-crossing": crossing},
        [macro(means, "classifier", "on", "per_class", "labels", "n", "mean", "sd"), crossing],
    )


@study(app, "transfer")
def transfer(given: Given) -> Output:
    """Leave one laboratory out: each untouched, then with 1, 5, 10 and 25 labels of each type; blasts by patient.

    Controls: what is read without the cell, what the scanner alone gives away, and classes that one scanner supplies.
    Simulated shifts and crops without their cells need the crops themselves (--data) and embed the held-out ones anew.
    An encoder that was trained on a laboratory has seen it: what is left out here are its labels.
    """
    import polars as pl

    from hemosight.engine import bundle as bundles
    from hemosight.engine.network import Network
    from hemosight.lab.studies import controls, figures, laboratories
    from hemosight.lab.studies import transfer as study

    cells, steps = given.cells, given.steps
    control = study.shortcut(cells, classifier=given.classifier, seed=given.seed, steps=steps)
    tables, shown = {"shortcut": control}, [control.drop("study", "classifier")]
    if len(set(cells.sources.tolist())) > 1:
        readings = laboratories.leave_one_out(cells, seed=given.seed, steps=steps)
        tables["laboratories-readings"] = readings
        tables["laboratories"] = laboratories.summary(readings)
        tables["laboratories-blasts"] = laboratories.blasts(readings)
        tables["scanner-only"] = controls.scanner_only(cells, seed=given.seed, steps=steps)
        shown += [tables[name] for name in ("laboratories", "laboratories-blasts", "scanner-only")]
    if given.data is not None and len(cells.split.held):
        loaded = bundles.load(given.bundle)
        loaded.space.require(cells.embeddings.space)
        network = Network(loaded.encoder, loaded.preprocessing)
        tables["background-only"] = controls.background_only(cells, network, steps=steps)
        shown.append(tables["background-only"])
        readings = study.shifted(cells, network, classifier=given.classifier, steps=steps)
        by = ("study", "classifier", "shift")
        scores = figures.scores(readings, by)
        tables |= {"shift-scores": scores, "shift-reliability": figures.reliability(readings, by)}
        few = scores.filter(pl.col("metric").is_in(["macro_f1", "ece", "confidence"]))
        shown.append(few.select("shift", "metric", "value", "low", "high"))
    return Output(tables, shown)


@study(app, "suspects")
def suspects(
    given: Given,
    source: Annotated[str | None, typer.Option("--source", help="Show suspects of this source only.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Show suspects with this label only.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many to show; the table has all cells.")] = 20,
) -> Output:
    """Labels that are probably wrong: what a reader calls otherwise that saw neither the cell nor its patient.

    A suspect is a question to a person, not a correction.
    """
    import polars as pl

    from hemosight.lab.studies import suspects as study

    table = study.suspects(given.cells, classifier=given.classifier, seed=given.seed, steps=given.steps)
    counts = study.by_label(table)
    listed = table.filter("suspect")
    for column, wanted in (("source", source), ("label", label)):
        if wanted is not None:
            listed = listed.filter(pl.col(column) == wanted)
    shown = listed.head(most).select("path", "label", "other", "own", "other_probability")
    said = f"{len(listed):,} suspects of {len(table):,} labelled cells"
    return Output({"suspects": table, "suspects-by-label": counts}, [counts, shown], said)


@app.command("plan")
def plan(
    target: Annotated[float, typer.Option("--target", min=0.01, max=0.999, help="Macro-F1 that is wished for.")] = 0.95,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Labelled crops: CSV path,label, or DIR/<class>/<image>.")
    ] = None,
    bundle: BundlePath = None,
    label_set: LabelSet = "cell_type",
    classifier: Classifier = "discriminant",
    out: Annotated[Path | None, typer.Option("--out", help="Write the plan as JSON.")] = None,
    seed: Seed = 0,
) -> None:
    """How many more labels, and of which types, reach a score: forecast from the labels at hand.

    Without --labels the bundle's own labelled cells are planned from.
    """
    import json

    from hemosight.engine import engine as engines
    from hemosight.images import sources
    from hemosight.scoring import planner

    check_file(out)
    engine = engines.load(bundle)
    with bars("labels", "embedding") as (say, (reading, embedding)):
        support = engine.bundle.support
        if labels is not None:
            gathered = engine.support(sources.read(labels, progress=reading, say=say), label_set, progress=embedding)
            for file, reason in gathered.left_out.items():
                say(f"left out: {file}: {reason}")
            support = gathered.cells
        say(f"trying parts of {len(support):,} labels")
        made = planner.plan(*support.labelled(label_set), target, classifier=classifier, seed=seed)
    facts = made.to_json()
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def number(value: float) -> str:
        return f"{value:,.0f}" if value < float("inf") else f"over {made.farthest:,}"

    typer.echo(f"{made.labels:,} labels read {made.score:.3f} (macro-F1, by the fitted curve)")
    typer.echo(
        f"{made.target:.3f} needs {number(made.more)} more (95% interval {number(made.low)} to {number(made.high)}); "
        f"within reach in {made.chance:.0%} of forecasts"
    )
    if made.reachable and not made.more:
        typer.echo("no more are needed, by this forecast; what each type reads now:")
        show(made.by_class)
        return
    typer.echo(
        f"the next {made.more if made.reachable else made.farthest:,.0f} labels, shared out where they help most:"
    )
    show(made.by_class)
