"""Every chart is a specification that its grammar accepts, draws, and says what its table says."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from hemosight.blood.palette import KNOWN
from hemosight.lab.charts import curves, draw, look, maps, scores
from hemosight.lab.charts.look import Spec
from hemosight.lab.charts.needed import needed

TYPES = list(KNOWN)


def _curve(names: tuple[str, ...] = ("margin", "random"), by: str = "strategy", size: str = "labels") -> pl.DataFrame:
    rows = [
        {by: name, size: n, "mean": 1 - 0.4 * (n + 1) ** -0.3 - 0.02 * k, "sd": 0.01 if n > 20 else None}
        for k, name in enumerate(names)
        for n in (18, 45, 90, 180, 450)
    ]
    return pl.DataFrame(rows)


def _by_class() -> pl.DataFrame:
    return pl.concat([_curve().with_columns(pl.lit(name).alias("class")) for name in TYPES[:4]])


def _scores() -> pl.DataFrame:
    rows = [
        {"metric": metric, "class": name, "value": 0.9, "low": 0.85, "high": 0.95, "cells": 30}
        for metric in ("f1", "precision", "recall")
        for name in TYPES
    ]
    return pl.DataFrame(rows)


def _cells() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    labels = [*TYPES, None] * 5
    places = rng.normal(size=(len(labels), 2)) * 30
    return pl.DataFrame({"x": places[:, 0], "y": places[:, 1], "label": labels, "source": ["a", "b"] * 25})


PAIRS = pl.DataFrame(
    {"truth": ["ig", "ig", "blast"], "read": ["ig", "blast", "blast"], "cells": [9, 1, 5], "share": [0.9, 0.1, 1.0]}
)
RELIABLE = pl.DataFrame({"confidence": [0.35, 0.75, 0.99], "accuracy": [0.3, 0.8, 1.0], "cells": [9, 90, 900]})
REACHED = pl.DataFrame(
    {
        "strategy": ["margin", "random"],
        "labels": [900, 2700],
        "share": [0.15, 0.45],
        "low": [800, 2000],
        "high": [990, 3000],
    }
)
PLAN = pl.DataFrame(
    {"labels": [90, 900, 9000], "mean": [0.8, 0.9, 0.95], "low": [0.7, 0.88, 0.9], "high": [0.85, 0.92, 0.99]}
)
ATTRIBUTES = pl.DataFrame(
    {"attribute": ["cell_size", "nucleus_shape"], "mean": [0.7, 0.9], "sd": [0.01, None], "official": [0.72, None]}
)
SHIFTS = pl.DataFrame(
    {"shift": ["as it is", "out of focus"], "value": [0.9, 0.7], "low": [0.88, 0.66], "high": [0.92, 0.75]}
)
CHARTS: dict[str, Callable[[], Spec]] = {
    "efficiency": lambda: curves.efficiency(_curve(("discriminant", "svm"), "series")),
    "learning": lambda: curves.learning(_curve(), target=0.95, fitted=_curve().drop("sd")),
    "learning by class": lambda: curves.learning_by_class(_by_class()),
    "needed": lambda: needed(REACHED, paper=0.133),
    "recovery": lambda: curves.recovery(_curve(("all",), "series", "per_class"), levels=[("other sources alone", 0.6)]),
    "plan": lambda: curves.plan(PLAN, PLAN, target=0.93, now=900, then=3000),
    "by class": lambda: scores.by_class(_scores()),
    "confusion": lambda: scores.confusion(PAIRS),
    "reliability": lambda: scores.reliability(RELIABLE),
    "several reliabilities": lambda: scores.reliability(RELIABLE.with_columns(on=pl.lit("fold")), by="on"),
    "attributes": lambda: scores.attributes(ATTRIBUTES, mean=0.8),
    "shifts": lambda: scores.shifts(SHIFTS),
    "landscape": lambda: maps.landscape(_cells()),
    "landscape by source": lambda: maps.landscape(_cells(), color="source", types=False, name="source"),
}


@pytest.mark.slow  # the library that draws takes a second to load
@pytest.mark.parametrize("name", CHARTS)
def test_the_grammar_accepts_it_and_it_draws(name: str) -> None:
    import altair  # only here: a quarter of a second

    spec = look.dressed(CHARTS[name]())
    again = json.loads(json.dumps(spec, allow_nan=False))
    assert again == spec, "values that JSON can write"
    altair.Chart.from_dict(again, validate=True)
    svg = draw.svg(CHARTS[name]())
    assert svg.startswith("<svg")
    assert "undefined" not in svg
    assert "NaN" not in svg
    assert "http" not in svg.replace("http://www.w3.org", ""), "nothing is fetched"


def test_a_png_is_drawn_at_twice_the_size() -> None:
    small, large = (Image.open(io.BytesIO(draw.png(CHARTS["needed"](), scale))) for scale in (1.0, 2.0))
    assert large.width == pytest.approx(2 * small.width, abs=2)


def test_building_a_chart_needs_no_plotting_library() -> None:
    program = (
        "import sys, hemosight.lab.charts.curves, hemosight.lab.charts.scores, "
        "hemosight.lab.charts.maps, hemosight.lab.charts.draw;"
        "sys.exit(bool({'altair', 'vl_convert', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def _data(node: Any) -> list[dict[str, Any]]:
    """Every row of data anywhere in a specification."""
    if isinstance(node, dict):
        own = node.get("data", {}).get("values", [])
        return [*own, *(row for key, value in node.items() if key != "data" for row in _data(value))]
    return [row for value in node for row in _data(value)] if isinstance(node, list) else []


def test_every_row_of_the_table_is_on_the_chart() -> None:
    table = _curve()
    rows = [row for row in _data(curves.learning(table)) if "strategy" in row]
    assert {(row["strategy"], row["labels"]) for row in rows} == set(table.select("strategy", "labels").iter_rows())
    cells = _data(maps.landscape(_cells()))
    assert len(cells) == len(_cells())
    assert sum("label" in row for row in cells) == _cells()["label"].is_not_null().sum()


def test_the_stretched_axis_shows_scores() -> None:
    """-log(1 - 0.9) is 2.3026, and the mark there says 0.9."""
    (row,) = curves.efficiency(_curve(("a",), "series").head(1).with_columns(mean=pl.lit(0.9)))["data"]["values"]
    assert row["scaled"] == pytest.approx(2.30259, abs=1e-4)
    svg = draw.svg(curves.efficiency(_curve(("a",), "series")))
    assert ">0.9<" in svg


def test_types_keep_their_colours_and_letters() -> None:
    svg = draw.svg(maps.landscape(_cells()))
    for name, mark in KNOWN.items():
        assert mark.light in svg, name
        assert f"{mark.letter}  " in svg
    dark = look.type_scale(TYPES, dark=True)
    assert dark["range"] == [KNOWN[name].dark for name in dark["domain"]]


def test_what_others_are_compared_with_is_grey() -> None:
    scale = look.series_scale(["random", "margin", "entropy"], grey=("random",))
    assert scale["range"][0] == "#9aa0a6"
    assert scale["range"][1] == look.ACCENT
    assert len(set(scale["range"])) == 3


def test_a_name_with_a_quote_does_no_harm() -> None:
    table = _cells().with_columns(label=pl.lit("O'Neil \\ cell"))
    assert "O'Neil" in draw.svg(maps.landscape(table)).replace("&#39;", "'").replace("&apos;", "'")
