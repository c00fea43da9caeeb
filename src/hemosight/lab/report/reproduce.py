"""Every study in order, and the report of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from hemosight.engine.network import cores
from hemosight.errors import HemoSightError, UnknownName
from hemosight.images.sources import sources_of
from hemosight.lab.report import (
    active,
    attributes,
    baseline,
    explanation,
    held_out,
    label_efficiency,
    landscape,
    model_card,
    page,
    patients,
    plan,
    self_taught,
    transfer,
)
from hemosight.lab.report.figure import ReportInputs, Section, Study

STUDIES: Mapping[str, Study] = {
    "patients": patients.patients,
    "label-efficiency": label_efficiency.label_efficiency,
    "held-out": held_out.held_out,
    "baseline": baseline.baseline,
    "attributes": attributes.attributes,
    "active": active.active,
    "self-taught": self_taught.self_taught,
    "landscape": landscape.landscape,
    "explanation": explanation.explanation,
    "transfer": transfer.transfer,
    "plan": plan.plan,
}
"""Every study, in the report's order."""


@dataclass(frozen=True)
class Reproduced:
    """What a run made.

    Parameters
    ----------
    report
        The page.
    sections
        What is on it.
    left_out
        Studies that these cells or this installation do not allow, and why.
    seconds
        How long each study took; a study that was done before takes hardly any.
    """

    report: Path
    sections: tuple[Section, ...]
    left_out: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict)


def chosen(only: Sequence[str] = (), skip: Sequence[str] = ()) -> list[str]:
    """The studies to run, in the report's order: all, or ``only`` these, without ``skip``.

    Raises :class:`~hemosight.errors.UnknownName` for a study that is none of :data:`STUDIES`.
    """
    for name in (*only, *skip):
        if name not in STUDIES:
            raise UnknownName(kind="the study", choices=", ".join(STUDIES), name=name)
    return [name for name in STUDIES if (not only or name in only) and name not in skip]


def reproduce(
    work: ReportInputs, out: Path, *, studies: Sequence[str] = tuple(STUDIES), command: str = "", started: str = ""
) -> Reproduced:
    """Run studies and write ``report.html``, ``tables/``, ``figures/`` and ``model-card.json`` into ``out``.

    A study that these cells (no attributes, one class) or this installation (no torch) do not allow is left out, and
    the report says why. The page is written anew after each study: what an interruption leaves is whole.
    """
    sections: list[Section] = []
    left_out: dict[str, str] = {}
    seconds: dict[str, float] = {}
    report = out / "report.html"
    for name in studies:
        work.say(name)
        began = time.perf_counter()
        try:
            sections.append(STUDIES[name](work))
        except HemoSightError as fault:
            left_out[name] = str(fault)
            work.say(f"left out: {name}: {fault}")
        seconds[name] = time.perf_counter() - began
        report = page.write(out, sections, _facts(work, command, started, seconds), left_out)
    model_card.write(out, work, sections, command)
    return Reproduced(report, tuple(sections), left_out, seconds)


def _facts(work: ReportInputs, command: str, started: str, seconds: Mapping[str, float]) -> list[tuple[str, str]]:
    material, manifest, space = work.material, work.bundle.manifest, work.bundle.space
    counts = dict(material.catalog.table["source"].value_counts().iter_rows())
    sets = [
        ("Data", "; ".join([known.title, *_cells(counts.get(known.name, 0)), known.licence, known.citation]))
        for known in sources_of(material.catalog)
    ]
    held = len(material.split.held)
    times = [f"{name} {took:.0f} s" if took < 120 else f"{name} {took / 60:.0f} min" for name, took in seconds.items()]
    return [
        *sets,
        ("Cells", f"{len(material):,}; copies count once, disputed copies not at all"),
        ("Split", f"{held:,} held out {work.split_by}, stratified" if held else "none"),
        ("Patients", work.split_means),
        ("Encoder", f"{manifest.backbone} of bundle {manifest.name} {manifest.version}, sha256 {space.encoder[:12]}"),
        ("Preprocessing", space.preprocessing),
        ("Classifier", work.classifier),
        ("Seed", str(work.seed)),
        ("Time", "; ".join(times) + f"; on {cores()} cores"),
        *((("Command", command),) if command else ()),
        ("Made", f"{started} by HemoSight {version('hemosight')}".strip()),
    ]


def _cells(count: int) -> list[str]:
    # Annotations of another set's cells have none of their own.
    return [f"{count:,} cells"] if count else []
