"""Panels: several people read the same cells, each by themselves; their agreement, their consensus, what is decided.

Blind means blind: until a panel is closed nobody sees what others read, and nobody sees the model's reading but in the
turn that is meant for it. Readings of a panel are no labels and teach nothing.
"""

from __future__ import annotations

import secrets
from typing import Any, Literal

from fastapi import APIRouter
from sqlalchemy import func
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.desk import panel_cells
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.errors import Refusal
from hemosight.service.routes.panel_exports import closed
from hemosight.service.schemas.panels import (
    DecisionShown,
    NewDecision,
    NewPanel,
    NewReading,
    PanelNext,
    Panels,
    PanelShown,
    PanelTeaching,
    ReaderShown,
)
from hemosight.service.security.permissions import Id, ProjectAdmin, ProjectSeat, Reviewer, Viewer
from hemosight.service.state import Service, State, Transaction
from hemosight.service.storage import audit, cases, events, labels, panels, projects
from hemosight.service.storage.live_events import SettingsEvent
from hemosight.service.storage.tables import Panel

router = APIRouter(prefix="/projects/{project}/panels", tags=["panels"])


@router.get("", operation_id="list_panels")
def list_panels(seat: Viewer, session: Transaction) -> Panels:
    """Sessions of a project, the newest first."""
    return Panels(items=[_shown(session, row, seat) for row in panels.listed(session, seat.project)])


@router.post("", operation_id="create_panel", status_code=201)
def create_panel(given: NewPanel, seat: ProjectAdmin, service: Service) -> PanelShown:
    """Begin a session: cells are drawn now and stay, whatever is labelled meanwhile."""
    _require_fit(service, seat, given)
    state = service.project_states.get(seat.project)
    seed = secrets.randbits(62)
    cells = _drawn(state.readings.snapshot(CELL_TYPE), given, seed)
    with service.database.session() as session:
        made = panels.add(
            session,
            sorted(set(given.readers)),
            cells,
            project_id=seat.project,
            label_set_id=labels.label_set_of(session, seat.project, CELL_TYPE).id,
            bundle_id=state.bundle_id,
            title=given.title,
            kind=given.kind,
            choice=given.choice,
            seed=seed,
            repeated=given.repeated,
            aided=given.aided,
            planted=given.planted,
            timed=given.timed,
            created_by=seat.user.id,
        )
        audit.note(session, seat, "panel.create", {"panel": made.id, **given.model_dump()}, seat.project)
        return _shown(session, made, seat)


@router.get("/{panel}", operation_id="get_panel")
def get_panel(panel: Id, seat: Viewer, session: Transaction) -> PanelShown:
    """A session, and how far its readers are."""
    return _shown(session, panels.get(session, seat.project, panel), seat)


@router.get("/{panel}/next", operation_id="get_panel_next")
def get_panel_next(panel: Id, seat: Reviewer, session: Transaction) -> PanelNext:
    """The cell that a reader meets next, in an order of their own."""
    return _next(session, _open_to(session, seat, panel), seat.user.id)


@router.post("/{panel}/readings", operation_id="add_panel_reading")
def add_panel_reading(panel: Id, given: NewReading, seat: Reviewer, session: Transaction) -> PanelNext:
    """Say what the cell is; gives the next one. A reading cannot be changed: the first look is what counts."""
    row = _open_to(session, seat, panel, hold="open")  # it is not closed before the reading is stored
    if given.label != UNSURE and given.label not in panels.classes(session, row):
        raise Refusal(
            "unfit", expected="a class of the label set, or ?", came=given.label, mend="Choose one of its classes."
        )
    now = _next(session, row, seat.user.id)
    if (now.image, now.turn) != (given.image, given.turn):
        if any(
            (one.image_id, one.turn) == (given.image, given.turn)
            for one in panels.readings(session, panel, seat.user.id)
        ):
            return now  # sent twice
        raise Refusal(
            "in_the_way",
            expected=f"a reading of the cell that comes next ({now.image})",
            came=f"one of cell {given.image}",
            mend="Ask for the next cell.",
        )
    looked = given.ms if row.timed else None
    panels.read(session, panel, given.image, seat.user.id, given.turn, given.label, looked)
    return _next(session, row, seat.user.id)


@router.post("/{panel}/close", operation_id="close_panel")
def close_panel(panel: Id, seat: ProjectAdmin, session: Transaction) -> PanelShown:
    """End a session: nothing more is read, and what was read can be seen."""
    row = panels.get(session, seat.project, panel, hold="alone")  # readings that are being stored come first
    if row.closed_at is None:
        row.closed_at = func.now()
        session.flush()
        session.refresh(row)
        audit.note(session, seat, "panel.close", {"panel": panel}, seat.project)
    return _shown(session, row, seat)


@router.post("/{panel}/decisions", operation_id="add_panel_decision", status_code=201)
def add_panel_decision(panel: Id, given: NewDecision, seat: Reviewer, session: Transaction) -> DecisionShown:
    """Say what was agreed on for a cell; a later decision takes the place of an earlier one, which is kept."""
    events.take_turn(session, seat.project)  # before a cell is held: who deletes it has the turn, and waits for it
    row = closed(session, seat, panel, hold="open")
    if given.image not in {one.image_id for one in panels.cells(session, panel)}:
        raise Refusal(
            "unfit", expected="a cell of this session", came=str(given.image), mend="Choose one of its cells."
        )
    if given.label not in panels.classes(session, row):
        raise Refusal("unfit", expected="a class of the label set", came=given.label, mend="Choose one of its classes.")
    panels.decide(session, panel, given.image, seat.user.id, given.label, given.note)
    audit.note(session, seat, "panel.decide", {"panel": panel, **given.model_dump()}, seat.project)
    if row.teaches:
        events.tell(session, seat.project, SettingsEvent(changed=["consensus"]))
    its = panels.decisions(session, panel)[given.image]
    return DecisionShown(label=its.label, note=its.note, user=its.user_id, at=its.at)


@router.put("/{panel}/teaching", operation_id="set_panel_teaching")
def set_panel_teaching(panel: Id, given: PanelTeaching, seat: ProjectAdmin, session: Transaction) -> PanelShown:
    """Have the project's classifier learn what a closed session agreed on, or not.

    Each cell that nobody labelled counts for every type by its probability in the consensus; a decided one for its own.
    """
    events.take_turn(session, seat.project)  # before the session is held, as whoever decides does
    row = closed(session, seat, panel, hold="alone")  # decisions that are being stored come first
    row.teaches = given.teaches
    session.flush()
    audit.note(session, seat, "panel.teach", {"panel": panel, "teaches": given.teaches}, seat.project)
    events.tell(session, seat.project, SettingsEvent(changed=["consensus"]))
    return _shown(session, row, seat)


# --- steps ----------------------------------------------------------------------------------------------------


def _require_fit(service: State, seat: ProjectSeat, given: NewPanel) -> None:
    """Refuse a session of another project's case, of readers who are none, or one that plants what it does not show."""
    with service.database.session() as session:
        if given.case is not None:
            cases.get(session, seat.project, given.case)
        for user in given.readers:
            if projects.role(session, seat.project, user) not in ("reviewer", "admin"):
                raise Refusal(
                    "unfit",
                    expected="readers who are reviewers of the project",
                    came=f"account {user}, which is none",
                    mend="Make it a member first.",
                )
    if given.planted and not given.aided:
        raise Refusal(
            "unfit",
            expected="planted readings in an aided session alone",
            came="a session that shows no reading",
            mend="Choose aided, or plant none.",
        )


def _drawn(snapshot: Snapshot, given: NewPanel, seed: int) -> list[dict[str, Any]]:
    """The cells of a new session in their order, as :func:`panels.add` takes them; refuses where there are too few."""
    names, marked = snapshot.spec.names, given.kind == "proficiency"
    rows = panel_cells.choose(snapshot, given.cells, given.choice, seed, case=given.case, labelled=marked)
    if len(rows) < 2:
        raise Refusal(
            "in_the_way",
            expected="at least two cells that are read" + (" and have a label" if marked else ""),
            came=str(len(rows)),
            mend="Upload cells" + (", or label some" if marked else "") + ", and wait until they are read.",
        )
    again, wrong = (round(part * len(rows)) for part in (given.repeated, given.planted))
    # Only of a labelled cell is it known that another class is wrong. The rows stand in a drawn order: the first ones
    # are as good as any.
    known = rows[snapshot.label[rows] >= 0]
    if given.aided and len(known) < wrong:
        raise Refusal(
            "in_the_way",
            expected=f"{wrong} cells with a label, so that what is planted is known to be wrong",
            came=str(len(known)),
            mend="Label more of the cells first, or plant fewer wrong readings.",
        )
    planted = set(known[:wrong].tolist())
    cells = []
    for position, row in enumerate(rows.tolist()):
        predicted = names[int(snapshot.predicted[row])]
        shown = (panel_cells.misleading(snapshot, row) if row in planted else predicted) if given.aided else None
        cells.append(
            {
                "image_id": int(snapshot.ids[row]),
                "position": position,
                "again": len(rows) - position <= again,
                "predicted": predicted,
                "shown": shown,
                "mark": names[int(snapshot.label[row])] if marked else None,
            }
        )
    return cells


def _open_to(session: Session, seat: ProjectSeat, panel: int, hold: Literal["open"] | None = None) -> Panel:
    """A panel that is open, and that this person reads."""
    row = panels.get(session, seat.project, panel, hold)
    if seat.user.id not in {one.user for one in panels.readers(session, panel)}:
        raise Refusal(
            "not_allowed",
            expected="one of the session's readers",
            came="somebody else",
            mend="Ask for a session that you are a reader of.",
        )
    if row.closed_at is not None:
        raise Refusal(
            "in_the_way", expected="a session that is open", came="one that is closed", mend="Look at its results."
        )
    return row


def _sequence(session: Session, row: Panel, user: int) -> list[tuple[int, int]]:
    cells = panels.cells(session, row.id)
    again = [one.image_id for one in cells if one.again]
    return panel_cells.sequence([one.image_id for one in cells], again, row.seed, user, aided=row.aided)


def _next(session: Session, row: Panel, user: int) -> PanelNext:
    given = {(one.image_id, one.turn) for one in panels.readings(session, row.id, user)}
    order = _sequence(session, row, user)
    left = [pair for pair in order if pair not in given]
    image, turn = left[0] if left else (None, None)
    shown = None
    if turn == panels.AIDED:
        shown = next(one.shown for one in panels.cells(session, row.id) if one.image_id == image)
    return PanelNext(image=image, turn=turn, shown=shown, done=len(order) - len(left), total=len(order))


def _shown(session: Session, row: Panel, seat: ProjectSeat) -> PanelShown:
    cells = panels.cells(session, row.id)
    people = panels.readers(session, row.id)
    return PanelShown(
        id=row.id,
        title=row.title,
        kind=row.kind,  # type: ignore[arg-type] -- the table checks it
        choice=row.choice,  # type: ignore[arg-type] -- the table checks it
        cells=len(cells),
        total=len(cells) * (2 if row.aided else 1) + sum(one.again for one in cells),
        repeated=row.repeated,
        aided=row.aided,
        planted=row.planted,
        timed=row.timed,
        teaches=row.teaches,
        created_at=row.created_at,
        closed_at=row.closed_at,
        readers=[ReaderShown(user=one.user, name=one.name, done=one.done) for one in people],
        reads=seat.user.id in {one.user for one in people},
    )
