"""Drift: control charts of what a laboratory's cases look like and how they are read, one set for each scanner.

Each case is one point a chart, in the order in which cases came. The first :data:`~hemosight.scoring.control.BASELINE`
cases say what is usual; a later case that breaks a rule asks for a new validation (or for a look at stain and camera).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hemosight.blood.palette import ordered
from hemosight.blood.vocabulary import title
from hemosight.engine.readings import csv
from hemosight.images import pixel_scale
from hemosight.images.catalog import Progress
from hemosight.images.looks import looks
from hemosight.lab.charts import comparison as charts
from hemosight.lab.report import page
from hemosight.lab.report.figure import Claim, Figure, Section, source_name
from hemosight.lab.report.page import Cover
from hemosight.lab.report.prose import Prose
from hemosight.lab.validation.cells import ValidationCells, leukocyte, leukocytes
from hemosight.scoring.control import BASELINE, RULES, Chart, RunLength, of_shares, of_values, run_length
from hemosight.space.novelty import UNUSUAL

_LOOKED = 40
"""Crops of a case whose colours and red cells are looked at."""
SHIFT = 2.0
"""Standard deviations of the drift whose run length is stated."""


@dataclass(frozen=True)
class Charts:
    """Every chart of one scanner.

    Parameters
    ----------
    scanner
        The source of its cells.
    cases
        In order.
    charts
        Name of the measure -> its chart; measures that could not be charted are not there.
    """

    scanner: str
    cases: tuple[str, ...]
    charts: dict[str, Chart]

    @property
    def flags(self) -> pl.DataFrame:
        """``scanner``, ``measure``, ``case``, ``number`` (from 1), ``z``, ``rules`` that the case completes."""
        rows = []
        for name, chart in self.charts.items():
            for at in sorted({flag.at for flag in chart.flags}):
                rules = ", ".join(flag.rule for flag in chart.flags if flag.at == at)
                rows.append((self.scanner, name, self.cases[at], at + 1, float(chart.z[at]), rules))
        kinds = {"scanner": pl.String, "measure": pl.String, "case": pl.String, "number": pl.Int64}
        return pl.DataFrame(rows, schema={**kinds, "z": pl.Float64, "rules": pl.String}, orient="row")

    @property
    def points(self) -> pl.DataFrame:
        """Every point: ``chart``, ``number``, ``case``, ``value``, ``z``, ``baseline``, ``rules``."""
        rows = []
        for name, chart in self.charts.items():
            for at, case in enumerate(self.cases):
                rules = ", ".join(flag.rule for flag in chart.flags if flag.at == at)
                usual = at < chart.baseline
                rows.append((name, at + 1, case, float(chart.values[at]), float(chart.z[at]), usual, rules))
        names = ("chart", "number", "case", "value", "z", "baseline", "rules")
        kinds = (pl.String, pl.Int64, pl.String, pl.Float64, pl.Float64, pl.Boolean, pl.String)
        return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


def measured(cells: ValidationCells, order: Sequence[str], progress: Progress | None = None) -> pl.DataFrame:
    """What every case looks like and how it is read, one row a case in ``order``.

    Columns: ``case``, ``scanner``, ``cells``, ``unusual`` (cells), ``agree`` (cells read as the reference has them),
    ``leukocytes`` (by the bundle), ``n_<type>`` (cells read so), ``width`` (logarithm of the red cells' width in
    pixels; null where it cannot be told), ``colour`` (logarithm of red over blue of the whole crops), ``light``
    (logarithm of their brightness).
    """
    cases, read, truth = cells.column("case"), cells.column("read"), cells.column("truth")
    far, scanner = cells.table["novelty"].to_numpy(), cells.column("source")
    white, paths = leukocytes(read), cells.catalog.paths
    rows = []
    for number, case in enumerate(order):
        here = np.flatnonzero(cases == case)
        looked = [paths[row] for row in pixel_scale.spread(here.tolist(), _LOOKED)]
        seen = looks(looked)
        rows.append(
            {
                "case": case,
                "scanner": str(scanner[here[0]]),
                "cells": len(here),
                "unusual": int((far[here] > UNUSUAL).sum()),
                "agree": int((read[here] == truth[here]).sum()),
                "leukocytes": int(white[here].sum()),
                **{f"n_{name}": int((read[here] == name).sum()) for name in cells.classes if leukocyte(name)},
                "width": None if seen.width is None else float(np.log(seen.width)),
                "colour": seen.colour or 0.0,
                "light": seen.light or 0.0,
            }
        )
        if progress is not None:
            progress(number + 1, len(order))
    return pl.DataFrame(rows, schema_overrides={"width": pl.Float64}, infer_schema_length=None)


def charted(rows: pl.DataFrame, baseline: int = BASELINE) -> list[Charts]:
    """Charts of every scanner that has more cases than the baseline; ``rows`` as :func:`measured` gives them."""
    found = []
    for (scanner,), own in rows.group_by("scanner", maintain_order=True):
        if len(own) <= baseline:
            continue
        charts_of: dict[str, Chart | None] = {
            "unusual cells": of_shares(own["unusual"], own["cells"], baseline),
            "agreement with people": of_shares(own["agree"], own["cells"], baseline),
            "colour (red over blue)": of_values(own["colour"], baseline),
            "brightness": of_values(own["light"], baseline),
        }
        if own["width"].null_count() == 0:
            charts_of["width of red cells"] = of_values(own["width"], baseline)
        for name in ordered(column.removeprefix("n_") for column in own.columns if column.startswith("n_")):
            charts_of[title(name)] = of_shares(own[f"n_{name}"], own["leukocytes"], baseline)
        known = {name: chart for name, chart in charts_of.items() if chart is not None}
        found.append(Charts(str(scanner), tuple(own["case"].to_list()), known))
    return found


@dataclass(frozen=True)
class RunLengths:
    """What the charts promise: run lengths of one chart."""

    usual: RunLength
    drifted: RunLength


def run_lengths() -> RunLengths:
    """Run lengths where nothing has changed, and after a drift of :data:`SHIFT` standard deviations."""
    return RunLengths(run_length(0.0, charts=1000), run_length(SHIFT, charts=1000))


def write(out: Path, found: Sequence[Charts], rows: pl.DataFrame, facts: Sequence[tuple[str, str]]) -> Path:
    """Write ``report.html``, ``tables/`` and ``figures/`` of the charts into ``out``."""
    lengths = run_lengths()
    sections = []
    for one in found:
        name = source_name(one.scanner) or "unnamed scanner"
        prose = Prose(
            "drift",
            scanner=name,
            cases=len(one.cases),
            baseline=max((chart.baseline for chart in one.charts.values()), default=BASELINE),
            charts=len(one.charts),
            flags=one.flags.to_dicts(),
            rules=RULES,
            usual=lengths.usual,
            drifted=lengths.drifted,
            shift=SHIFT,
        )
        mark = f"s{len(sections)}"
        figures = [
            Figure(f"charts_{mark}", "Control charts", prose.block("charts"), one.points, charts.control(one.points))
        ]
        if len(one.flags):
            figures.append(Figure(f"flags_{mark}", "Flags", prose.block("flagged"), one.flags))
        claims = tuple(
            Claim(f"{name}: {row['measure']}", f"case {row['case']}", f"rule {row['rules']}", "validate again")
            for row in one.flags.to_dicts()
        )
        sections.append(Section(f"drift-{mark}", name, prose.paragraphs(), tuple(figures), claims))
    flagged = sum(len(one.flags) for one in found)
    loud = (f"{flagged} FLAGS: look at stain, camera and labels of the cases named, and validate again.",) * bool(
        flagged
    )
    intro = (
        "One point a case, in the order in which cases came, by scanner. The first cases say what is usual. Research "
        "use only: not for primary diagnosis."
    )
    cover = Cover("Drift", intro, ("Chart", "Case", "Why", "What to do"), loud)
    written = page.write(out, sections, facts, {}, cover)
    (out / "tables" / "cases.csv").write_text(csv(rows), encoding="utf-8")
    return written
