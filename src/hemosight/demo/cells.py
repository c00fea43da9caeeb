"""What a demonstration reads: crops from the first place that has any the model was never labelled with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import polars as pl

from hemosight.engine.engine import Engine
from hemosight.errors import BadSplit, HemoSightError
from hemosight.images import sources
from hemosight.images.catalog import Catalog, Progress
from hemosight.images.download import data_home
from hemosight.images.download import get as get_source
from hemosight.images.splits import few_shot, support_sample
from hemosight.images.synthetic import draw_smear
from hemosight.space.labels import SupportSet

REAL_BOUND = 0.80
"""The least macro-F1 on real crops that passes ``--check``: of all laboratories together, by patient where known."""
DRAWN_BOUND = 0.85
"""The least macro-F1 on a drawn smear, read from ten labels of each type."""
DRAWN = 40
"""Drawn cells of each type."""
LABELLED = 10
"""Of these, the cells of each type whose label the model is given."""
_TIMEOUT = httpx.Timeout(30.0, connect=4.0)

Say = Callable[[str], None]
Bars = Callable[..., AbstractContextManager[tuple[Say, list[Progress]]]]
"""Shows progress: called with the names of steps, it gives a way to say something and one progress a step."""


@contextmanager
def quiet(*doing: str, **_: object) -> Iterator[tuple[Say, list[Progress]]]:
    """Progress that nobody sees."""

    def say(_: str) -> None: ...
    def progress(_done: int, _total: int) -> None: ...

    yield say, [progress] * len(doing)


@dataclass(frozen=True)
class DemoCells:
    """What is read.

    Parameters
    ----------
    catalog
        Cells the model has no label of.
    origin
        Where they come from, in words.
    bound
        The least macro-F1 that passes the check.
    support
        Labels to read with; the bundle's own where None.
    labelled
        The cells those labels are of; None where the bundle's own labels are read with.
    """

    catalog: Catalog
    origin: str
    bound: float
    support: SupportSet | None = None
    labelled: Catalog | None = None


def find(
    images: Path | None,
    out: Path,
    engine: Engine,
    say: Say,
    *,
    bars: Bars = quiet,
    environment: Mapping[str, str] | None = None,
    client: httpx.Client | None = None,
    per_type: int = DRAWN,
    seed: int = 0,
) -> DemoCells:
    """The first of: the given folder, the folder of data sets, a fetched public set, a drawn smear."""
    if images is not None:
        return _unseen(images, engine, bars)
    home = data_home(os.environ if environment is None else environment)
    if home.is_dir():
        try:
            return _unseen(home, engine, bars)
        except HemoSightError as error:
            say(f"Passing over {home}: {error}")
    if _fetch(home, say, bars, client):
        try:
            return _unseen(home, engine, bars)
        except HemoSightError as error:
            say(f"Passing over {home}: {error}")
    return drawn(out / "drawn", engine, say, bars=bars, per_type=per_type, seed=seed)


def drawn(
    folder: Path, engine: Engine, say: Say = lambda _: None, *, bars: Bars = quiet, per_type: int = DRAWN, seed: int = 0
) -> DemoCells:
    """A drawn smear, of which ten cells of each type are labelled for the model."""
    say(f"Drawing a smear, {per_type} cells of each type, in {folder}")
    with bars("drawing", "reading labels") as (_, (drawing, reading)):
        draw_smear(folder, per_type, seed, progress=drawing)
        catalog = Catalog.read(folder / "labels.csv")
        rows = few_shot(catalog.labels(), LABELLED, np.random.default_rng(seed))
        support = engine.support(catalog.take(rows), progress=reading).cells
    rest = catalog.take(np.setdiff1d(np.arange(len(catalog)), rows))
    return DemoCells(
        rest, f"drawn cells, {LABELLED} others of each type labelled", DRAWN_BOUND, support, catalog.take(rows)
    )


def unseen(catalog: Catalog, known: SupportSet) -> Catalog:
    """The cells a support set has no label of, each once, without those whose copies carry different labels."""
    table = catalog.table.filter(pl.col("label").drop_nulls().n_unique().over("id") <= 1).unique(
        "id", keep="first", maintain_order=True
    )
    return Catalog(table.filter(pl.Series([cell not in known for cell in table["id"]], dtype=pl.Boolean)))


def sample(catalog: Catalog, most: int, seed: int = 0) -> Catalog:
    """At most so many cells, every source and type in its own proportion."""
    if len(catalog) <= most:
        return catalog
    strata = catalog.table.select(pl.concat_str(pl.col("source", "label").fill_null(""), separator="\0"))
    rows = support_sample(strata.to_series().to_list(), most, np.random.default_rng(seed))
    return catalog.take(rows)


def _unseen(folder: Path, engine: Engine, bars: Bars) -> DemoCells:
    with bars("reading files") as (say, (progress,)):
        catalog = sources.read(folder, progress=progress, say=say)
    left = unseen(catalog, engine.bundle.support)
    if not len(left):
        raise BadSplit(
            code="nothing_unseen",
            expected="cells that the model was not labelled with",
            came=f"{len(catalog)} in {folder}, each of them among the bundle's own labelled cells or labelled in two "
            "ways",
            mend="Point at other crops, or give --bundle one that was packed without these.",
        )
    origins = ", ".join(sorted(left.table["source"].drop_nulls().unique()))
    known = sum(cell in engine.bundle.support for cell in set(catalog.ids))
    without = f" without the {known:,} that the model was labelled with" if known else ""
    return DemoCells(left, f"{origins} in {folder}{without}", REAL_BOUND)


def _fetch(home: Path, say: Say, bars: Bars, client: httpx.Client | None) -> bool:
    """Fetch the Barcelona set; whether it is there now. Ctrl-C and a missing network mean no."""
    source = sources.source("pbc")
    try:
        with client or httpx.Client(follow_redirects=True, timeout=_TIMEOUT) as own:
            say(f"Asking for the public set {source.name!r} at {source.page} (Ctrl-C draws a smear instead)")
            with own.stream("GET", source.files[0].url) as answer:
                answer.raise_for_status()
                length = answer.headers.get("Content-Length", "")
            size = f"{int(length) / 1e6:,.0f} MB" if length.isdigit() else "of unstated size"
            say(f"Fetching {source.title}: {source.total:,} crops, {size}, {source.licence}, to {home}")
            with bars("fetching", in_bytes=True) as (announce, (progress,)):
                get_source(source, home, progress=progress, say=announce, client=own)
            return True
    except KeyboardInterrupt:
        say("Interrupted; what came so far is kept for `hemosight data get pbc`")
    except (httpx.HTTPError, OSError, HemoSightError) as error:
        say(f"It could not be fetched: {error}")
    return False
