"""The network that the supervised baseline starts from: the training room's work, handed to the laboratory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hemosight.images.catalog import Catalog
    from hemosight.lab.studies.baseline import BaselineNetwork, Contender


def baseline_network() -> BaselineNetwork:
    """Exports and trains with torch, which is imported when it is asked for either and not before."""
    from hemosight.lab.studies.baseline import BaselineNetwork

    return BaselineNetwork(exported=_exported, trained=_trained)


def _exported(backbone: str, size: int) -> bytes:
    from hemosight.errors import ExtraMissing

    try:
        from hemosight.training.export import exported
    except ImportError as error:
        raise ExtraMissing("train", error.name or "torch") from error
    return exported(backbone=backbone, weights="imagenet", size=size).network


def _trained(catalog: Catalog, folder: Path | None) -> tuple[Contender, str]:
    from hemosight.errors import ExtraMissing

    try:
        from hemosight.training.baseline import BaselineConfig, code_hash, contender
    except ImportError as error:
        raise ExtraMissing("train", error.name or "torch") from error
    settings = BaselineConfig()
    return contender(catalog, settings, folder=folder), f"{settings.model_dump_json()} {code_hash()}"
