"""Sections on how well labels are read: how many are enough, the held-out cells, attributes."""

from __future__ import annotations

import polars as pl

from hemosight.charts import curves, scores
from hemosight.report import published
from hemosight.report.figure import Claim, Figure, Section, Work
from hemosight.space.labels import title
from hemosight.study import figures
from hemosight.study import held_out as held
from hemosight.study.attributes import FOLDED, MEAN, OFFICIAL
from hemosight.study.attributes import attributes as attribute_scores
from hemosight.study.label_efficiency import DRAWS, FOLDS
from hemosight.study.label_efficiency import label_efficiency as efficiency_scores
from hemosight.study.tables import FOLD, HELD_OUT, summary

_WHERE = {FOLD: "the fold left out", HELD_OUT: "held-out cells"}


def label_efficiency(work: Work) -> Section:
    """How many labels are enough (Fig. 1)."""
    table = efficiency_scores(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    macro = (
        summary(table.filter(pl.col("metric") == "macro_f1"))
        .with_columns(series=pl.col("on").replace(_WHERE))
        .select("series", "on", "per_class", pl.col("labels").round(), "cells", "n", "mean", "sd")
        .sort("series", "labels")
    )
    fold = macro.filter(pl.col("on") == FOLD)
    first, last = (fold.row(at, named=True) for at in (0, -1))
    within = fold.filter(pl.col("mean") >= last["mean"] - 0.02).row(0, named=True)
    classes = len(set(work.material.labels().tolist()) - {""})
    text = (
        f"With {first['per_class']} labels of each of {classes} classes the macro-F1 of the fold left out is "
        f"{first['mean']:.3f}; with all {last['labels']:,.0f} labels it is {last['mean']:.3f}. "
        f"Within 0.02 of that it is from {within['labels']:,.0f} labels on "
        f"({within['labels'] / last['labels']:.1%} of them).",
    )
    caption = (
        f"Macro-F1 by number of labels, y stretched by -log(1 - x). Mean over {FOLDS} folds of {DRAWS} "
        f"stratified draws "
        f"each; bands show one standard deviation between folds. Classifier: {work.classifier}. {work.basis}."
    )
    figure = Figure("label-efficiency", "How many labels are enough", caption, macro, spec=curves.efficiency(macro))
    claims = (
        Claim(
            "macro-F1 with all labels, the fold left out",
            _spread(last),
            f"{FOLDS} folds, {last['labels']:,.0f} labels",
            f"{published.MACRO_F1:.3f}",
        ),
        Claim(
            f"macro-F1 with {first['per_class']} labels of each class",
            _spread(first),
            f"{FOLDS} folds, {first['labels']:,.0f} labels",
        ),
    )
    return Section("label-efficiency", "Label efficiency", text, (figure,), claims, {"label-efficiency-fits": table})


def held_out(work: Work) -> Section:
    """The held-out tenth: classes, confusions, calibration."""
    readings = held.held_out(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    everything = readings.filter(pl.col("repeat") == held.ALL)
    said = held.summaries(readings)
    scored, pairs, curve, repeats = (said[name] for name in ("scores", "confusion", "reliability", "repeats"))
    macro, accuracy, error = (
        scored.filter(pl.col("metric") == name).row(0, named=True) for name in ("macro_f1", "accuracy", "ece")
    )
    spread = repeats.filter(pl.col("metric") == "macro_f1")["value"]
    where = "held-out cells" if len(everything) else "cells, each in the fold left out"
    cells = f"{macro['cells']:,} {where}"
    wrong = pairs.filter(pl.col("truth") != pl.col("read")).sort("cells", descending=True)
    worst = ""
    if len(wrong):
        most = wrong.row(0, named=True)
        worst = (
            f" The most frequent confusion is {title(most['truth']).lower()} read as {title(most['read']).lower()}: "
            f"{most['cells']} cells, {most['share']:.1%} of the type."
        )
    text = (
        f"Of {cells}, {accuracy['value']:.1%} are read as labelled; macro-F1 is {_interval(macro)}. Over "
        f"{len(spread)} fits that leave a fifth of the labels out it is {spread.mean():.3f}"
        + (f" (standard deviation {spread.std():.4f})." if len(spread) > 1 else ".")
        + worst,
        f"Probabilities are off by {error['value']:.3f} on average (expected calibration error, 15 bins). "
        + work.split_means,
    )
    by_class = scored.filter(pl.col("class").is_not_null()).select("class", "metric", "cells", "value", "low", "high")
    by = (
        f"Read by one fit to {everything['labels'][0]:,} labels"
        if len(everything)
        else f"{held.REPEATS} folds, each read by the fit to the others' labels ({readings['labels'].max():,} at most)"
    )
    basis = f"{by}. Classifier: {work.classifier}. {work.basis}."
    made = (
        Figure(
            "classes",
            "Precision, recall and F1 of each type",
            f"On {cells}. Lines are 95% bootstrap intervals over cells (1,000 draws). {basis}",
            by_class,
            spec=scores.by_class(by_class),
        ),
        Figure(
            "confusion",
            "What was read as what",
            f"Rows are labels, columns readings; colour is the share of the row. {cells}. {basis}",
            pairs.select("truth", "read", "cells", "share"),
            spec=scores.confusion(pairs),
        ),
        Figure(
            "reliability",
            "Whether probabilities mean what they say",
            f"Share that was right by the probability said, {figures.BINS} bins; area is the number of cells. "
            f"On {cells}. {basis}",
            curve.select("bin", "from", "to", "cells", "confidence", "accuracy"),
            spec=scores.reliability(curve),
        ),
    )
    claims = (
        Claim(f"macro-F1, {where}", _interval(macro), f"{macro['cells']:,} cells, 95% bootstrap interval"),
        Claim(f"accuracy, {where}", _interval(accuracy), f"{accuracy['cells']:,} cells, 95% bootstrap interval"),
        Claim("expected calibration error", f"{error['value']:.3f}", f"{macro['cells']:,} cells, 15 bins"),
    )
    return Section(
        "held-out",
        "Held-out test",
        text,
        made,
        claims,
        {"held-out-readings": readings, "held-out-scores": scored, "held-out-repeats": repeats},
    )


def attributes(work: Work) -> Section:
    """Morphological attributes on the same embedding (Fig. 2)."""
    table = attribute_scores(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    macro = summary(table.filter(pl.col("metric") == "macro_f1"), over=("fold",))
    folded = macro.filter(pl.col("split") == FOLDED)
    official = macro.filter(pl.col("split") == OFFICIAL).select("attribute", official="mean")
    both = folded.select("attribute", "cells", "n", "mean", "sd").join(official, on="attribute", how="left")
    mean = both.filter(pl.col("attribute") == MEAN).row(0, named=True)
    each = both.filter(pl.col("attribute") != MEAN).sort("mean", descending=True)
    best, worst = (each.row(at, named=True) for at in (0, -1))
    text = (
        f"No attribute took part in training the encoder. Over {mean['n']} folds the macro-F1 of "
        f"{len(each)} attributes is {mean['mean']:.3f} on average, from {worst['mean']:.3f} "
        f"({worst['attribute'].replace('_', ' ')}) to {best['mean']:.3f} ({best['attribute'].replace('_', ' ')})."
        + (f" On the authors' own test rows the mean is {mean['official']:.3f}." if mean["official"] else ""),
    )
    known = [sum(label != "" for label in work.material.labels(name).tolist()) for name in each["attribute"].to_list()]
    annotated = max(known)
    there = macro.filter((pl.col("split") == OFFICIAL) & (pl.col("attribute") != MEAN))["cells"]
    tested = round(float(there.max())) if len(there) else 0  # type: ignore[arg-type] -- a number
    figure = Figure(
        "attributes",
        "Attributes read from the same embedding",
        f"Macro-F1: bars are means over {mean['n']} folds of {annotated:,} annotated cells with one standard "
        f"deviation, ticks the authors' test rows ({tested:,} cells, one fit to the authors' other rows), the dashed "
        f"line the mean over attributes (the table's last row). Classifier: {work.classifier}. {work.basis}.",
        pl.concat([each, both.filter(pl.col("attribute") == MEAN)]),
        spec=scores.attributes(each, mean=mean["mean"]),
    )
    paper = f"{published.ATTRIBUTES:.3f}; taught with them {published.ATTRIBUTES_SUPERVISED:.3f}"
    claims = (
        Claim(
            f"mean macro-F1 of {len(each)} attributes", _spread(mean), f"{mean['n']} folds, {annotated:,} cells", paper
        ),
    )
    return Section("attributes", "Morphological attributes", text, (figure,), claims, {"attributes-fits": table})


def _spread(row: dict[str, float]) -> str:
    return f"{row['mean']:.3f}" + (f" ± {row['sd']:.3f}" if row["sd"] is not None else "")


def _interval(row: dict[str, float]) -> str:
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
