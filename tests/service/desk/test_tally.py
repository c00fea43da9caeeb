"""Counting before and after review; agreement beyond chance."""

from __future__ import annotations

import numpy as np
import pytest
from projects import Filled, fill
from sklearn.metrics import cohen_kappa_score

from hemosight.bundle import Bundle
from hemosight.service.desk.agreement import Judgement, agreement, among_people, so_far, with_model
from hemosight.service.desk.desk import Desk
from hemosight.service.desk.queue import REASONS, choose
from hemosight.service.desk.references import References
from hemosight.service.desk.tally import tally
from hemosight.service.storage.database import Database
from hemosight.sheet.differential import wilson
from hemosight.space.labels import CELL_TYPE


@pytest.fixture(scope="module")
def reviewed(module_database: Database, tiny_bundle: Bundle) -> tuple[Filled, Desk]:
    """A project of two cases in which a few cells were corrected, some are unsure, some unread."""
    project = fill(module_database, tiny_bundle, 60)
    project.change(teaching=False)  # so that what nobody touched stays as the bundle reads it
    project.add(tiny_bundle, 30, seed=1, case="24-1187")
    waiting = project.add(tiny_bundle, 3, seed=2, read=False)
    project.read(waiting[:1], unreadable=True)
    desk = Desk(project.id, project.database, lambda _session, _number: tiny_bundle, References())
    view = desk.view(CELL_TYPE)
    names = view.question.names

    def read_as(label: str) -> list[int]:
        return view.ids[view.predicted == names.index(label)].tolist()

    two, (doubtful, *_) = read_as("neutrophil")[:2], read_as("platelet")
    project.say({two[0]: "ig", two[1]: "ig", doubtful: "?"})
    project.say({read_as("lymphocyte")[0]: "lymphocyte", waiting[1]: "erythroblast"})
    return project, desk


def test_before_is_the_model_alone_and_after_is_what_people_said(reviewed: tuple[Filled, Desk]) -> None:
    _, desk = reviewed
    view = desk.view(CELL_TYPE)
    names = np.array(view.question.names)
    before = {name: int((view.alone == code).sum()) for code, name in enumerate(names)}
    count = tally(view)
    after = {share.label: share.count for share in count.after.shares} | count.after.apart
    assert {share.label: share.count for share in count.before.shares} | count.before.apart == before
    assert after["neutrophil"] == before["neutrophil"] - 2
    assert after["ig"] == before["ig"] + 2
    assert after["lymphocyte"] == before["lymphocyte"]
    assert after["platelet"] == before["platelet"] - 1, "unsure is not counted"
    assert after["erythroblast"] == before["erythroblast"] + 1, "a person can name what the model could not read"
    assert count.reclassified == [("neutrophil", "ig", 2), ("platelet", "?", 1)]
    assert (count.unsure, count.waiting, count.unreadable) == (1, 1, 1)
    assert count.unreviewed == 90 - 4


def test_platelets_and_erythroblasts_stand_apart(reviewed: tuple[Filled, Desk]) -> None:
    after = tally(reviewed[1].view(CELL_TYPE)).after
    assert {share.label for share in after.shares}.isdisjoint({"platelet", "erythroblast"})
    assert after.total == sum(share.count for share in after.shares)
    assert after.erythroblasts_per_100 == pytest.approx(100 * after.apart["erythroblast"] / after.total)
    for share in after.shares:
        assert (share.low, share.high) == wilson(share.count, after.total)


def test_a_case_counts_its_own_cells(reviewed: tuple[Filled, Desk]) -> None:
    view = reviewed[1].view(CELL_TYPE)
    (case,) = set(view.case.tolist()) - {-1}
    count = tally(view, case)
    assert sum(share.count for share in count.before.shares) + sum(count.before.apart.values()) == 30


@pytest.mark.parametrize("strategy", sorted(REASONS))
def test_next_is_read_and_unlabelled_and_not_skipped(reviewed: tuple[Filled, Desk], strategy: str) -> None:
    view = reviewed[1].view(CELL_TYPE)
    some = choose(view, strategy, 10)
    assert len({choice.image for choice in some}) == 10
    for choice in some:
        assert view.ids[choice.row] == choice.image
        assert view.label[choice.row] == -1
        assert view.status[choice.row] == 1
        assert choice.reason
    rest = choose(view, strategy, 10, skip=[choice.image for choice in some])
    assert not {choice.image for choice in some} & {choice.image for choice in rest}
    assert choose(view, strategy, 10) == some, "asking again gives the same"


def test_least_sure_comes_first(reviewed: tuple[Filled, Desk]) -> None:
    view = reviewed[1].view(CELL_TYPE)
    free = (view.label == -1) & (view.status == 1)
    first = choose(view, "uncertainty", 1)[0]
    assert view.probability[first.row] == view.probability[free].min()


# --- agreement ---


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
