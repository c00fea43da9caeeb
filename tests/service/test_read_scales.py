"""An amended case is read at its scanner's scale wherever it was not, whatever became of that scale meanwhile."""

from __future__ import annotations

import datetime

import pytest
from scanners import Desk, two_scanners
from sqlalchemy import func, select, update
from sqlalchemy.orm import undefer

from hemosight.engine.bundle import Bundle
from hemosight.service.storage import embeddings
from hemosight.service.storage.database import Database
from hemosight.service.storage.embeddings import StoredEmbedding
from hemosight.service.storage.tables import CellEmbedding, Signature

pytestmark = pytest.mark.service


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    made = two_scanners(module_database, tiny_bundle)
    assert made.sign("home").status_code == 201
    return made


def scale_to(desk: Desk, scale: float) -> None:
    (only,) = desk.get("/profiles")["items"]
    answer = desk.visitor.patch(f"{desk.path}/profiles/{only['id']}", json={"scale": scale})
    assert answer.status_code == 200, answer.text


def amend(desk: Desk) -> None:
    path = f"{desk.path}/cases/{desk.cases['home']}/amendment"
    answer = desk.visitor.post(path, json={"reason": "a second look"})
    assert answer.status_code == 201, answer.text


def unread(desk: Desk) -> list[int]:
    """Cells of the signed case that wait to be read."""
    found = desk.get("/images", case=desk.cases["home"], limit=200)["items"]
    return [one["id"] for one in found if one["status"] == "waiting"]


def test_cells_that_an_amendment_read_at_a_scale_of_then_are_read_again_by_the_next(desk: Desk) -> None:
    scale_to(desk, 1.5)
    amend(desk)
    assert unread(desk) == desk.home
    desk.project.read(desk.home, scale=1.5)
    withdrawn = desk.visitor.delete(f"{desk.path}/cases/{desk.cases['home']}/amendment")
    assert withdrawn.status_code == 204, withdrawn.text
    scale_to(desk, 1.0)
    assert unread(desk) == [], "a locked case is read no more"
    amend(desk)
    assert unread(desk) == desk.home, "or a second version would say 1.0 of readings at 1.5"


def test_cells_that_were_read_while_the_case_was_locked_are_read_again(desk: Desk) -> None:
    """By another bundle, say: it reads locked cases at the scale that their scanner has then."""
    some = desk.home[:4]
    with desk.project.database.session() as session:
        session.execute(update(CellEmbedding).where(CellEmbedding.image_id.in_(some)).values(scale=1.5))
    amend(desk)
    assert unread(desk) == some


def forget_scales(desk: Desk, images: list[int], **more: object) -> None:
    """As versions before 0029 stored what they read."""
    with desk.project.database.session() as session:
        session.execute(update(CellEmbedding).where(CellEmbedding.image_id.in_(images)).values(scale=None, **more))


def test_cells_of_which_nobody_knows_the_scale_are_read_again_but_for_files_that_cannot_be(desk: Desk) -> None:
    """Older versions did not keep it."""
    torn, old = desk.home[0], desk.home[1:3]
    forget_scales(desk, [torn], status="torn", vector=None)
    forget_scales(desk, old, embedded_at=func.now())  # after the signature: by another bundle, say
    amend(desk)
    assert unread(desk) == old


def test_what_was_read_before_the_first_signature_was_read_at_its_scale(desk: Desk) -> None:
    forget_scales(desk, desk.home)
    amend(desk)
    assert unread(desk) == [], "the first record says at which scale they were read"
    assert desk.visitor.delete(f"{desk.path}/cases/{desk.cases['home']}/amendment").status_code == 204
    scale_to(desk, 1.5)
    amend(desk)
    assert unread(desk) == desk.home, "and it is not the one of now"


def test_what_an_amendment_brought_in_says_nothing_by_the_first_record(desk: Desk) -> None:
    amend(desk)
    move = {"images": desk.away[:2], "case": desk.cases["home"]}
    assert desk.visitor.post(f"{desk.path}/images/move", json=move).status_code == 200
    assert desk.sign("home", note="another two").status_code == 201
    forget_scales(desk, [*desk.home, *desk.away])
    amend(desk)
    assert unread(desk) == desk.away[:2]


def test_nothing_is_taken_for_known_where_a_project_was_signed_as_a_whole(desk: Desk) -> None:
    """Its cells were locked before the case was: a scale may have changed meanwhile."""
    with desk.project.database.session() as session:
        ours = select(Signature).where(Signature.project_id == desk.project.id)
        (one,) = session.scalars(ours.options(undefer(Signature.record))).all()
        facts = {column.key: getattr(one, column.key) for column in Signature.__table__.columns}
        before = one.at - datetime.timedelta(days=300)
        session.add(Signature(**{**facts, "id": None, "case_id": None, "at": before}))
    forget_scales(desk, desk.home)
    amend(desk)
    assert unread(desk) == desk.home


def test_what_a_worker_stores_says_at_which_scale_it_was_read(desk: Desk) -> None:
    scale_to(desk, 1.3)
    image = desk.away[0]
    row = StoredEmbedding(image, desk.project.vectors[image], "ok", 0.5, 1.0, 2.0, scale=1.3)
    with desk.project.database.session() as session:
        assert embeddings.add(session, desk.project.id, desk.project.bundle, "test", [row]) == [image]
        assert session.scalar(select(CellEmbedding.scale).where(CellEmbedding.image_id == image)) == 1.3
