"""The section on the held-out test: classes, confusions, calibration."""

from __future__ import annotations

import polars as pl

from hemosight.lab.charts import scores
from hemosight.lab.report.figure import Figure, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies import held_out as study
from hemosight.scoring.metrics import CALIBRATION_BINS


def held_out(work: ReportInputs) -> Section:
    """The held-out tenth: classes, confusions, calibration."""
    readings = study.held_out(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    everything = readings.filter(pl.col("repeat") == study.ALL)
    said = study.summaries(readings)
    scored, pairs, curve, repeats = (said[name] for name in ("scores", "confusion", "reliability", "repeats"))
    macro, accuracy, error = (
        scored.filter(pl.col("metric") == name).row(0, named=True) for name in ("macro_f1", "accuracy", "ece")
    )
    spread = repeats.filter(pl.col("metric") == "macro_f1")["value"]
    wrong = pairs.filter(pl.col("truth") != pl.col("read")).sort("cells", descending=True)
    by_class = scored.filter(pl.col("class").is_not_null()).select("class", "metric", "cells", "value", "low", "high")
    prose = Prose(
        "held_out",
        work=work,
        macro=macro,
        accuracy=accuracy,
        error=error,
        where="held-out cells" if len(everything) else "cells, each in the fold left out",
        spread={"n": len(spread), "mean": spread.mean(), "sd": spread.std()},
        worst=wrong.row(0, named=True) if len(wrong) else None,
        labels=everything["labels"][0] if len(everything) else None,
        most=readings["labels"].max(),
        repeats=study.REPEATS,
        bins=CALIBRATION_BINS,
    )
    made = (
        Figure(
            "classes",
            "Precision, recall and F1 of each type",
            prose.block("classes"),
            by_class,
            spec=scores.by_class(by_class),
        ),
        Figure(
            "confusion",
            "What was read as what",
            prose.block("confusion"),
            pairs.select("truth", "read", "cells", "share"),
            spec=scores.confusion(pairs),
        ),
        Figure(
            "reliability",
            "Whether probabilities mean what they say",
            prose.block("reliability"),
            curve.select("bin", "from", "to", "cells", "confidence", "accuracy"),
            spec=scores.reliability(curve),
        ),
    )
    tables = {"held-out-readings": readings, "held-out-scores": scored, "held-out-repeats": repeats}
    return Section("held-out", "Held-out test", prose.paragraphs(), made, prose.claims(), tables)
