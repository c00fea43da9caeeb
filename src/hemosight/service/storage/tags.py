"""Tags on cells: short words of a laboratory's own, beside labels, shared by the project.

A tag says nothing of what a cell is: it teaches nobody, is no part of a signed record, and may stand on cells of signed
cases. A tag is there as long as a cell has it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Text, cast, delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.orm import Session

from hemosight.images.names import composed
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import events
from hemosight.service.storage.live_events import TagsEvent
from hemosight.service.storage.tables import CellTag, Image

MOST_TAGS = 100
"""Tags of a project: more are no help to whoever looks for one."""
MOST_OF_CELL = 20
"""Tags of a cell: more do not fit beside it."""
MOST_PLACES = 200_000
"""Cells of all tags of a project together: whoever opens it gets all of them."""


def listed(session: Session, project: int) -> dict[str, list[int]]:
    """Every tag of a project in the order of the alphabet, with its cells in order."""
    cells = func.array_agg(aggregate_order_by(CellTag.image_id, CellTag.image_id))
    query = select(CellTag.name, cells).where(CellTag.project_id == project).group_by(CellTag.name)
    found = sorted(session.execute(query), key=lambda row: row[0].casefold())
    return {name: list(images) for name, images in found}


def as_json(session: Session, project: int) -> bytes:
    """:func:`listed` as the API gives it, put together by the database: no number is taken apart on the way."""
    cells = func.string_agg(cast(CellTag.image_id, Text), aggregate_order_by(literal_column("','"), CellTag.image_id))
    query = select(CellTag.name, cells).where(CellTag.project_id == project).group_by(CellTag.name)
    found = sorted(session.execute(query), key=lambda row: row[0].casefold())
    items = ",".join(f'{{"name":{json.dumps(name)},"images":[{images}]}}' for name, images in found)
    return f'{{"items":[{items}]}}'.encode()


def having(session: Session, project: int, name: str) -> Sequence[int]:
    """The cells that have a tag, in order; none where there is no such tag."""
    query = select(CellTag.image_id).where(CellTag.project_id == project, CellTag.name == name)
    return session.scalars(query.order_by(CellTag.image_id)).all()


def of_image(session: Session, image: int) -> Sequence[CellTag]:
    """The tags of a cell, as they were given."""
    return session.scalars(select(CellTag).where(CellTag.image_id == image).order_by(CellTag.at, CellTag.name)).all()


def by_image(session: Session, project: int) -> dict[int, list[str]]:
    """Cells that have tags, with these in the order of the alphabet."""
    found: dict[int, list[str]] = {}
    for name, images in listed(session, project).items():
        for image in images:
            found.setdefault(image, []).append(name)
    return found


def change(
    session: Session, project: int, user: int, name: str, images: Sequence[int], *, on: bool
) -> tuple[str, list[int]]:
    """Put a tag on cells, or take it off; gives the tag as the project spells it, and the cells that this changed.

    Raises :class:`~hemosight.service.errors.NothingThere` for a cell that the project does not have, and
    :class:`~hemosight.service.errors.Refusal` for one tag too many, of the project or of a cell.
    """
    events.take_turn(session, project)  # nobody deletes the cells in between, nor spells the same tag otherwise
    there = session.scalars(select(Image.id).where(Image.project_id == project, Image.id.in_(images))).all()
    if missing := set(images) - set(there):
        raise NothingThere(kind=f"the cell {min(missing)} of this project")
    name = _spelled(session, project, composed(name), new=on)
    if on:
        _room(session, project, name, there)
        rows = [{"image_id": image, "name": name, "project_id": project, "user_id": user} for image in there]
        query = insert(CellTag).values(rows).on_conflict_do_nothing().returning(CellTag.image_id)
    else:
        query = delete(CellTag).where(CellTag.name == name, CellTag.image_id.in_(there)).returning(CellTag.image_id)
    changed = sorted(session.scalars(query))
    if changed:
        events.tell(session, project, TagsEvent(tag=name, cells=len(changed)))
    return name, changed


def _spelled(session: Session, project: int, name: str, *, new: bool) -> str:
    """The project's tag that differs from this one in the case of letters at most, else this one."""
    known = session.scalars(select(CellTag.name).where(CellTag.project_id == project).distinct()).all()
    same = next((one for one in known if one.casefold() == name.casefold()), None)
    if same is None and new and len(known) >= MOST_TAGS:
        raise Refusal(
            "unfit",
            expected=f"at most {MOST_TAGS} tags in a project",
            came="one more",
            mend="Use one that is there, or take one off all of its cells first.",
        )
    return same or name


def _room(session: Session, project: int, name: str, images: Sequence[int]) -> None:
    """See that there is room for a tag on cells, of each of them and of the project."""
    on_them = select(CellTag.image_id, func.count(), func.bool_or(CellTag.name == name))
    on_them = on_them.where(CellTag.image_id.in_(images)).group_by(CellTag.image_id)
    counts = {image: (count, has) for image, count, has in session.execute(on_them)}
    if full := [image for image, (count, has) in counts.items() if count >= MOST_OF_CELL and not has]:
        raise Refusal(
            "unfit",
            expected=f"at most {MOST_OF_CELL} tags on a cell",
            came=f"one more on the cell {min(full)}",
            mend="Take one off that is not used, or leave the cell out.",
        )
    new = len(images) - sum(has for _, has in counts.values())
    there = session.scalar(select(func.count()).select_from(CellTag).where(CellTag.project_id == project)) or 0
    if new and there + new > MOST_PLACES:
        raise Refusal(
            "unfit",
            expected=f"at most {MOST_PLACES:,} cells under all tags of a project together",
            came=f"{there:,}, and {new:,} more",
            mend="Take tags off that are not used: what most cells have says little.",
        )


def forget_all(session: Session, project: int) -> None:
    """Take every tag off, of a project that is being deleted."""
    session.execute(delete(CellTag).where(CellTag.project_id == project))
