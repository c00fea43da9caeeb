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

from hemosight.blood.intervals import wilson
from hemosight.blood.vocabulary import title
from hemosight.demo.cells import DRAWN, Bars, Say, find, quiet, sample
from hemosight.engine.engine import Engine
from hemosight.engine.readings import Reading
from hemosight.errors import TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.scoring.metrics import Scores
from hemosight.sheet import Cell, Provenance, agreement, from_paths, write_sheet

CELLS = 1000
"""Of more cells than this a stratified sample is read."""
REPORT = "report.html"
_CONFUSIONS = 5
_CONTROL = "lmu_aml"


@dataclass(frozen=True)
class DemoResult:
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
) -> DemoResult:
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
    PathMissing, TooFewCells
        When ``images`` holds no crop.
    BadSplit
        When every crop of ``images`` is one the model was labelled with.
    TooFewLabels
        When there is no label to check against.
    """

    def say(words: str) -> None:
        console.print(words, markup=False, highlight=False, soft_wrap=True)

    found = find(
        images, out, engine, say, bars=bars, environment=environment, client=client, per_type=per_type, seed=seed
    )
    catalog = sample(found.catalog, CELLS, seed)
    truth = _known(catalog.labels(), engine.classes(support=found.support))
    if check and not any(truth):
        raise TooFewLabels(
            code="nothing_to_check",
            expected="labelled crops (DIR/<class>/<image>, with classes that the model knows)",
            came=f"{len(catalog)} cells without such a label in {images or found.origin}",
            mend="Sort some crops into folders named by their type, or leave --check away.",
        )
    some = "" if len(catalog) == len(found.catalog) else f", a sample of {len(found.catalog):,}"
    say(f"Reading {len(catalog):,} cells{some}: {found.origin}")
    strange = sum(label is not None and known is None for label, known in zip(catalog.labels(), truth, strict=True))
    if strange:
        say(f"{strange:,} of them carry a label that the model has no cells of; they are read without one")

    began = time.perf_counter()
    with bars("reading cells") as (_, (progress,)):
        readings = engine.read_catalog(catalog, support=found.support, progress=progress)
    speed = len(readings) / max(time.perf_counter() - began, 1e-9)

    scales = catalog.table["scale"].to_list()
    provenance = Provenance.of(
        engine, support=found.support, command=command, more=(("Read", f"{found.origin}, {speed:.0f} crops/s"),)
    )
    report = write_sheet(
        out / REPORT,
        readings,
        truth,
        title="Demonstration",
        provenance=provenance,
        thumbnails=from_paths(catalog.paths, provenance.preprocessing, scales),
    )
    cells = [Cell(row, *pair) for row, pair in enumerate(zip(readings, truth, strict=True)) if pair[0].readable]
    result = DemoResult(catalog, found.labelled, report, tuple(readings), tuple(truth), agreement(cells), found.bound)
    _show(result, catalog, console, say)
    say(f"{speed:,.0f} crops/s, decoding included")
    say(f"Contact sheet: {report.resolve()}")
    if check and result.scores is not None:
        verdict = "passed" if result.passed else "FAILED"
        say(f"Check {verdict}: macro-F1 {result.scores.macro_f1.value:.4f}, bound {found.bound:.2f}")
    return result


# --- showing --------------------------------------------------------------------------------------


def _known(labels: Sequence[str | None], classes: Sequence[str]) -> list[str | None]:
    """Labels as the model spells them; None for those it has no cells of."""
    spelled = {name.casefold().replace(" ", "_"): name for name in classes}
    return [None if label is None else spelled.get(label.casefold().replace(" ", "_")) for label in labels]


def _show(result: DemoResult, catalog: Catalog, console: Console, say: Say) -> None:
    lost = sum(not reading.readable for reading in result.readings)
    if lost:
        say(f"{lost:,} cannot be read; the contact sheet says why")
    if result.scores is None:
        counts = pl.Series([reading.label for reading in result.readings]).drop_nulls().value_counts(sort=True)
        table = _table("read as", "cells")
        for label, count in counts.iter_rows():
            table.add_row(title(label), f"{count:,}")
        console.print(table)
        return
    agreed = result.scores
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
    _show_sources(result, catalog, say)
    _show_control(result, catalog, say)


def _show_sources(result: DemoResult, catalog: Catalog, say: Say) -> None:
    """How each source is read, where there are several: one that reads well hides one that does not."""
    sources = catalog.table["source"].to_list()
    if len(set(sources)) < 2:
        return
    for name in sorted({str(source) for source in sources}):
        read = agreement(
            [
                Cell(row, reading, true)
                for row, (reading, true) in enumerate(zip(result.readings, result.truth, strict=True))
                if reading.readable and str(sources[row]) == name
            ]
        )
        if read is not None:
            say(
                f"  {name}: macro-F1 {read.macro_f1} over the {np.count_nonzero(read.true_cells)} types it has, "
                f"accuracy {read.accuracy}, {read.cells:,} cells"
            )


def _show_control(result: DemoResult, catalog: Catalog, say: Say) -> None:
    """Neutrophils from the scanner that all blasts come from: a model that knows the scanner calls them blasts."""
    control = [
        reading.label == "blast"
        for reading, truth, source in zip(result.readings, result.truth, catalog.table["source"], strict=True)
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
