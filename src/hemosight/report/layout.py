"""The section on the landscape (Fig. 5): the cells laid out flat, and how true that picture is."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.charts import maps
from hemosight.report.figure import Claim, Figure, Section, Work, source_name
from hemosight.sheet.palette import ordered
from hemosight.space import landscape as space
from hemosight.space.labels import title
from hemosight.space.neighbours import nearest
from hemosight.study.scanner import scanner_control

_SMALL = 190


def landscape(work: Work) -> Section:
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
    method = (
        f"openTSNE, perplexity {space.PERPLEXITY}, PCA initialisation, {space.ITERATIONS:,} iterations"
        if work.map == "tsne"
        else f"UMAP, {space.PERPLEXITY} neighbours, spectral initialisation"
    )
    how = f"One layout: {method}, Euclidean. {work.basis}."
    made = [
        Figure(
            "landscape",
            "The landscape by cell type",
            f"Each point is a cell. Trustworthiness {trust:.4f}, purity of 10 neighbours "
            f"{space.purity(positions, columns['label']):.3f}. {how}",
            table.select("id", "x", "y", "label"),
            spec=maps.landscape(table, groups=ordered(table["label"].drop_nulls().to_list())),
            raster=True,
        )
    ]
    for name in known:
        if name == "label":
            continue
        shown = name.replace("_", " ")
        made.append(
            Figure(
                f"landscape-{name.replace('_', '-')}",
                f"The landscape by {shown}",
                f"Purity {purities.filter(pl.col('coloured by') == name)['purity on the map'][0]:.3f}; grey cells have "
                f"no {shown} in the data. {how}",
                table.select("id", "x", "y", name),
                spec=maps.landscape(
                    table.with_columns(_written(name)),
                    color=name,
                    types=False,
                    side=_SMALL if name in material.catalog.attributes else maps.SIDE,
                    size=3 if name in material.catalog.attributes else 9,
                ),
                raster=True,
                small=name in material.catalog.attributes,
            )
        )
    label = purities.row(0, named=True)
    placed = work.bundle.manifest.landscape.get("placed")
    text = [
        f"Of a cell's ten nearest on the map {label['purity on the map']:.1%} carry its type; in the "
        f"{material.vectors.shape[1]:,} dimensions themselves {label['purity in the space']:.1%} do, by chance "
        f"{label['by chance']:.1%} would. Trustworthiness is {trust:.4f} (1 is a map that invents no neighbours)."
    ]
    if placed:
        text.append(
            f"Not measured here but when bundle {work.bundle.manifest.name} was packed, as its manifest says: on its "
            f"own map, which does not move, {placed['cells']:,} cells that it never saw have "
            f"{placed['purity']:.1%} of their own type among the ten nearest; the cells it was fitted on have "
            f"{work.bundle.manifest.landscape['purity']:.1%}."
        )
    if "source" in known:
        source = purities.filter(pl.col("coloured by") == "source").row(0, named=True)
        text.append(
            f"Sources are told apart as well: {source['purity on the map']:.1%} of neighbours share the source "
            f"({source['by chance']:.1%} by chance). Scanners leave a mark on the landscape." + _one_source(table)
        )
    claims = (
        Claim("trustworthiness of the map", f"{trust:.4f}", f"{len(material):,} cells, 10 neighbours"),
        Claim(
            "neighbours on the map of the same type", f"{label['purity on the map']:.1%}", f"{label['cells']:,} cells"
        ),
    )
    quality = Figure(
        "landscape-purity",
        "How true the map is",
        f"Share of ten nearest neighbours with the same value, on the map and in the space. {how}",
        purities,
    )
    return Section("landscape", "The landscape", tuple(text), (made[0], quality, *made[1:]), claims)


def _written(name: str) -> pl.Expr:
    """Values of a column for people."""
    if name == "source":
        return pl.col(name).map_elements(source_name, pl.String)
    return pl.col(name).str.replace_all("_", " ")


def _one_source(table: pl.DataFrame) -> str:
    """Types that one scanner alone supplies, and where it is measured what that means."""
    known = table.drop_nulls("label")
    labels = known["label"].to_list()
    alone = ordered(scanner_control(labels, labels, known["source"].to_list()))
    if not alone:
        return ""
    names = ", ".join(title(name).lower() for name in alone)
    return f" One source alone supplies {names}: the study transfer measures whether it is read from its scanner."


def _laid_out(work: Work) -> pl.DataFrame:
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
