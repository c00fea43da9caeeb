"""What is held back of a foreign case, and that its rows are sent again when that changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.service.desk import foreign
from hemosight.service.desk.held_back import HeldBack
from hemosight.service.desk.label_set_state import LabelSetSpec
from hemosight.service.desk.snapshot import Snapshot

STRANGE, KNOWN, CELLS = 1, 2, 60
"""Two cases, half the cells each."""


def snapshot(bundle: Bundle, event: int, novelty: float = 1.3, labelled: int = 0) -> Snapshot:
    """Cells of two cases that look all alike; those of the first lie beyond the bundle, some have a label."""
    case = np.repeat([STRANGE, KNOWN], CELLS // 2)
    zeros = np.zeros(CELLS, np.int64)
    label = np.full(CELLS, -1, np.int16)
    label[:labelled] = 0
    vectors = np.zeros((CELLS, bundle.support.embeddings.dim), np.float32)
    vectors[:, 0] = 1
    return Snapshot(
        spec=LabelSetSpec(1, CELL_TYPE, "Cell type", "bundle", ({"name": "blast"}, {"name": "monocyte"})),
        event=event,
        taught_until=0,
        taught_by_panels={},
        ids=np.arange(1, CELLS + 1),
        case=case,
        profile=np.ones(CELLS, np.int64),
        status=np.ones(CELLS, np.uint8),
        novelty=np.where(case == STRANGE, novelty, 0.5).astype(np.float32),
        x=np.zeros(CELLS, np.float32),
        y=np.zeros(CELLS, np.float32),
        label=label,
        version=zeros,
        by=zeros,
        predicted=zeros.astype(np.int16),
        alone=zeros.astype(np.int16),
        probabilities=np.tile(np.array([0.7, 0.3], np.float32), (CELLS, 1)),
        probability=np.full(CELLS, 0.7, np.float32),
        margin=np.full(CELLS, 0.4, np.float32),
        held_back=np.zeros(CELLS, np.bool_),
        asked=np.ones(CELLS, np.bool_),
        outside=np.zeros(CELLS, np.bool_),
        vectors=vectors,
        rows=np.arange(CELLS),
        stamp=np.full(CELLS, 3),
        floor=4,
    )


def test_a_foreign_case_has_no_probabilities_and_keeps_what_is_read(tiny_bundle: Bundle) -> None:
    held = HeldBack()
    taken = snapshot(tiny_bundle, 4)
    found = held.of(taken, 4, tiny_bundle)
    strange = taken.case == STRANGE
    assert np.array_equal(np.isnan(found.probability), strange)
    assert np.array_equal(np.isnan(found.margin), strange)
    assert np.array_equal(found.held_back, strange)
    assert (found.predicted == 0).all()
    assert held.of(taken, 4, tiny_bundle) is found, "one answer, so that what is kept by it stays"
    assert not np.isnan(taken.probability).any(), "what was given stays as it is"
    assert (found.stamp == 3).all(), "who has seen the floor has seen this"


def test_a_project_of_known_cases_is_left_as_it_is(tiny_bundle: Bundle) -> None:
    taken = snapshot(tiny_bundle, 4, novelty=0.5)
    assert HeldBack().of(taken, 4, tiny_bundle) is taken


@pytest.mark.parametrize("strange", [True, False], ids=["becomes foreign", "is adapted"])
def test_a_case_that_changes_is_sent_whole(tiny_bundle: Bundle, strange: bool) -> None:
    before = snapshot(tiny_bundle, 4, novelty=0.5 if strange else 1.3)
    after = snapshot(tiny_bundle, 9) if strange else snapshot(tiny_bundle, 9, labelled=foreign.WANTED)
    held = HeldBack()
    held.of(before, 4, tiny_bundle)
    found = held.of(after, 9, tiny_bundle)
    own = after.case == STRANGE
    assert np.isnan(found.probability[own]).all() == strange
    assert (found.stamp[own] == 9).all()
    assert (found.stamp[~own] == 3).all()
    later = held.of(replace(after, event=12), 12, tiny_bundle)
    assert (later.stamp[own] == 9).all(), "it is sent once"


def test_an_answer_that_comes_late_takes_nothing_back(tiny_bundle: Bundle) -> None:
    held = HeldBack()
    early, newer = snapshot(tiny_bundle, 4), snapshot(tiny_bundle, 9, labelled=foreign.WANTED)
    held.of(early, 4, tiny_bundle)
    held.of(newer, 9, tiny_bundle)
    again = held.of(replace(early), 4, tiny_bundle)
    assert again.held_back.any(), "it is of its own moment"
    assert (held.of(replace(newer, event=10), 10, tiny_bundle).stamp[: CELLS // 2] == 9).all()


def test_who_began_later_than_its_floor_sends_everything_once(tiny_bundle: Bundle) -> None:
    """Another process may have shown the case as foreign in between."""
    found = HeldBack().of(snapshot(tiny_bundle, 7, novelty=0.5), 7, tiny_bundle)
    assert (found.stamp == 7).all()


def test_many_cases_that_changed_are_stamped_at_once_as_one_by_one(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    case = np.sort(rng.integers(-1, 12, CELLS))
    held, now = HeldBack(), set[int]()
    changed: dict[int, int] = {}
    monkeypatch.setattr(foreign, "foreign_cases", lambda *_: now)
    for event in range(4, 30):
        before = set(now)
        now = set(rng.choice(14, size=rng.integers(0, 6), replace=False).tolist())
        if event > 4:
            changed |= dict.fromkeys(now ^ before, event)
        found = held.of(replace(snapshot(tiny_bundle, event), case=case), event, tiny_bundle)
        assert found.held_back.tolist() == [one in now for one in case.tolist()]
        assert found.stamp.tolist() == [changed.get(one, 3) for one in case.tolist()]
