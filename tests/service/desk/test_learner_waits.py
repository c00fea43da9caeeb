"""Who waits for a fit that is dropped, or ended by another's fault, waits for what takes its place, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from projects import Filled, fill
from sqlalchemy import select

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.service.desk import project_readings
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.references import References
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import LabelSetEvent, ProfileEvent
from hemosight.service.storage.tables import LabelSet
from hemosight.space.incremental_lda import IncrementalLDA

pytestmark = pytest.mark.service

LONG = 60.0
"""Seconds: nothing here takes that long, unless it waits for what never comes."""


@pytest.fixture
def project(module_database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(module_database, tiny_bundle, 40)


@pytest.fixture
def state(project: Filled, tiny_bundle: Bundle) -> ProjectState:
    return ProjectState(project.id, project.database, lambda _session, _number: tiny_bundle, References())


def _another_type(project: Filled) -> None:
    """Add a type to the cells': what was learnt is of no use any more."""
    with project.database.session() as session:
        query = select(LabelSet).where(LabelSet.project_id == project.id, LabelSet.name == CELL_TYPE)
        row = session.scalars(query).one()
        row.classes = [*row.classes, {**row.classes[0], "name": "hairy", "title": "Hairy cell", "key": "0"}]
        events.tell(session, project.id, LabelSetEvent(name=CELL_TYPE))


def _another_profile(project: Filled) -> None:
    """Have the project loaded anew."""
    with project.database.session() as session:
        events.tell(session, project.id, ProfileEvent(profile=1))


WAITS: dict[str, Callable[[ProjectState], object]] = {
    "settle": lambda state: state.settle(CELL_TYPE, LONG),
    "follow": lambda state: state.follow(CELL_TYPE, LONG),
    "snapshot": lambda state: state.readings.snapshot(CELL_TYPE).taught_until,
}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("change", [_another_type, _another_profile])
def test_a_fit_that_is_dropped_is_not_waited_for(
    state: ProjectState,
    project: Filled,
    monkeypatch: pytest.MonkeyPatch,
    wait: str,
    change: Callable[[Filled], None],
) -> None:
    monkeypatch.setattr(project_readings, "PATIENCE", LONG)
    learning, waits, let_go = threading.Event(), threading.Event(), threading.Event()
    number, update, label_set = state.spec(CELL_TYPE).id, IncrementalLDA.update, state.label_set

    def slowly(self: IncrementalLDA, *what: Any) -> None:
        learning.set()
        assert let_go.wait(LONG)
        update(self, *what)

    def looked_at(label_set_number: int) -> Any:
        found = label_set(label_set_number)
        waits.set()
        return found

    monkeypatch.setattr(IncrementalLDA, "update", slowly)
    monkeypatch.setattr(state, "label_set", looked_at)
    project.say({project.images[0]: "basophil"})
    try:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(WAITS[wait], state)
            assert learning.wait(LONG)
            assert waits.wait(LONG)
            with state.lock:
                dropped = state.learner.settled(number)
            change(project)
            state.catch_up()
            assert dropped.is_set()
            let_go.set()
            assert waiting.result(), "what takes its place has followed the label"
    finally:
        let_go.set()
    assert state.learner.known(number) > 0


def test_a_fit_that_fails_keeps_nobody_who_waits_for_another(
    state: ProjectState, project: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the other one became due only while the first was failing."""
    with project.database.session() as session:
        looks = {"key": "a", "light": "#000", "dark": "#fff"}
        classes = [{"name": "ab", "title": "ab", **looks}, {"name": "cd", "title": "cd", **looks, "key": "c"}]
        session.add(LabelSet(project_id=project.id, name="own", title="Own", kind="own", classes=classes))
        events.tell(session, project.id, LabelSetEvent(name="own"))
    assert state.settle("own")
    number = state.spec("own").id
    with state.lock:
        other = state.learner.settled(number)
    update, fails = IncrementalLDA.update, [True]

    def failing(self: IncrementalLDA, *what: Any) -> None:
        if fails:
            fails.pop()
            project.say({project.images[1]: "ab"}, label_set="own")
            state.catch_up()
            assert not other.is_set()
            raise ArithmeticError
        update(self, *what)

    monkeypatch.setattr(IncrementalLDA, "update", failing)
    project.say({project.images[0]: "basophil"})
    state.settle(CELL_TYPE)
    assert state.learner.join(LONG)
    assert other.is_set()
    assert state.settle("own")
    assert state.settle(CELL_TYPE)
