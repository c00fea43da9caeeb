"""How readings came about: bundle, encoder, preprocessing, labels, command."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.images.preprocess import Preprocessing
from hemosight.space.labels import SupportSet

if TYPE_CHECKING:
    from hemosight.engine.engine import Engine


@dataclass(frozen=True)
class Provenance:
    """How the readings came about: what the foot of the sheet says.

    Parameters
    ----------
    label_set, classes
        What was asked, and every answer that could have been given.
    preprocessing
        How the pixels were prepared.
    notice
        The bundle's notice about its use.
    lines
        Name and value of everything else worth knowing, in the order shown.
    """

    label_set: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    notice: str
    lines: tuple[tuple[str, str], ...]

    @classmethod
    def of(
        cls,
        engine: Engine,
        *,
        label_set: str = CELL_TYPE,
        support: SupportSet | None = None,
        command: str = "",
        when: datetime | None = None,
        more: Sequence[tuple[str, str]] = (),
    ) -> Provenance:
        """What an engine and the labels it read with say of themselves."""
        manifest, space = engine.bundle.manifest, engine.bundle.space
        cells = support if support is not None else engine.bundle.support
        classes = engine.classes(label_set, support)
        labelled = sum(cells.counts(label_set).values())
        origins = ", ".join(sorted({source for source in cells.sources if source})) or "an unnamed source"
        prepared = engine.bundle.preprocessing
        made = (when or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M %Z").strip()
        identity = hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()
        lines = (
            ("Bundle", f"{manifest.name} {manifest.version}, manifest {identity[:12]}, made {manifest.created[:10]}"),
            ("Encoder", f"{manifest.backbone}, sha256 {space.encoder[:12]}"),
            (
                "Preprocessing",
                f"{'grey world, ' if prepared.grey_world else ''}centre {prepared.crop} px to {prepared.size} px, "
                f"{prepared.hash}",
            ),
            ("Labels", f"{labelled:,} cells of {len(classes)} types from {origins}"),
            *more,
            ("Made", f"{made} by HemoSight {version('hemosight')}"),
            *((("Command", command),) if command else ()),
        )
        return cls(label_set, classes, prepared, manifest.notice, lines)
