"""How well labels were read: classes, attributes, confusions, calibration, shifts."""

from __future__ import annotations

import polars as pl

from hemosight.blood.palette import ordered
from hemosight.lab.charts.look import ACCENT, FULL, INK, SOFT, WIDTH, Spec, titles, values


def by_class(scores: pl.DataFrame) -> Spec:
    """Precision, recall and F1 of each class, with intervals.

    Columns: ``metric``, ``class``, ``value``, ``low``, ``high``, ``cells``.
    """
    wanted = scores.filter(pl.col("metric").is_in(["precision", "recall", "f1"]))
    drawn = wanted.select("metric", "class", "value", "low", "high", "cells")
    names = list(ordered(drawn["class"].to_list()))
    y: Spec = {
        "field": "class",
        "type": "nominal",
        "sort": names,
        "title": None,
        "axis": {"labelExpr": titles(names)},
    }
    offset: Spec = {"field": "metric", "sort": _METRICS}
    x: Spec = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False, "nice": True, "domainMax": 1},
        "axis": {"grid": True, "format": ".2f"},
    }
    color: Spec = {
        "field": "metric",
        "type": "nominal",
        "scale": {"domain": _METRICS, "range": [ACCENT, "#8a94a6", "#c2410c"]},
        "legend": {"title": None, "labelExpr": "datum.label == 'f1' ? 'F1' : datum.label"},
    }
    return {
        "width": WIDTH - 220,
        "height": {"step": 11},
        "data": values(drawn),
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55},
                "encoding": {
                    "y": y,
                    "yOffset": offset,
                    "x": {**x, "field": "low"},
                    "x2": {"field": "high"},
                    "color": color,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 46, "opacity": 1},
                "encoding": {
                    "y": y,
                    "yOffset": offset,
                    "x": x,
                    "color": color,
                    "shape": {"field": "metric", "scale": {"domain": _METRICS}, "legend": None},
                    "tooltip": [
                        {"field": "class"},
                        {"field": "metric"},
                        {"field": "value", "type": "quantitative", "format": ".4f"},
                        {"field": "cells", "type": "quantitative"},
                    ],
                },
            },
        ],
    }


def confusion(pairs: pl.DataFrame) -> Spec:
    """Cells by true type (rows) and what they were read as: the share of the row, the number written in it.

    Columns: ``truth``, ``read``, ``cells``, ``share``; pairs that do not occur may be missing.
    """
    names = list(ordered([*pairs["truth"].to_list(), *pairs["read"].to_list()]))
    axis = {"labelExpr": titles(names), "domain": False, "ticks": False}
    encoding: Spec = {
        "x": {
            "field": "read",
            "type": "nominal",
            "sort": names,
            "scale": {"domain": names},
            "title": "read as",
            "axis": {**axis, "orient": "top", "labelAngle": -40},
        },
        "y": {
            "field": "truth",
            "type": "nominal",
            "sort": names,
            "scale": {"domain": names},
            "title": "labelled",
            "axis": axis,
        },
    }
    return {
        "width": {"step": 44},
        "height": {"step": 32},
        "data": values(pairs.select("truth", "read", "cells", "share")),
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "white", "strokeWidth": 2, "cornerRadius": 2},
                "encoding": {
                    **encoding,
                    "color": {
                        "field": "share",
                        "type": "quantitative",
                        # The square root: one cell in a hundred should be seen.
                        "scale": {"type": "sqrt", "domain": [0, 1], "range": ["#f4f5fb", ACCENT]},
                        "legend": {"title": "share of row", "format": "%", "gradientLength": 140},
                    },
                },
            },
            {
                "mark": {"type": "text"},
                "encoding": {
                    **encoding,
                    "text": {"field": "cells", "type": "quantitative", "format": ","},
                    "color": {"condition": {"test": "datum.share > 0.35", "value": "white"}, "value": INK},
                },
            },
        ],
    }


def reliability(curve: pl.DataFrame, *, by: str | None = None, columns: int = 3) -> Spec:
    """How often readings were right, by how sure they were; on the diagonal a probability means what it says.

    Columns: ``confidence``, ``accuracy``, ``cells``, and ``by`` where there are several curves, which lie so close
    that each has a small chart of its own.
    """
    drawn = values(curve.select(*([by] if by else []), "confidence", "accuracy", "cells"))
    encoding: Spec = {
        "x": {
            "field": "confidence",
            "type": "quantitative",
            "title": "probability said",
            "scale": {"domain": [0, 1]},
            "axis": {"format": ".1f", "tickCount": 5},
        },
        "y": {
            "field": "accuracy",
            "type": "quantitative",
            "title": "share that was right",
            "scale": {"domain": [0, 1]},
            "axis": {"format": ".1f", "tickCount": 5},
        },
    }
    color: Spec = {"value": ACCENT}
    side = (FULL - 60) // columns - 40 if by else 320
    chart: Spec = {
        "width": side,
        "height": side,
        "layer": [
            {
                "data": {"values": [{"confidence": 0, "accuracy": 0}, {"confidence": 1, "accuracy": 1}]},
                "mark": {"type": "line", "color": SOFT, "strokeDash": [4, 3], "strokeWidth": 1},
                "encoding": encoding,
            },
            {
                **({} if by else {"data": drawn}),
                "layer": [
                    {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {**encoding, "color": color}},
                    {
                        "mark": {"type": "point", "filled": True, "opacity": 0.9},
                        "encoding": {
                            **encoding,
                            "color": color,
                            "size": {
                                "field": "cells",
                                "type": "quantitative",
                                "scale": {"type": "sqrt", "range": [12, 260]},
                                "legend": {"title": "cells", "tickCount": 3, **({"orient": "top"} if by else {})},
                            },
                        },
                    },
                ],
            },
        ],
    }
    if not by:
        return chart
    return {
        "data": drawn,
        "facet": {
            "field": by,
            "type": "nominal",
            "title": None,
            "sort": curve[by].unique(maintain_order=True).to_list(),
            "header": {"labelAnchor": "start"},
        },
        "columns": columns,
        "spacing": {"row": 24, "column": 24},
        "spec": chart,
    }


def attributes(summary: pl.DataFrame, *, mean: float | None = None) -> Spec:
    """Macro-F1 of each attribute: bars with the standard deviation over folds (paper, Fig. 2).

    Columns: ``attribute``, ``mean``, ``sd``, and ``official`` (on the authors' test rows; null where there are none),
    drawn as a tick. ``mean`` is that of all attributes, a line across.
    """
    drawn = summary.with_columns(
        low=pl.col("mean") - pl.col("sd").fill_null(0.0), high=pl.col("mean") + pl.col("sd").fill_null(0.0)
    ).sort("mean", descending=True)
    names = drawn["attribute"].to_list()
    y: Spec = {
        "field": "attribute",
        "type": "nominal",
        "sort": names,
        "title": None,
        "axis": {"labelExpr": "replace(datum.label, /_/g, ' ')"},
    }
    x: Spec = {
        "field": "mean",
        "type": "quantitative",
        "title": "macro-F1",
        "scale": {"domain": [0, 1]},
        "axis": {"grid": True, "format": ".1f"},
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "color": "#c5cdf3", "height": {"band": 0.6}},
            "encoding": {"y": y, "x": x, "tooltip": [{"field": "attribute"}, {"field": "mean", "format": ".4f", **_Q}]},
        },
        {
            "mark": {"type": "rule", "color": ACCENT, "strokeWidth": 1.5},
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 14},
            "encoding": {"y": y, "x": {**x, "field": "high"}, "text": {"field": "mean", "format": ".3f", **_Q}},
        },
    ]
    if "official" in drawn.columns and drawn["official"].is_not_null().any():
        layers.append(
            {
                "mark": {"type": "tick", "thickness": 2, "color": INK, "height": {"band": 0.6}},
                "encoding": {"y": y, "x": {**x, "field": "official"}},
            }
        )
    if mean is not None:
        layers.append(
            {
                "data": {"values": [{"mean": round(mean, 5)}]},
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {"x": x},
            }
        )
    return {"width": WIDTH - 180, "height": {"step": 26}, "data": values(drawn), "layer": layers}


def shifts(scores: pl.DataFrame) -> Spec:
    """Macro-F1 of the same cells as they are and under shifts, with intervals.

    Columns: ``shift``, ``value``, ``low``, ``high``, in the order in which they are drawn.
    """
    y: Spec = {"field": "shift", "type": "nominal", "sort": scores["shift"].to_list(), "title": None}
    x: Spec = {
        "field": "value",
        "type": "quantitative",
        "title": "macro-F1",
        "scale": {"zero": False, "nice": True},
        "axis": {"grid": True, "format": ".3~f", "tickCount": 6},
    }
    return {
        "width": WIDTH - 220,
        "height": {"step": 30},
        "data": values(scores.select("shift", "value", "low", "high")),
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2, "color": ACCENT, "opacity": 0.5},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "color": ACCENT, "opacity": 1},
                "encoding": {"y": y, "x": x},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 10, "color": SOFT},
                "encoding": {"y": y, "x": {**x, "field": "high"}, "text": {"field": "value", "format": ".3f", **_Q}},
            },
        ],
    }


_METRICS = ["f1", "precision", "recall"]
_Q = {"type": "quantitative"}
