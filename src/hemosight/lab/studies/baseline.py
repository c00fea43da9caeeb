"""The supervised baseline beside self-supervised embeddings: same folds, same labels, and where the two cross.

A contender is anything that learns from some rows of a catalog and reads others: a network trained end to end on their
pictures, or the cheap :func:`top_only`, a softmax layer on a frozen network's features, which is what the paper's
baseline is up to 450 images. This room knows no torch: what trains and exports the network is handed in, as a
:class:`BaselineNetwork`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.network import Network
from hemosight.errors import BadSplit, BadTable
from hemosight.images.catalog import Catalog, Progress
from hemosight.images.preprocess import Preprocessing
from hemosight.images.splits import Rows
from hemosight.lab.studies.label_efficiency import FOLDS, PER_CLASS, Draw, draws
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData, placed_by
from hemosight.lab.studies.tables import FOLD, HELD_OUT, measured, summary
from hemosight.space import classifiers
from hemosight.space.embeddings import Embeddings

Answers = tuple[tuple[str, ...], NDArray[np.float64]]
"""Classes and probabilities: one row a cell, one column a class."""
Contender = Callable[[Rows, NDArray[np.str_], Rows, int], Answers]
"""(rows to learn from, their labels, rows to read, seed) -> answers; rows are the catalog's."""


@dataclass(frozen=True)
class BaselineNetwork:
    """The network that the baseline starts from, as the training room makes it.

    Both raise :class:`~hemosight.errors.ExtraMissing` where torch is not installed.

    Parameters
    ----------
    exported
        (timm name, side of the input in pixels) -> the network with ImageNet's weights, as an ONNX file's bytes.
    trained
        (cells, folder for checkpoints or None) -> a contender that trains the network end to end, in the paper's two
        stages; and, as text, the settings and the code that decide its answers.
    """

    exported: Callable[[str, int], bytes]
    trained: Callable[[Catalog, Path | None], tuple[Contender, str]]


TOP_ONLY, TRAINED = "top only", "trained network"
BACKBONE, SIZE = "tf_efficientnet_lite0", 128
"""The network that the baseline starts from, knowing ImageNet alone, and the side of its input in pixels."""


def compared(
    material: StudyData,
    *,
    features: Path | None = None,
    network: BaselineNetwork | None = None,
    train: Mapping[int | None, int] | None = None,
    seed: int = 0,
    steps: Steps | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """The table of :func:`baseline`: the top alone at every size, the network trained end to end at those of ``train``.

    Parameters
    ----------
    features
        Embeddings of the same cells by the network that the baseline starts from; made with ``network`` where None
        (:func:`starting_features`).
    network
        Exports and trains the network; not needed with ``features`` and without ``train``.
    train
        Labels of each class, None for all labels -> in how many of the folds. Hours on a processor; a run that was
        stopped goes on.
    progress
        Called with the number of cells that have features, and of all cells.

    Raises
    ------
    BadTable
        Where features have to be made, or the network trained, and no ``network`` was given.
    """
    steps = steps or Steps()
    if network is None and (features is None or train):
        raise BadTable(
            expected="features of the network that the baseline starts from, and no sizes to train it at",
            came="neither them nor the network",
            path="the baseline",
            mend="Give features, or the network.",
        )
    if features is not None:
        frozen = Embeddings.load(features)
    else:
        assert network is not None  # noqa: S101 -- narrows the type: one of the two is given
        frozen = starting_features(network, material.catalog, cache=steps.folder, progress=progress)
    top = {TOP_ONLY: top_only(frozen, material)}
    rests_on = f"{frozen.space.encoder} {frozen.space.preprocessing}"
    tables = [baseline(material, top, rests_on=rests_on, seed=seed, steps=steps)]
    if train:
        assert network is not None  # noqa: S101 -- narrows the type: checked above
        contender, settings = network.trained(
            material.catalog, None if steps.folder is None else steps.folder / "baseline-runs"
        )
        # One after another: they draw from torch's one generator, and each takes all cores.
        alone = replace(steps, workers=1)
        tables.append(baseline(material, {TRAINED: contender}, only=train, rests_on=settings, seed=seed, steps=alone))
    return pl.concat(tables)


def starting_features(
    network: BaselineNetwork, catalog: Catalog, *, cache: Path | None = None, progress: Progress | None = None
) -> Embeddings:
    """Embeddings of cells by the network that the baseline starts from.

    The exported network and the embeddings are kept in ``cache``; ``network`` is asked only where the file is missing.
    """
    file = None if cache is None else cache / f"imagenet-{BACKBONE}-{SIZE}.onnx"
    if file is not None and file.exists():
        data = file.read_bytes()
    else:
        data = network.exported(BACKBONE, SIZE)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            part.write_bytes(data)
            part.replace(file)
    return placed_by(Network(data, Preprocessing(size=SIZE)), catalog, cache=cache, progress=progress)


def top_only(features: Embeddings, material: StudyData) -> Contender:
    """A softmax layer on frozen features, cell by cell those of ``material``.

    Give the features of the network that the baseline starts from (ImageNet's), not those of the encoder it is
    compared with.
    """
    where = features.rows(material.catalog.ids)
    if (where < 0).any():
        raise BadTable(
            expected=f"features of all {len(material)} cells",
            came=f"of {int((where >= 0).sum())}",
            path="the frozen features",
            mend="Embed the same data with the network the baseline starts from.",
        )
    vectors = features.vectors[where]

    def contender(support: Rows, labels: NDArray[np.str_], queries: Rows, _seed: int) -> Answers:
        reader = classifiers.fit(vectors[support], labels, "logistic")
        return reader.classes, reader.probabilities(vectors[queries])

    return contender


def baseline(
    material: StudyData,
    contenders: Mapping[str, Contender],
    *,
    label_set: str = CELL_TYPE,
    per_class: Sequence[int] = PER_CLASS,
    folds: int = FOLDS,
    only: Mapping[int | None, int] | None = None,
    repeats: int = 1,
    rests_on: str = "",
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Teach every contender on the draws that :func:`~hemosight.lab.studies.label_efficiency.label_efficiency` makes.

    ``only`` are the sizes to do instead of ``per_class`` and all labels, which are None among them, each in so many of
    the folds; ``rests_on`` says what the contenders depend on besides the material, so that nothing kept of other
    contenders is taken for theirs.

    Returns its table, ``study`` being ``baseline`` and ``classifier`` the contender's name: the two can be stacked.

    Raises
    ------
    BadSplit
        Where some class cannot fill a single one of the sizes ``only``.
    """
    labels = material.labels(label_set)
    held_out = material.split.held[labels[material.split.held] != ""]

    def piece(name: str, draw: Draw) -> Callable[[], pl.DataFrame]:
        def work() -> pl.DataFrame:
            queries = np.concatenate([draw.held, held_out])
            classes, probabilities = contenders[name](draw.support, labels[draw.support], queries, seed + draw.fold)
            facts = {"study": "baseline", "classifier": name, **draw.facts()}
            cut = len(draw.held)
            return pl.concat(
                measured(labels[queries[part]], classes, probabilities[part], {**facts, "on": on})
                for on, part in ((FOLD, slice(0, cut)), (HELD_OUT, slice(cut, None)))
                if len(queries[part])
            )

        return work

    sizes = per_class if only is None else sorted(size for size in only if size is not None)
    protocol = [
        draw
        for draw in draws(material, label_set=label_set, per_class=sizes, folds=folds, repeats=repeats, seed=seed)
        if only is None or draw.fold < only.get(draw.per_class, 0)
    ]
    if not protocol:
        raise BadSplit(
            expected=f"a class to have {sizes[0]:,} labels outside of each fold",
            came="one with fewer",
            mend="Ask for fewer labels of each class.",
        )
    pieces = {f"{name} {draw.name}": piece(name, draw) for name in contenders for draw in protocol}
    decided_by = {
        "material": material.hash,
        "label_set": label_set,
        "rests_on": rests_on,
        "folds": folds,
        "seed": seed,
    }
    return (steps or Steps()).run("baseline", decided_by, pieces)


def crossing(ours: pl.DataFrame, theirs: pl.DataFrame, *, metric: str = "macro_f1") -> pl.DataFrame:
    """Where a baseline catches up with self-supervised embeddings.

    ``ours`` and ``theirs`` are tables of :func:`label_efficiency` and :func:`baseline`. One row for each pair of
    classifiers and ``on``: ``labels`` at which the baseline's mean reaches the other's and stays there, between two
    sizes on a logarithmic axis; null where it never does; ``first`` and ``last``: the difference (self-supervised
    less baseline) at the smallest and at the largest size both have. Where the baseline was taught in some of the
    folds only, it is compared in these.
    """
    rows = []
    ours, theirs = (table.filter(pl.col("metric") == metric) for table in (ours, theirs))
    for key, one in ours.group_by("classifier", "on", maintain_order=True):
        for (name,), other in theirs.filter(on=key[1]).group_by(["classifier"], maintain_order=True):
            same = one.join(other, on=("per_class", "fold"), how="semi", nulls_equal=True)
            both = summary(same).join(summary(other), on="per_class", suffix="_theirs", nulls_equal=True).sort("labels")
            if not len(both):
                continue
            ahead = (both["mean"] - both["mean_theirs"]).to_numpy()
            size = np.log(both["labels"].to_numpy())
            behind = np.flatnonzero(ahead > 0)
            labels: float | None
            if not len(behind):
                labels = float(np.exp(size[0]))
            elif behind[-1] == len(ahead) - 1:
                labels = None
            else:
                at = int(behind[-1])
                step = ahead[at] / (ahead[at] - ahead[at + 1])
                labels = float(np.exp(size[at] + step * (size[at + 1] - size[at])))
            rows.append(
                {
                    "self_supervised": key[0],
                    "baseline": name,
                    "on": key[1],
                    "labels": labels,
                    "first": float(ahead[0]),
                    "last": float(ahead[-1]),
                }
            )
    return pl.DataFrame(rows, schema_overrides={"labels": pl.Float64})
