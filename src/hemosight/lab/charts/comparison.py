"""Two methods side by side, and one over time: scatter, differences, control charts."""

from __future__ import annotations

import polars as pl

from hemosight.blood.palette import ordered
from hemosight.blood.vocabulary import title
from hemosight.lab.charts.look import ACCENT, FULL, INK, SOFT, Spec, values

_BAD = "#c2410c"
_COLUMNS = 3


def scatter(shares: pl.DataFrame, lines: pl.DataFrame) -> Spec:
    """Share of each type by both methods, a point a case, with Rümke's limits of the reference as the band.

    Columns of ``shares``: ``type``, ``case``, ``reference``, ``test``, ``within``; of ``lines``: ``type``, ``x``,
    ``y`` (two ends of the Passing-Bablok line of each type that has one).
    """
    names = list(ordered(shares["type"].to_list()))
    most = {name: max(_top(shares.filter(type=name)), 1.0) for name in names}
    same = pl.DataFrame(
        {
            "type": [name for name in names for _ in range(2)],
            "x": [end for name in names for end in (0.0, most[name])],
            "y": [end for name in names for end in (0.0, most[name])],
        }
    )
    drawn = shares.select("type", "case", "reference", "test", pl.col("within").fill_null(True))
    return _small(
        names,
        drawn,
        [
            _line(same, SOFT, [4, 3]),
            _line(lines, ACCENT, [1, 0]),
            _points("reference", "test", "reference, % of leukocytes", "bundle, %"),
        ],
    )


def differences(shares: pl.DataFrame, limits: pl.DataFrame) -> Spec:
    """Bland and Altman's plot of each type: the difference of the methods by their mean.

    Columns of ``limits``: ``type``, ``bias``, ``limit_low``, ``limit_high``.
    """
    names = list(ordered(shares["type"].to_list()))
    drawn = shares.select(
        "type",
        "case",
        pl.col("within").fill_null(True),
        mean=(pl.col("reference") + pl.col("test")) / 2,
        difference=pl.col("test") - pl.col("reference"),
    )
    rules = limits.unpivot(on=["bias", "limit_low", "limit_high"], index="type", variable_name="kind", value_name="at")
    layer = {
        "data": values(rules),
        "mark": {"type": "rule", "strokeWidth": 1.2},
        "encoding": {
            "y": {"field": "at", "type": "quantitative"},
            "color": {"value": ACCENT},
            "strokeDash": {
                "condition": {"test": "datum.kind == 'bias'", "value": [1, 0]},
                "value": [4, 3],
            },
        },
    }
    return _small(names, drawn, [layer, _points("mean", "difference", "mean of both, %", "bundle less reference")])


def control(points: pl.DataFrame) -> Spec:
    """Control charts one under another: standard deviations from what is usual, case by case.

    Columns: ``chart``, ``number`` (of the case, from 1), ``case``, ``z``, ``baseline`` (whether it said what is usual),
    ``rules`` (those it breaks; empty where none).
    """
    limits: Spec = {"data": {"values": [{"z": z} for z in (-3, -2, 0, 2, 3)]}}
    y: Spec = {"field": "z", "type": "quantitative", "title": None, "scale": {"domain": [-6, 6], "clamp": True}}
    x: Spec = {
        "field": "number",
        "type": "quantitative",
        "title": "case, in order of signing",
        "axis": {"tickMinStep": 1},
    }
    bad = "datum.rules != ''"
    return {
        "data": values(points),
        "facet": {
            "row": {
                "field": "chart",
                "type": "nominal",
                "title": None,
                "sort": points["chart"].unique(maintain_order=True).to_list(),
                "header": {"labelAngle": 0, "labelAlign": "left", "labelLimit": 190},
            }
        },
        "spacing": {"row": 14},
        "spec": {
            "width": FULL - 260,
            "height": 88,
            "layer": [
                {
                    **limits,
                    "mark": {"type": "rule", "color": SOFT, "strokeWidth": 0.8},
                    "encoding": {
                        "y": y,
                        "strokeDash": {"condition": {"test": "datum.z == 0", "value": [1, 0]}, "value": [4, 3]},
                    },
                },
                {"mark": {"type": "line", "strokeWidth": 1, "color": SOFT}, "encoding": {"x": x, "y": y}},
                {
                    "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1},
                    "encoding": {
                        "x": x,
                        "y": y,
                        "color": {
                            "condition": [
                                {"test": bad, "value": _BAD},
                                {"test": "datum.baseline", "value": "#9aa0a6"},
                            ],
                            "value": ACCENT,
                        },
                        "shape": {"condition": {"test": bad, "value": "diamond"}, "value": "circle"},
                        "tooltip": [{"field": name} for name in ("case", "z", "rules")],
                    },
                },
            ],
        },
    }


def _top(own: pl.DataFrame) -> float:
    highest = [own[name].max() for name in ("reference", "test")]
    return max((float(value) for value in highest if value is not None), default=1.0)  # pyright: ignore[reportArgumentType] -- a number


def _line(ends: pl.DataFrame, color: str, dash: list[int]) -> Spec:
    return {
        "data": values(ends),
        "mark": {"type": "line", "color": color, "strokeWidth": 1.2, "strokeDash": dash, "clip": True},
        "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
    }


def _points(x: str, y: str, x_title: str, y_title: str) -> Spec:
    return {
        "mark": {"type": "point", "filled": True, "size": 30, "opacity": 0.85},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "title": x_title, "axis": {"tickCount": 4}},
            "y": {"field": y, "type": "quantitative", "title": y_title, "axis": {"tickCount": 4, "grid": True}},
            "color": {"condition": {"test": "datum.within", "value": INK}, "value": _BAD},
            "tooltip": [{"field": name} for name in ("case", x, y)],
        },
    }


def _small(names: list[str], drawn: pl.DataFrame, layers: list[Spec]) -> Spec:
    """One small chart a type. Facets cannot share layers of several data sets, so each chart is its own."""
    side = (FULL - 60) // _COLUMNS - 52

    def own(layer: Spec, name: str) -> Spec:
        rows = layer.get("data", values(drawn))["values"]
        kept = [{key: value for key, value in row.items() if key != "type"} for row in rows if row["type"] == name]
        return {**layer, "data": {"values": kept}}

    charts = [
        {
            "title": {"text": title(name), "anchor": "start", "fontSize": 12, "fontWeight": "normal"},
            "width": side,
            "height": side * 0.8,
            "layer": [own(layer, name) for layer in layers],
        }
        for name in names
    ]
    return {"columns": _COLUMNS, "spacing": 18, "concat": charts}
