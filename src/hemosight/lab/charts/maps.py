"""The landscape as a chart: a point a cell, no axes, since only who is near whom means anything (paper, Fig. 5)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from hemosight.lab.charts.look import Spec, series_scale, type_legend, type_scale, values

SIDE = 460


def landscape(
    table: pl.DataFrame,
    *,
    color: str = "label",
    types: bool = True,
    side: int = SIDE,
    name: str | None = None,
    groups: Sequence[str] | None = None,
    size: float = 9,
) -> Spec:
    """Cells where they lie, coloured by one column; cells without a value are drawn faintly below the others.

    Parameters
    ----------
    table
        ``x``, ``y`` and ``color``, a row a cell.
    types
        Whether the column holds cell types, with their own colours and letters.
    side
        Pixels of the chart.
    name
        Title of the legend.
    groups
        Order of the values; by how many cells have them where None.
    """
    given = table.filter(pl.col(color).is_not_null())
    counted = given[color].value_counts(sort=True)[color].to_list()
    names = list(groups) if groups is not None else counted
    extent = float(max(table["x"].abs().max() or 1.0, table["y"].abs().max() or 1.0)) * 1.03  # type: ignore[arg-type] -- numbers
    scale = {"domain": [-round(extent, 2), round(extent, 2)], "nice": False}
    place: Spec = {
        "x": {"field": "x", "type": "quantitative", "axis": None, "scale": scale},
        "y": {"field": "y", "type": "quantitative", "axis": None, "scale": scale},
    }
    legend = type_legend(names, name or "") if types else {"title": name, "symbolOpacity": 1, "symbolSize": 90}
    mark: Spec = {"type": "circle", "size": size, "opacity": 0.7, "clip": True}
    layers: list[Spec] = []
    nothing = table.filter(pl.col(color).is_null())
    if len(nothing):
        layers.append(
            {
                "data": values(nothing.select("x", "y")),
                "mark": {**mark, "color": "#d5d7db", "opacity": 0.5},
                "encoding": place,
            }
        )
    layers.append(
        {
            "data": values(given.select("x", "y", color)),
            "mark": mark,
            "encoding": {
                **place,
                "color": {
                    "field": color,
                    "type": "nominal",
                    "scale": type_scale(names) if types else series_scale(names),
                    "legend": {**legend, "orient": "right"},
                },
                "tooltip": [{"field": color, "type": "nominal"}],
            },
        }
    )
    return {"width": side, "height": side, "layer": layers}
