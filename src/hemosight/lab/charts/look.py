"""How every chart looks: quiet greys, the page's type, colours that mean types, and the paper's stretched axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from hemosight.blood.palette import PAGE, marks
from hemosight.blood.vocabulary import title

Spec = dict[str, Any]
"""A Vega-Lite specification: values that JSON can write."""

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""Names the grammar; nothing is fetched from there."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'DejaVu Sans', sans-serif"
INK, SOFT, LINE, ACCENT = "#1b1e22", "#5b6068", "#e3e3e0", "#3b5bdb"
_DARK = {"ink": "#e9e9e6", "soft": "#a0a6ae", "line": "#2e3238"}
SERIES = ("#3b5bdb", "#c2410c", "#2f7d5b", "#8a3ffc", "#0e7490", "#a16207", "#be185d", "#4d7c0f", "#6b7280", "#7f1d1d")
"""Colours of what is no type: strategies, classifiers, sources. The first is the accent."""
WIDTH = 620
"""Pixels of a chart that has a page's width to itself."""
FULL = 740
"""Pixels of many small charts side by side, which need all that the page has."""
DIGITS = 5
"""Digits of numbers inside a specification."""
_TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


def config(*, dark: bool = False) -> Spec:
    """The part of a specification that says how things look; a page may bring its own instead."""
    ink, soft, line = (_DARK[name] for name in ("ink", "soft", "line")) if dark else (INK, SOFT, LINE)
    return {
        "background": PAGE[1] if dark else "white",
        "font": FONT,
        "padding": 4,
        "view": {"stroke": None},
        "axis": {
            "domainColor": line,
            "gridColor": line,
            "tickColor": line,
            "labelColor": soft,
            "titleColor": soft,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelPadding": 6,
            "titlePadding": 8,
        },
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False},
        "legend": {
            "labelColor": ink,
            "titleColor": soft,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "symbolStrokeWidth": 2,
            "symbolSize": 70,
        },
        "header": {
            "labelColor": ink,
            "titleColor": soft,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
        "text": {"color": ink, "fontSize": 11},
        "line": {"strokeWidth": 1.8},
        "rule": {"color": soft},
    }


def dressed(spec: Spec, *, dark: bool = False) -> Spec:
    """A specification that stands alone: with its grammar and its look."""
    return {"$schema": SCHEMA, "config": config(dark=dark), **spec}


def values(table: pl.DataFrame) -> Spec:
    """A table as inline data: a row an object, numbers rounded, what is missing left out."""
    rows = [
        {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in row.items()}
        for row in table.iter_rows(named=True)
    ]
    return {"values": [{name: value for name, value in row.items() if _known(value)} for row in rows]}


def _known(value: object) -> bool:
    # JSON has no infinity and no NaN; a point that has one has no place on a chart either.
    return value is not None and not (isinstance(value, float) and value - value != 0)


def type_scale(labels: Iterable[str], *, dark: bool = False) -> Spec:
    """Colours of types, the same as everywhere else."""
    known = marks(labels)
    return {"domain": list(known), "range": [mark.dark if dark else mark.light for mark in known.values()]}


def type_legend(labels: Iterable[str], name: str = "") -> Spec:
    """A legend that writes each type with its letter, as colour never stands alone."""
    letters = {label: f"{mark.letter}  {title(label)}" for label, mark in marks(labels).items()}
    return {"title": name or None, "labelExpr": lookup(letters), "symbolOpacity": 1, "symbolSize": 90}


def series_scale(names: Sequence[str], grey: Iterable[str] = ()) -> Spec:
    """Colours of series in the order given; those in ``grey`` are what the others are compared with."""
    quiet = set(grey)
    loud = iter(SERIES * (1 + len(names) // len(SERIES)))
    return {"domain": list(names), "range": ["#9aa0a6" if name in quiet else next(loud) for name in names]}


def lookup(names: Mapping[str, str]) -> str:
    """An expression that rewrites ``datum.label``; as it is where it has no other name."""
    entries = ", ".join(f"{_quoted(key)}: {_quoted(value)}" for key, value in names.items())
    return f"({{{entries}}})[datum.label] || datum.label"


def titles(labels: Iterable[str]) -> str:
    """An expression that writes types for people."""
    return lookup({label: title(label) for label in labels})


def stretched(name: str, *, top: float | None = None, **more: Any) -> Spec:
    """The paper's axis: a field that holds -log(1 - x), ticked and labelled with x; it ends at ``top`` where given."""
    end = {} if top is None else {"domainMax": _stretch(top)}
    return {
        "field": name,
        "type": "quantitative",
        "scale": {"zero": False, "nice": False, **end},
        "axis": {
            "values": [_stretch(tick) for tick in _TICKS],
            "labelExpr": "format(1 - exp(-datum.value), datum.value > 5 ? '.3f' : '.2~f')",
            **more.pop("axis", {}),
        },
        **more,
    }


def _stretch(value: float) -> float:
    return round(-math.log1p(-value), 6)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
