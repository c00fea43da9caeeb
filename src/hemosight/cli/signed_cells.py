"""The cells of a validation out of a folder that the service wrote: pictures, and what was signed of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hemosight.images.catalog import Catalog, Progress
    from hemosight.lab.validation.origin import Origin

FILE = "signed-cells.json"


def there(place: str) -> bool:
    """Whether a path is such a folder."""
    return (Path(place) / FILE).is_file()


def read(place: str, say: Callable[[str], None], progress: Progress | None = None) -> tuple[Catalog, Origin]:
    """The cells as a catalog whose patients are the cases, and where they come from.

    A cell that nobody labelled has neither label nor subtype; one that somebody was unsure of, or that is not counted,
    has a subtype alone. Raises :class:`~hemosight.errors.TooFewCells` without a signed case.
    """
    from hemosight.cli.validation_cells import upper_types
    from hemosight.images.catalog import Catalog
    from hemosight.lab.validation.cells import too_few_cases
    from hemosight.lab.validation.origin import Origin

    folder = Path(place)
    known = json.loads((folder / FILE).read_text(encoding="utf-8"))
    for line in known["notes"]:
        say(line)
    if not known["cells"]:
        raise too_few_cases(1, "no case with a signature that still holds")
    types = upper_types(known["classes"])
    records = [
        {
            "path": str(folder / cell["path"]),
            "label": None if cell["label"] is None else types.get(cell["label"]),
            "subtype": cell["said"],
            "source": cell["source"],
            "patient": cell["patient"],
            "scale": cell["scale"],
        }
        for cell in known["cells"]
    ]
    cases = {cell["patient"] for cell in known["cells"]}
    labelled = sum(row["subtype"] is not None for row in records)
    say(f"{len(cases)} signed cases, {len(records):,} cells, {labelled:,} labelled by people")
    agreed = None if known["agreed"] is None else frozenset(known["agreed"])
    origin = Origin(known["words"], True, agreed, frozenset(known["at_once"]), types)
    return Catalog.scan(records, progress), origin
