"""Blasts on cells that took no part in a bundle, by patient: how well they are ordered, found, and what is called one.

    hemosight embed --data DIR --out points.safetensors
    python benchmarks/blasts.py --data DIR --embeddings points.safetensors

Of every source with patients and blasts among its held-out cells: the area under the ROC curve of the probability of a
blast; the share of blasts found at thresholds that would call so many of the other cells falsely, each patient's
threshold from the other patients' cells; and which types the false calls of the plain reading are. Intervals (95%)
are drawn over patients.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import load
from hemosight.lab.studies.study_data import gather
from hemosight.scoring.by_patient import blasts, clusters, draws
from hemosight.scoring.metrics import BOOTSTRAPS

BLAST = "blast"
FALSE = (0.02, 0.06, 0.10)


def area(is_blast: NDArray[np.bool_], suspicion: NDArray[np.float64], patients: NDArray[np.str_]) -> tuple[float, ...]:
    """Area under the ROC curve, and the interval over patients."""
    who = clusters(patients)
    drawn = []
    for times in draws(int(who.max()) + 1, BOOTSTRAPS, 0):
        weights = times[who]
        if 0 < weights[is_blast].sum() < weights.sum():
            drawn.append(roc_auc_score(is_blast, suspicion, sample_weight=weights))
    return float(roc_auc_score(is_blast, suspicion)), *np.quantile(drawn, [0.025, 0.975]).tolist()


def called(
    share: float, is_blast: NDArray[np.bool_], suspicion: NDArray[np.float64], patients: NDArray[np.str_]
) -> NDArray[np.bool_]:
    """Which cells are called, each patient's by the threshold that calls this share of the others' other cells."""
    calls = np.zeros(len(suspicion), np.bool_)
    for patient in np.unique(patients):
        own = patients == patient
        calls[own] = suspicion[own] > np.quantile(suspicion[~own & ~is_blast], 1 - share)
    return calls


def share_of(
    kind: NDArray[np.bool_], of: NDArray[np.bool_], patients: NDArray[np.str_]
) -> tuple[int, int, float, float]:
    """How many of some cells are of a kind, how many there are, and the interval of the share over patients."""
    who = clusters(patients)
    counts = np.stack([np.bincount(who, flag, minlength=int(who.max()) + 1) for flag in (kind & of, of)], axis=1)
    drawn = draws(len(counts), BOOTSTRAPS, 0) @ counts.astype(np.int64)
    drawn = drawn[drawn[:, 1] > 0]
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975]).tolist()
    return int((kind & of).sum()), int(of.sum()), low, high


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    embeddings: Annotated[Path, typer.Option(help="What `hemosight embed` wrote.")],
    bundle: Annotated[Path | None, typer.Option(help="Instead of the default one; the embeddings are its.")] = None,
) -> None:
    """Print the table of every such source."""
    packed = load(bundle)
    reader = packed.classifiers[CELL_TYPE]
    material = gather(data, bundle=packed, embeddings=embeddings)
    labels = material.labels()
    patient = np.array(material.catalog.table["patient"].fill_null("").to_list(), np.str_)
    held = material.split.held[labels[material.split.held] != ""]
    for source in np.unique(material.sources[held]):
        rows = held[(material.sources[held] == source) & (patient[held] != "")]
        truth, who = labels[rows], patient[rows]
        is_blast = truth == BLAST
        if not is_blast.any():
            continue
        probabilities = reader.probabilities(material.vectors[rows])
        suspicion = probabilities[:, reader.classes.index(BLAST)]
        read = np.array(reader.classes)[probabilities.argmax(axis=1)]
        value, low, high = area(is_blast, suspicion, who)
        print(f"{source}: {is_blast.sum()} blasts, {(~is_blast).sum()} other cells, {len(np.unique(who))} patients")
        print(f"area under the ROC curve {value:.3f} [{low:.3f}, {high:.3f}]")
        print("| threshold | blasts found | called falsely |\n|---|---|---|")
        shown = [("plain reading", read == BLAST)]
        shown += [(f"{share:.0%} of others' cells", called(share, is_blast, suspicion, who)) for share in FALSE]
        for name, calls in shown:
            its = blasts(truth, None, who, called=calls)
            cells = (f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in (its.found, its.false))
            print(f"| {name} | {' | '.join(cells)} |")
        wrong = (read == BLAST) & ~is_blast
        for kind in np.unique(truth[wrong]):
            part, whole, low, high = share_of(truth == kind, wrong, who)
            print(f"of {whole} false calls {part} are {kind}: {part / whole:.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    typer.run(main)
