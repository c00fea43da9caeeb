"""Which bundle reads a project: those that the database knows, and moving a project from one to another.

What a move changes is planned first, so that it can be shown before it is done. Embeddings belong to a cell and a
bundle: those of the bundle before stay, and a project that goes back is read at once. No label record, signature nor
signed record is touched, and no class is taken away: what the new bundle does not read stays as the laboratory's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.blood import colours, palette
from hemosight.blood.colours import Ink
from hemosight.blood.vocabulary import title
from hemosight.service.storage import class_edits, class_facts
from hemosight.service.storage.class_facts import ClassRow
from hemosight.service.storage.tables import CellEmbedding, Image, KnownBundle, LabelSet, Panel, Project

_GONE = ("retired", "merged_into")
"""What a class is told to be that is offered and read no more."""


@dataclass(frozen=True)
class SetMove:
    """What becomes of one label set of a project.

    Parameters
    ----------
    row
        The label set.
    classes
        Its classes afterwards.
    added
        Classes that the new bundle reads and the label set lacked.
    again
        Classes that were retired or merged, and that the new bundle reads: they are in use again.
    unread
        Classes that the bundle before read and the new one does not: the laboratory's own from then on.
    """

    row: LabelSet
    classes: list[dict[str, Any]]
    added: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Move:
    """What a move of a project to a bundle changes.

    Parameters
    ----------
    before
        The bundle that the project is read with now.
    sets
        Label sets of the project that the new bundle reads, archived ones among them.
    new_sets
        Names of label sets that the new bundle reads and the project lacks.
    unread_sets
        Label sets that the bundle before read and the new one does not: labels alone teach them from then on.
    own_sets
        Label sets of the project's own under a name that the new bundle reads: they stay its own.
    """

    before: KnownBundle
    sets: list[SetMove]
    new_sets: list[str]
    unread_sets: list[LabelSet]
    own_sets: list[LabelSet]


def known(session: Session) -> Sequence[KnownBundle]:
    """Every bundle that has read something here, the newest first."""
    return session.scalars(select(KnownBundle).order_by(KnownBundle.id.desc())).all()


def by_identity(session: Session, identity: str) -> KnownBundle | None:
    """The bundle of a sha256; None where it has read nothing here."""
    return session.scalar(select(KnownBundle).where(KnownBundle.sha256 == identity))


def names(session: Session, projects: Collection[int]) -> dict[int, tuple[str, str]]:
    """Project -> name with version, and sha256, of the bundle that it is read with."""
    query = select(Project.id, KnownBundle.name, KnownBundle.version, KnownBundle.sha256)
    query = query.join(KnownBundle, KnownBundle.id == Project.bundle_id).where(Project.id.in_(projects))
    return {project: (f"{name} {version}", sha256) for project, name, version, sha256 in session.execute(query)}


def planned(session: Session, project: Project, read: Mapping[str, Sequence[str]]) -> Move:
    """What a move changes; ``read`` are the new bundle's classes by label set."""
    before = session.get_one(KnownBundle, project.bundle_id)
    facts: Mapping[str, Any] = before.manifest.get("label_sets", {})
    rows = session.scalars(select(LabelSet).where(LabelSet.project_id == project.id).order_by(LabelSet.id)).all()
    sets, unread, own = [], [], []
    for row in rows:
        if row.kind == "own":
            own += [row] if row.name in read else []
        elif row.name in read:
            was = facts.get(row.name, {}).get("classes", ())
            sets.append(_moved(row, read[row.name], was))
        elif row.name in facts:
            unread.append(row)
    there = {row.name for row in rows}
    return Move(before, sets, [name for name in read if name not in there], unread, own)


def _moved(row: LabelSet, read: Sequence[str], was: Collection[str]) -> SetMove:
    classes = [dict(facts) for facts in row.classes]
    there = {facts["name"] for facts in classes}
    ended = class_facts.retired(classes) | class_facts.merges(classes).keys()
    again = tuple(name for name in read if name in ended)
    for at, facts in enumerate(classes):
        if facts["name"] in again:
            others = [one for one in classes if one is not facts]
            now = {name: value for name, value in facts.items() if name not in _GONE}
            classes[at] = {**now, **_distinct(others, now)}
    added = tuple(name for name in read if name not in there)
    for name in added:
        mark = palette.marks([*there, name])[name]
        facts = {"name": name, "title": title(name), "key": mark.letter, "light": mark.light, "dark": mark.dark}
        classes.append({**facts, **_distinct(classes, facts)})
    unread = tuple(name for name in class_facts.in_use(classes) if name in was and name not in read)
    return SetMove(row, classes, added, again, unread)


def _distinct(others: Sequence[ClassRow], facts: ClassRow) -> dict[str, Any]:
    """Title, key and colours of a class that comes in, where one in use has them: people tell classes by these."""
    living = [one for one in others if not any(one.get(end) for end in _GONE)]
    changes: dict[str, Any] = {}
    if facts["title"].casefold() in {one["title"].casefold() for one in living}:
        changes["title"] = f"{facts['title']} (the model's)"
    if facts["key"] in {one["key"] for one in living}:
        free = class_edits.free_keys(living)
        changes["key"] = free[0] if free else str(10 + len(others))
    if any(colours.distance(one["light"], facts["light"]) < colours.ALIKE for one in living):
        ink = colours.free([Ink(one["light"], one["dark"]) for one in living], 1)[0]
        changes |= {"light": ink.light, "dark": ink.dark}
    return changes


def move(session: Session, project: Project, bundle_id: int, plan: Move, new_sets: Sequence[LabelSet]) -> None:
    """Do what was planned, in the caller's transaction; ``new_sets`` are rows of :attr:`Move.new_sets`."""
    for one in plan.sets:
        if one.added or one.again:
            one.row.classes = one.classes
    for row in new_sets:
        row.project_id = project.id
        session.add(row)
        session.flush()  # one by one: the order of their numbers is their order on the page
    project.bundle_id = bundle_id
    session.flush()


def unread(session: Session, project: int, bundle_id: int | None) -> list[int]:
    """The images of a project that a bundle has not read, in order; all of them for a bundle nobody knows."""
    query = select(Image.id).where(Image.project_id == project).order_by(Image.id)
    if bundle_id is not None:
        read = select(CellEmbedding.image_id).where(
            CellEmbedding.image_id == Image.id, CellEmbedding.bundle_id == bundle_id
        )
        query = query.where(~read.exists())
    return list(session.scalars(query))


def open_panels(session: Session, project: int) -> int:
    """How many panels are being read."""
    query = select(func.count()).select_from(Panel).where(Panel.project_id == project, Panel.closed_at.is_(None))
    return session.scalar(query) or 0
