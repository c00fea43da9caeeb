"""Findings of a case: what its report says besides counts - a remark, grades, platelets, cells that are shown.

Kept as JSON beside the case until a signature freezes them. ``version`` counts changes, so that nobody writes over a
remark unseen.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hemosight.blood.morphology import FINDING, Grade, PlateletEstimate
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import events, signatures
from hemosight.service.storage.live_events import CaseEvent
from hemosight.service.storage.tables import Case

MOST_CELLS = 24
"""Cells that a report shows at most: two rows of a page's width, and a few."""


class Findings(BaseModel):
    """What the report of a case says besides counts."""

    remark: str = Field(default="", description="Text of the report.")
    grades: dict[str, Grade] = Field(
        default={}, description="Of red cells and platelets, by finding; what is left away was not graded."
    )
    platelets: PlateletEstimate | None = Field(default=None, description="How many platelets the film seems to have.")
    cells: Annotated[list[int], Field(max_length=MOST_CELLS)] = Field(
        default=[], description="Images that the report shows, in the order in which they were chosen."
    )
    version: int = Field(default=0, description="Counts changes; send it back with a change.")


def get(session: Session, row: Case) -> Findings:
    """The findings of a case; cells that are not in the case any more are left away."""
    found = Findings.model_validate(row.findings)
    if found.cells:
        there = set(signatures.cells(session, row.project_id, row.id))
        found.cells = [cell for cell in found.cells if cell in there]
    return found


def change(
    session: Session,
    row: Case,
    changes: dict[str, Any],
    *,
    add: Collection[int] = (),
    remove: Collection[int] = (),
    seen: int | None = None,
) -> Findings:
    """Set fields of a case's findings, and choose cells for its report or leave them away.

    Parameters
    ----------
    changes
        Fields and their values.
    seen
        The version that was on the screen; another one by now is refused.

    Raises :class:`~hemosight.service.errors.Refusal`, and :class:`~hemosight.service.errors.NothingThere` for a cell of
    another case. The caller holds the project's turn.
    """
    now = get(session, row)
    if seen is not None and seen != now.version:
        raise Refusal(
            "in_the_way",
            expected="the findings that you looked at",
            came="others: somebody has changed them meanwhile",
            mend="Look at them again, then change them.",
        )
    if unknown := set(changes.get("grades", {})) - FINDING.keys():
        raise Refusal(
            "unfit",
            expected="findings that are graded",
            came=repr(min(unknown)),
            mend=f"Choose among: {', '.join(FINDING)}.",
        )
    cells = [cell for cell in dict.fromkeys((*now.cells, *add)) if cell not in set(remove)]
    if missing := set(add) - set(signatures.cells(session, row.project_id, row.id)):
        raise NothingThere(kind=f"the cell {min(missing)} of this case")
    if len(cells) > MOST_CELLS:
        raise Refusal(
            "too_much",
            expected=f"at most {MOST_CELLS} cells on a report",
            came=f"{len(cells)}",
            mend="Leave some of them away.",
        )
    made = now.model_copy(update={**changes, "cells": cells, "version": now.version + 1})
    row.findings = made.model_dump(mode="json")
    session.flush()
    events.tell(session, row.project_id, CaseEvent(case=row.id))
    return made
