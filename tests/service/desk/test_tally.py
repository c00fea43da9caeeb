"""Counting before and after review; agreement beyond chance."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from projects import Filled, fill
from sklearn.metrics import cohen_kappa_score

from hemosight.blood.intervals import wilson
from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.scoring.agreement import Judgement, agreement, among_people, so_far, with_model
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.queue import REASONS, choose
from hemosight.service.desk.references import References
from hemosight.service.desk.signing_checks import RuleCounts
from hemosight.service.desk.tally import tally
from hemosight.service.desk.worklist import rule_counts
from hemosight.service.storage.database import Database


@pytest.fixture(scope="module")
def reviewed(module_database: Database, tiny_bundle: Bundle) -> tuple[Filled, ProjectState]:
    """A project of two cases in which a few cells were corrected, some are unsure, some unread."""
    project = fill(module_database, tiny_bundle, 60)
    project.change(teaching=False)  # so that what nobody touched stays as the bundle reads it
    project.add(tiny_bundle, 30, seed=1, case="24-1187")
    waiting = project.add(tiny_bundle, 3, seed=2, read=False)
    project.read(waiting[:1], unreadable=True)
    state = ProjectState(project.id, project.database, lambda _session, _number: tiny_bundle, References())
    snapshot = state.readings.snapshot(CELL_TYPE)
    names = snapshot.spec.names

    def read_as(label: str) -> list[int]:
        return snapshot.ids[snapshot.predicted == names.index(label)].tolist()

    two, (doubtful, *_) = read_as("neutrophil")[:2], read_as("platelet")
    project.say({two[0]: "ig", two[1]: "ig", doubtful: "?"})
    project.say({read_as("lymphocyte")[0]: "lymphocyte", waiting[1]: "erythroblast"})
    return project, state


def test_before_is_the_model_alone_and_after_is_what_people_said(reviewed: tuple[Filled, ProjectState]) -> None:
    _, state = reviewed
    snapshot = state.readings.snapshot(CELL_TYPE)
    names = np.array(snapshot.spec.names)
    before = {name: int((snapshot.alone == code).sum()) for code, name in enumerate(names)}
    count = tally(snapshot)
    after = {share.label: share.count for share in count.after.shares} | count.after.apart
    assert {share.label: share.count for share in count.before.shares} | count.before.apart == before
    assert after["neutrophil"] == before["neutrophil"] - 2
    assert after["ig"] == before["ig"] + 2
    assert after["lymphocyte"] == before["lymphocyte"]
    assert after["platelet"] == before["platelet"] - 1, "unsure is not counted"
    assert after["erythroblast"] == before["erythroblast"] + 1, "a person can name what the model could not read"
    assert count.reclassified == [("neutrophil", "ig", 2), ("platelet", "?", 1)]
    assert count.moved_by_model == [], "nothing taught the model, so it moved nothing"
    assert count.reviewed == {"ig": 2, "lymphocyte": 1, "erythroblast": 1}
    assert count.cases == 2, "a case, and the cells without one"
    assert (count.unsure, count.waiting, count.unreadable) == (1, 1, 1)
    assert count.unreviewed == 90 - 4


def test_what_people_changed_is_told_from_what_the_model_moved(module_database: Database, tiny_bundle: Bundle) -> None:
    project = fill(module_database, tiny_bundle, 80)
    state = ProjectState(project.id, project.database, lambda _session, _number: tiny_bundle, References())
    view = state.readings.snapshot(CELL_TYPE)
    wrong = view.ids[view.predicted == view.spec.names.index("neutrophil")][:5].tolist()
    project.say(dict.fromkeys(wrong, "blast"))
    assert state.settle(CELL_TYPE)
    view = state.readings.snapshot(CELL_TYPE)
    count = tally(view)
    assert count.reclassified == [("neutrophil", "blast", 5)]
    moved = (view.label == -1) & (view.alone != view.predicted)
    assert moved.any(), "five labels of one kind pull others along"
    assert sum(cells for _, _, cells in count.moved_by_model) == moved.sum()
    assert count.unusual == 0


def test_what_rules_look_at_is_counted_for_every_case_as_its_tally_counts_it(
    reviewed: tuple[Filled, ProjectState],
) -> None:
    snapshot = reviewed[1].readings.snapshot(CELL_TYPE)
    rng = np.random.default_rng(4)
    novelty = np.where(snapshot.read, rng.uniform(0, 2, len(snapshot.ids)), np.nan).astype(np.float32)
    outside = rng.random(len(snapshot.ids)) < 0.3  # not drawn to be counted
    snapshot = replace(snapshot, novelty=novelty, outside=outside)
    found = rule_counts(snapshot)
    assert sorted(found) == sorted(np.unique(np.maximum(snapshot.case, 0)).tolist())
    for case, counts in found.items():
        slow = RuleCounts.of(tally(snapshot, case), int(snapshot.counting(case).sum()))
        assert (counts.cells, counts.unusual, counts.unsure) == (slow.cells, slow.unusual, slow.unsure)
        assert Counter(counts.counted) == Counter(slow.counted)
        assert Counter(counts.apart) == Counter(slow.apart)
        assert counts.families == slow.families
    assert sum(counts.unusual for counts in found.values()) > 0


def test_unusual_cells_are_counted_while_nobody_labelled_them(module_database: Database, tiny_bundle: Bundle) -> None:
    project = fill(module_database, tiny_bundle, 20)
    state = ProjectState(project.id, project.database, lambda _session, _number: tiny_bundle, References())
    view = state.readings.snapshot(CELL_TYPE)
    view.novelty[:3] = 1.5
    view.label[0] = 0
    assert tally(view).unusual == 2


def test_platelets_and_erythroblasts_stand_apart(reviewed: tuple[Filled, ProjectState]) -> None:
    after = tally(reviewed[1].readings.snapshot(CELL_TYPE)).after
    assert {share.label for share in after.shares}.isdisjoint({"platelet", "erythroblast"})
    assert after.total == sum(share.count for share in after.shares)
    assert after.erythroblasts_per_100 == pytest.approx(100 * after.apart["erythroblast"] / after.total)
    for share in after.shares:
        assert (share.low, share.high) == wilson(share.count, after.total)


def test_a_case_counts_its_own_cells(reviewed: tuple[Filled, ProjectState]) -> None:
    snapshot = reviewed[1].readings.snapshot(CELL_TYPE)
    (case,) = set(snapshot.case.tolist()) - {-1}
    count = tally(snapshot, case)
    assert sum(share.count for share in count.before.shares) + sum(count.before.apart.values()) == 30


@pytest.mark.parametrize("strategy", sorted(REASONS))
def test_next_is_read_and_unlabelled_and_not_skipped(reviewed: tuple[Filled, ProjectState], strategy: str) -> None:
    snapshot = reviewed[1].readings.snapshot(CELL_TYPE)
    some = choose(snapshot, strategy, 10)
    assert len({choice.image for choice in some}) == 10
    for choice in some:
        assert snapshot.ids[choice.row] == choice.image
        assert snapshot.label[choice.row] == -1
        assert snapshot.status[choice.row] == 1
        assert choice.reason
    rest = choose(snapshot, strategy, 10, skip=[choice.image for choice in some])
    assert not {choice.image for choice in some} & {choice.image for choice in rest}
    assert choose(snapshot, strategy, 10) == some, "asking again gives the same"


def test_least_sure_comes_first(reviewed: tuple[Filled, ProjectState]) -> None:
    snapshot = reviewed[1].readings.snapshot(CELL_TYPE)
    free = (snapshot.label == -1) & (snapshot.status == 1)
    first = choose(snapshot, "uncertainty", 1)[0]
    assert snapshot.probability[first.row] == snapshot.probability[free].min()


# --- agreement ---


@pytest.mark.slow
def test_kappa_equals_scikit_learn_and_its_interval_covers(rng_pairs: list[tuple[str, str]]) -> None:
    found = agreement(rng_pairs)
    one, other = zip(*rng_pairs, strict=True)
    assert found.kappa == pytest.approx(cohen_kappa_score(one, other))
    rng = np.random.default_rng(1)
    pairs = np.array(rng_pairs)
    resampled = []
    for _ in range(400):
        drawn = pairs[rng.integers(len(pairs), size=len(pairs))]
        resampled.append(cohen_kappa_score(drawn[:, 0], drawn[:, 1]))
    assert (found.low, found.high) == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.02)


@pytest.fixture
def rng_pairs() -> list[tuple[str, str]]:
    rng = np.random.default_rng(0)
    truth = rng.choice(["blast", "ig", "monocyte"], 300, p=[0.2, 0.5, 0.3])
    said = np.where(rng.random(300) < 0.7, truth, rng.choice(["blast", "ig", "monocyte"], 300))
    return [(str(a), str(b)) for a, b in zip(truth, said, strict=True)]


def test_kappa_says_nothing_where_chance_explains_all() -> None:
    assert agreement([]).kappa is None
    alike = agreement([("blast", "blast")] * 5)
    assert (alike.kappa, alike.share, alike.n) == (None, 1.0, 5)


def test_people_are_compared_by_their_last_word_and_the_model_by_its_first() -> None:
    said = [
        Judgement(1, 7, "ig", "blast"),
        Judgement(1, 8, "blast", "ig"),  # by then the model had learnt it
        Judgement(1, 7, "blast", "ig"),
        Judgement(2, 7, "ig", "ig"),
        Judgement(2, 8, "blast", "ig"),
        Judgement(3, 7, "ig", None),
    ]
    model = with_model(said)
    assert (model.n, sorted(model.table)) == (2, [("blast", "blast", 1), ("blast", "ig", 1)])
    ((one, other, found),) = among_people(said)
    assert (one, other, found.n) == (7, 8, 2)
    assert sorted(found.table) == [("blast", "blast", 1), ("ig", "blast", 1)]


def test_the_curve_counts_each_cell_once_before_it_taught() -> None:
    said = [Judgement(image, 7, "ig", "blast" if image < 10 else "ig") for image in range(25)]
    said += [Judgement(image, 7, "ig", "ig") for image in range(25)]  # said again, and learnt by then
    stretches = so_far(said)
    assert [end for end, _, _ in stretches] == [10, 20]
    assert stretches[0][1:] == (["ig"] * 10, ["blast"] * 10)
    assert stretches[1][1:] == (["ig"] * 10, ["ig"] * 10)


def test_cells_labelled_many_at_once_measure_nothing() -> None:
    bulk = [Judgement(image, 7, "ig", "ig", single=False) for image in range(100)]
    single = [Judgement(100 + image, 7, "ig", "blast") for image in range(25)]
    assert with_model([*bulk, *single]).share == 0.0
    assert {said for _, _, model in so_far([*bulk, *single]) for said in model} == {"blast"}
    again = [Judgement(image, 7, "ig", "ig") for image in range(100)]
    assert so_far([*bulk, *again]) == [], "by the second label the model knew"
