"""What panels teach: merged and retired types, cells that somebody labelled, cells that are embedded later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from projects import Filled, fill
from sqlalchemy import func, select, update

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.service.desk.label_set_state import LabelSetState
from hemosight.service.desk.panel_teaching import shares_by_profile
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.references import References
from hemosight.service.routes.differential import counted
from hemosight.service.storage import panels
from hemosight.service.storage.database import Database, pairs
from hemosight.service.storage.tables import Case, LabelSet, Profile

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def project(module_database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(module_database, tiny_bundle, 12)


@pytest.fixture
def loaded(project: Filled, tiny_bundle: Bundle) -> ProjectState:
    found = _load(project, tiny_bundle)
    assert found.settle(CELL_TYPE)
    return found


def _with(state: LabelSetState, loaded: ProjectState, **facts: Mapping[str, object]) -> LabelSetState:
    """The same with facts of classes changed: ``name={"retired": True}``."""
    classes = tuple({**one, **facts.get(one["name"], {})} for one in state.spec.classes)
    spec = replace(state.spec, classes=classes)
    return LabelSetState(spec, loaded.moment().images, state.alone_reader, 0, state.profiles)


def test_a_merged_type_teaches_what_it_was_merged_into_and_a_retired_one_nothing(
    loaded: ProjectState, project: Filled
) -> None:
    state, images = next(iter(loaded.states.values())), loaded.moment().images
    state = _with(state, loaded, blast={"merged_into": "ig"}, basophil={"retired": True})
    first, second = project.images[:2]
    said = {first: {"blast": 0.7, "ig": 0.1, "basophil": 0.2}, second: {"basophil": 1.0, "of old": 0.5}}
    found = shares_by_profile(said, state, images, images.embedded(), {})
    (shares,) = found.values()
    assert shares.keys() == {images.row_of[first]}, "nothing is left to teach of the second"
    row = shares[images.row_of[first]]
    assert row[state.names.index("ig")] == pytest.approx(0.8)
    assert row.sum() == pytest.approx(0.8)


def test_a_finer_type_teaches_the_one_that_the_bundle_reads(loaded: ProjectState, project: Filled) -> None:
    state, images = next(iter(loaded.states.values())), loaded.moment().images
    finer, above = state.names.index("blast"), state.names.index("ig")
    found = shares_by_profile({project.images[0]: {"blast": 1.0}}, state, images, images.embedded(), {finer: above})
    ((row,),) = (shares.values() for shares in found.values())
    assert np.flatnonzero(row).tolist() == [above]


def test_cells_that_somebody_labelled_and_cells_without_an_embedding_are_not_taught(
    loaded: ProjectState, project: Filled
) -> None:
    state, images = next(iter(loaded.states.values())), loaded.moment().images
    said = {image: {"blast": 1.0} for image in [*project.images[:3], 10**9]}
    unlabelled = images.embedded()[2:]
    found = shares_by_profile(said, state, images, unlabelled, {})
    assert [row for shares in found.values() for row in shares] == [images.row_of[project.images[2]]]


def test_cells_that_are_embedded_later_teach_then(module_database: Database, tiny_bundle: Bundle) -> None:
    project = fill(module_database, tiny_bundle, 40)
    late = project.add(tiny_bundle, 8, seed=5, read=False)
    _agree(project, [*project.images[:4], *late])
    following = _load(project, tiny_bundle)
    assert following.settle(CELL_TYPE)
    project.read(late)
    assert following.settle(CELL_TYPE)
    anew = _load(project, tiny_bundle)
    assert anew.settle(CELL_TYPE)
    ours, theirs = (one.readings.snapshot(CELL_TYPE) for one in (following, anew))
    assert ours.taught_by_panels == theirs.taught_by_panels != {}
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-6)


def test_whoever_is_unsure_of_a_cell_has_the_last_word_over_a_panel(
    module_database: Database, tiny_bundle: Bundle
) -> None:
    project = fill(module_database, tiny_bundle, 40)
    alone = _load(project, tiny_bundle)
    assert alone.settle(CELL_TYPE)
    before = alone.readings.snapshot(CELL_TYPE).probabilities
    _agree(project, project.images[:6])
    taught = _load(project, tiny_bundle)
    assert taught.settle(CELL_TYPE)
    assert not np.allclose(taught.readings.snapshot(CELL_TYPE).probabilities, before)
    project.say(dict.fromkeys(project.images[:6], "?"))
    assert taught.settle(CELL_TYPE)
    now = taught.readings.snapshot(CELL_TYPE)
    np.testing.assert_allclose(now.probabilities, before, atol=1e-6)
    assert now.taught_by_panels == {}


def test_a_panel_is_named_where_it_taught_the_scanner_of_the_case(
    module_database: Database, tiny_bundle: Bundle
) -> None:
    project = fill(module_database, tiny_bundle, 0)
    ours = project.add(tiny_bundle, 20, seed=1, case="ours")
    theirs = project.add(tiny_bundle, 20, seed=2, case="theirs")
    with module_database.session() as session:
        scanner = Profile(project_id=project.id, name="another")
        session.add(scanner)
        session.flush()
        session.execute(
            update(Case).where(Case.project_id == project.id, Case.key == "theirs").values(profile_id=scanner.id)
        )
        cases = pairs(session, select(Case.key, Case.id).where(Case.project_id == project.id))
    _agree(project, ours[:6], "Of our scanner")
    _agree(project, theirs[:6], "Of another")
    loaded = _load(project, tiny_bundle)
    assert loaded.settle(CELL_TYPE)

    def shown(case: int | None) -> list[str]:
        found = counted(loaded, CELL_TYPE, case)[0]
        assert len(found.taught_by_panels) == len(found.panel_titles)
        return found.panel_titles

    assert shown(cases["ours"]) == ["Of our scanner"]
    assert shown(cases["theirs"]) == ["Of another"]
    assert shown(None) == ["Of our scanner", "Of another"]
    assert shown(0) == []


def _load(project: Filled, bundle: Bundle) -> ProjectState:
    return ProjectState(project.id, project.database, lambda _session, _number: bundle, References())


def _agree(project: Filled, images: Sequence[int], title: str = "Basophils") -> None:
    """A closed panel that teaches: it was decided that these cells are basophils."""
    with project.database.session() as session:
        types = session.scalar(select(LabelSet.id).where(LabelSet.project_id == project.id, LabelSet.name == CELL_TYPE))
        panel = panels.add(
            session,
            project.users,
            [{"image_id": image, "position": position} for position, image in enumerate(images)],
            project_id=project.id,
            label_set_id=types,
            bundle_id=project.bundle,
            title=title,
            kind="panel",
            choice="random",
            seed=0,
            repeated=0.0,
            created_by=project.users[0],
            teaches=True,
            closed_at=func.now(),
        )
        for image in images:
            panels.decide(session, panel.id, image, project.users[0], "basophil", "")
