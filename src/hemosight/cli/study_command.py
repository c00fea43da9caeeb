"""What all commands of ``hemosight study`` share: their options, the cells, the tables they write and print."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hemosight.cli.outputs import check_folder
from hemosight.cli.progress import bars

if TYPE_CHECKING:
    import polars as pl

    from hemosight.lab.studies.steps import Steps
    from hemosight.lab.studies.study_data import StudyData

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
_OUT = Path("study")


@dataclass(frozen=True)
class Given:
    """What every study but the plan is given: cells, a way to run pieces, and the options that all of them have."""

    cells: StudyData
    steps: Steps
    data: Path | None
    bundle: Path | None
    classifier: str
    seed: int


@dataclass(frozen=True)
class Output:
    """What a study comes to: tables to write by name, tables to print, and a closing line."""

    tables: Mapping[str, pl.DataFrame]
    shown: Sequence[pl.DataFrame] = ()
    said: str = ""


def study(
    app: typer.Typer, name: str, *, classifier: Any = Classifier
) -> Callable[[Callable[..., Output]], Callable[..., None]]:
    """Make a command of a function that takes :class:`Given` and its own options and returns its :class:`Output`.

    The options that all studies share are added to its own; ``classifier`` says which classifiers it knows.
    """
    shared = {
        "data": (Data, None),
        "bundle": (BundlePath, None),
        "embeddings": (Points, None),
        "out": (Out, _OUT),
        "classifier": (classifier, "discriminant"),
        "seed": (Seed, 0),
    }

    def command(function: Callable[..., Output]) -> Callable[..., None]:
        def run(**options: Any) -> None:
            run_study(function, **options)

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        added = [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for option, (kind, default) in shared.items()
        ]
        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        parameters = [*added[:-1], *keyword, added[-1]]
        # What typer reads.
        run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess] -- any function's
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__doc__ = function.__doc__
        return app.command(name)(run)

    return command


def run_study(
    study: Callable[..., Output],
    *,
    data: Path | None,
    bundle: Path | None,
    embeddings: Path | None,
    out: Path,
    classifier: str,
    seed: int,
    **own: Any,
) -> None:
    """Gather the cells, run a study under progress bars, write its tables (Parquet, CSV) and show what they say.

    What is done already is kept in a folder of ``out``.
    """
    from hemosight.engine import bundle as bundles
    from hemosight.lab.studies import study_data
    from hemosight.lab.studies.steps import Steps

    check_folder(out)
    kept = out / "steps"
    with bars("reading", "embedding", "studying") as (say, (reading, embedding, studying)):
        if data is None:
            cells = study_data.bundled(bundles.load(bundle))
        else:
            cells = study_data.gather(
                data,
                bundle=None if embeddings is not None else bundles.load(bundle),
                embeddings=embeddings,
                cache=kept,
                reading=reading,
                embedding=embedding,
                say=say,
            )
        say(f"{len(cells):,} cells, {len(cells.split.held):,} of them held out")
        output = study(Given(cells, Steps(kept, progress=studying), data, bundle, classifier, seed), **own)
    out.mkdir(parents=True, exist_ok=True)
    for name, table in output.tables.items():
        table.write_parquet(out / f"{name}.parquet")
        table.write_csv(out / f"{name}.csv")
    typer.echo(f"{', '.join(output.tables)} -> {out}")
    for table in output.shown:
        show(table)
    if output.said:
        typer.echo(output.said)


def macro(means: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The rows of macro-F1, some columns of them."""
    return means.filter(metric="macro_f1").select(columns)


def show(table: pl.DataFrame) -> None:
    """Print a table for a person."""
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
