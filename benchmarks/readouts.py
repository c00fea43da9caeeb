"""What to read of a trained network: the average of its last map, or every level, and how much views are forgotten.

    python benchmarks/readouts.py --data DIR

The network is that of a bundle (``--weights``, the one that comes with HemoSight). Its numbers are taken once; each
readout is fitted on them, without labels, and judged as ``benchmarks/folds.py`` judges encoders: on folds of the nine
tenths, the held-out tenth untouched. Two more columns ask about another laboratory: Munich's neutrophils read with
Barcelona's labels alone, and Munich's cells after five labels a class of their own; none of them is held out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import folds
import numpy as np
import torch
import typer
from rich.progress import track
from torch import Tensor

from hemosight.engine.network import Network
from hemosight.images import sources
from hemosight.images.catalog import Catalog
from hemosight.images.decode import decode, read_bytes
from hemosight.images.preprocess import Preprocessing
from hemosight.images.splits import few_shot
from hemosight.lab.studies.study_data import StudyData, embed
from hemosight.space import lda
from hemosight.space.embeddings import Embeddings
from hemosight.training import bundled, readout_fit
from hemosight.training.backbones import Encoder, create

TURNS, FEW, WEIGHT, DRAWS = 4, 5, 20.0, 5
MUNICH = "lmu_aml"
STRENGTHS = (0.0, 1.0, 10.0, 100.0)
BATCH = 16


def levels_of(encoder: Encoder, catalog: Catalog, road: Preprocessing) -> tuple[Tensor, Tensor]:
    """What a readout starts from, cells x numbers, and the averages of the last map's channels."""
    found = []
    paths, scales = catalog.paths, catalog.table["scale"].to_list()
    for start in track(range(0, len(paths), BATCH), "every level"):
        batch = zip(paths[start : start + BATCH], scales[start : start + BATCH], strict=True)
        pixels = np.stack([road(decode(read_bytes(path)), scale) for path, scale in batch])
        found.append(readout_fit.averaged(encoder, torch.from_numpy(pixels).permute(0, 3, 1, 2), TURNS))
    numbers, averages = zip(*found, strict=True)
    return torch.cat(numbers), torch.cat(averages)


def elsewhere(material: StudyData) -> tuple[float, float]:
    """Munich's neutrophils recognised without a label of Munich; its cells, after five a class that count twenty."""
    labels, vectors, sources_ = material.labels(), material.vectors, material.sources
    rest = material.split.rest
    munich = sources_ == MUNICH
    barcelona, there = rest[~munich[rest]], rest[munich[rest]]
    neutrophils = there[labels[there] == "neutrophil"]
    read = lda.fit(vectors[barcelona], labels[barcelona]).predict(vectors[neutrophils])
    found = []
    for seed in range(DRAWS):
        few = there[few_shot(labels[there].tolist(), FEW, np.random.default_rng(seed))]
        support = np.concatenate([barcelona, few])
        weights = np.where(munich[support], WEIGHT, 1.0)
        queries = np.setdiff1d(there, few)
        reader = lda.fit(vectors[support], labels[support], weights)
        found.append(float(np.mean(reader.predict(vectors[queries]) == labels[queries])))
    return float(np.mean(read == "neutrophil")), float(np.mean(found))


def placed(material: StudyData, points: Tensor) -> StudyData:
    """The same cells elsewhere."""
    unit = torch.nn.functional.normalize(points, dim=1).numpy()
    return replace(material, embeddings=Embeddings(material.embeddings.ids, unit, material.embeddings.space))


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    weights: Annotated[str, typer.Option(help="A bundle, whose network is read.")] = bundled.SHIPPED,
) -> None:
    """Take the numbers, fit, and print a row for each readout."""
    packed = bundled.read(weights)
    encoder, road = create(packed.manifest.backbone, weights).eval(), packed.preprocessing
    material = embed(sources.read(data), Network(packed.encoder, road))
    cells = material.catalog
    numbers, averages = levels_of(encoder, cells, road)
    pictures = readout_fit.pictures_of(cells.take(material.split.rest), road)
    looked = readout_fit.look(encoder, pictures, size=road.size, turns=TURNS)
    points = {"average of the last map": averages}
    for strength in STRENGTHS:
        points[f"every level, views forgotten with strength {strength:g}"] = readout_fit.solve(looked, strength)(
            numbers
        )
    head, rule = folds.HEADER.splitlines()
    print(f"{head} Munich, Barcelona's labels | Munich, {FEW} a class |\n{rule}---|---|")
    for name, where in points.items():
        here = placed(material, where)
        untouched, few = elsewhere(here)
        print(f"{folds.row(name, here)} {untouched:.3f} | {few:.3f} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
