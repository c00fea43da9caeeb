"""A desk in memory: equal to the engine untaught, follows facts as they come, the same in every process."""

from __future__ import annotations

import numpy as np
import pytest
from projects import Filled, fill
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hemosight.bundle import Bundle
from hemosight.engine import Engine
from hemosight.service.desk.columns import columns, unpack
from hemosight.service.desk.desk import Desk
from hemosight.service.desk.desks import Desks
from hemosight.service.desk.references import References
from hemosight.service.desk.views import View
from hemosight.service.errors import NothingThere
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import Event, Image, LabelSet
from hemosight.space.embeddings import Embeddings
from hemosight.space.labels import CELL_TYPE
from hemosight.space.teaching import Lessons, Reference

CELLS = 120


@pytest.fixture
def project(module_database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(module_database, tiny_bundle, CELLS)


@pytest.fixture
def desk(project: Filled, tiny_bundle: Bundle) -> Desk:
    return _desk(project, tiny_bundle)


@pytest.fixture
def taught(desk: Desk, project: Filled) -> dict[int, str]:
    """Six cells labelled against what the model says, and learnt."""
    said = dict.fromkeys(_read_as(desk.view(CELL_TYPE), "neutrophil")[:6], "basophil")
    assert len(said) == 6
    project.say(dict(said))
    assert desk.settle(CELL_TYPE)
    return said


def _desk(project: Filled, bundle: Bundle) -> Desk:
    return Desk(project.id, project.database, lambda _session, _number: bundle, References())


def _read_as(view: View, label: str) -> list[int]:
    return view.ids[view.predicted == view.question.names.index(label)].tolist()


def _by_class(view: View) -> np.ndarray:
    """Probabilities with the classes in alphabetical order."""
    return view.probabilities[:, np.argsort(np.array(view.question.names))]


def test_untaught_it_reads_like_the_engine(desk: Desk, project: Filled, tiny_engine: Engine) -> None:
    images = project.images
    embeddings = Embeddings(
        tuple(map(str, images)), np.stack([project.vectors[image] for image in images]), tiny_engine.network.space
    )
    view = desk.view(CELL_TYPE)
    assert view.taught == 0
    for reading, image, row in zip(tiny_engine.read(embeddings), view.ids, range(CELLS), strict=True):
        assert reading.id == str(image)
        assert view.question.names[view.predicted[row]] == reading.label
        answer = desk.answers(int(image))[CELL_TYPE]
        assert answer.probabilities == pytest.approx(dict(reading.probabilities), abs=1e-12)
        assert (answer.predicted, answer.version, answer.revision) == (reading.label, 0, 0)


def test_a_label_teaches_what_a_fit_from_its_facts_teaches(
    desk: Desk, project: Filled, tiny_bundle: Bundle, taught: dict[int, str]
) -> None:
    view = desk.view(CELL_TYPE)
    vectors = np.stack([project.vectors[image] for image in project.images])
    reader = tiny_bundle.readers[CELL_TYPE]
    lessons = Lessons(
        reader.classes,
        lambda cells: vectors[cells],
        vectors.shape[1],
        Reference.of(tiny_bundle.support, CELL_TYPE, reader),
    )
    rows = [project.images.index(image) for image in taught]
    lessons.teach(rows, [reader.classes.index(label) for label in taught.values()])
    expected = lessons.reader(20.0)
    assert expected is not None
    assert np.allclose(_by_class(view), expected.probabilities(vectors), atol=1e-5)
    assert view.taught == view.version.max() > 0
    assert not np.allclose(_by_class(view), reader.probabilities(vectors), atol=1e-2), "it must have learnt something"


def test_what_a_person_said_stands_whatever_the_model_says(desk: Desk, project: Filled, taught: dict[int, str]) -> None:
    view = desk.view(CELL_TYPE)
    for image, label in taught.items():
        row = int(np.searchsorted(view.ids, image))
        assert view.question.names[view.label[row]] == label
        assert view.by[row] == project.users[0]
    untouched = ~np.isin(view.ids, list(taught))
    assert (view.label[untouched] == -1).all()
    assert (view.by[untouched] == -1).all()


def test_another_process_says_the_same(
    desk: Desk, project: Filled, tiny_bundle: Bundle, taught: dict[int, str]
) -> None:
    """One that followed every event, and one that starts from the facts."""
    follower = _desk(project, tiny_bundle)
    assert follower.settle(CELL_TYPE)
    outcome = project.say({next(iter(taught)): "blast", project.images[-1]: "?"})
    project.undo([outcome.facts[0].version])
    project.say({project.images[-2]: None})
    newcomer = _desk(project, tiny_bundle)
    views = []
    for one in (desk, follower, newcomer):
        assert one.settle(CELL_TYPE)
        views.append(one.view(CELL_TYPE))
    for other in views[1:]:
        assert np.allclose(views[0].probabilities, other.probabilities, atol=1e-6)
        for name in ("ids", "label", "version", "by", "predicted", "alone"):
            assert (getattr(views[0], name) == getattr(other, name)).all(), name
        assert (other.revision, other.taught) == (views[0].revision, views[0].taught)


def test_taking_every_label_back_is_the_bundle_again(desk: Desk, project: Filled, taught: dict[int, str]) -> None:
    project.say(dict.fromkeys(taught, None))
    assert desk.settle(CELL_TYPE)
    view = desk.view(CELL_TYPE)
    assert (view.predicted == view.alone).all()
    assert view.taught == 0


def test_unsure_teaches_nothing(desk: Desk, project: Filled) -> None:
    before = desk.view(CELL_TYPE)
    project.say(dict.fromkeys(project.images[:5], "?"))
    assert desk.settle(CELL_TYPE)
    after = desk.view(CELL_TYPE)
    assert (after.probabilities == before.probabilities).all()
    assert (after.label[:5] == -2).all()


def test_teaching_can_be_turned_off_to_see_the_model_alone(desk: Desk, project: Filled, taught: dict[int, str]) -> None:
    learnt = desk.view(CELL_TYPE)
    assert (learnt.predicted != learnt.alone).any()
    project.change(teaching=False)
    alone = desk.view(CELL_TYPE)
    assert (alone.predicted == alone.alone).all()
    assert (alone.label == learnt.label).all(), "labels stand all the same"
    project.change(teaching=True)
    again = desk.view(CELL_TYPE)
    assert np.allclose(again.probabilities, learnt.probabilities, atol=1e-6)
    project.change(teaching_weight=1.0)
    lighter = desk.view(CELL_TYPE)
    steps = [np.abs(view.probabilities - alone.probabilities).mean() for view in (lighter, learnt)]
    assert 0 < steps[0] < steps[1]


def test_images_and_readings_join_as_they_come(desk: Desk, project: Filled, tiny_bundle: Bundle) -> None:
    waiting = project.add(tiny_bundle, 30, seed=1, read=False)
    desk.view(CELL_TYPE)
    project.say({waiting[0]: "blast"})
    view = desk.view(CELL_TYPE)
    assert len(view.ids) == CELLS + 30
    assert (view.status[-30:] == 0).all()
    assert (view.predicted[-30:] == -1).all()
    assert np.isnan(view.probability[-30:]).all()
    project.read(waiting[:20])
    project.read(waiting[20:21], unreadable=True)
    assert desk.settle(CELL_TYPE)
    view = desk.view(CELL_TYPE)
    assert view.status[-30:].tolist() == [1] * 20 + [2] + [0] * 9
    assert (view.predicted[-30:-10] >= 0).all()
    assert (view.predicted[-10:] == -1).all()
    assert view.taught > 0, "what was labelled before it was read teaches once it is read"
    fresh = _desk(project, tiny_bundle)
    fresh.settle(CELL_TYPE)
    assert np.allclose(fresh.view(CELL_TYPE).probabilities, view.probabilities, atol=1e-6)


def test_uploads_side_by_side_commit_out_of_order(project: Filled, tiny_bundle: Bundle) -> None:
    desk = _desk(project, tiny_bundle)
    early = project.add(tiny_bundle, 3, seed=2)
    late = project.add(tiny_bundle, 3, seed=3)
    with desk._lock:  # as if the second upload had been seen first
        roll = desk._roll
        keep = [image for image in roll.ids[: roll.count].tolist() if image not in early]
        assert keep == roll.ids[: roll.count].tolist()
        desk._roll.add(late, [None] * 3, desk._seen)
    view = desk.view(CELL_TYPE)
    assert view.ids.tolist() == sorted(project.truth)
    assert view.read.all()


def test_images_that_were_taken_back_are_gone(desk: Desk, project: Filled, tiny_bundle: Bundle) -> None:
    waiting = project.add(tiny_bundle, 4, seed=4, read=False)
    assert len(desk.view(CELL_TYPE).ids) == CELLS + 4
    with project.database.session() as session:
        session.execute(delete(Image).where(Image.id.in_(waiting)))
        events.tell(session, project.id, "images", {"added": -4})
    assert len(desk.view(CELL_TYPE).ids) == CELLS


def _events(session: Session, project: Filled, kind: str) -> list[Event]:
    query = select(Event).where(Event.project_id == project.id, Event.kind == kind).order_by(Event.id)
    return list(session.scalars(query))


def test_taught_is_told_once_with_what_moved(desk: Desk, project: Filled, tiny_bundle: Bundle) -> None:
    other = _desk(project, tiny_bundle)
    before = desk.view(CELL_TYPE)
    other.view(CELL_TYPE)
    said: dict[int, str | None] = dict.fromkeys(_read_as(before, "neutrophil")[:6], "basophil")
    outcome = project.say(said)
    for process in (desk, other):
        process.learn(CELL_TYPE, max(fact.version for fact in outcome.facts))
    for process in (desk, other):
        assert process.settle(CELL_TYPE)
        assert process._learner is None or not process._learner.join(30)
    after = desk.view(CELL_TYPE)
    with project.database.session() as session:
        (told,) = _events(session, project, "taught")
    names = after.question.names
    moved = (before.predicted != after.predicted) & (after.label == -1)
    assert told.data["revision"] == max(fact.version for fact in outcome.facts)
    assert told.data["moved_count"] == moved.sum() > 0
    assert {(image, old, new) for image, old, new, _ in told.data["moved"]} == {
        (int(after.ids[row]), names[before.predicted[row]], names[after.predicted[row]])
        for row in np.flatnonzero(moved)
    }
    assert not {entry[0] for entry in told.data["moved"]} & said.keys(), "what a person labelled does not move"


def test_an_own_label_set_learns_from_its_labels_alone(desk: Desk, project: Filled) -> None:
    with project.database.session() as session:
        classes = [
            {"name": name, "title": name, "key": name[0], "light": "#000", "dark": "#fff"} for name in ("ab", "cd")
        ]
        session.add(LabelSet(project_id=project.id, name="mine", title="Mine", kind="own", classes=classes))
        events.tell(session, project.id, "label_set", {"name": "mine"})
    assert (desk.view("mine").predicted == -1).all()
    # Two heaps that lie apart, whatever types they are.
    cells = np.stack([project.vectors[image] for image in project.images])
    axis = np.linalg.svd(cells - cells.mean(axis=0), full_matrices=False)[2][0]
    along = (cells - cells.mean(axis=0)) @ axis
    order = np.array(project.images)[np.argsort(along)]
    shown = dict.fromkeys(order[:40].tolist(), "ab") | dict.fromkeys(order[-40:].tolist(), "cd")
    first = [image for image, label in shown.items() if label == "ab"][:3]
    project.say(dict.fromkeys(first, "ab"), label_set="mine")
    desk.settle("mine")
    assert (desk.view("mine").predicted == -1).all(), "one class is no question"
    second = [image for image, label in shown.items() if label == "cd"][:3]
    project.say(dict.fromkeys(second, "cd"), label_set="mine")
    assert desk.settle("mine")
    view = desk.view("mine")
    rest = [image for image in shown if image not in first + second]
    rows = np.searchsorted(view.ids, rest)
    right = [view.question.names[view.predicted[row]] == shown[image] for row, image in zip(rows, rest, strict=True)]
    assert np.mean(right) > 0.8
    assert desk.view(CELL_TYPE).taught == 0


def test_the_delta_brings_every_copy_up_to_date(desk: Desk, project: Filled, tiny_bundle: Bundle) -> None:
    def whole() -> tuple[dict, dict[int, dict[str, float]]]:
        return _rows(columns(desk.view(CELL_TYPE), []))

    head, copy = whole()
    assert head["full"]
    steps = (
        lambda: project.say(dict.fromkeys(_read_as(desk.view(CELL_TYPE), "neutrophil")[:4], "basophil")),
        lambda: project.add(tiny_bundle, 10, seed=5, read=False),
        lambda: project.read(project.images[-10:]),
        lambda: project.say({project.images[0]: "?"}),
    )
    for step in steps:
        step()
        hasty_head, hasty = _rows(columns(desk.view(CELL_TYPE), [], head["revision"]))  # maybe not learnt yet
        desk.settle(CELL_TYPE)
        copy |= hasty
        head, fresh = _rows(columns(desk.view(CELL_TYPE), [], hasty_head["revision"]))
        assert not head["full"]
        copy |= fresh
        _, now = whole()
        assert copy.keys() == now.keys()
        for image, row in now.items():
            for name in ("label", "version", "predicted", "status", "labelled_by"):
                assert copy[image][name] == row[name], name
            assert copy[image]["probability"] == pytest.approx(row["probability"], abs=0.011, nan_ok=True)
    assert head["count"] < len(copy), "the last step changed one label, and no more than that is sent"


def test_a_delta_from_before_the_desk_was_loaded_is_everything(project: Filled, tiny_bundle: Bundle) -> None:
    early = _desk(project, tiny_bundle).view(CELL_TYPE).revision
    project.say({project.images[0]: "blast"})
    head, rows = _rows(columns(_desk(project, tiny_bundle).view(CELL_TYPE), [], early))
    assert head["full"]
    assert len(rows) == CELLS


def _rows(body: bytes) -> tuple[dict, dict[int, dict[str, float]]]:
    assert body[:4] == b"HSC1"
    header, arrays = unpack(body)
    rows = zip(*(array.tolist() for array in arrays.values()), strict=True)
    return header, {int(row[0]): dict(zip(arrays, row, strict=True)) for row in rows}


def test_desks_load_once_and_make_room(module_database: Database, tiny_bundle: Bundle) -> None:
    projects = [fill(module_database, tiny_bundle, 10).id for _ in range(3)]
    desks = Desks(module_database, lambda _session, _number: tiny_bundle, room=1)
    first = desks.get(projects[0])
    assert desks.get(projects[0]) is first
    for number in projects[1:]:
        desks.get(number)
    assert len(desks) == 1
    assert desks.get(projects[0]) is not first
    with pytest.raises(NothingThere):
        desks.get(10**9)
