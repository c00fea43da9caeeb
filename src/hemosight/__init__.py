"""HemoSight: files -> images -> views -> encoder -> embeddings -> {classifier, neighbours, landscape, explanation}.

>>> import hemosight
>>> engine = hemosight.load()                       # the bundle that comes with HemoSight
>>> readings = engine.classify(["one.jpg", "two.png"])
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hemosight.engine.bundle import Bundle
    from hemosight.engine.engine import Engine, Reading, load
    from hemosight.errors import HemoSightError
    from hemosight.images.catalog import Catalog

__all__ = ["Bundle", "Catalog", "Engine", "HemoSightError", "Reading", "__version__", "load"]

_ROOMS = {
    "Bundle": "hemosight.engine.bundle",
    "Catalog": "hemosight.images.catalog",
    "Engine": "hemosight.engine.engine",
    "HemoSightError": "hemosight.errors",
    "Reading": "hemosight.engine.engine",
    "load": "hemosight.engine.engine",
}
__version__ = version("hemosight")


def __getattr__(name: str) -> Any:
    # Imported when first asked for: `hemosight --help` should not wait for numpy.
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_ROOMS[name]), name)
