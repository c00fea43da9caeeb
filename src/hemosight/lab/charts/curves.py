"""Scores against labels: label efficiency, active learning, the way back on a new source, and a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from hemosight.blood.palette import ordered
from hemosight.blood.vocabulary import title
from hemosight.lab.charts.look import (
    ACCENT,
    FULL,
    INK,
    SOFT,
    WIDTH,
    Spec,
    series_scale,
    stretched,
    values,
)
from hemosight.lab.studies.tables import scaled

_LABELS = {"format": "~s", "tickCount": 8}
_LOG = {"type": "log", "nice": False}
_TOP = 0.999
"""Highest score of the small charts: a class without a fault in one round would leave no room for the others."""


def efficiency(summary: pl.DataFrame, *, by: str = "series", name: str = "macro-F1") -> Spec:
    """Score by labels, both axes stretched (paper, Fig. 1).

    Columns: ``labels``, ``mean``, ``sd`` (null for a single fit) and ``by``, what the lines are. The band is one
    standard deviation to each side.
    """
    return _lines(
        _with_band(summary, by),
        by,
        x={"field": "labels", "type": "quantitative", "title": "labels", "axis": _LABELS, "scale": _LOG},
        name=name,
        points=True,
    )


def learning(
    summary: pl.DataFrame,
    *,
    by: str = "strategy",
    target: float | None = None,
    fitted: pl.DataFrame | None = None,
    banded: Sequence[str] | None = None,
    name: str = "macro-F1",
) -> Spec:
    """Score after each round of labels (paper, Fig. 3).

    Columns as for :func:`efficiency`. ``banded`` are the lines that get a band, all where None. ``target`` is the
    score with all labels; ``fitted`` has the columns ``labels``, ``mean`` and ``by`` of fitted laws, which are dashed.
    """
    spec = _lines(
        _with_band(summary, by),
        by,
        x={"field": "labels", "type": "quantitative", "title": "labels", "axis": _LABELS, "scale": _LOG},
        name=name,
        points=False,
        banded=banded,
    )
    if fitted is not None:
        drawn = fitted.select(by, "labels", scaled=scaled(pl.col("mean")))
        spec["layer"].append(
            {
                "data": values(drawn),
                "mark": {"type": "line", "strokeWidth": 1, "strokeDash": [3, 3]},
                "encoding": {
                    "x": {"field": "labels", "type": "quantitative"},
                    "y": {"field": "scaled", "type": "quantitative"},
                    "color": {"field": by, "type": "nominal"},
                },
            }
        )
    if target is not None:
        spec["layer"].insert(0, _level(target, "all labels"))
    return spec


def learning_by_class(summary: pl.DataFrame, *, by: str = "strategy", columns: int = 3) -> Spec:
    """Each class's F1 after each round, a small chart a class (paper, Fig. 4).

    Columns: ``class``, ``labels``, ``mean`` and ``by``.
    """
    names = _names(summary, by)
    classes = ordered(summary["class"].to_list())
    legend = {**(_legend() or {}), "orient": "top"}
    drawn = summary.select(
        pl.col("class").replace({name: title(name) for name in classes}),
        by,
        "labels",
        "mean",
        scaled=scaled(pl.col("mean")),
    )
    return {
        "data": values(drawn),
        "facet": {
            "field": "class",
            "type": "nominal",
            "title": None,
            "sort": [title(name) for name in classes],
            "header": {"labelAnchor": "start"},
        },
        "columns": columns,
        "spacing": {"row": 20, "column": 24},
        "spec": {
            "width": (FULL - 60) // columns - 24,
            "height": 130,
            "mark": {"type": "line", "strokeWidth": 1.5, "clip": True},
            "encoding": {
                "x": {
                    "field": "labels",
                    "type": "quantitative",
                    "title": None,
                    "axis": {"format": "~s", "values": [100, 1000]},
                    "scale": _LOG,
                },
                "y": stretched("scaled", title=None, top=_TOP),
                "color": {"field": by, "type": "nominal", "scale": _scale(names), "legend": legend},
                "tooltip": _tooltip(by),
            },
        },
    }


def recovery(summary: pl.DataFrame, *, by: str = "series", levels: Sequence[tuple[str, float]] = ()) -> Spec:
    """Score on a new source by labels of each class from it; columns ``per_class``, ``mean``, ``sd`` and ``by``.

    ``levels`` are named scores to compare with, drawn as lines across.
    """
    spec = _lines(
        _with_band(summary.rename({"per_class": "labels"}), by),
        by,
        x={
            "field": "labels",
            "type": "quantitative",
            "title": "labels of each class from the new source",
            "scale": {"type": "symlog", "constant": 1},
            "axis": {"values": sorted(set(summary["per_class"].to_list()))},
        },
        name="macro-F1",
        points=True,
    )
    spec["layer"] = [*(_level(value, name) for name, value in levels), *spec["layer"]]
    return spec


def plan(
    curve: pl.DataFrame,
    observed: pl.DataFrame,
    *,
    target: float,
    now: int,
    then: float | None = None,
) -> Spec:
    """What more labels will bring: the fitted curve with its interval, what was seen, and where it meets the target.

    ``curve`` has ``labels``, ``mean``, ``low``, ``high``; ``observed`` has ``labels`` and ``mean``. ``now`` is the
    number of labels there are, ``then`` the number that is expected to reach the target.
    """
    drawn = curve.select(
        "labels",
        "mean",
        scaled=scaled(pl.col("mean")),
        below=scaled(pl.col("low")),
        above=scaled(pl.col("high")),
    )
    x: Spec = {"field": "labels", "type": "quantitative", "title": "labels", "axis": _LABELS, "scale": _LOG}
    y = stretched("scaled", title="macro-F1")
    marks_ = [(now, "now")] + ([(then, f"{then:,.0f}")] if then is not None else [])
    return {
        "width": WIDTH,
        "height": 300,
        "layer": [
            _level(target, "target"),
            {
                "data": values(drawn),
                "mark": {"type": "area", "opacity": 0.15, "color": ACCENT, "clip": True},
                "encoding": {"x": x, "y": {**y, "field": "below"}, "y2": {"field": "above"}},
            },
            {
                "data": values(drawn),
                "mark": {"type": "line", "color": ACCENT},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": values(observed.select("labels", "mean", scaled=scaled(pl.col("mean")))),
                "mark": {"type": "point", "filled": True, "color": INK, "size": 40, "opacity": 1},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": [{"labels": at, "text": text} for at, text in marks_]},
                "layer": [
                    {"mark": {"type": "rule", "strokeDash": [2, 3]}, "encoding": {"x": x}},
                    {
                        "mark": {
                            "type": "text",
                            "align": "left",
                            "baseline": "bottom",
                            "dx": 4,
                            "y": {"expr": "height"},
                        },
                        "encoding": {"x": x, "text": {"field": "text"}},
                    },
                ],
            },
        ],
    }


# --- pieces -----------------------------------------------------------------------------------------------


def _with_band(summary: pl.DataFrame, by: str) -> pl.DataFrame:
    spread = pl.col("sd").fill_null(0.0) if "sd" in summary.columns else pl.lit(0.0)
    return summary.select(
        by,
        "labels",
        "mean",
        *(["sd"] if "sd" in summary.columns else []),
        scaled=scaled(pl.col("mean")),
        below=scaled(pl.col("mean") - spread),
        above=scaled(pl.col("mean") + spread),
    )


def _lines(
    drawn: pl.DataFrame, by: str, *, x: Spec, name: str, points: bool, banded: Sequence[str] | None = None
) -> Spec:
    names = _names(drawn, by)
    color: Spec = {"field": by, "type": "nominal", "scale": _scale(names), "legend": _legend(len(names) > 1)}
    y = stretched("scaled", title=name)
    mark: Spec = {"type": "line", "clip": True}
    if points:
        mark["point"] = {"size": 36, "filled": True}
    broad = drawn if banded is None else drawn.filter(pl.col(by).is_in(list(banded)))
    return {
        "width": WIDTH - 130 if len(names) > 1 else WIDTH,
        "height": 320,
        "data": values(drawn),
        "layer": [
            {
                "data": values(broad),
                "mark": {"type": "area", "opacity": 0.13, "clip": True},
                "encoding": {"x": x, "y": {**y, "field": "below"}, "y2": {"field": "above"}, "color": color},
            },
            {"mark": mark, "encoding": {"x": x, "y": y, "color": color, "tooltip": _tooltip(by)}},
        ],
    }


def _level(value: float, text: str) -> Spec:
    at = pl.DataFrame({"mean": [value], "text": [f"{text}: {value:.3f}" if text else ""]})
    y: Spec = {"field": "scaled", "type": "quantitative"}
    return {
        "data": values(at.with_columns(scaled=scaled(pl.col("mean")))),
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"y": y}},
            {
                "mark": {"type": "text", "align": "left", "baseline": "bottom", "x": 4, "dy": -3, "color": SOFT},
                "encoding": {"y": y, "text": {"field": "text"}},
            },
        ],
    }


def _names(table: pl.DataFrame, by: str) -> list[str]:
    return table[by].unique(maintain_order=True).to_list()


def _scale(names: Sequence[str]) -> Spec:
    return series_scale(names, grey=("random",))


def _legend(shown: bool = True) -> Spec | None:
    return {"title": None, "symbolType": "stroke", "symbolOpacity": 1, "labelLimit": 240} if shown else None


def _tooltip(by: str) -> list[dict[str, Any]]:
    return [
        {"field": by, "type": "nominal"},
        {"field": "labels", "type": "quantitative", "format": ","},
        {"field": "mean", "type": "quantitative", "format": ".4f"},
    ]
