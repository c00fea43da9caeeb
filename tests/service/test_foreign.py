"""A case of an unknown scanner: said with its numbers, not signed before it is adapted or wholly labelled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scanners import Desk, looking_alike, two_scanners
from sqlalchemy import update

from hemosight.engine.bundle import Bundle
from hemosight.service.desk import foreign
from hemosight.service.desk.foreign import WANTED
from hemosight.service.desk.trust import MOST
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import CellEmbedding


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    return two_scanners(module_database, tiny_bundle)


def test_the_share_is_said_with_its_numbers(desk: Desk) -> None:
    away, home = desk.familiarity("away"), desk.familiarity("home")
    assert (away["cells"], away["to_bundle"], away["foreign"]) == (60, 50, True)
    assert away["median"] == pytest.approx(1.3)
    assert (home["unfamiliar"], home["foreign"]) == (0, False)


def test_the_worklist_says_that_a_foreign_case_is_held_back(desk: Desk) -> None:
    def held_back() -> dict[str, bool]:
        return {row["key"]: row["held_back"] for row in desk.get("/cases")["items"]}

    assert held_back() == {"home": False, "away": True}
    for image in desk.away[:WANTED]:
        desk.label({image: desk.project.truth[image]})
    assert held_back() == {"home": False, "away": False}


def test_labels_of_one_unknown_scanner_do_not_open_another(desk: Desk, tiny_bundle: Bundle) -> None:
    second = desk.project.add(tiny_bundle, 20, seed=3, case="second", read=False)
    rng = np.random.default_rng(1)
    for image in second:
        drawn = rng.normal(size=len(desk.project.vectors[image]))
        desk.project.vectors[image] = (drawn / np.linalg.norm(drawn)).astype(np.float32)
    desk.project.read(second)
    with desk.project.database.session() as session:
        session.execute(update(CellEmbedding).where(CellEmbedding.image_id.in_(second)).values(novelty=1.6))
    desk.cases = {row["key"]: row["id"] for row in desk.get("/cases")["items"]}
    for image in desk.away[:WANTED]:
        desk.label({image: desk.project.truth[image]})
    assert desk.familiarity("away")["taught"] == WANTED
    assert desk.familiarity("second")["taught"] == 0
    assert desk.sign("second").status_code == 409


def test_a_foreign_case_is_not_signed_nor_agreed_with_in_bulk_until_it_is_adapted(desk: Desk) -> None:
    refused = desk.sign("away")
    assert refused.status_code == 409
    assert "50 of 60 cells do not look like anything the model knows" in refused.text
    assert desk.sign("home").status_code == 201, "the other case of the project is as it was"
    truth = desk.project.truth
    many = {image: truth[image] for image in desk.away[:5]}
    assert desk.label(many, "agree").status_code == 409
    for image in desk.away[:WANTED]:
        assert desk.label({image: truth[image]}).status_code == 200
    adapted = desk.familiarity("away")
    assert (adapted["taught"], adapted["foreign"]) == (WANTED, False)
    assert adapted["unfamiliar"] < adapted["to_bundle"] - WANTED, "cells like the labelled ones are known as well"
    assert desk.sign("away").status_code == 201


def test_a_foreign_case_is_signed_when_every_cell_has_a_persons_label(desk: Desk) -> None:
    truth = desk.project.truth
    desk.label({image: truth[image] for image in desk.away})
    assert not desk.familiarity("away")["foreign"]
    assert desk.sign("away").status_code == 201


def test_trust_counts_single_answers_and_sets_bulk_apart(desk: Desk) -> None:
    truth, case = desk.project.truth, desk.cases["away"]
    asked = []
    for _ in range(14):
        (item,) = desk.get("/next", strategy="adapt", n=1, case=case)["items"]
        asked.append(item)
        desk.label({item["image"]: truth[item["image"]]})
    bulk = [image for image in desk.away if image not in {item["image"] for item in asked}][:6]
    desk.label({image: truth[image] for image in bulk})
    found = desk.get("/trust", case=case)
    assert (found["asked"], found["in_bulk"]) == (14, 6)
    assert found["right"] == sum(item["predicted"] == truth[item["image"]] for item in asked)
    assert found["last"] == 10
    drawn = [item for item in asked if "drawn at random" in item["reason"]]
    assert [item["reason"].split()[0] for item in asked[:10]] == ["typical"] * 10
    assert found["checks"] == len(drawn) >= 1
    assert found["low"] <= found["checks_right"] / found["checks"] <= found["high"]
    assert set(found["never_seen"]).isdisjoint(truth[item["image"]] for item in asked)


def test_the_queue_goes_on_for_the_unfamiliar_cells_that_are_missing_and_for_no_more(
    desk: Desk, tiny_bundle: Bundle
) -> None:
    images = desk.project.add(tiny_bundle, 60, seed=7, case="partly", read=False)
    looking_alike(tiny_bundle, desk.project, images)
    beyond, near = images[:20], images[20:]
    with desk.project.database.session() as session:
        session.execute(update(CellEmbedding).where(CellEmbedding.image_id.in_(near)).values(novelty=0.4))
    desk.cases = {row["key"]: row["id"] for row in desk.get("/cases")["items"]}
    truth, case = desk.project.truth, desk.cases["partly"]
    for image in near[:MOST]:
        desk.label({image: truth[image]})
    assert (desk.familiarity("partly")["taught"], desk.familiarity("partly")["foreign"]) == (0, True)
    asked = []
    while not desk.get("/trust", case=case)["enough"]:
        (item,) = desk.get("/next", strategy="adapt", n=1, case=case)["items"]
        asked.append(item)
        desk.label({item["image"]: truth[item["image"]]})
        assert len(asked) <= len(beyond)
    unlike = [item["image"] for item in asked if item["reason"].startswith("unlike anything known")]
    assert set(unlike) <= set(beyond)
    assert len(unlike) >= len(asked) // 2, "every fourth is still drawn at random"
    assert desk.familiarity("partly")["taught"] == 8, "three quarters of what 32 answers would have met by chance"
    assert not desk.familiarity("partly")["foreign"]


def test_a_case_far_from_everything_is_not_opened_by_labels_of_its_familiar_cells() -> None:
    """Thirty-two answers open a case of which a part lies beyond the bundle only if about that part was asked too."""
    far = foreign.CaseFamiliarity(cells=250, unfamiliar=20, to_bundle=200, median=1.1, open=200, taught=5, labelled=32)
    assert far.foreign
    assert not replace(far, taught=20).foreign
    assert (replace(far, labelled=31).wanted, far.wanted) == (WANTED, 20)
    few = foreign.CaseFamiliarity(cells=100, unfamiliar=5, to_bundle=22, median=0.9, open=60, taught=6, labelled=32)
    assert not few.foreign
    assert replace(few, taught=5).foreign
    assert replace(few, labelled=31).foreign
    assert replace(few, unfamiliar=20).foreign


def test_nothing_is_lacking_where_no_unfamiliar_cell_is_open() -> None:
    """Cells that people called unsure teach nothing, and there are no others: the queue has to end."""
    case = foreign.CaseFamiliarity(
        cells=100, unfamiliar=25, to_bundle=30, median=1.1, open=60, taught=2, labelled=32, open_beyond=3
    )
    assert case.foreign
    assert case.missing == 3
    assert replace(case, open_beyond=0).missing == 0
    assert replace(case, labelled=31).missing == 0


def test_a_foreign_case_is_not_signed_in_small_pieces() -> None:
    piece = foreign.CaseFamiliarity(cells=8, unfamiliar=8, to_bundle=8, median=1.2, open=8, taught=0)
    assert piece.foreign
    assert not replace(piece, open=0).foreign, "a person has labelled every cell"
    assert replace(piece, cells=9).foreign, "a familiar cell beside them opens nothing"
    assert replace(piece, cells=9, to_bundle=2, unfamiliar=2).foreign, "one in five, as of many"
    assert not replace(piece, cells=9, to_bundle=1, unfamiliar=1).foreign, "fewer than one in five"
    assert replace(piece, cells=5, to_bundle=1, unfamiliar=1).foreign
    assert not replace(piece, cells=6, to_bundle=1, unfamiliar=1).foreign
    assert not replace(piece, cells=0, unfamiliar=0, to_bundle=0).foreign
