"""How quickly a search for a rare type finds its cells, and how many looks it takes until it can say that few are left.

    python benchmarks/rare.py
    python benchmarks/rare.py --film [--cells 10000 --share 0.002 --vectors film.npz]

Without an option: after 150 ranked looks that found one cell, random looks, none of which finds one, for films of
several sizes. ``--film``: a drawn film, read by the default bundle and searched for blasts as at the review desk
(``hemosight.service.desk.search``: probability and likeness together, likeness to what was found so far), one stain
and scanner for all; how many of the blasts are among the first looks. Drawing and reading 10,000 cells takes a quarter
of an hour of one processor; ``--vectors`` keeps what was read, and the same command goes on where it was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import hemosight
from hemosight.blood.palette import marks
from hemosight.blood.vocabulary import CELL_TYPE, title
from hemosight.engine.engine import Engine
from hemosight.images.synthetic import Scanner, Stain, draw_cell
from hemosight.images.synthetic.slide import SHARES as OF_A_SLIDE
from hemosight.scoring.rare import SearchCounts, further
from hemosight.service.desk.label_set_state import LabelSetSpec
from hemosight.service.desk.search import RANKED, Seen, search
from hemosight.service.desk.snapshot import Snapshot

SHARES = (0.05, 0.02, 0.01, 0.005, 0.001)
BLAST = "blast"
SEED = 20
FIRST = (50, 100, 200)
_PART = 100


def main(
    film: Annotated[bool, typer.Option("--film", help="Search a drawn film for blasts.")] = False,
    cells: Annotated[int, typer.Option(min=100, help="Of the film.")] = 10_000,
    share: Annotated[float, typer.Option(min=0, max=0.5, help="Of blasts among them.")] = 0.002,
    vectors: Annotated[Path | None, typer.Option(help="File that keeps what was read (.npz).")] = None,
) -> None:
    """Print the table."""
    if film:
        searched(cells, share, vectors)
        return
    print("| cells of the film | " + " | ".join(f"below {100 * share:g}%" for share in SHARES) + " |")
    print("|---" * (len(SHARES) + 1) + "|")
    for count in (400, 1000, 4120, 10000, 50000):
        more = [further(SearchCounts(count, 150, 1), share) for share in SHARES]
        words = ["not by any number" if looks is None else f"{looks:,}" for looks in more]
        print(f"| {count:,} | " + " | ".join(words) + " |")


def searched(cells: int, share: float, kept: Path | None) -> None:
    """The figure of a drawn film."""
    engine = hemosight.load(threads=1)
    labels = film_of(cells, share)
    read = _read(engine, labels, kept)
    classifier = engine.bundle.classifiers[CELL_TYPE]
    names = list(classifier.classes)
    probabilities = classifier.probabilities(read)
    truth = np.array(labels) == BLAST
    own, still = found_by(snapshot_of(read, probabilities, names), truth, max(FIRST))
    print(f"{cells:,} drawn cells, {int(truth.sum())} blasts; found among the first looks:")
    print("| looks | as the search goes, with random looks once ranking ends | ranked looks alone |")
    print("|---|---|---|")
    for first in FIRST:
        print(f"| {first} | {sum(own[:first])} | {sum(still[:first])} |")
    as_read = np.array(names)[probabilities.argmax(axis=1)] == BLAST
    print(f"read as blasts: {int(as_read.sum())} cells, {int((as_read & truth).sum())} of them blasts")


def film_of(cells: int, share: float, seed: int = SEED) -> list[str]:
    """The types of a film: so many blasts at random places, and of the others as many as a smear has."""
    rng = np.random.default_rng(seed)
    others = {name: part for name, part in OF_A_SLIDE.items() if name != BLAST}
    weights = np.array(list(others.values()))
    labels = rng.choice(list(others), size=cells, p=weights / weights.sum()).tolist()
    for place in rng.choice(cells, size=round(share * cells), replace=False).tolist():
        labels[place] = BLAST
    return labels


def snapshot_of(vectors: NDArray[np.float32], probabilities: NDArray[np.floating], names: Sequence[str]) -> Snapshot:
    """Cells of one case that nobody labelled, as the review desk holds them.

    Parameters
    ----------
    vectors
        Cells x dimensions, unit length.
    probabilities
        Cells x classes, in the order of ``names``.
    """
    count = len(vectors)
    looks = marks(set(names))
    classes = tuple(
        {"name": name, "title": title(name), "key": looks[name].letter, "light": looks[name].light} for name in names
    )
    zeros, none = np.zeros(count, np.int64), np.full(count, -1, np.int16)
    first = probabilities.argmax(axis=1).astype(np.int16)
    return Snapshot(
        spec=LabelSetSpec(1, CELL_TYPE, "Cell type", "bundle", classes),
        event=0,
        taught_until=0,
        taught_by_panels={},
        ids=np.arange(1, count + 1),
        case=np.ones(count, np.int64),
        profile=np.ones(count, np.int64),
        status=np.ones(count, np.uint8),
        novelty=np.zeros(count, np.float32),
        x=np.zeros(count, np.float32),
        y=np.zeros(count, np.float32),
        label=none,
        version=zeros,
        by=none.astype(np.int64),
        predicted=first,
        alone=first,
        probabilities=probabilities.astype(np.float32),
        probability=probabilities.max(axis=1).astype(np.float32),
        margin=np.zeros(count, np.float32),
        held_back=np.zeros(count, np.bool_),
        vectors=vectors,
        rows=np.arange(count),
        stamp=zeros,
        floor=0,
        asked=np.ones(count, np.bool_),
        outside=np.zeros(count, np.bool_),
    )


def found_by(snapshot: Snapshot, truth: NDArray[np.bool_], looks: int) -> tuple[list[bool], list[bool]]:
    """Whether each look of a search finds a blast: as the desk goes on (ranked, then random), and by ranking alone.

    Whoever looks says of every cell what it is. The classifier is not fitted again: what is found moves the ranking by
    the likeness to it.
    """
    own: list[Seen] = []
    while len(own) < min(looks, len(truth)):
        coming = search(snapshot, BLAST, None, own).coming[0]
        own.append(Seen(coming.image, coming.way, bool(truth[coming.row])))
    still: list[Seen] = []
    while len(still) < min(looks, len(truth)):
        # Of what was looked at only the finds are told, so that ranking never ends.
        hits, done = [one for one in still if one.found], {one.image for one in still}
        coming = next(one for one in search(snapshot, BLAST, None, hits).coming if one.image not in done)
        still.append(Seen(coming.image, RANKED, bool(truth[coming.row])))
    return [one.found for one in own], [one.found for one in still]


def _read(engine: Engine, labels: Sequence[str], kept: Path | None) -> NDArray[np.float32]:
    """Embeddings of the film's cells, each drawn by its number alone; goes on behind what was kept."""
    read = np.empty((0, engine.network.dim), np.float32)
    if kept is not None and kept.exists():
        with np.load(kept, allow_pickle=False) as file:
            before = file["labels"].tolist()
            if before != list(labels[: len(before)]):
                raise SystemExit(f"{kept} holds another film. Name another file, or delete it.")
            read = file["vectors"]
    stain, scanner = Stain.random(np.random.default_rng([SEED, 0])), Scanner.reference()
    for start in range(len(read), len(labels), _PART):
        part = labels[start : start + _PART]
        crops = [
            draw_cell(label, np.random.default_rng([SEED, 1, start + place]), stain=stain, scanner=scanner).pixels
            for place, label in enumerate(part)
        ]
        read = np.vstack([read, engine.network.embed_crops(crops).vectors])
        if kept is not None:
            np.savez(kept, vectors=read, labels=np.array(labels[: len(read)]))
    return read


if __name__ == "__main__":
    typer.run(main)
