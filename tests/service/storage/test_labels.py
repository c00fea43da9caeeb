"""Facts: appended, never lost, never overwriting what somebody else said unseen; undo is one more fact."""

from __future__ import annotations

import random
import threading
import time
import uuid

import pytest
from projects import Filled, fill
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from hemosight.bundle import Bundle
from hemosight.service.errors import NothingThere, Unfit
from hemosight.service.storage.database import Database
from hemosight.service.storage.labels import Outcome, facts_after
from hemosight.service.storage.tables import AuditRow, Event, LabelFact, LabelSet, Standing


@pytest.fixture
def project(module_database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(module_database, tiny_bundle, 8)


def _facts(project: Filled) -> list[LabelFact]:
    with project.database.session() as session:
        return [row[0] for row in facts_after(session, project.id, 0, 100_000)]


def _stands(project: Filled) -> dict[tuple[int, str], tuple[int, str | None]]:
    with project.database.session() as session:
        query = select(Standing, LabelSet.name).join(LabelSet, LabelSet.id == Standing.label_set_id)
        rows = session.execute(query.where(LabelSet.project_id == project.id))
        return {(row.image_id, name): (row.fact_id, row.label) for row, name in rows}


def _replayed(project: Filled) -> dict[tuple[int, str], tuple[int, str | None]]:
    """The state that follows from the audit trail alone."""
    state: dict[tuple[int, str], tuple[int, str | None]] = {}
    with project.database.session() as session:
        query = select(AuditRow).where(AuditRow.project_id == project.id, AuditRow.action.startswith("label."))
        for row in session.scalars(query.order_by(AuditRow.id)):
            for fact in row.subject["facts"]:
                state[fact["image"], fact["label_set"]] = (fact["version"], fact["label"])
    return state


def _labels(outcome: Outcome) -> dict[int, str | None]:
    return {fact.image: fact.label for fact in outcome.facts}


def test_who_has_an_older_version_changes_nothing(project: Filled) -> None:
    one, two, *_ = project.images
    first = project.say({one: "blast"}, user=0)
    second = project.say({one: "monocyte", two: "monocyte"}, user=1, versions={})
    (conflict,) = second.conflicts
    assert (conflict.image, conflict.label, conflict.by) == (one, "blast", project.users[0])
    assert conflict.version == first.facts[0].version
    assert _labels(second) == {two: "monocyte"}, "the others go through"
    agreed = project.say({one: "monocyte"}, user=1, versions={one: conflict.version})
    assert not agreed.conflicts
    assert _stands(project)[one, "cell_type"] == (agreed.facts[0].version, "monocyte")
    assert [fact.label for fact in _facts(project)] == ["blast", "monocyte", "monocyte"]


def test_the_same_request_again_is_the_same_answer(project: Filled) -> None:
    one, two, *_ = project.images
    number = uuid.uuid4()
    project.say({two: "blast"}, user=1)
    first = project.say({one: "ig", two: "ig"}, number=number, versions={})
    again = project.say({one: "ig", two: "ig"}, number=number, versions={})
    assert (first.facts, first.conflicts) == (again.facts, again.conflicts)
    project.say({one: "blast"}, user=1)
    later = project.say({one: "ig", two: "ig"}, number=number, versions={})
    assert later.facts == first.facts, "even when something else stands by now"
    assert len(_facts(project)) == 3


def test_undo_restores_what_stood_and_can_be_undone(project: Filled) -> None:
    one, two, *_ = project.images
    project.say({one: "blast"})
    changed = project.say({one: "ig", two: "ig"}, user=1)
    number = uuid.uuid4()
    undone = project.undo([fact.version for fact in changed.facts], number=number)
    assert _labels(undone) == {one: "blast", two: None}
    assert project.undo([fact.version for fact in changed.facts], number=number).facts == undone.facts
    redone = project.undo([fact.version for fact in undone.facts])
    assert _labels(redone) == {one: "ig", two: "ig"}
    facts = _facts(project)
    assert [fact.kind for fact in facts] == ["set"] * 3 + ["undo"] * 4
    assert {fact.undoes for fact in facts[3:5]} == {fact.version for fact in changed.facts}


def test_undo_leaves_alone_what_somebody_said_since(project: Filled) -> None:
    one = project.images[0]
    mine = project.say({one: "blast"})
    project.say({one: "monocyte"}, user=1)
    undone = project.undo([mine.facts[0].version])
    assert not undone.facts
    assert [(conflict.image, conflict.label) for conflict in undone.conflicts] == [(one, "monocyte")]


def test_label_sets_do_not_touch_each_other(project: Filled) -> None:
    one = project.images[0]
    project.say({one: "blast"})
    shapes = project.say({one: "?"}, label_set="nucleus_shape")
    assert not shapes.conflicts
    assert {name: label for (_, name), (_, label) in _stands(project).items()} == {
        "cell_type": "blast",
        "nucleus_shape": "?",
    }


def test_what_cannot_be_is_refused_whole(project: Filled) -> None:
    one, two, *_ = project.images
    with pytest.raises(Unfit, match="dragon"):
        project.say({one: "blast", two: "dragon"})
    with pytest.raises(NothingThere, match="image 999999999"):
        project.say({one: "blast", 999_999_999: "blast"})
    with pytest.raises(NothingThere, match="label set 'mine'"):
        project.say({one: "blast"}, label_set="mine")
    with pytest.raises(NothingThere, match="fact 999999999"):
        project.undo([999_999_999])
    assert _facts(project) == []


def test_another_project_is_out_of_reach(project: Filled, tiny_bundle: Bundle) -> None:
    other = fill(project.database, tiny_bundle, 2)
    fact = other.say({other.images[0]: "blast"}).facts[0]
    with pytest.raises(NothingThere):
        project.say({other.images[0]: "ig"})
    with pytest.raises(NothingThere):
        project.undo([fact.version])


def test_facts_cannot_be_changed(project: Filled) -> None:
    project.say({project.images[0]: "blast"})
    with pytest.raises(IntegrityError, match="appended, never changed"), project.database.session() as session:
        session.execute(update(LabelFact).where(LabelFact.project_id == project.id).values(label="ig"))


def test_a_fact_comes_with_its_audit_row_and_its_event(project: Filled) -> None:
    made = project.say({project.images[0]: "blast", project.images[1]: "?"})
    with project.database.session() as session:
        query = select(Event).where(Event.project_id == project.id, Event.kind == "labels")
        (event,) = session.scalars(query)
        (row,) = session.scalars(select(AuditRow).where(AuditRow.project_id == project.id))
    assert [fact["version"] for fact in event.data["facts"]] == [fact.version for fact in made.facts]
    assert event.data["by"] == row.user_id == project.users[0]
    assert row.action == "label.set"
    assert _replayed(project) == _stands(project)


def test_a_thousand_at_once(project: Filled, tiny_bundle: Bundle) -> None:
    images = project.add(tiny_bundle, 1000, seed=7, read=False)
    outcome = project.say(dict.fromkeys(images, "neutrophil"))
    assert len(outcome.facts) == 1000
    assert len(project.undo([fact.version for fact in outcome.facts]).facts) == 1000
    assert _replayed(project) == _stands(project)


CONCURRENT_SECONDS = 3.0
"""Of the quick run; ``tests/acceptance/test_two_reviewers.py`` does it for a minute over HTTP."""


def test_reviewers_who_correct_at_once_lose_nothing(project: Filled) -> None:
    """Each believes an accepted label until it reads the image again; every accepted one must be in the log."""
    accepted: list[tuple[int, int, str | None, int]] = []
    refused = [0, 0]
    end = time.monotonic() + CONCURRENT_SECONDS

    def review(user: int) -> None:
        rng = random.Random(user)
        known: dict[int, int] = {}
        mine: list[int] = []
        while time.monotonic() < end:
            if mine and rng.random() < 0.2:
                outcome = project.undo([mine.pop()], user=user)
            else:
                some = rng.sample(project.images, rng.randint(1, 3))
                label = rng.choice(["blast", "ig", "monocyte", "?", None])
                outcome = project.say(dict.fromkeys(some, label), user=user, versions=dict(known))
            for fact in outcome.facts:
                known[fact.image] = fact.version
                mine.append(fact.version)
                accepted.append((fact.version, fact.image, fact.label, project.users[user]))
            for conflict in outcome.conflicts:
                known[conflict.image] = conflict.version
                refused[user] += 1

    threads = [threading.Thread(target=review, args=(user,)) for user in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = [(fact.id, fact.image_id, fact.label, fact.user_id) for fact in _facts(project)]
    assert sorted(accepted) == log, "what was accepted is what is in the log, and nothing else"
    assert len(log) > 20
    assert all(refused), "they must have met"
    last = {image: (number, label) for number, image, label, _ in log}
    assert {image: stands for (image, _), stands in _stands(project).items()} == last
    assert _replayed(project) == _stands(project)
