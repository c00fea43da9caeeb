"""How much cells of a type stand out that nobody has labelled.

    hemosight embed --data DIR --out points.safetensors
    python benchmarks/novelty.py --data DIR --embeddings points.safetensors

Each type in turn is left out of the known cells, the nine tenths. Printed is how well novelty tells the held-out cells
of that type from the other held-out ones: the area under the ROC curve, where 0.5 is chance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sklearn.metrics import roc_auc_score

from hemosight.space.novelty import Novelty
from hemosight.study.material import gather


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    embeddings: Annotated[Path, typer.Option(help="What `hemosight embed` wrote.")],
) -> None:
    """Print an area for each type, and their mean."""
    material = gather(data, embeddings=embeddings)
    labels, vectors = material.labels(), material.vectors
    rest, held = material.split.rest, material.split.held
    areas = {}
    for left_out in np.unique(labels).tolist():
        novelty = Novelty.fit(vectors[rest[labels[rest] != left_out]])
        areas[left_out] = float(roc_auc_score(labels[held] == left_out, novelty.score(vectors[held])))
    print(f"| {' | '.join(areas)} | mean |\n|{'---|' * (len(areas) + 1)}")
    print(f"| {' | '.join(f'{area:.3f}' for area in areas.values())} | {np.mean(list(areas.values())):.3f} |")


if __name__ == "__main__":
    typer.run(main)
