"""How many labels a strategy needs: a dot for each, with its interval."""

from __future__ import annotations

import polars as pl

from hemosight.lab.charts.look import ACCENT, SOFT, WIDTH, Spec, values

_Q = {"type": "quantitative"}


def needed(reaching: pl.DataFrame, *, paper: float | None = None) -> Spec:
    """Labels after which each strategy reads as well as with all: a dot, and the interval over folds.

    Columns: ``strategy``, ``labels``, ``share``, ``low``, ``high``. ``paper`` marks a published share.
    """
    drawn = reaching.with_columns(
        low_share=pl.col("low") * pl.col("share") / pl.col("labels"),
        high_share=pl.col("high") * pl.col("share") / pl.col("labels"),
    )
    order = drawn.sort("share")["strategy"].to_list()
    y: Spec = {"field": "strategy", "type": "nominal", "sort": order, "title": None}
    x: Spec = {
        "field": "share",
        "type": "quantitative",
        "title": "labels needed, share of all",
        "axis": {"format": "%", "grid": True},
        "scale": {"domainMin": 0},
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 2, "color": ACCENT, "opacity": 0.5},
            "encoding": {"y": y, "x": {**x, "field": "low_share"}, "x2": {"field": "high_share"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "color": ACCENT, "opacity": 1},
            "encoding": {
                "y": y,
                "x": x,
                "tooltip": [
                    {"field": "strategy"},
                    {"field": "labels", "type": "quantitative", "format": ","},
                    {"field": "share", "type": "quantitative", "format": ".1%"},
                ],
            },
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 10, "color": SOFT},
            "encoding": {
                "y": y,
                "x": {**x, "field": "high_share"},
                "text": {"field": "labels", "type": "quantitative", "format": ","},
            },
        },
    ]
    if paper is not None:
        layers.append(
            {
                "data": {"values": [{"share": paper, "text": f"paper {paper:.1%}"}]},
                "layer": [
                    {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": {"field": "share", **_Q}}},
                    {
                        "mark": {"type": "text", "align": "left", "baseline": "bottom", "y": -4, "color": SOFT},
                        "encoding": {"x": {"field": "share", **_Q}, "text": {"field": "text"}},
                    },
                ],
            }
        )
    return {"width": WIDTH - 120, "height": {"step": 26}, "data": values(drawn), "layer": layers}
