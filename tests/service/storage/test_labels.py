"""Label records: appended, never lost, never overwriting what somebody else said unseen; undo is one more record."""

from __future__ import annotations

import random
import threading
import time
import uuid

import pytest
from projects import Filled, fill
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from hemosight.engine.bundle import Bundle
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import deletion, judgements, labels
from hemosight.service.storage.database import Database
from hemosight.service.storage.labels import LabelOutcome, records_after
from hemosight.service.storage.tables import AuditRow, CurrentLabelRow, Event, LabelRecord, LabelSet

pytestmark = pytest.mark.service


@pytest.fixture
def project(module_database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(module_database, tiny_bundle, 8)


def _records(project: Filled) -> list[LabelRecord]:
    with project.database.session() as session:
        return [row[0] for row in records_after(session, project.id, 0, 100_000)]


def _stands(project: Filled) -> dict[tuple[int, str], tuple[int, str | None]]:
    with project.database.session() as session:
        query = select(CurrentLabelRow, LabelSet.name).join(LabelSet, LabelSet.id == CurrentLabelRow.label_set_id)
        rows = session.execute(query.where(LabelSet.project_id == project.id))
        return {(row.image_id, name): (row.label_id, row.label) for row, name in rows}


def _replayed(project: Filled) -> dict[tuple[int, str], tuple[int, str | None]]:
    """The state that follows from the audit trail alone."""
    state: dict[tuple[int, str], tuple[int, str | None]] = {}
    with project.database.session() as session:
        query = select(AuditRow).where(AuditRow.project_id == project.id, AuditRow.action.startswith("label."))
        for row in session.scalars(query.order_by(AuditRow.id)):
            for record in row.subject["labels"]:
                state[record["image"], record["label_set"]] = (record["version"], record["label"])
    return state


def _labels(outcome: LabelOutcome) -> dict[int, str | None]:
    return {record.image: record.label for record in outcome.labels}


def test_who_has_an_older_version_changes_nothing(project: Filled) -> None:
    one, two, *_ = project.images
    first = project.say({one: "blast"}, user=0)
    second = project.say({one: "monocyte", two: "monocyte"}, user=1, versions={})
    (conflict,) = second.conflicts
    assert (conflict.image, conflict.label, conflict.by) == (one, "blast", project.users[0])
    assert conflict.version == first.labels[0].version
    assert conflict.submitted == "monocyte", "the second is shown both words"
    assert _labels(second) == {two: "monocyte"}, "the others go through"
    agreed = project.say({one: "monocyte"}, user=1, versions={one: conflict.version})
    assert not agreed.conflicts
    assert _stands(project)[one, "cell_type"] == (agreed.labels[0].version, "monocyte")
    assert [record.label for record in _records(project)] == ["blast", "monocyte", "monocyte"]


def test_the_same_request_again_is_the_same_answer(project: Filled) -> None:
    one, two, *_ = project.images
    number = uuid.uuid4()
    project.say({two: "blast"}, user=1)
    first = project.say({one: "ig", two: "ig"}, number=number, versions={})
    again = project.say({one: "ig", two: "ig"}, number=number, versions={})
    assert (first.labels, first.conflicts) == (again.labels, again.conflicts)
    project.say({one: "blast"}, user=1)
    later = project.say({one: "ig", two: "ig"}, number=number, versions={})
    assert later.labels == first.labels, "even when something else stands by now"
    assert len(_records(project)) == 3


def test_undo_restores_what_stood_and_can_be_undone(project: Filled) -> None:
    one, two, *_ = project.images
    project.say({one: "blast"})
    changed = project.say({one: "ig", two: "ig"}, user=1)
    number = uuid.uuid4()
    undone = project.undo([record.version for record in changed.labels], number=number)
    assert _labels(undone) == {one: "blast", two: None}
    assert project.undo([record.version for record in changed.labels], number=number).labels == undone.labels
    redone = project.undo([record.version for record in undone.labels])
    assert _labels(redone) == {one: "ig", two: "ig"}
    records = _records(project)
    assert [record.kind for record in records] == ["set"] * 3 + ["undo"] * 4
    assert {record.undoes for record in records[3:5]} == {record.version for record in changed.labels}


def test_a_label_taken_back_is_no_judgement(project: Filled) -> None:
    one, two, *_ = project.images
    slip = project.say({one: "monocyte"}).labels[0].version
    project.undo([slip])
    project.say({one: "neutrophil", two: "blast"})
    assert _judged(project) == [(one, 0, "neutrophil"), (two, 0, "blast")]


def _judged(project: Filled) -> list[tuple[int, int, str]]:
    with project.database.session() as session:
        label_set = labels.label_set_of(session, project.id, "cell_type").id
        said = judgements.judgements(session, project.id, label_set)
    return sorted((one.image, project.users.index(one.user), one.label) for one in said)


def test_a_redo_is_a_judgement_again(project: Filled) -> None:
    one = project.images[0]
    said = project.say({one: "monocyte"}).labels[0].version
    undone = project.undo([said]).labels[0].version
    assert _judged(project) == []
    redone = project.undo([undone]).labels[0].version
    assert _judged(project) == [(one, 0, "monocyte")]
    project.undo([redone])
    assert _judged(project) == []


def test_clearing_drops_the_judgement_it_takes_away_and_no_other(project: Filled) -> None:
    one = project.images[0]
    project.say({one: "monocyte"})
    project.say({one: "blast"}, user=1)
    cleared = project.say({one: None}, kind="clear").labels[0].version
    assert _judged(project) == [(one, 0, "monocyte")], "the other person's label was the one that stood"
    project.undo([cleared])
    assert _judged(project) == [(one, 0, "monocyte"), (one, 1, "blast")]
    project.say({one: None}, kind="clear")
    project.say({one: "ig"})
    assert _judged(project) == [(one, 0, "ig"), (one, 0, "monocyte")]


def test_a_label_given_to_many_cells_stays_one_of_many_when_the_others_are_gone(project: Filled) -> None:
    one, two, *_ = project.images
    project.say({one: "monocyte", two: "monocyte"})
    with project.database.session() as session:
        deletion.delete_cells(session, project.id, [two])
        label_set = labels.label_set_of(session, project.id, "cell_type").id
        (said,) = judgements.judgements(session, project.id, label_set)
    assert not said.single


def test_undo_walks_back_several_steps_on_one_image(project: Filled) -> None:
    one = project.images[0]
    first, second = (project.say({one: label}).labels[0].version for label in ("blast", "ig"))
    assert _labels(project.undo([second])) == {one: "blast"}
    assert _labels(project.undo([first])) == {one: None}
    assert project.undo([second]).conflicts, "it stands no longer"


def test_undo_leaves_alone_what_somebody_said_since(project: Filled) -> None:
    one = project.images[0]
    mine = project.say({one: "blast"})
    project.say({one: "monocyte"}, user=1)
    undone = project.undo([mine.labels[0].version])
    assert not undone.labels
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
    with pytest.raises(Refusal, match=r"a class of the label set cell_type.*dragon"):
        project.say({one: "blast", two: "dragon"})
    with pytest.raises(NothingThere, match="image 999999999"):
        project.say({one: "blast", 999_999_999: "blast"})
    with pytest.raises(NothingThere, match="label set 'mine'"):
        project.say({one: "blast"}, label_set="mine")
    with pytest.raises(NothingThere, match="record 999999999"):
        project.undo([999_999_999])
    assert _records(project) == []


def test_another_project_is_out_of_reach(project: Filled, tiny_bundle: Bundle) -> None:
    other = fill(project.database, tiny_bundle, 2)
    record = other.say({other.images[0]: "blast"}).labels[0]
    with pytest.raises(NothingThere):
        project.say({other.images[0]: "ig"})
    with pytest.raises(NothingThere):
        project.undo([record.version])


def test_label_records_cannot_be_changed(project: Filled) -> None:
    project.say({project.images[0]: "blast"})
    with pytest.raises(IntegrityError, match="appended, never changed"), project.database.session() as session:
        session.execute(update(LabelRecord).where(LabelRecord.project_id == project.id).values(label="ig"))


def test_a_label_record_comes_with_its_audit_row_and_its_event(project: Filled) -> None:
    made = project.say({project.images[0]: "blast", project.images[1]: "?"})
    with project.database.session() as session:
        query = select(Event).where(Event.project_id == project.id, Event.kind == "labels")
        (event,) = session.scalars(query)
        (row,) = session.scalars(select(AuditRow).where(AuditRow.project_id == project.id))
    assert [record["version"] for record in event.data["labels"]] == [record.version for record in made.labels]
    assert event.data["by"] == row.user_id == project.users[0]
    assert row.action == "label.set"
    assert _replayed(project) == _stands(project)


def test_a_thousand_at_once(project: Filled, tiny_bundle: Bundle) -> None:
    images = project.add(tiny_bundle, 1000, seed=7, read=False)
    outcome = project.say(dict.fromkeys(images, "neutrophil"))
    assert len(outcome.labels) == 1000
    assert len(project.undo([record.version for record in outcome.labels]).labels) == 1000
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
            for record in outcome.labels:
                known[record.image] = record.version
                mine.append(record.version)
                accepted.append((record.version, record.image, record.label, project.users[user]))
            for conflict in outcome.conflicts:
                known[conflict.image] = conflict.version
                refused[user] += 1

    threads = [threading.Thread(target=review, args=(user,)) for user in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = [(record.id, record.image_id, record.label, record.user_id) for record in _records(project)]
    assert sorted(accepted) == log, "what was accepted is what is in the log, and nothing else"
    assert len(log) > 20
    assert all(refused), "they must have met"
    last = {image: (number, label) for number, image, label, _ in log}
    assert {image: stands for (image, _), stands in _stands(project).items()} == last
    assert _replayed(project) == _stands(project)
