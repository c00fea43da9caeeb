"""A demonstration from end to end: find cells, read them, say how well, write the contact sheet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from hemosight.demo.material import DRAWN, Bars, Say, find, quiet, sample
from hemosight.engine import Engine
from hemosight.errors import NothingToCheck
from hemosight.images.catalog import Catalog, Progress
from hemosight.readings import Reading
from hemosight.sheet import Cell, Facts, agreement, from_paths, write_sheet
from hemosight.sheet.differential import wilson
from hemosight.space.labels import SupportSet, title
from hemosight.study.metrics import Scores

CELLS = 1000
"""Of more cells than this a stratified sample is read."""
REPORT = "report.html"
_CONFUSIONS = 5
_CONTROL = "lmu_aml"


@dataclass(frozen=True)
class Outcome:
    """What came of it; ``scores`` is None where no label was known, ``labelled`` where the bundle's labels sufficed."""

    cells: Catalog
    labelled: Catalog | None
    report: Path
    readings: tuple[Reading, ...]
    truth: tuple[str | None, ...]
    scores: Scores | None
    bound: float

    @property
    def passed(self) -> bool:
        """Whether the macro-F1 reaches the bound."""
        return self.scores is not None and self.scores.macro_f1.value >= self.bound


def run_demo(
    images: Path | None,
    out: Path,
    check: bool,
    engine: Engine,
    console: Console,
    *,
    bars: Bars = quiet,
    environment: Mapping[str, str] | None = None,
    client: httpx.Client | None = None,
    command: str = "hemosight demo",
    per_type: int = DRAWN,
    seed: int = 0,
) -> Outcome:
    """Find cells, read them, print how well they were read, and write the contact sheet.

    Parameters
    ----------
    images
        Folder of crops. Without it: the folder of data sets (``HEMOSIGHT_DATA``); else a public set is fetched;
        else, where there is no network, a smear is drawn.
    out
        Folder for the contact sheet and for drawn cells.
    check
        Whether the macro-F1 is held against a bound.
    per_type
        Cells of each type that are drawn where it comes to that, the ten labelled ones included.

    Raises
    ------
    PathMissing, NoImages
        When ``images`` holds no crop.
    NothingUnseen
        When every crop of ``images`` is one the model was labelled with.
    NothingToCheck
        When there is no label to check against.
    """

    def say(words: str) -> None:
        console.print(words, markup=False, highlight=False, soft_wrap=True)

    material = find(
        images, out, engine, say, bars=bars, environment=environment, client=client, per_type=per_type, seed=seed
    )
    catalog = sample(material.catalog, CELLS, seed)
    truth = _known(catalog.labels(), engine.classes(support=material.support))
    if check and not any(truth):
        raise NothingToCheck(cells=len(catalog), path=images or material.origin)
    some = "" if len(catalog) == len(material.catalog) else f", a sample of {len(material.catalog):,}"
    say(f"Reading {len(catalog):,} cells{some}: {material.origin}")
    strange = sum(label is not None and known is None for label, known in zip(catalog.labels(), truth, strict=True))
    if strange:
        say(f"{strange:,} of them carry a label that the model has no cells of; they are read without one")

    began = time.perf_counter()
    with bars("reading cells") as (_, (progress,)):
        readings = classify(engine, catalog, material.support, progress)
    speed = len(readings) / max(time.perf_counter() - began, 1e-9)

    scales = catalog.table["scale"].to_list()
    facts = Facts.of(
        engine, support=material.support, command=command, more=(("Read", f"{material.origin}, {speed:.0f} crops/s"),)
    )
    report = write_sheet(
        out / REPORT,
        readings,
        truth,
        title="Demonstration",
        facts=facts,
        thumbnails=from_paths(catalog.paths, facts.preprocessing, scales),
    )
    cells = [Cell(row, *pair) for row, pair in enumerate(zip(readings, truth, strict=True)) if pair[0].readable]
    outcome = Outcome(
        catalog, material.labelled, report, tuple(readings), tuple(truth), agreement(cells), material.bound
    )
    _show(outcome, catalog, console, say)
    say(f"{speed:,.0f} crops/s, decoding included")
    say(f"Contact sheet: {report.resolve()}")
    if check and outcome.scores is not None:
        verdict = "passed" if outcome.passed else "FAILED"
        say(f"Check {verdict}: macro-F1 {outcome.scores.macro_f1.value:.4f}, bound {material.bound:.2f}")
    return outcome


# --- reading and showing --------------------------------------------------------------------------------------


def classify(
    engine: Engine, catalog: Catalog, support: SupportSet | None = None, progress: Progress | None = None
) -> list[Reading]:
    """One reading a row, in order, every cell at its own source's pixel scale."""
    scales, paths = catalog.table["scale"].to_numpy(), catalog.paths
    found: dict[int, Reading] = {}
    for scale in np.unique(scales):
        rows = np.nonzero(scales == scale)[0]
        stream = engine.stream((paths[row] for row in rows), support=support, scale=float(scale))
        for row, reading in zip(rows, stream, strict=True):
            found[int(row)] = reading
            if progress is not None:
                progress(len(found), len(catalog))
    return [found[row] for row in range(len(catalog))]


def _known(labels: Sequence[str | None], classes: Sequence[str]) -> list[str | None]:
    """Labels as the model spells them; None for those it has no cells of."""
    spelled = {name.casefold().replace(" ", "_"): name for name in classes}
    return [None if label is None else spelled.get(label.casefold().replace(" ", "_")) for label in labels]


def _show(outcome: Outcome, catalog: Catalog, console: Console, say: Say) -> None:
    lost = sum(not reading.readable for reading in outcome.readings)
    if lost:
        say(f"{lost:,} cannot be read; the contact sheet says why")
    if outcome.scores is None:
        counts = pl.Series([reading.label for reading in outcome.readings]).drop_nulls().value_counts(sort=True)
        table = _table("read as", "cells")
        for label, count in counts.iter_rows():
            table.add_row(title(label), f"{count:,}")
        console.print(table)
        return
    agreed = outcome.scores
    table = _table("type", "cells", "read as", "precision", "recall", "F1")
    for place, name in enumerate(agreed.classes):
        table.add_row(
            title(name),
            f"{agreed.confusion[place].sum():,}",
            f"{agreed.confusion[:, place].sum():,}",
            *(f"{values[place]:.3f}" for values in (agreed.precision, agreed.recall, agreed.f1)),
        )
    console.print(table)
    wrong = agreed.confusion * ~np.eye(len(agreed.classes), dtype=bool)
    most = [np.unravel_index(flat, wrong.shape) for flat in np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]]
    often = [
        f"{title(agreed.classes[true])} as {title(agreed.classes[read])} {wrong[true, read]}"
        for true, read in most
        if wrong[true, read]
    ]
    say(f"Most often confused: {'; '.join(often) or 'nothing'}")
    say(f"macro-F1 {agreed.macro_f1}, accuracy {agreed.accuracy} (95% bootstrap intervals), {agreed.cells:,} cells")
    _show_control(outcome, catalog, say)


def _show_control(outcome: Outcome, catalog: Catalog, say: Say) -> None:
    """Neutrophils from the scanner that all blasts come from: a model that knows the scanner calls them blasts."""
    control = [
        reading.label == "blast"
        for reading, truth, source in zip(outcome.readings, outcome.truth, catalog.table["source"], strict=True)
        if source == _CONTROL and truth == "neutrophil" and reading.readable
    ]
    if control:
        low, high = (100 * bound for bound in wilson(sum(control), len(control)))
        say(
            f"Control: {sum(control)} of {len(control)} {_CONTROL} neutrophils called blast "
            f"({100 * sum(control) / len(control):.1f}%, 95% interval {low:.1f} to {high:.1f})"
        )


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
