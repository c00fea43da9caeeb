"""Which cells of a case are counted: those of fair fields, in an order that a seed fixes, until enough are met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hemosight.blood.counting import Counting
from hemosight.scoring.counting_area import BATTLEMENT, first_field, met, order
from hemosight.service.desk.image_columns import WAITING
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.tally import final_labels
from hemosight.service.errors import Refusal


@dataclass(frozen=True)
class CountedCells:
    """Cells that were drawn.

    Parameters
    ----------
    images
        In the order in which they were drawn: leukocytes, and what was met on the way.
    leukocytes
        How many of them count as leukocytes now; fewer than the target where the film has no more.
    eligible
        How many cells they were drawn from.
    in_unfair_fields
        How many read or labelled cells were left out because counting is not fair in their field.
    first_field
        The field that a battlement began in; None of a random draw.
    """

    images: list[int]
    leukocytes: int
    eligible: int
    in_unfair_fields: int
    first_field: int | None


def draw(
    snapshot: Snapshot,
    case: int,
    places: Mapping[int, tuple[int, float, bool]],
    method: str,
    target: int,
    seed: int,
    first: int | None = None,
) -> CountedCells:
    """Draw the cells of a case that are counted.

    Parameters
    ----------
    snapshot
        Of the cell types.
    places
        Of each cell that was cut out of a field: the field, how far from its left, and whether counting is fair there.
        Of a cell without a field nobody knows; it takes part in a random draw.
    method
        ``random`` or ``battlement``.
    target
        Leukocytes to be counted; what is a leukocyte is said by the label that stands, else by the reading.
    first
        The field that a battlement goes on from, as it was drawn before; None to draw it.

    Raises :class:`~hemosight.service.errors.Refusal` while cells wait to be read, and for a battlement where no cell
    lies in a fair field.
    """
    own = snapshot.of_case(case)
    waiting = int((own & (snapshot.status == WAITING)).sum())
    if waiting:
        raise Refusal(
            "in_the_way",
            expected="a case whose cells have been read",
            came=f"{waiting} that {'waits' if waiting == 1 else 'wait'} to be read",
            mend="Wait until they are read, then draw: what is drawn is to be any cell of the film.",
        )
    counts = final_labels(snapshot)
    rows = np.flatnonzero(own & (counts != ""))  # an unreadable file that nobody named is no cell to be counted
    ids = snapshot.ids[rows]
    fair = np.array([places[image][2] if image in places else True for image in ids.tolist()], np.bool_)
    known = np.array([image in places for image in ids.tolist()], np.bool_)
    pool = rows[fair & known] if method == BATTLEMENT else rows[fair]
    if method == BATTLEMENT and not len(pool):
        raise Refusal(
            "unfit",
            expected="cells in fields where counting is fair, to go from field to field",
            came="none: the case came as single crops" if not known.any() else "none: no field of the case is fair",
            mend="Draw single cells at random." if not known.any() else "Take other fields of the film.",
        )
    ids = snapshot.ids[pool]
    there = [places.get(image, (0, 0.0, True)) for image in ids.tolist()]
    fields, across = np.array([one[0] for one in there], np.int64), np.array([one[1] for one in there], np.float64)
    if method != BATTLEMENT:
        first = None
    elif first is None:
        first = first_field(fields, seed)
    along = pool[order(ids, seed, method, fields, across, first)]
    rules = snapshot.spec.rules
    types = [name for name, rule in rules.items() if rule.counts is Counting.IN]
    leukocyte = np.isin(counts[along], types)
    end = met(leukocyte, target)
    return CountedCells(
        images=snapshot.ids[along[:end]].tolist(),
        leukocytes=int(leukocyte[:end].sum()),
        eligible=len(pool),
        in_unfair_fields=int((~fair).sum()),
        first_field=first,
    )
