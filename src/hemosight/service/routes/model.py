"""The model: what the bundle says of itself, and the map it reads on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Header, Response

from hemosight.blood.palette import marks
from hemosight.blood.vocabulary import CELL_TYPE, title
from hemosight.engine.bundle import Bundle, Manifest
from hemosight.service.bundle_words import figures_in_words, laboratories, masked, split_in_words
from hemosight.service.desk.columns import BINARY, MEDIA_TYPE, NO_CLASS, pack
from hemosight.service.errors import NothingThere
from hemosight.service.schemas.model import (
    BundleShown,
    Calibration,
    Confusion,
    Efficiency,
    ModelShown,
    SetFacts,
    Source,
    Step,
)
from hemosight.service.security.permissions import SignedIn
from hemosight.service.state import Service

router = APIRouter(prefix="/model", tags=["model"])


@router.get("", operation_id="get_model")
def read(_: SignedIn, service: Service) -> ModelShown:
    """The bundle this service reads with: provenance, figures, limits."""
    bundle, manifest = service.registry.bundle, service.registry.bundle.manifest
    held = manifest.figures.get("held_out") or {}
    return ModelShown(
        bundle=BundleShown(
            name=manifest.name,
            version=manifest.version,
            created=manifest.created,
            notice=manifest.notice,
            backbone=manifest.backbone,
            identity=service.registry.identity,
            cells=len(bundle.support),
            dimensions=bundle.support.embeddings.dim,
            preprocessing=manifest.preprocessing,
            provenance=masked(manifest.encoder_provenance),
            sources=[source_of(facts) for facts in manifest.sources],
            commands=masked(manifest.commands),
        ),
        label_sets=[
            SetFacts(
                name=name,
                title=title(name),
                classes=list(facts.classes),
                counts=facts.counts,
                classifier=facts.classifier,
                temperature=1.0 / bundle.classifiers[name].slope,
            )
            for name, facts in manifest.label_sets.items()
        ],
        figures=figures_in_words(manifest.figures, manifest.sources),
        confusion=confusion_of(held),
        calibration=calibration_of(held),
        label_efficiency=_efficiency(manifest),
        training=training_of(manifest.encoder_provenance),
        classes=list(bundle.classifiers[CELL_TYPE].classes) if CELL_TYPE in bundle.classifiers else [],
        limits=limits(bundle),
    )


@router.get("/landscape", operation_id="get_landscape", responses=BINARY, response_class=Response)
def landscape(_: SignedIn, service: Service, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """The reference map: where the bundle's labelled cells lie, and what they are."""
    bundle = service.registry.bundle
    if bundle.landscape is None:
        raise NothingThere(kind="a map in the bundle")
    headers = {"ETag": f'"{service.registry.identity}"', "Cache-Control": "private, no-cache"}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    support = bundle.support
    positions = bundle.landscape.positions.astype(np.float32)
    columns = {"x": positions[:, 0], "y": positions[:, 1]}
    sources = sorted({str(source) for source in support.sources if source is not None})
    columns["source"] = _codes(support.sources, sources)
    named = laboratories(bundle.manifest.sources)
    header: dict[str, Any] = {"count": len(support), "sources": sources, "sets": {}, "facts": bundle.landscape.facts}
    header["laboratories"] = [named.get(name, name) for name in sources]
    for name in support.labels:
        found = marks(support.classes(name))
        columns[name] = _codes(support.labels[name], list(found))
        header["sets"][name] = [
            {"name": label, "title": title(label), "key": mark.letter, "light": mark.light, "dark": mark.dark}
            for label, mark in found.items()
        ]
    header["classes"] = header["sets"].get(CELL_TYPE, [])
    return Response(pack(header, columns), media_type=MEDIA_TYPE, headers=headers)


def limits(bundle: Bundle) -> list[str]:
    """What the figures do not say, in sentences; worked out from the bundle itself."""
    manifest, support = bundle.manifest, bundle.support
    said, named = [manifest.notice], laboratories(manifest.sources)
    if "held_out" in manifest.figures:
        split = split_in_words(manifest.figures["held_out"].get("split", "by image"), named)
        said.append(f"Held-out cells are split {split}.")
    by_class: dict[str, set[str]] = {}
    for label, source in zip(support.labels.get(CELL_TYPE, ()), support.sources, strict=False):
        if label is not None and source is not None:
            by_class.setdefault(label, set()).add(source)
    said += [
        f"{title(label)}: every labelled cell is of one laboratory ({_named(named, sources)}); "
        "how it reads on other scanners is unknown."
        for label, sources in sorted(by_class.items())
        if len(sources) == 1
    ]
    said.append("A type that is not listed is read as one that is; look at the novelty.")
    return said


def _named(named: Mapping[str, str], sources: set[str]) -> str:
    (only,) = sources
    return named.get(only, only)


def _codes(values: tuple[str | None, ...], names: list[str]) -> np.ndarray:
    column = {name: code for code, name in enumerate(names)}
    return np.array([NO_CLASS if value is None else column[value] for value in values], np.uint8)


def source_of(facts: dict[str, Any]) -> Source:
    """A data set of a bundle's manifest."""
    known = {name: facts.get(name) or "" for name in ("name", "title", "licence", "citation", "page")}
    return Source(**known, cells=int(facts.get("cells") or 0))


def confusion_of(held: dict[str, Any]) -> Confusion | None:
    """The confusion of a bundle's held-out cells, where it was packed with it."""
    if "confusion" not in held:
        return None
    return Confusion(
        counts=held["confusion"], **{name: held[name] for name in ("classes", "precision", "recall", "f1")}
    )


def calibration_of(held: dict[str, Any]) -> Calibration | None:
    """The calibration on a bundle's held-out cells, where it was packed with it."""
    if "calibration_error" not in held:
        return None
    # Bundles packed before the bins were kept have the error alone.
    return Calibration(error=held["calibration_error"], bins=held.get("reliability", []))


def _efficiency(manifest: Manifest) -> list[Efficiency] | None:
    """Rows {labels, macro_f1, low, high} among the figures, where the bundle was packed with them."""
    rows = manifest.figures.get("label_efficiency")
    return [Efficiency.model_validate(row) for row in rows] if isinstance(rows, list) else None


def training_of(provenance: Mapping[str, Any]) -> list[Step] | None:
    """Rows {step, loss} of an encoder's provenance, where its run kept them."""
    rows = provenance.get("training")
    return [Step.model_validate(row) for row in rows] if isinstance(rows, list) else None
