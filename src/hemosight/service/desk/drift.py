"""Drift at the desk: every signed case is a point on control charts of its scanner profile.

What a case looks like is measured when it is signed: how many of its cells are unusual, how its pictures look, which
types it has, and how often the model had read what people then said. Rules and limits are those of
:mod:`hemosight.scoring.watch`; a flag that nobody has answered asks for a new validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.differential import Differential, listed_as
from hemosight.blood.palette import ordered
from hemosight.blood.vocabulary import Level, title
from hemosight.images.looks import PictureLooks, looks
from hemosight.images.pixel_scale import spread
from hemosight.scoring.watch import ChartPerformance, Watch, WatchedMeasure, performance, watch
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.storage import drift
from hemosight.service.storage.database import Database
from hemosight.service.storage.drift import Answer, StoredPoint
from hemosight.space.novelty import UNUSUAL

Kind = Literal["novelty", "agreement", "scale", "stain", "brightness", "type"]
LOOKED = 20
"""Pictures of a case that are looked at: signing waits for it, a third of a second."""


@dataclass(frozen=True)
class CaseMeasures:
    """What a signed case looks like; kept with its signature.

    Parameters
    ----------
    cells, unusual
        Counted cells with a reading, and those of them beyond the novelty limit.
    named, agree
        Cells that a person named, and those of them that the model had read so before anybody said anything.
    leukocytes, types
        The signed differential: how many there are, and how many of each upper type.
    colour, light, width
        How its pictures look (:class:`~hemosight.images.looks.PictureLooks`); None where that cannot be told.
    """

    cells: int
    unusual: int
    named: int
    agree: int
    leukocytes: int
    types: dict[str, int]
    colour: float | None
    light: float | None
    width: float | None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def look_of_case(database: Database, cells: Sequence[int]) -> PictureLooks:
    """How the pictures of a case look: of some of its cells, evenly from the first to the last.

    It reads pictures for a third of a second: no transaction is open meanwhile.
    """
    with database.session() as session:
        pictures = drift.pictures(session, sampled(cells))
    return look_of(pictures)


def look_of(pictures: Sequence[tuple[bytes, int | None]]) -> PictureLooks:
    """How pictures of one case look, given with the bits of their samples."""
    bits = {depth for _, depth in pictures}
    # A case has one depth but for odd ones; its pictures of another would be read as too dark or too bright.
    depth = next(iter(bits)) if len(bits) == 1 else None
    return looks([data for data, of in pictures if of == depth], depth)


def sampled(cells: Sequence[int]) -> list[int]:
    """The cells of a case whose pictures are looked at."""
    return spread(cells, LOOKED)


def measures(
    snapshot: Snapshot, case: int, types: Differential, before: Mapping[int, str | None], look: PictureLooks
) -> CaseMeasures:
    """Measure a case.

    Parameters
    ----------
    types
        What is signed, by upper types.
    before
        What the model read each labelled cell as when somebody first said what it is.
    look
        How its pictures look.
    """
    own = snapshot.counting(case)
    read = own & snapshot.read
    rules = snapshot.spec.rules

    def upper(name: str) -> str:
        return listed_as(name, Level.TYPE, rules[name], rules.__getitem__) if name in rules else name

    rows = np.flatnonzero(own & (snapshot.label >= 0))
    pairs = [(snapshot.spec.names[snapshot.label[row]], before.get(int(snapshot.ids[row]))) for row in rows]
    named = [(label, predicted) for label, predicted in pairs if predicted is not None]
    return CaseMeasures(
        cells=int(read.sum()),
        unusual=int((snapshot.novelty[read] > UNUSUAL).sum()),
        named=len(named),
        agree=sum(upper(label) == upper(predicted) for label, predicted in named),
        leukocytes=types.total,
        types={share.label: share.count for share in types.shares},
        colour=look.colour,
        light=look.light,
        width=look.width,
    )


@dataclass(frozen=True)
class DriftChart:
    """One chart of a scanner profile: ``name`` is unique among them, ``title`` what people call it."""

    name: str
    kind: Kind
    title: str
    watch: Watch


@dataclass(frozen=True)
class ScannerDrift:
    """The control charts of a scanner profile.

    Parameters
    ----------
    points
        Its signed cases, in order of time.
    charts
        Each with an entry for every case.
    usual
        Cases since what is usual was last learnt anew, the learning ones included.
    usual_readings
        The same of what the model reads (unusual cells, agreement), which another bundle begins anew as well.
    answered
        Cases up to which flags were answered.
    performance
        What so many charts promise; None without a chart.
    """

    points: tuple[StoredPoint, ...]
    charts: tuple[DriftChart, ...]
    usual: int
    usual_readings: int
    answered: int
    performance: ChartPerformance | None

    @property
    def asks(self) -> bool:
        """Whether a flag that nobody has answered asks for a new validation."""
        return any(flag.at >= self.answered for chart in self.charts for flag in chart.watch.flags)


def scanner(points: Sequence[StoredPoint], answers: Sequence[Answer], bundle: int | None = None) -> ScannerDrift:
    """The charts of one profile: its points in order of time, and what was said to its flags.

    ``bundle`` reads what comes next; that of the last case where it is not said.
    """
    places = np.array([one.first for one in points], np.int64)
    until = {
        kind: [int(np.searchsorted(places, one.until, "right")) for one in answers if one.kind == kind]
        for kind in ("explained", "validated")
    }
    bundles = [one.bundle for one in points]
    if bundles and bundle is not None:
        bundles.append(bundle)
    # What the model reads is another thing under another bundle; what the pictures look like is not.
    switched = [place for place in range(1, len(bundles)) if bundles[place] != bundles[place - 1]]
    epochs, restarts = until["validated"], until["explained"]
    wanted = _wanted(points)

    def chart(name: str, kind: Kind, title: str, values: _Numbers, totals: _Numbers | None) -> DriftChart:
        anew = [*epochs, *switched] if kind in ("novelty", "agreement") else epochs
        return DriftChart(name, kind, title, watch(WatchedMeasure(values, totals, anew, restarts), len(wanted)))

    charts = tuple(chart(*one) for one in wanted)
    begun = max(epochs, default=0)
    readings_begun = max([*epochs, *switched], default=0)
    return ScannerDrift(
        points=tuple(points),
        charts=charts,
        usual=len(points) - begun,
        usual_readings=len(points) - readings_begun,
        answered=max([*epochs, *restarts], default=0),
        performance=performance(len(charts)) if charts else None,
    )


_Numbers = NDArray[np.float64]
_Wanted = tuple[str, Kind, str, _Numbers, _Numbers | None]


def _wanted(points: Sequence[StoredPoint]) -> list[_Wanted]:
    """Name, kind, title, values and totals of every chart there is something to draw of."""

    def column(name: str) -> _Numbers:
        return np.array([_number(one.measures.get(name)) for one in points], np.float64)

    def types(name: str) -> _Numbers:
        return np.array([float(one.measures.get("types", {}).get(name, 0)) for one in points], np.float64)

    names = ordered({name for one in points for name in one.measures.get("types", {})})
    found: list[_Wanted] = [
        ("novelty", "novelty", "Unusual cells", column("unusual"), column("cells")),
        ("agreement", "agreement", "Read as people then said", column("agree"), column("named")),
        ("scale", "scale", "Width of red cells", column("width"), None),
        ("stain", "stain", "Colour (red over blue)", column("colour"), None),
        ("brightness", "brightness", "Brightness", column("light"), None),
        *((f"type:{name}", "type", title(name), types(name), column("leukocytes")) for name in names),
    ]
    # Nothing to see in a measure that no case has, or a type that never came.
    return [one for one in found if np.nansum(np.abs(one[3])) > 0 or one[1] == "novelty"]


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
