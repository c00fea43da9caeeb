"""A project in which many work at once: nobody waits for a pause in the others' work, and one look serves all."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import pytest
from projects import Filled, fill

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.service.desk import project_readings, project_state
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.references import References
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.space.incremental_lda import IncrementalLDA

pytestmark = pytest.mark.service


@pytest.fixture
def project(database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(database, tiny_bundle, 60)


@pytest.fixture
def state(project: Filled, tiny_bundle: Bundle) -> ProjectState:
    return ProjectState(project.id, project.database, lambda _session, _number: tiny_bundle, References())


def test_a_count_does_not_wait_for_a_pause_in_the_labelling(
    state: ProjectState, project: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While each fit goes on, the next label comes: with thirty reviewers nothing is ever settled."""
    update, over = IncrementalLDA.update, threading.Event()
    given = 0

    def meanwhile(self: IncrementalLDA, *what: Any) -> None:
        nonlocal given
        if not over.is_set():
            given += 1
            project.say({project.images[given % 60]: "monocyte" if given % 2 else "basophil"})
            state.catch_up()
        update(self, *what)

    monkeypatch.setattr(IncrementalLDA, "update", meanwhile)
    try:
        project.say({project.images[0]: "basophil"})
        assert not state.settle(CELL_TYPE, patience=2), "there is no pause"
        until = state.moment().label
        assert state.follow(CELL_TYPE)
        assert state.learner.known(state.spec(CELL_TYPE).id) >= until, "what was there is learnt"
    finally:
        over.set()
    assert state.settle(CELL_TYPE)


def test_of_many_who_ask_at_once_few_look(state: ProjectState, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    since = events.since

    def counted(*given: Any) -> Any:
        nonlocal looks
        looks += 1
        time.sleep(0.2)
        return since(*given)

    monkeypatch.setattr(project_state.events, "since", counted)
    threads = [threading.Thread(target=state.catch_up) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= looks <= 3


def test_whoever_asks_after_a_change_sees_it(state: ProjectState, project: Filled) -> None:
    for number, image in enumerate(project.images[:20]):
        project.say({image: "blast"})
        now = state.readings.snapshot(CELL_TYPE)
        assert int((now.label >= 0).sum()) == number + 1


def test_a_case_is_counted_once_for_each_snapshot(
    state: ProjectState, project: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0
    tally = project_readings.tally

    def counting(*given: Any) -> Any:
        nonlocal counted
        counted += 1
        return tally(*given)

    monkeypatch.setattr(project_readings, "tally", counting)
    first = state.readings.tally(CELL_TYPE, None)
    assert state.readings.tally(CELL_TYPE, None) is first
    assert counted == 1
    project.say({project.images[0]: "blast"})
    assert state.follow(CELL_TYPE)
    after = state.readings.tally(CELL_TYPE, None)[1]
    assert (counted, after.reviewed) == (2, {"blast": 1})


def test_counts_of_a_moment_that_is_over_are_not_kept(state: ProjectState, project: Filled) -> None:
    """Each would keep every column of its moment."""
    early = weakref.ref(state.readings.tally(CELL_TYPE, None)[0])
    project.say({project.images[0]: "blast"})
    assert state.follow(CELL_TYPE)
    state.readings.tally(CELL_TYPE, 0)
    gc.collect()
    assert early() is None


def test_a_snapshot_weighs_what_its_columns_do_however_many_share_it(state: ProjectState) -> None:
    assert state.settle(CELL_TYPE)
    before = state.size
    now = state.readings.tally(CELL_TYPE, None)[0]
    assert state.size - before == sum(one.nbytes for one in now.columns if one is not now.vectors) > 0
    whole = state.size
    assert state.readings.tally(CELL_TYPE, 0)[0] is now
    assert state.size == whole
