"""The report as one HTML file: figures drawn, tables to copy, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
import polars.selectors as selectors
from markupsafe import Markup

from hemosight.blood.vocabulary import title
from hemosight.engine.readings import csv as safe_csv
from hemosight.lab.charts import draw
from hemosight.lab.charts.look import dressed
from hemosight.lab.report.figure import Figure, Section, source_name

SHOWN = 60
"""Rows of a table that stand on the page; the file beside it has all."""
_INLINE = 200_000
"""Bytes of a specification or a CSV that travel inside the page; larger ones lie beside it."""

_TYPES = ("class", "label", "truth", "read", "nearest")
"""Columns that hold cell types."""
_DIGITS = 7
"""Significant digits of numbers in a CSV."""


@dataclass(frozen=True)
class Cover:
    """What stands above and below the sections.

    Parameters
    ----------
    title, intro
        The heading, and what the reader should know before anything else.
    columns
        Headings of the claims' four columns.
    loud
        Lines in a box above everything: what a reader must not miss.
    """

    title: str = "Every experiment"
    intro: str = (
        "Computed by one command from the cells named below. Every number on this page was measured in that run, but "
        "for the paper's, which stand in a column of their own or are called so, and what is said to be the bundle's "
        "own; every figure has its table beside it. Research use only: not for primary diagnosis."
    )
    columns: tuple[str, str, str, str] = ("Measure", "Here", "On", "Paper")
    loud: tuple[str, ...] = ()


EXPERIMENTS = Cover()


def write(
    folder: Path,
    sections: Sequence[Section],
    facts: Sequence[tuple[str, str]],
    left_out: dict[str, str],
    cover: Cover = EXPERIMENTS,
) -> Path:
    """Write ``report.html`` and, below ``tables/`` and ``figures/``, everything that it shows.

    Parameters
    ----------
    facts
        Name and value of what made the report: data, bundle, command.
    left_out
        Studies that could not be done, and why.
    """
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    numbered = tabled = 0
    shown: list[dict[str, Any]] = []
    for section in sections:
        for name, table in section.tables.items():
            table.write_parquet(folder / "tables" / f"{name}.parquet")
        figures = []
        for figure in section.figures:
            pictured = figure.spec is not None or bool(figure.plate)
            numbered, tabled = numbered + pictured, tabled + (not pictured)
            mark = f"Figure {numbered}" if pictured else f"Table {tabled}"
            figures.append({"figure": figure, "pictured": pictured, "mark": mark, **_drawn(figure, folder)})
        shown.append({"section": section, "figures": figures})
    claims = [(section, claim) for section in sections for claim in section.claims]
    script = _template("report.js")
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            sections=shown,
            claims=claims,
            cover=cover,
            facts=facts,
            left_out=left_out,
            script=Markup(script),  # noqa: S704 -- our own file
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )
    file = folder / "report.html"
    part = file.with_suffix(".part")
    part.write_text(page, encoding="utf-8")
    part.replace(file)
    return file


def _drawn(figure: Figure, folder: Path) -> dict[str, Any]:
    text = _csv(figure.table)
    (folder / "tables" / f"{figure.name}.csv").write_text(text, encoding="utf-8")
    shown = figure.table if figure.shown is None else figure.shown
    rows, numeric = written_cells(shown.head(SHOWN))
    parts: dict[str, Any] = {
        "rows": rows,
        "numeric": numeric,
        "columns": headings(shown),
        "more": max(len(figure.table) - SHOWN, 0),
        "csv": _link(text, "text/csv", f"tables/{figure.name}.csv"),
        "whole": len(text.encode()) <= _INLINE,
        "svg": None,
        "png": None,
        "spec": None,
    }
    if figure.spec is not None:
        spec = json.dumps(dressed(figure.spec), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        at = folder / "figures" / figure.name
        at.with_suffix(".json").write_text(spec + "\n", encoding="utf-8")
        drawn, picture = draw.svg(figure.spec), draw.png(figure.spec)
        at.with_suffix(".svg").write_text(drawn, encoding="utf-8")
        at.with_suffix(".png").write_bytes(picture)
        parts["spec"] = _link(spec, "application/json", f"figures/{figure.name}.json")
        if figure.raster:
            parts["png"] = _data(picture, "image/png")
            parts["width"] = int(re.search(r'width="(\d+)', drawn)[1])  # type: ignore[index] -- every SVG has one
        else:
            parts["svg"] = Markup(_inline(drawn, figure.name))  # noqa: S704 -- drawn here, from our own specification
    for number, picture_ in enumerate(figure.plate):
        (folder / "figures" / f"{figure.name}-{number:02d}.jpg").write_bytes(picture_.data)
    parts["plate"] = [(_data(picture_.data, "image/jpeg"), picture_.label) for picture_ in figure.plate]
    return parts


def written_cells(table: pl.DataFrame) -> tuple[list[list[str]], list[bool]]:
    """A table as it is written for a reader, and which of its columns are numbers."""
    rows = [[_cell(value) for value in row] for row in _written(table).iter_rows()]
    return rows, [kind.is_numeric() for kind in table.dtypes]


def headings(table: pl.DataFrame) -> list[str]:
    """Names of a table's columns for a reader."""
    return [name.replace("_", " ") for name in table.columns]


def _inline(drawn: str, name: str) -> str:
    """An SVG whose ids are its own: two on one page would share their clips."""
    ids = sorted(set(re.findall(r'\bid="([^"]+)"', drawn)), key=len, reverse=True)
    for identity in ids:
        own = f"{name}-{identity}"
        drawn = drawn.replace(f'id="{identity}"', f'id="{own}"').replace(f"url(#{identity})", f"url(#{own})")
        drawn = drawn.replace(f'href="#{identity}"', f'href="#{own}"')
    return drawn


def _written(table: pl.DataFrame) -> pl.DataFrame:
    """Types and sources by their names; in the files they keep the words that the data have."""
    types = [name for name in _TYPES if table.schema.get(name) == pl.String]
    if types:
        table = table.with_columns(pl.col(types).map_elements(title, pl.String))
    if table.schema.get("source") == pl.String:
        table = table.with_columns(pl.col("source").map_elements(source_name, pl.String))
    return table


def _csv(table: pl.DataFrame) -> str:
    # Significant digits, not decimals: a p of 1e-7 is not 0.
    return safe_csv(table.with_columns(selectors.float().round_sig_figs(_DIGITS)), decimals=None)


def _link(text: str, kind: str, beside: str) -> str:
    data = text.encode()
    return _data(data, kind) if len(data) <= _INLINE else beside


def _data(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return {"inf": "∞", "-inf": "-∞"}.get(str(value), "")
        if value == int(value) and abs(value) >= 1:
            return f"{value:,.0f}"
        return (
            f"{value:.4g}" if abs(value) >= 1 else f"{value:.4f}" if abs(value) >= 1e-3 or not value else f"{value:.1e}"
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("hemosight.lab.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> str:
    source, *_ = jinja2.PackageLoader("hemosight.lab.report").get_source(jinja2.Environment(autoescape=True), name)
    return source
