"""``hemosight benchmark``: throughput and latency on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemosight.cli.outputs import check_file
from hemosight.cli.progress import bars

if TYPE_CHECKING:
    from rich.console import Console

    from hemosight.lab.benchmark import BenchmarkReport


def benchmark(
    images: Annotated[Path | None, typer.Option("--images", help="Folder of crops; else drawn ones.")] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle to read with; the built-in one.")] = None,
    crops: Annotated[
        int, typer.Option("--crops", min=1, help="How many crops one round reads; the network alone at most 64.")
    ] = 200,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Rounds of each stage.")] = 5,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, help="Time after which a stage begins no further round.")
    ] = 20.0,
    against: Annotated[
        Path | None, typer.Option("--against", help="Another bundle, to read the same crops with in turns.")
    ] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Fit the svm on all labels as well: minutes.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write every round's duration to this file.")] = None,
) -> None:
    """Measure throughput and latency of every stage of reading on this machine.

    Variants of a stage take turns; figures are medians over rounds. The ratio says how many times quicker a variant
    is than the first of its stage, compared within each round; 95% of rounds take no longer than p95 milliseconds.
    """
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from hemosight.lab import benchmark as benchmarks

    check_file(out)
    with TemporaryDirectory() as folder, bars("drawing crops", "measuring") as (_, (drawing, measuring)):
        if images is None:
            found, origin = benchmarks.draw(Path(folder), crops, drawing), "drawn crops"
        else:
            found, origin = benchmarks.gather(images, crops), str(images)
        report = benchmarks.run(
            bundle,
            found,
            origin,
            repeats=repeats,
            seconds=seconds,
            slow=slow,
            against=against,
            progress=measuring,
        )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    _show(report, Console(soft_wrap=True, highlight=False))


def _show(report: BenchmarkReport, console: Console) -> None:
    from rich.table import Table

    console.print(f"{report.machine}\nbundle {report.bundle}; {report.crops:,} crops: {report.origin}\n", markup=False)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in ("stage", "variant"):
        table.add_column(name, no_wrap=True)
    for name in ("a second", "ms each", "p95", "ratio", "rounds"):
        table.add_column(name, justify="right", no_wrap=True)
    stage = ""
    for timing in report.timings:
        if stage and timing.stage != stage:
            table.add_section()
        table.add_row(
            "" if timing.stage == stage else timing.stage,
            timing.variant,
            f"{_figure(timing.per_second)} {timing.unit}",
            _figure(timing.milliseconds),
            "" if timing.p95 is None else _figure(timing.p95),
            f"{timing.ratio:.2f}",
            str(len(timing.seconds)),
        )
        stage = timing.stage
    console.print(table)


def _figure(value: float) -> str:
    """Three digits that mean something, without an exponent."""
    places = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 4
    return f"{value:,.{places}f}"
