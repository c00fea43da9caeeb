"""What a panel says its cells are, the reference of a validation: decisions first, then the consensus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from hemosight.blood.palette import UNSURE
from hemosight.service.desk.panels import CellResult


def reference(cells: Sequence[CellResult], decided: Mapping[int, str], content: Mapping[int, str]) -> pl.DataFrame:
    """A row a cell, in the order of content ids.

    Columns: ``sha256``; ``label``, which is the ``decision`` where there is one, else the ``consensus``, else the type
    that all named (too few readers or types for a consensus), ``?`` where all were unsure, null where nobody read it;
    ``probability`` of the consensus; ``readings``, how many readers named a type at first; ``differing``, whether they
    named several. Cells without an entry in ``content`` (image -> sha256) were deleted and are left out.
    """
    rows = [
        {
            "sha256": content[one.image],
            "label": decided.get(one.image) or one.consensus or _alike(one),
            "decision": decided.get(one.image),
            "consensus": one.consensus,
            "probability": one.probability,
            "readings": sum(label != UNSURE for label in one.said.values()),
            "differing": one.differing,
        }
        for one in cells
        if one.image in content
    ]
    kinds = {"sha256": pl.String, "label": pl.String, "decision": pl.String, "consensus": pl.String}
    more = {"probability": pl.Float64, "readings": pl.Int64, "differing": pl.Boolean}
    return pl.DataFrame(rows, schema={**kinds, **more}).sort("sha256")


def _alike(cell: CellResult) -> str | None:
    said = set(cell.said.values())
    types = said - {UNSURE}
    if len(types) == 1:
        return types.pop()
    return UNSURE if said == {UNSURE} else None
