"""What a review is measured by, kept up label by label, is what all records say when they are gone through again."""

from __future__ import annotations

import random

import numpy as np
import pytest
from projects import Filled, fill

from hemosight.engine.bundle import Bundle
from hemosight.scoring.agreement import Judgement, so_far
from hemosight.service.desk.first_judgements import FirstJudgements
from hemosight.service.storage import deletion, judgements, labels
from hemosight.service.storage.database import Database

pytestmark = pytest.mark.service
LABELS = ("blast", "monocyte", "ig", "?")


@pytest.fixture
def project(module_database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(module_database, tiny_bundle, 12)


def _act(project: Filled, rng: random.Random) -> None:
    """What a reviewer does next: a label, one for many cells, a clearing, an undo."""
    cells = rng.sample(project.images, 3)
    user = rng.randrange(2)
    match rng.randrange(8):
        case 0:
            project.say(dict.fromkeys(cells, rng.choice(LABELS)), user=user, kind="agree")
        case 1:
            project.say({cells[0]: None}, user=user, kind="clear")
        case 2 | 3:
            with project.database.session() as session:
                row = labels.label_set_of(session, project.id, "cell_type")
                stands = [now.label_id for now in labels.current(session, row.id, cells).values()]
            project.undo(stands[:1], user=user)
        case _:
            project.say({cells[0]: rng.choice(LABELS)}, user=user)


def _again(project: Filled) -> list[Judgement]:
    """All judgements, the slow way."""
    with project.database.session() as session:
        return judgements.judgements(session, project.id, _number(project))


def _number(project: Filled) -> int:
    with project.database.session() as session:
        return labels.label_set_of(session, project.id, "cell_type").id


def _firsts(said: list[Judgement]) -> list[Judgement]:
    seen: set[int] = set()
    return [one for one in said if not (one.image in seen or seen.add(one.image))]


@pytest.mark.parametrize("seed", range(4))
def test_it_says_what_all_records_say(project: Filled, seed: int) -> None:
    rng = random.Random(seed)
    kept = FirstJudgements(project.id, _number(project))
    images = np.array(project.images, np.int64)
    for _ in range(60):
        _act(project, rng)
        if rng.random() < 0.5:
            kept.take_in(project.database)
            found, in_bulk = kept.of(images, project.bundle)
            said = _again(project)
            assert found == _firsts(said)
            assert so_far(found) == so_far(said)
            assert in_bulk == {one.image for one in said if not one.single}


def test_deleted_cells_and_other_bundles_are_left_out(project: Filled) -> None:
    one, two, three, *_ = project.images
    project.say({one: "blast"})
    project.say({two: "blast", three: "blast"}, kind="agree")
    kept = FirstJudgements(project.id, _number(project))
    kept.take_in(project.database)
    with project.database.session() as session:
        deletion.delete_cells(session, project.id, [one, two])
    found, in_bulk = kept.of(np.array([three], np.int64), project.bundle)
    assert found == _again(project)
    assert (found[0].single, in_bulk) == (False, {three})
    (other,), _ = kept.of(np.array([three], np.int64), project.bundle + 1)
    assert (other.predicted, other.earlier) == (None, True)
