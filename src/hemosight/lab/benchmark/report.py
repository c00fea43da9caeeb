"""A whole run: crops gathered or drawn, every stage timed, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hemosight.engine.bundle import load as load_bundle
from hemosight.errors import PathMissing, UnreadableImage
from hemosight.images.catalog import Progress
from hemosight.images.decode import decode, read_bytes
from hemosight.images.formats import no_images
from hemosight.images.sources import layout
from hemosight.images.synthetic import CELL_TYPES, draw_smear
from hemosight.lab.benchmark.stages import stages
from hemosight.lab.benchmark.timing import REPEATS, SECONDS, Machine, Timing, machine, measure


@dataclass(frozen=True)
class BenchmarkReport:
    """All measurements of one run, and what they were taken of."""

    machine: Machine
    bundle: str
    origin: str
    crops: int
    timings: tuple[Timing, ...]

    def to_json(self) -> dict[str, Any]:
        """The whole report as plain values."""
        return asdict(self) | {"timings": [timing.to_json() for timing in self.timings]}


def draw(folder: Path, count: int, progress: Progress | None = None) -> list[Path]:
    """Draw so many crops into a folder, all types in equal shares."""
    per_type = {name: len(range(place, count, len(CELL_TYPES))) for place, name in enumerate(CELL_TYPES)}
    return draw_smear(folder, per_type, seed=0, progress=progress)


def gather(folder: Path, count: int) -> list[Path]:
    """At most so many readable crops of a folder, evenly spread over it.

    Raises :class:`~hemosight.errors.PathMissing` and :class:`~hemosight.errors.TooFewCells` (no crop can be read).
    """
    if not folder.exists():
        raise PathMissing(path=folder, cwd=Path.cwd())
    found = layout.images(layout.files(folder))
    spread = [found[place] for place in np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)]
    crops = [path for path in spread if _is_readable(path)]
    if not crops:
        raise no_images(folder)
    return crops


def _is_readable(path: Path) -> bool:
    try:
        decode(read_bytes(path))
    except UnreadableImage:
        return False
    return True


def run(
    path: Path | None,
    crops: Sequence[Path],
    origin: str,
    *,
    repeats: int = REPEATS,
    seconds: float = SECONDS,
    slow: bool = False,
    against: Path | None = None,
    progress: Progress | None = None,
) -> BenchmarkReport:
    """Measure every stage.

    Parameters
    ----------
    path
        A bundle; the one that comes with HemoSight where None.
    crops, origin
        Readable crops, and where they come from, in words.
    repeats, seconds
        Bounds of one stage: rounds, and the time after which no round begins.
    slow
        Whether to fit the svm on the whole support, which takes minutes.
    against
        Another bundle, to read the same crops with in turns.
    progress
        Called after each stage.
    """
    here = machine()
    bundle = load_bundle(path)
    plan = stages(path, bundle, crops, slow=slow, against=None if against is None else load_bundle(against))
    timings: list[Timing] = []
    for done, stage in enumerate(plan, start=1):
        timings += measure(stage, repeats, seconds)
        if progress is not None:
            progress(done, len(plan))
    name = f"{bundle.manifest.name} {bundle.manifest.version} ({bundle.manifest.backbone})"
    return BenchmarkReport(here, name, origin, len(crops), tuple(timings))
