"""``hemosight study``: experiments on labelled cells; each writes its tables and prints what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemosight.cli.progress import bars

if TYPE_CHECKING:
    import polars as pl

    from hemosight.study.material import Material
    from hemosight.study.steps import Steps

app = typer.Typer(
    help="Experiments: how many labels, which ones, and what another laboratory changes.", no_args_is_help=True
)

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of data sets, or a catalog; else the bundle's own labelled cells.")
]
BundlePath = Annotated[Path | None, typer.Option("--bundle", help="Bundle whose encoder places the cells.")]
Points = Annotated[
    Path | None, typer.Option("--embeddings", help="What `hemosight embed` wrote, instead of embedding anew.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder for tables (Parquet, CSV) and for what is done already.")]
Classifier = Annotated[str, typer.Option("--classifier", help="discriminant, svm (the paper's: slow) or logistic.")]
FewLabels = Annotated[
    str, typer.Option("--classifier", help="discriminant, self-taught, svm (the paper's: slow) or logistic.")
]
LabelSet = Annotated[str, typer.Option("--label-set", help="What is read: cell_type, or an attribute.")]
Seed = Annotated[int, typer.Option("--seed", help="Of folds and draws.")]
TrainBaseline = Annotated[
    list[str] | None,
    typer.Option(
        "--train-baseline",
        metavar="SIZE[:FOLDS]",
        help="Train the whole network too, with so many labels of each class, or all, in every fold or in so many; may "
        "be given again. Hours without a graphics card; resumable.",
    ),
]
_OUT = Path("study")


@app.command("label-efficiency")
def label_efficiency(
    data: Data = None,
    bundle: BundlePath = None,
    embeddings: Points = None,
    out: Out = _OUT,
    classifier: FewLabels = "discriminant",
    label_set: LabelSet = "cell_type",
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Draws of labels from each fold.")] = 3,
    seed: Seed = 0,
) -> None:
    """How many labels are enough: support sets from two labels a class to all of them, in five folds."""
    with _at_work(data, bundle, embeddings, out) as (cells, steps):
        from hemosight.study import label_efficiency as study
        from hemosight.study.tables import summary

        table = study.label_efficiency(
            cells, label_set=label_set, classifier=classifier, repeats=repeats, seed=seed, steps=steps
        )
        means = summary(table)
    _write(out, {"label-efficiency": table, "label-efficiency-means": means})
    _show(means, "macro_f1", ["on", "per_class", "labels", "n", "mean", "sd"])


@app.command("held-out")
def held_out(
    data: Data = None,
    bundle: BundlePath = None,
    embeddings: Points = None,
    out: Out = _OUT,
    classifier: Classifier = "discriminant",
    label_set: LabelSet = "cell_type",
    seed: Seed = 0,
) -> None:
    """Cells that took no part in anything: what each type is read as, how surely, and whether that is right.

    Without --data, where nothing is held out, each fold of the bundle's cells is read with the labels of the others.
    """
    import polars as pl

    with _at_work(data, bundle, embeddings, out) as (cells, steps):
        from hemosight.study import held_out as study

        readings = study.held_out(cells, label_set=label_set, classifier=classifier, seed=seed, steps=steps)
        tables = study.summaries(readings)
    _write(out, {"held-out-readings": readings, **{f"held-out-{name}": table for name, table in tables.items()}})
    by_class = tables["scores"].filter(pl.col("class").is_not_null())
    _print(by_class.pivot("metric", index=["class", "cells"], values="value"))
    _print(tables["scores"].filter(pl.col("class").is_null()).select("on", "metric", "cells", "value", "low", "high"))
    wrong = tables["confusion"].filter(pl.col("truth") != pl.col("read")).sort("cells", descending=True)
    _print(wrong.select("truth", "read", "cells", "share").head(5))
    spread = tables["repeats"].filter(metric="macro_f1")["value"]
    typer.echo(
        f"macro-F1 of {len(spread)} fits without a fifth of the labels: {spread.mean():.4f} ± {spread.std():.4f}"
    )


@app.command("attributes")
def attributes(
    data: Data = None,
    bundle: BundlePath = None,
    embeddings: Points = None,
    out: Out = _OUT,
    classifier: FewLabels = "discriminant",
    seed: Seed = 0,
) -> None:
    """Morphological attributes on the same embedding: five folds, and the authors' own split."""
    with _at_work(data, bundle, embeddings, out) as (cells, steps):
        from hemosight.study import attributes as study
        from hemosight.study.tables import summary

        table = study.attributes(cells, classifier=classifier, seed=seed, steps=steps)
        means = summary(table, over=("fold",))
    _write(out, {"attributes": table, "attributes-means": means})
    _show(means, "macro_f1", ["split", "attribute", "labels", "n", "mean", "sd"])


@app.command("active")
def active(
    data: Data = None,
    bundle: BundlePath = None,
    embeddings: Points = None,
    out: Out = _OUT,
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", help="Only this one; may be repeated. All of them otherwise.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Labels asked for in a round.")] = 90,
    first: Annotated[int, typer.Option("--first", min=1, help="Labels of each class to begin with.")] = 10,
    most: Annotated[
        int | None, typer.Option("--most", min=1, help="Labels after which to stop; to the end else.")
    ] = None,
    classifier: FewLabels = "discriminant",
    label_set: LabelSet = "cell_type",
    seed: Seed = 0,
) -> None:
    """Which cells to label: query strategies from ten labels a class to all, in five folds."""
    with _at_work(data, bundle, embeddings, out) as (cells, steps):
        from hemosight.study import active as study

        table = study.active(
            cells,
            strategies=strategy or study.NAMES,
            label_set=label_set,
            classifier=classifier,
            batch=batch,
            first=first,
            most=most,
            seed=seed,
            steps=steps,
        )
        laws = study.laws(table)
        tables = {"active": table, "active-learning": study.learning(table), "active-laws": laws}
        if "random" in laws["strategy"]:
            tables["active-faster"] = study.faster(laws)
        tables["active-reaching"] = reached = study.reaching(table)
    _write(out, tables)
    _print(reached)


@app.command("baseline")
def baseline(
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            help="Embeddings of the same data by the network the baseline starts from; else ImageNet's are made of "
            "--data (needs the [train] extra).",
        ),
    ] = None,
    train: TrainBaseline = None,
    data: Data = None,
    bundle: BundlePath = None,
    embeddings: Points = None,
    out: Out = _OUT,
    classifier: Classifier = "discriminant",
    seed: Seed = 0,
) -> None:
    """A softmax layer on a frozen network beside the bundle's embeddings: same labels, and where the two cross."""
    from hemosight.errors import BadTable

    sizes = sizes_of(train)
    if data is None and (features is None or sizes):
        raise BadTable(
            expected="crops", came="none", path="the bundle", mend="Give --data, or --features and no --train-baseline."
        )
    with _at_work(data, bundle, embeddings, out) as (cells, steps):
        from hemosight.study import baseline as study
        from hemosight.study import label_efficiency as efficiency
        from hemosight.study.tables import summary

        theirs = study.compared(cells, features=features, train=sizes, seed=seed, steps=steps, progress=steps.progress)
        mine = efficiency.label_efficiency(cells, classifier=classifier, repeats=1, seed=seed, steps=steps)
        crossing, means = study.crossing(mine, theirs), summary(theirs)
    _write(out, {"baseline": theirs, "baseline-means": means, "baseline-crossing": crossing})
    _show(means, "macro_f1", ["classifier", "on", "per_class", "labels", "n", "mean", "sd"])
    _print(crossing)


@app.command("transfer")
def transfer(
    data: Data = None,
    bundle: BundlePath = None,
    embeddings: Points = None,
    out: Out = _OUT,
    classifier: Classifier = "discriminant",
    seed: Seed = 0,
) -> None:
    """Another laboratory: one source's labels on another's cells, few labels of the new one, simulated shifts.

    Shifts need the crops themselves (--data) and embed the held-out cells anew, once for each shift.
    """
    import polars as pl

    with _at_work(data, bundle, embeddings, out) as (cells, steps):
        from hemosight import bundle as bundles
        from hemosight.network import Network
        from hemosight.study import figures
        from hemosight.study import transfer as study
        from hemosight.study.tables import summary

        tables = {"shortcut": study.shortcut(cells, classifier=classifier, seed=seed, steps=steps)}
        recovered = study.recovery(cells, classifier=classifier, seed=seed, steps=steps)
        if len(recovered):
            tables["transfer"] = recovered
            tables["transfer-means"] = summary(recovered, over=("draw",))
        if data is not None and len(cells.split.held):
            loaded = bundles.load(bundle)
            loaded.space.require(cells.embeddings.space)
            readings = study.shifted(
                cells, Network(loaded.encoder, loaded.preprocessing), classifier=classifier, steps=steps
            )
            by = ("study", "classifier", "shift")
            tables["shift-scores"] = figures.scores(readings, by)
            tables["shift-reliability"] = figures.reliability(readings, by)
    _write(out, tables)
    _print(tables["shortcut"].drop("study", "classifier"))
    if "transfer-means" in tables:
        _show(tables["transfer-means"], "macro_f1", ["source", "trained_on", "per_class", "n", "mean", "sd"])
    if "shift-scores" in tables:
        shown = tables["shift-scores"].filter(pl.col("metric").is_in(["macro_f1", "ece", "confidence"]))
        _print(shown.select("shift", "metric", "value", "low", "high"))


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

    from hemosight import engine as engines
    from hemosight.images import sources
    from hemosight.study import planner

    engine = engines.load(bundle)
    with bars("labels", "embedding") as (say, (reading, embedding)):
        support = engine.bundle.support
        if labels is not None:
            gathered = engine.support(sources.read(labels, progress=reading), label_set, progress=embedding)
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
    typer.echo(
        f"the next {made.more if made.reachable else made.farthest:,.0f} labels, shared out where they help most:"
    )
    _print(made.by_class)


# --- what all of them do ---


def sizes_of(texts: list[str] | None) -> dict[int | None, int]:
    """Labels of each class, None for ``all``, and in how many folds, as they are written on a command line."""
    from hemosight.study.label_efficiency import FOLDS

    sizes: dict[int | None, int] = {}
    for text in texts or ():
        size, colon, folds = text.partition(":")
        if size != "all" and not (size.isdecimal() and int(size)):
            raise typer.BadParameter(f"{text!r} is neither a number of labels nor all", param_hint="--train-baseline")
        if colon and not (folds.isdecimal() and 1 <= int(folds) <= FOLDS):
            raise typer.BadParameter(f"{text!r} names no number of folds, 1 to {FOLDS}", param_hint="--train-baseline")
        sizes[None if size == "all" else int(size)] = int(folds or FOLDS)
    return sizes


@contextmanager
def _at_work(
    data: Path | None, bundle: Path | None, embeddings: Path | None, out: Path
) -> Iterator[tuple[Material, Steps]]:
    """The cells and a way to run pieces, under progress bars; what is done already is in a folder of ``out``."""
    from hemosight import bundle as bundles
    from hemosight.study import material
    from hemosight.study.steps import Steps

    kept = out / "steps"
    with bars("reading", "embedding", "studying") as (say, (reading, embedding, studying)):
        if data is None:
            cells = material.bundled(bundles.load(bundle))
        else:
            cells = material.gather(
                data,
                bundle=None if embeddings is not None else bundles.load(bundle),
                embeddings=embeddings,
                cache=kept,
                reading=reading,
                embedding=embedding,
            )
        say(f"{len(cells):,} cells, {len(cells.split.held):,} of them held out")
        yield cells, Steps(kept, progress=studying)


def _write(out: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.write_parquet(out / f"{name}.parquet")
        table.write_csv(out / f"{name}.csv")
    typer.echo(f"{', '.join(tables)} -> {out}")


def _show(means: pl.DataFrame, metric: str, columns: list[str]) -> None:
    _print(means.filter(metric=metric).select(columns))


def _print(table: pl.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in table.columns:
        shown.add_column(name, justify="right" if table[name].dtype.is_numeric() else "left", no_wrap=True)
    for row in table.iter_rows():
        shown.add_row(*("" if value is None else _cell(value) for value in row))
    Console(width=140, highlight=False).print(shown)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 2 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
