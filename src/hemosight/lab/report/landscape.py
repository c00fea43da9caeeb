"""The section on the landscape (Fig. 5): the cells laid out flat, and how true that picture is."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.blood.palette import ordered
from hemosight.lab.charts import maps
from hemosight.lab.report.figure import Figure, ReportInputs, Section, source_name
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies.scanner import scanner_control
from hemosight.space import landscape as space
from hemosight.space.neighbours import nearest

_SMALL = 190


def landscape(work: ReportInputs) -> Section:
    """The cells laid out flat, by type, finer type, source and attribute."""
    material = work.material
    table = work.steps.run(
        "landscape", {"material": material.hash, "seed": work.seed}, {work.map: lambda: _laid_out(work)}
    )
    positions = table.select("x", "y").to_numpy().astype(np.float32)
    work.say("measuring the map")
    trust = space.trustworthiness(material.vectors, positions)
    columns = {"label": material.catalog.labels()}
    columns |= {name: material.catalog.table[name].to_list() for name in ("subtype", "source")}
    columns |= {name: material.catalog.labels(name) for name in material.catalog.attributes}
    table = table.with_columns(**{name: pl.Series(column, dtype=pl.String) for name, column in columns.items()})
    known = [name for name in columns if table[name].n_unique() - int(table[name].null_count() > 0) > 1]
    purities = pl.DataFrame(
        [
            {
                "coloured by": name,
                "values": table[name].drop_nulls().n_unique(),
                "cells": int(table[name].is_not_null().sum()),
                "purity on the map": space.purity(positions, columns[name]),
                "purity in the space": _purity_in_space(material.vectors, columns[name]),
                "by chance": _chance(columns[name]),
            }
            for name in known
        ]
    )
    by_name = {row["coloured by"]: row for row in purities.to_dicts()}
    label = by_name.get("label", purities.row(0, named=True))
    values = {
        "work": work,
        "space": space,
        "trust": trust,
        "cells": len(material),
        "dimensions": material.vectors.shape[1],
        "label": label,
        "source": by_name.get("source"),
        "alone": _of_one_source(table),
    }
    prose = Prose("landscape", coloured=label, **values)
    made = [
        Figure(
            "landscape",
            "The landscape by cell type",
            prose.block("types"),
            table.select("id", "x", "y", "label"),
            spec=maps.landscape(table, groups=ordered(table["label"].drop_nulls().to_list())),
            raster=True,
        ),
        Figure("landscape-purity", "How true the map is", prose.block("purity"), purities),
    ]
    for name in known:
        if name == "label":
            continue
        attribute = name in material.catalog.attributes
        made.append(
            Figure(
                f"landscape-{name.replace('_', '-')}",
                f"The landscape by {name.replace('_', ' ')}",
                Prose("landscape", coloured=by_name[name], **values).block("coloured"),
                table.select("id", "x", "y", name),
                spec=maps.landscape(
                    table.with_columns(_written(name)),
                    color=name,
                    types=False,
                    side=_SMALL if attribute else maps.SIDE,
                    size=3 if attribute else 9,
                ),
                raster=True,
                small=attribute,
            )
        )
    return Section("landscape", "The landscape", prose.paragraphs(), tuple(made), prose.claims())


def _written(name: str) -> pl.Expr:
    """Values of a column for people."""
    if name == "source":
        return pl.col(name).map_elements(source_name, pl.String)
    return pl.col(name).str.replace_all("_", " ")


def _of_one_source(table: pl.DataFrame) -> tuple[str, ...]:
    """Types that one scanner alone supplies."""
    known = table.drop_nulls("label")
    labels = known["label"].to_list()
    return tuple(ordered(scanner_control(labels, labels, known["source"].to_list())))


def _laid_out(work: ReportInputs) -> pl.DataFrame:
    work.say(f"laying out {len(work.material):,} cells")
    laid = space.fit(work.material.vectors, seed=work.seed, method=work.map)
    return pl.DataFrame({"id": work.material.embeddings.ids, "x": laid.positions[:, 0], "y": laid.positions[:, 1]})


def _purity_in_space(vectors: NDArray[np.float32], labels: list[str | None]) -> float:
    rows = np.array([row for row, label in enumerate(labels) if label is not None])
    names = np.array([labels[row] for row in rows], np.str_)
    near, _ = nearest(vectors[rows], vectors[rows], space.SHOWN_NEIGHBOURS, exclude_self=True)
    return float((names[near] == names[:, None]).mean())


def _chance(labels: list[str | None]) -> float:
    _, counts = np.unique([label for label in labels if label is not None], return_counts=True)
    return float(((counts / counts.sum()) ** 2).sum())
