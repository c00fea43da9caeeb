"""What reading at speed costs: the shortcut of pixels, and what computes on this machine, against the reference.

    python benchmarks/shortcut.py --data "$HEMOSIGHT_DATA"           # needs the [fast] extra for the second table

Three tables. How long it takes to prepare a crop on the road and by the shortcut, and what the network takes for
parts that it enlarges itself beside whole squares that Pillow enlarged (least processor time over rounds, one
thread). How near the embeddings are that the shortcut's squares give (least and mean cosine, in single precision) to
those of the road, for crops of every laboratory at several pixel scales: decoded whole, and halved where the scale
allows it. Then what readers that learnt from reference embeddings say of every laboratory's held-out cells, and of
all its cells where they learnt from the other laboratories alone: macro-F1 over the types that are there, expected
calibration error, and how many cells are read as another type than by the reference: with the backend that was
measured to be the quickest here, on the road and by the shortcut.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine import backends
from hemosight.engine.backends import AUTO, BATCH, REFERENCE
from hemosight.engine.bundle import Bundle, load
from hemosight.engine.network import Network
from hemosight.images import formats, shortcut
from hemosight.images.catalog import Catalog
from hemosight.images.decode import Pixels, decode, decode_cell, read_bytes
from hemosight.images.laboratory_splits import hold_out_by_source
from hemosight.images.preprocess import Preprocessing
from hemosight.images.shortcut import Part
from hemosight.images.sources import read
from hemosight.lab.benchmark import draw
from hemosight.scoring import metrics
from hemosight.space import classifiers
from hemosight.space.embeddings import Vectors

ROUNDS, TIMED = 9, 64
"""Rounds of what is timed, and crops of a round."""
SCALES = (0.73, 0.85, 0.95, 1.0, 1.02, 1.1, 1.3, 1.6)


def near(network: Network, crops: list[bytes], scale: float) -> dict[str, NDArray[np.float32]]:
    """Cosines between the embeddings of the road's squares and the shortcut's, whole and halved."""
    road = network.preprocessing
    expected = network.vectors(np.stack([road(decode(crop), scale) for crop in crops]))
    ways: dict[str, list[tuple[int, NDArray[np.uint8]]]] = {"whole": [], "halved": []}
    for row, crop in enumerate(crops):
        pixels = decode(crop)
        height, width, _ = pixels.shape
        if shortcut.window(road, height, width, scale) is None:
            continue  # which takes the road
        ways["whole"].append((row, shortcut.at_once(pixels, road, scale)))
        halved = shortcut.halved(crop, road, scale)
        if halved is not None:
            ways["halved"].append((row, halved.square() if isinstance(halved, Part) else halved))
    found = {}
    for name, squares in ways.items():
        if squares:
            rows, pixels = zip(*squares, strict=True)
            found[name] = np.einsum("ij,ij->i", network.vectors(np.stack(pixels)), expected[list(rows)])
    return found


def milliseconds(work: Callable[[], object], crops: int) -> float:
    """The least processor time of a crop, over rounds."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return 1000 * min(taken) / crops


def times(bundle: Bundle) -> Iterator[str]:
    """A line for each way, of drawn crops of 360 pixels."""
    road = bundle.preprocessing
    with TemporaryDirectory() as folder:
        crops = [read_bytes(crop) for crop in draw(Path(folder), TIMED)]
    for scale in (1.0, 1.2):
        for name, prepare in (("the road", _by_road), ("the shortcut", shortcut.prepare)):
            taken = milliseconds(partial(_each, prepare, crops, road, scale), TIMED)
            yield f"| prepared at scale {scale}, {name} | {taken:.2f} |"
    parts = [part for crop in crops if isinstance(part := shortcut.prepare(crop, road), Part)][:BATCH]
    yield f"| enlarged by Pillow | {milliseconds(lambda: [part.square() for part in parts], BATCH):.2f} |"
    squares = np.stack([part.square() for part in parts])
    for name in backends.available()[1:]:
        backend = backends.make(name, bundle.encoder, 1)
        yield f"| {name}, squares | {milliseconds(partial(backend.vectors, squares), BATCH):.2f} |"
        yield f"| {name}, parts | {milliseconds(partial(backend.vectors_of_parts, parts), BATCH):.2f} |"


def _each(
    prepare: Callable[[bytes, Preprocessing, float], object], crops: list[bytes], road: Preprocessing, scale: float
) -> None:
    for crop in crops:
        prepare(crop, road, scale)


def _by_road(data: bytes, road: Preprocessing, scale: float) -> Pixels:
    return road(decode_cell(data), scale)


def embedded(bundle: Bundle, catalog: Catalog) -> dict[str, Vectors]:
    """The catalog's embeddings, a row each (no number where unreadable): by the reference, and by the quickest here."""
    reference, quick = (Network(bundle.encoder, bundle.preprocessing, backend=name) for name in (REFERENCE, AUTO))
    quick.choose(anew=True)
    name = quick.backend.name
    ways = {REFERENCE: (reference, False), f"{name}, the road": (quick, True), f"{name}, the shortcut": (quick, False)}
    scales = catalog.table["scale"].to_list()
    found = {}
    for way, (network, decoded) in ways.items():
        # What comes decoded takes the road.
        crops = (decode(read_bytes(path)) for path in catalog.paths) if decoded else catalog.paths
        points = network.points(crops, scales, contrast=False)
        nothing = np.full(network.dim, np.nan, np.float32)
        found[way] = np.stack([nothing if point.vector is None else point.vector for point in points])
    return found


def main(
    data: Annotated[Path, typer.Option("--data", help="Folder of the laboratories' crops.")],
    crops: Annotated[int, typer.Option("--crops", min=1, help="Crops of each laboratory in the first table.")] = 120,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle; the built-in one.")] = None,
) -> None:
    """Measure and print."""
    ours = load(bundle)
    catalog = read(data).readable()
    sources = np.array(catalog.table["source"].to_list(), np.str_)
    print("| milliseconds of processor a crop | |\n|---|---|")
    for line in times(ours):
        print(line, flush=True)
    network = Network(ours.encoder, ours.preprocessing, backend=REFERENCE)
    print("\n| laboratory | scale | whole: least, mean | halved: least, mean |\n|---|---|---|---|")
    for source in np.unique(sources):
        rows = np.random.default_rng(1).permutation(np.flatnonzero(sources == source)).tolist()
        chosen = [read_bytes(catalog.paths[row]) for row in rows[:crops]]
        chosen = [crop for crop in chosen if formats.known(crop) == "JPEG"]
        for scale in SCALES:
            found = near(network, chosen, scale)
            cells = [
                f"{found[name].min():.4f}, {found[name].mean():.4f}" if name in found else "-"
                for name in ("whole", "halved")
            ]
            print(f"| {source} | {scale} | {cells[0]} | {cells[1]} |", flush=True)

    held = np.zeros(len(catalog), bool)
    held[hold_out_by_source(catalog).held] = True
    labels = np.array([label or "" for label in catalog.labels(CELL_TYPE)])
    ways = embedded(ours, catalog)
    reference = ways[REFERENCE]
    known = np.isin(labels, ours.classifiers[CELL_TYPE].classes)
    known &= np.all([np.isfinite(vectors[:, 0]) for vectors in ways.values()], axis=0)
    print("\n| laboratory | reader learnt from | cells | read by | macro-F1 | calibration error | of another type |")
    print("|---|---|---|---|---|---|---|")
    for source in np.unique(sources):
        here = known & (sources == source)
        for learnt, others, asked in (
            ("all but held-out cells", known & ~held, here & held),
            ("the other laboratories", known & ~here, here),
        ):
            reader = classifiers.fit(reference[others], labels[others])
            before = np.array(reader.classes)[reader.probabilities(reference[asked]).argmax(axis=1)]
            for way, vectors in ways.items():
                said = reader.probabilities(vectors[asked])
                types = np.array(reader.classes)[said.argmax(axis=1)]
                judged = metrics.scores(labels[asked], types, confidence=said.max(axis=1), bootstraps=0)
                print(
                    f"| {source} | {learnt} | {asked.sum():,} | {way} | {judged.macro_f1.value:.3f} | "
                    f"{judged.calibration_error:.3f} | {(types != before).sum()} |",
                    flush=True,
                )


if __name__ == "__main__":
    typer.run(main)
