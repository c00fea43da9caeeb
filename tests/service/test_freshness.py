"""A request is told what was there when it came, asks for it once, and sees what it has written itself."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import pytest
from gate import app_on, members, register
from projects import Filled, fill

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.service.desk import project_state
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.references import References
from hemosight.service.storage import events, freshness
from hemosight.service.storage.database import Database

pytestmark = pytest.mark.service


@pytest.fixture
def project(module_database: Database, tiny_bundle: Bundle) -> Filled:
    register(module_database, tiny_bundle)
    return fill(module_database, tiny_bundle, 20)


@pytest.fixture
def state(project: Filled, tiny_bundle: Bundle) -> ProjectState:
    return ProjectState(project.id, project.database, lambda _session, _number: tiny_bundle, References())


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that a project asks the database what is new."""
    made: list[int] = []
    since = events.since

    def counted(session: Any, project: int, *given: Any) -> Any:
        made.append(project)
        return since(session, project, *given)

    monkeypatch.setattr(project_state.events, "since", counted)
    return made


def in_a_request(does: Callable[[], Any]) -> Any:
    """What comes of it in a request that comes now."""

    def request() -> Any:
        freshness.begin_request()
        return does()

    return contextvars.copy_context().run(request)


def labelled(state: ProjectState) -> int:
    return int((state.readings.snapshot(CELL_TYPE).label >= 0).sum())


def test_a_request_asks_once_what_is_new(state: ProjectState, looks: list[int]) -> None:
    in_a_request(lambda: [labelled(state) for _ in range(5)])
    assert len(looks) == 1
    in_a_request(lambda: labelled(state))
    assert len(looks) == 2, "the next one asks for itself"


def test_whatever_was_there_when_it_came_is_seen(state: ProjectState, project: Filled) -> None:
    for number, image in enumerate(project.images, 1):
        project.say({image: "blast"})
        assert in_a_request(lambda: labelled(state)) == number


def test_a_request_sees_what_it_has_written(state: ProjectState, project: Filled) -> None:
    def does() -> list[int]:
        seen = [labelled(state)]
        for image in project.images[:3]:
            project.say({image: "blast"})
            seen.append(labelled(state))
        return seen

    assert in_a_request(does) == [0, 1, 2, 3]


def test_a_long_request_is_told_no_old_news(
    state: ProjectState, project: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def does() -> list[int]:
        before = labelled(state)
        contextvars.Context().run(project.say, {project.images[0]: "blast"})  # somebody else, in another request
        monkeypatch.setattr(freshness, "LONGEST", 0.0)
        return [before, labelled(state)]

    assert in_a_request(does) == [0, 1]


def test_a_request_for_all_of_an_image_asks_once(
    module_database: Database, tiny_bundle: Bundle, project: Filled, looks: list[int]
) -> None:
    (visitor,) = members(app_on(module_database, tiny_bundle), project.id, "viewer")
    path = f"/projects/{project.id}/images/{project.images[0]}"
    assert visitor.get(path).status_code == 200
    looks.clear()
    assert visitor.get(path).status_code == 200
    assert looks == [project.id]
