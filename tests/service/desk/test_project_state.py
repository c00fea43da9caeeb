"""A state in memory: equal to the engine untaught, follows records as they come, the same in every process."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from projects import Filled, fill
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.service.desk import loading, project_states
from hemosight.service.desk.columns import columns, unpack
from hemosight.service.desk.label_set_state import LabelSetSpec
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.project_states import ProjectStates
from hemosight.service.desk.references import References
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.errors import NothingThere
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import ImagesEvent, LabelSetEvent, ProfileEvent, SettingsEvent
from hemosight.service.storage.tables import Event, Image, LabelSet, Project
from hemosight.space.embeddings import Embeddings
from hemosight.space.incremental_lda import IncrementalLDA, Reference

pytestmark = pytest.mark.service

CELLS = 120


@pytest.fixture
def project(module_database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(module_database, tiny_bundle, CELLS)


@pytest.fixture
def state(project: Filled, tiny_bundle: Bundle) -> ProjectState:
    return _load(project, tiny_bundle)


@pytest.fixture
def taught(state: ProjectState, project: Filled) -> dict[int, str]:
    """Six cells labelled against what the model says, and learnt."""
    said = dict.fromkeys(_read_as(state.readings.snapshot(CELL_TYPE), "neutrophil")[:6], "basophil")
    assert len(said) == 6
    project.say(dict(said))
    assert state.settle(CELL_TYPE)
    return said


def _load(project: Filled, bundle: Bundle) -> ProjectState:
    return ProjectState(project.id, project.database, lambda _session, _number: bundle, References())


def _read_as(snapshot: Snapshot, label: str) -> list[int]:
    return snapshot.ids[snapshot.predicted == snapshot.spec.names.index(label)].tolist()


def _by_class(snapshot: Snapshot) -> np.ndarray:
    """Probabilities with the classes in alphabetical order."""
    return snapshot.probabilities[:, np.argsort(np.array(snapshot.spec.names))]


def test_untaught_it_reads_like_the_engine(state: ProjectState, project: Filled, tiny_engine: Engine) -> None:
    images = project.images
    embeddings = Embeddings(
        tuple(map(str, images)), np.stack([project.vectors[image] for image in images]), tiny_engine.network.space
    )
    snapshot = state.readings.snapshot(CELL_TYPE)
    assert snapshot.taught_until == 0
    for reading, image, row in zip(tiny_engine.read(embeddings), snapshot.ids, range(CELLS), strict=True):
        assert reading.id == str(image)
        assert snapshot.spec.names[snapshot.predicted[row]] == reading.label
        answer = state.readings.of_image(int(image))[CELL_TYPE]
        assert answer.probabilities == pytest.approx(dict(reading.probabilities), abs=1e-12)
        assert (answer.predicted, answer.version, answer.taught_until) == (reading.label, 0, 0)


def test_a_label_teaches_what_a_fit_from_its_records_teaches(
    state: ProjectState, project: Filled, tiny_bundle: Bundle, taught: dict[int, str]
) -> None:
    snapshot = state.readings.snapshot(CELL_TYPE)
    vectors = np.stack([project.vectors[image] for image in project.images])
    reader = tiny_bundle.classifiers[CELL_TYPE]
    learner = IncrementalLDA(
        reader.classes,
        lambda cells: vectors[cells],
        vectors.shape[1],
        Reference.of(tiny_bundle.support, CELL_TYPE, reader),
    )
    rows = [project.images.index(image) for image in taught]
    learner.update(rows, [reader.classes.index(label) for label in taught.values()])
    expected = learner.classifier(20.0)
    assert expected is not None
    assert np.allclose(_by_class(snapshot), expected.probabilities(vectors), atol=1e-5)
    assert snapshot.taught_until == snapshot.version.max() > 0
    assert not np.allclose(_by_class(snapshot), reader.probabilities(vectors), atol=1e-2), (
        "it must have learnt something"
    )


def test_what_a_person_said_stands_whatever_the_model_says(
    state: ProjectState, project: Filled, taught: dict[int, str]
) -> None:
    snapshot = state.readings.snapshot(CELL_TYPE)
    for image, label in taught.items():
        row = int(np.searchsorted(snapshot.ids, image))
        assert snapshot.spec.names[snapshot.label[row]] == label
        assert snapshot.by[row] == project.users[0]
    untouched = ~np.isin(snapshot.ids, list(taught))
    assert (snapshot.label[untouched] == -1).all()
    assert (snapshot.by[untouched] == -1).all()


def test_another_process_says_the_same(
    state: ProjectState, project: Filled, tiny_bundle: Bundle, taught: dict[int, str]
) -> None:
    """One that followed every event, and one that starts from the records."""
    follower = _load(project, tiny_bundle)
    assert follower.settle(CELL_TYPE)
    outcome = project.say({next(iter(taught)): "blast", project.images[-1]: "?"})
    project.undo([outcome.labels[0].version])
    project.say({project.images[-2]: None})
    newcomer = _load(project, tiny_bundle)
    snapshots = []
    for one in (state, follower, newcomer):
        assert one.settle(CELL_TYPE)
        snapshots.append(one.readings.snapshot(CELL_TYPE))
    for other in snapshots[1:]:
        assert np.allclose(snapshots[0].probabilities, other.probabilities, atol=1e-6)
        for name in ("ids", "label", "version", "by", "predicted", "alone"):
            assert (getattr(snapshots[0], name) == getattr(other, name)).all(), name
        assert (other.event, other.taught_until) == (snapshots[0].event, snapshots[0].taught_until)


def test_taking_every_label_back_is_the_bundle_again(
    state: ProjectState, project: Filled, taught: dict[int, str]
) -> None:
    project.say(dict.fromkeys(taught, None))
    assert state.settle(CELL_TYPE)
    snapshot = state.readings.snapshot(CELL_TYPE)
    assert (snapshot.predicted == snapshot.alone).all()
    assert snapshot.taught_until == 0


def test_unsure_teaches_nothing(state: ProjectState, project: Filled) -> None:
    before = state.readings.snapshot(CELL_TYPE)
    project.say(dict.fromkeys(project.images[:5], "?"))
    assert state.settle(CELL_TYPE)
    after = state.readings.snapshot(CELL_TYPE)
    assert (after.probabilities == before.probabilities).all()
    assert (after.label[:5] == -2).all()


def test_teaching_can_be_turned_off_to_see_the_model_alone(
    state: ProjectState, project: Filled, taught: dict[int, str]
) -> None:
    learnt = state.readings.snapshot(CELL_TYPE)
    assert (learnt.predicted != learnt.alone).any()
    project.change(teaching=False)
    alone = state.readings.snapshot(CELL_TYPE)
    assert (alone.predicted == alone.alone).all()
    assert (alone.label == learnt.label).all(), "labels stand all the same"
    project.change(teaching=True)
    again = state.readings.snapshot(CELL_TYPE)
    assert np.allclose(again.probabilities, learnt.probabilities, atol=1e-6)
    project.change(teaching_weight=1.0)
    lighter = state.readings.snapshot(CELL_TYPE)
    steps = [np.abs(snapshot.probabilities - alone.probabilities).mean() for snapshot in (lighter, learnt)]
    assert 0 < steps[0] < steps[1]


def test_images_and_readings_join_as_they_come(state: ProjectState, project: Filled, tiny_bundle: Bundle) -> None:
    waiting = project.add(tiny_bundle, 30, seed=1, read=False)
    state.readings.snapshot(CELL_TYPE)
    project.say({waiting[0]: "blast"})
    snapshot = state.readings.snapshot(CELL_TYPE)
    assert len(snapshot.ids) == CELLS + 30
    assert (snapshot.status[-30:] == 0).all()
    assert (snapshot.predicted[-30:] == -1).all()
    assert np.isnan(snapshot.probability[-30:]).all()
    project.read(waiting[:20])
    project.read(waiting[20:21], unreadable=True)
    assert state.settle(CELL_TYPE)
    snapshot = state.readings.snapshot(CELL_TYPE)
    assert snapshot.status[-30:].tolist() == [1] * 20 + [2] + [0] * 9
    assert (snapshot.predicted[-30:-10] >= 0).all()
    assert (snapshot.predicted[-10:] == -1).all()
    assert snapshot.taught_until > 0, "what was labelled before it was read teaches once it is read"
    fresh = _load(project, tiny_bundle)
    fresh.settle(CELL_TYPE)
    assert np.allclose(fresh.readings.snapshot(CELL_TYPE).probabilities, snapshot.probabilities, atol=1e-6)


def test_uploads_side_by_side_commit_out_of_order(project: Filled, tiny_bundle: Bundle) -> None:
    state = _load(project, tiny_bundle)
    assert len(state.readings.snapshot(CELL_TYPE).ids) == CELLS
    seen: list[int] = []

    def faster_upload() -> None:
        project.add(tiny_bundle, 3, seed=3)
        seen.extend(state.readings.snapshot(CELL_TYPE).ids.tolist())

    early = project.add(tiny_bundle, 3, seed=2, before_commit=faster_upload)
    assert len(seen) == CELLS + 3
    assert max(early) < max(seen), "numbered first, and committed last"
    snapshot = state.readings.snapshot(CELL_TYPE)
    assert snapshot.ids.tolist() == sorted(project.truth)
    assert snapshot.read.all()


def test_images_that_were_taken_back_are_gone(state: ProjectState, project: Filled, tiny_bundle: Bundle) -> None:
    waiting = project.add(tiny_bundle, 4, seed=4, read=False)
    assert len(state.readings.snapshot(CELL_TYPE).ids) == CELLS + 4
    with project.database.session() as session:
        session.execute(delete(Image).where(Image.id.in_(waiting)))
        events.tell(session, project.id, ImagesEvent(added=-4))
    assert len(state.readings.snapshot(CELL_TYPE).ids) == CELLS


def _events(session: Session, project: Filled, kind: str) -> list[Event]:
    query = select(Event).where(Event.project_id == project.id, Event.kind == kind).order_by(Event.id)
    return list(session.scalars(query))


def test_taught_is_told_once_with_what_moved(state: ProjectState, project: Filled, tiny_bundle: Bundle) -> None:
    other = _load(project, tiny_bundle)
    before = state.readings.snapshot(CELL_TYPE)
    other.readings.snapshot(CELL_TYPE)
    said: dict[int, str | None] = dict.fromkeys(_read_as(before, "neutrophil")[:6], "basophil")
    outcome = project.say(said)
    for process in (state, other):
        process.labels_written(CELL_TYPE, max(record.version for record in outcome.labels))
    for process in (state, other):
        assert process.settle(CELL_TYPE)
        assert process.learner.join(30)
    after = state.readings.snapshot(CELL_TYPE)
    with project.database.session() as session:
        (told,) = _events(session, project, "taught")
    names = after.spec.names
    moved = (before.predicted != after.predicted) & (after.label == -1)
    assert told.data["taught_until"] == max(record.version for record in outcome.labels)
    assert told.data["moved_count"] == moved.sum() > 0
    assert {(image, old, new) for image, old, new in told.data["moved"]} == {
        (int(after.ids[row]), names[before.predicted[row]], names[after.predicted[row]])
        for row in np.flatnonzero(moved)
    }
    assert not {entry[0] for entry in told.data["moved"]} & said.keys(), "what a person labelled does not move"


def test_an_own_label_set_learns_from_its_labels_alone(state: ProjectState, project: Filled) -> None:
    with project.database.session() as session:
        classes = [
            {"name": name, "title": name, "key": name[0], "light": "#000", "dark": "#fff"} for name in ("ab", "cd")
        ]
        session.add(LabelSet(project_id=project.id, name="mine", title="Mine", kind="own", classes=classes))
        events.tell(session, project.id, LabelSetEvent(name="mine"))
    assert (state.readings.snapshot("mine").predicted == -1).all()
    # Two heaps that lie apart, whatever types they are.
    cells = np.stack([project.vectors[image] for image in project.images])
    axis = np.linalg.svd(cells - cells.mean(axis=0), full_matrices=False)[2][0]
    along = (cells - cells.mean(axis=0)) @ axis
    order = np.array(project.images)[np.argsort(along)]
    shown = dict.fromkeys(order[:40].tolist(), "ab") | dict.fromkeys(order[-40:].tolist(), "cd")
    first = [image for image, label in shown.items() if label == "ab"][:3]
    project.say(dict.fromkeys(first, "ab"), label_set="mine")
    state.settle("mine")
    assert (state.readings.snapshot("mine").predicted == -1).all(), "one class is no question"
    second = [image for image, label in shown.items() if label == "cd"][:3]
    project.say(dict.fromkeys(second, "cd"), label_set="mine")
    assert state.settle("mine")
    snapshot = state.readings.snapshot("mine")
    rest = [image for image in shown if image not in first + second]
    rows = np.searchsorted(snapshot.ids, rest)
    right = [
        snapshot.spec.names[snapshot.predicted[row]] == shown[image] for row, image in zip(rows, rest, strict=True)
    ]
    assert np.mean(right) > 0.8
    assert state.readings.snapshot(CELL_TYPE).taught_until == 0


def test_the_delta_brings_every_copy_up_to_date(state: ProjectState, project: Filled, tiny_bundle: Bundle) -> None:
    def whole() -> tuple[dict, dict[int, dict[str, float]]]:
        return _rows(columns(state.readings.snapshot(CELL_TYPE), []))

    head, copy = whole()
    assert head["full"]
    steps = (
        lambda: project.say(dict.fromkeys(_read_as(state.readings.snapshot(CELL_TYPE), "neutrophil")[:4], "basophil")),
        lambda: project.add(tiny_bundle, 10, seed=5, read=False),
        lambda: project.read(project.images[-10:]),
        lambda: project.say({project.images[0]: "?"}),
    )
    for step in steps:
        step()
        hasty_head, hasty = _rows(
            columns(state.readings.snapshot(CELL_TYPE), [], head["event"])
        )  # maybe not learnt yet
        state.settle(CELL_TYPE)
        copy |= hasty
        head, fresh = _rows(columns(state.readings.snapshot(CELL_TYPE), [], hasty_head["event"]))
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
    early = _load(project, tiny_bundle).readings.snapshot(CELL_TYPE).event
    project.say({project.images[0]: "blast"})
    head, rows = _rows(columns(_load(project, tiny_bundle).readings.snapshot(CELL_TYPE), [], early))
    assert head["full"]
    assert len(rows) == CELLS


def _rows(body: bytes) -> tuple[dict, dict[int, dict[str, float]]]:
    assert body[:4] == b"HSC1"
    header, arrays = unpack(body)
    rows = zip(*(array.tolist() for array in arrays.values()), strict=True)
    return header, {int(row[0]): dict(zip(arrays, row, strict=True)) for row in rows}


def test_states_load_once_and_make_room(module_database: Database, tiny_bundle: Bundle) -> None:
    projects = [fill(module_database, tiny_bundle, 10).id for _ in range(3)]
    states = ProjectStates(module_database, lambda _session, _number: tiny_bundle, room=1)
    first = states.get(projects[0])
    assert states.get(projects[0]) is first
    for number in projects[1:]:
        states.get(number)
    assert len(states) == 1
    assert states.get(projects[0]) is not first
    with pytest.raises(NothingThere):
        states.get(10**9)


def test_a_project_that_is_not_there_leaves_nothing_behind(
    module_database: Database, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = ProjectStates(module_database, lambda _session, _number: tiny_bundle)
    made: list[weakref.ref[Any]] = []

    def lock() -> Any:
        new = threading.Lock()
        made.append(weakref.ref(new))
        return new

    monkeypatch.setattr(project_states, "threading", SimpleNamespace(Lock=lock))
    for number in (10**9, 10**9 + 1):
        with pytest.raises(NothingThere):
            states.get(number)
    gc.collect()
    assert len(made) == 2
    assert [one() for one in made] == [None, None]


def test_a_reload_that_fails_half_way_is_done_again(
    state: ProjectState, project: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is lost meanwhile leaves columns without cells, and no news would ever come."""
    images, fails = loading.images, [True]

    def lost(session: Session, project_id: int, after: int = 0) -> list[tuple[int, int | None]]:
        if fails.pop() if fails else False:
            raise ConnectionError
        return images(session, project_id, after)

    monkeypatch.setattr(loading, "images", lost)
    with project.database.session() as session:
        events.tell(session, project.id, ProfileEvent(profile=1))
    with pytest.raises(ConnectionError):
        state.catch_up()
    assert len(state.readings.snapshot(CELL_TYPE).ids) == CELLS


@pytest.mark.usefixtures("taught")
def test_what_was_followed_half_way_is_loaded_anew(
    state: ProjectState, project: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings had been taken in when the connection was lost: the same ones once more would be no news."""
    label_sets, fails = loading.label_sets, [True]

    def lost(session: Session, project_id: int, read: Collection[str]) -> dict[int, LabelSetSpec]:
        if fails.pop() if fails else False:
            raise ConnectionError
        return label_sets(session, project_id, read)

    monkeypatch.setattr(loading, "label_sets", lost)
    assert state.readings.snapshot(CELL_TYPE).taught_until > 0
    with project.database.session() as session:
        session.execute(update(Project).where(Project.id == project.id).values(teaching=False))
        events.tell(session, project.id, SettingsEvent(changed=["teaching"]))
        events.tell(session, project.id, LabelSetEvent(name=CELL_TYPE))
    with pytest.raises(ConnectionError):
        state.catch_up()
    assert state.settle(CELL_TYPE)
    assert state.readings.snapshot(CELL_TYPE).taught_until == 0
