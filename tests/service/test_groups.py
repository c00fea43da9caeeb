"""A whole group gets a label on the word of a random sample that nobody chooses, and all of it is kept."""

from __future__ import annotations

import hashlib
import threading
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from scanners import two_scanners
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from hemosight.blood.intervals import at_least
from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk import groups as desk
from hemosight.service.desk import reviews
from hemosight.service.desk.first_judgements import FirstJudgements
from hemosight.service.storage import judgements, labels
from hemosight.service.storage import reviews as stored
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, CellGroup, KnownBundle, LabelRecord, Member
from hemosight.service.work.signed_cells import agreed_cells

pytestmark = pytest.mark.service


@dataclass
class Room:
    """A project of thirty cells, and its people at the door."""

    project: Filled
    people: dict[str, Visitor]
    users: dict[str, int]

    def ask(self, what: str, person: str = "ada", **body: Any) -> Any:
        return self.people[person].post(f"/projects/{self.project.id}/groups{what}", json=body)

    def draw(self, images: list[int], sample: int, person: str = "ada", label: str = "neutrophil") -> Any:
        answer = self.ask("", person, images=images, label=label, sample=sample)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, group: dict[str, Any], person: str = "ada") -> Any:
        answer = self.people[person].get(f"/projects/{self.project.id}/groups/{group['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def accept(self, group: dict[str, Any], person: str = "ada") -> Any:
        """Accept with the bound that is shown, as the page does."""
        return self.ask(f"/{group['id']}/accept", person, bound=self.get(group)["bound"] or 0)

    def say(self, items: dict[int, str | None], person: str = "ada", kind: str = "set") -> None:
        """Label cells in one request, as somebody who sees what stands."""
        stands = self.standing()
        said = [{"image": i, "label": label, "version": stands.get(i, (0, ""))[0]} for i, label in items.items()]
        body = {"request": str(uuid.uuid4()), "items": said, "kind": kind}
        answer = self.people[person].post(f"/projects/{self.project.id}/labels", json=body)
        assert answer.status_code == 200, answer.text
        assert not answer.json()["conflicts"]

    def answer(self, group: dict[str, Any], **otherwise: str) -> None:
        """Answer the whole sample as the group, but the cells in these places."""
        for at, cell in enumerate(group["sample"]):
            self.say({cell["image"]: otherwise.get(f"at{at}", group["label"])})

    def standing(self) -> dict[int, tuple[int, str | None]]:
        with self.project.database.session() as session:
            row = labels.label_set_of(session, self.project.id, "cell_type")
            found = labels.current(session, row.id, self.project.images)
        return {image: (now.label_id, now.label) for image, now in found.items()}

    def trail(self) -> list[tuple[str, dict[str, Any]]]:
        with self.project.database.session() as session:
            query = select(AuditRow.action, AuditRow.subject).where(AuditRow.action.startswith("group."))
            rows = session.execute(query.where(AuditRow.project_id == self.project.id).order_by(AuditRow.id))
            return [(action, subject) for action, subject in rows]


@pytest.fixture
def room(module_database: Database, tiny_bundle: Bundle) -> Room:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 0)
    project.add(tiny_bundle, 30, seed=1, case="S-1")
    app, people, users = app_on(module_database, tiny_bundle), {}, {}
    for name, role in (("ada", "reviewer"), ("bo", "reviewer"), ("vi", "viewer")):
        called = f"{name}-{uuid.uuid4().hex[:8]}"
        users[name] = add_user(module_database, called)
        with module_database.session() as session:
            session.add(Member(project_id=project.id, user_id=users[name], role=role))
        people[name] = browser(app, called)
    return Room(project, people, users)


def test_cells_come_in_order_of_likeness_to_their_middle(room: Room) -> None:
    images = room.project.images[:12]
    room.say({images[0]: "blast"})
    answer = room.ask("/order", "vi", images=[*images, 10**9]).json()
    vectors = {image: room.project.vectors[image].astype(np.float64) for image in images[1:]}
    middle = np.mean(list(vectors.values()), axis=0)
    slow = sorted(vectors, key=lambda image: -float(vectors[image] @ middle / np.linalg.norm(vectors[image])))
    assert answer == {"images": slow, "left_out": 2}


def test_a_group_is_labelled_with_the_bound_of_its_sample_and_the_trail_has_all_of_it(room: Room) -> None:
    images = room.project.images[:20]
    group = room.draw(images, 6)
    assert room.ask("", "vi", images=images, label="neutrophil").status_code == 403
    refused = room.accept(group)
    assert refused.status_code == 409
    assert "each of the 6 cells" in refused.text
    room.answer(group, at2="monocyte", at4="?")
    shown = room.get(group)
    # A reload: what was answered is there, whoever asks.
    assert [cell["answer"] for cell in shown["sample"]] == [
        "neutrophil",
        "neutrophil",
        "monocyte",
        "neutrophil",
        "?",
        "neutrophil",
    ]
    least = at_least(4, 6, 20)
    assert shown["bound"] == pytest.approx(1 - (20 - least - 2) / 18)
    assert shown["best"][2] == shown["bound"] < shown["best"][0], "told before anything was answered"
    assert shown["best"] == group["best"]
    made = room.accept(group).json()
    assert (made["accepted"], made["labelled"], made["left"], made["right"]) == (True, 14, 0, 4)
    assert made["bound"] == shown["bound"]
    sample = [cell["image"] for cell in group["sample"]]
    stands = {image: label for image, (_, label) in room.standing().items()}
    expected = dict.fromkeys(images, "neutrophil") | {sample[2]: "monocyte", sample[4]: "?"}
    assert stands == expected, "what was answered otherwise keeps the person's label"
    (drawn, facts), (accepted, outcome) = room.trail()
    assert (drawn, accepted) == ("group.draw", "group.accept")
    assert (facts["cells"], facts["sample"], facts["seed"]) == (images, sample, group["seed"])
    assert outcome["answers"] == [[image, expected[image]] for image in sample]
    assert (outcome["label"], outcome["bound"], outcome["right"]) == ("neutrophil", made["bound"], 4)
    assert [min(made["undo"]), max(made["undo"])] == outcome["labels"]
    # Again, as a page does whose line broke: nothing is written.
    assert room.accept(group).json() == {**made, "undo": []}
    assert room.ask(f"/{group['id']}/give-up").status_code == 409
    assert len(room.trail()) == 2


def test_a_sample_follows_from_the_seed_and_nobody_chooses_it(room: Room) -> None:
    images = room.project.images
    group = room.draw(images[::-1], 7)
    order = sorted(images, key=lambda image: hashlib.sha256(f"{group['seed']} {image}".encode()).hexdigest())
    assert [cell["image"] for cell in group["sample"]] == order[:7]
    chosen: list[dict[str, Any]] = [{"seed": 1}, {"sample": [images[0]]}]
    for body in chosen:
        assert room.ask("", images=images, label="neutrophil", **body).status_code == 422
    # Another draw is not had before this one has ended, and that one was given up is told ever after.
    again = room.ask("", images=images, label="neutrophil", sample=7)
    assert again.status_code == 409
    assert f"group {group['id']}" in again.text
    with room.project.database.session() as session, pytest.raises(IntegrityError, match="as it was drawn"):
        session.execute(update(CellGroup).where(CellGroup.id == group["id"]).values(sample=images[:7]))
    assert room.ask(f"/{group['id']}/give-up").json()["accepted"] is False
    with room.project.database.session() as session, pytest.raises(IntegrityError, match="ends once"):
        session.execute(text("UPDATE cell_groups SET ended_at = NULL WHERE id = :id"), {"id": group["id"]})
    assert room.draw(images[:9], 3)["drawn_before"] == 1
    assert room.draw(images[:9], 3, "bo", label="blast")["drawn_before"] == 0, "of another label"
    assert [action for action, _ in room.trail()] == ["group.draw", "group.drop", "group.draw", "group.draw"]


def test_samples_are_fair(room: Room) -> None:
    """Every cell is as likely as any other to be drawn."""
    counts = np.zeros(20)
    for seed in range(2_000):
        counts[desk.sampled(range(20), 5, seed)] += 1
    assert abs(counts - 500).max() < 5 * np.sqrt(2_000 * 0.25 * 0.75)


def test_only_what_the_person_who_drew_says_of_single_cells_is_an_answer(room: Room) -> None:
    images = room.project.images[:10]
    group = room.draw(images, 4)
    one, two, three, four = (cell["image"] for cell in group["sample"])
    room.say({one: "neutrophil"}, "bo")
    room.say({two: "neutrophil", three: "neutrophil"})
    assert [cell["answer"] for cell in room.get(group)["sample"]] == [None] * 4, "another's, and two in one step"
    for image, label in ((one, "neutrophil"), (two, "blast"), (three, "neutrophil"), (four, "blast")):
        room.say({image: label})
    versions = [room.standing()[image][0] for image in (three, four)]
    body = {"request": str(uuid.uuid4()), "labels": versions[:1]}
    assert room.people["ada"].post(f"/projects/{room.project.id}/labels/undo", json=body).status_code == 200
    assert [cell["answer"] for cell in room.get(group)["sample"]] == ["neutrophil", "blast", None, "blast"]
    room.say({three: "monocyte"})
    room.say({four: "neutrophil"})
    shown = room.get(group)
    assert [cell["answer"] for cell in shown["sample"]] == ["neutrophil", "blast", "monocyte", "neutrophil"]
    assert shown["right"] == 2, "a slip that was mended counts as it was mended"
    for what in ("accept", "give-up"):
        assert room.ask(f"/{group['id']}/{what}", "bo", bound=0).status_code == 409
        assert room.ask(f"/{group['id']}/{what}", "vi", bound=0).status_code == 403


def test_who_labels_a_cell_meanwhile_is_not_overwritten_and_the_bound_knows(room: Room) -> None:
    images = room.project.images[:20]
    group = room.draw(images, 5)
    room.answer(group)
    sample = {cell["image"] for cell in group["sample"]}
    rest = [image for image in images if image not in sample]
    room.say({rest[0]: "blast"}, "bo")
    room.say({rest[1]: "blast"}, "bo")
    room.say({rest[1]: None}, "bo", kind="clear")
    before = room.get(group)["bound"]
    made = room.accept(group).json()
    assert (made["labelled"], made["left"]) == (13, 2), "one that was taken back is left alone as well"
    assert {image: room.standing()[image][1] for image in rest[:2]} == {rest[0]: "blast", rest[1]: None}
    # All that may be wrong may be among those that are labelled.
    assert made["bound"] == before == pytest.approx(1 - (20 - at_least(5, 5, 20)) / 18)


def test_nobody_accepts_a_lower_bound_than_they_saw(room: Room) -> None:
    images = room.project.images
    group = room.draw(images, 10)
    room.answer(group, at0="blast")
    seen = room.get(group)["bound"]
    sample = {cell["image"] for cell in group["sample"]}
    rest = [image for image in images if image not in sample]
    for image in rest[:15]:
        room.say({image: "neutrophil"}, "bo")
    now = room.get(group)["bound"]
    assert now < seen, "all that may be wrong may be among the few that are left"
    before = room.standing()
    refused = room.ask(f"/{group['id']}/accept", bound=seen)
    assert refused.status_code == 409
    assert f"{now:.4f}" in refused.text
    assert room.standing() == before
    assert room.accept(group).json()["labelled"] == len(rest) - 15


def test_what_somebody_else_calls_a_sampled_cell_since_is_asked_again(room: Room) -> None:
    group = room.draw(room.project.images[:10], 3)
    room.answer(group)
    cell = group["sample"][1]["image"]
    room.say({cell: "blast"}, "bo")
    shown = room.get(group)
    assert [one["answer"] for one in shown["sample"]] == ["neutrophil", None, "neutrophil"]
    assert shown["bound"] is None
    assert room.accept(group).status_code == 409


def test_every_earlier_draw_of_the_cells_is_told(room: Room) -> None:
    images = room.project.images[:12]
    first = room.draw(images, 4)
    room.answer(first)
    made = room.accept(first).json()
    body = {"request": str(uuid.uuid4()), "labels": made["undo"]}
    assert room.people["ada"].post(f"/projects/{room.project.id}/labels/undo", json=body).status_code == 200
    second = room.draw(images, 4)
    assert second["drawn_before"] == 1, "accepted and undone"
    assert room.draw(images, 4, "bo")["drawn_before"] == 2, "one is open"


def test_labels_and_accepting_at_once_lose_nothing(room: Room) -> None:
    images = room.project.images
    group = room.draw(images, 3)
    room.answer(group)
    sample = {cell["image"] for cell in group["sample"]}
    rest = [image for image in images if image not in sample]
    said: dict[int, str] = {}

    def others() -> None:
        for image in rest:
            body = {"request": str(uuid.uuid4()), "items": [{"image": image, "label": "blast", "version": 0}]}
            answer = room.people["bo"].post(f"/projects/{room.project.id}/labels", json=body).json()
            said.update({one["image"]: "blast" for one in answer["labels"]})

    made: list[Any] = []

    def accept() -> None:
        made.append(room.ask(f"/{group['id']}/accept", bound=0).json())  # whatever becomes of the bound meanwhile

    threads = [threading.Thread(target=others)]
    threads += [threading.Thread(target=accept) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stands = {image: label for image, (_, label) in room.standing().items()}
    assert {image: stands[image] for image in rest} == dict.fromkeys(rest, "neutrophil") | said
    assert made[0]["labelled"] == made[1]["labelled"] == len(rest) - len(said)
    assert sorted(len(one["undo"]) for one in made) == [0, len(rest) - len(said)], "accepted once"


def test_a_group_is_no_first_judgement_and_its_labels_say_so(room: Room) -> None:
    images = room.project.images[:5]
    group = room.draw(images, 4)
    room.answer(group)
    made = room.accept(group).json()
    (unseen,) = set(images) - {cell["image"] for cell in group["sample"]}
    with room.project.database.session() as session:
        row = labels.label_set_of(session, room.project.id, "cell_type")
        said = {one.image: one.single for one in judgements.judgements(session, room.project.id, row.id)}
        kinds = dict(session.execute(select(LabelRecord.image_id, LabelRecord.kind)).all())
        firsts = FirstJudgements(room.project.id, row.id)
        firsts.take_in(room.project.database)
        turns = reviews.turns(stored.records(session, room.project.id, row.id), {})
        cells = [
            {"version": now.label_id, "sha256": str(image)}
            for image, now in labels.current(session, row.id, images).items()
        ]
        agreed = agreed_cells(session, row.id, cells)
    assert said == dict.fromkeys(images, True) | {unseen: False}, "alone in its request, and seen by nobody"
    assert firsts.of(np.array(images), room.project.bundle)[1] == {unseen}
    assert [turn.image for turn in turns if turn.bulk] == [unseen]
    assert agreed == ([str(unseen)], [str(unseen)]), "for a dossier it was agreed with, in one step with others"
    assert {image: kinds[image] for image in images} == dict.fromkeys(images, "set") | {unseen: "group"}
    listed = room.people["vi"].get(f"/projects/{room.project.id}/labels").json()["items"]
    assert {one["image"]: one["kind"] for one in listed}[unseen] == "group"
    asked = room.people["vi"].post(f"/projects/{room.project.id}/exports", json={"format": "labels"}).json()
    table = room.people["vi"].get(f"/projects/{room.project.id}/exports/{asked['id']}")
    assert sorted(line.rsplit(",", 1)[1] for line in table.text.split()[1:]) == ["group", *["set"] * 4]
    body = {"request": str(uuid.uuid4()), "labels": made["undo"]}
    assert room.people["ada"].post(f"/projects/{room.project.id}/labels/undo", json=body).status_code == 200
    assert room.standing()[unseen][1] is None


def test_signed_labelled_and_foreign_cells_are_refused(room: Room, tiny_bundle: Bundle) -> None:
    images = room.project.images
    unknown = room.ask("", images=images, label="nothing")
    assert unknown.status_code == 422
    group = room.draw(images[:10], 2)
    room.answer(group)
    room.say(dict.fromkeys(images[10:], "neutrophil"))
    none = room.ask("", "bo", images=images[10:], label="neutrophil")
    assert none.status_code == 409
    assert "none is without a label" in none.text
    case = room.people["ada"].get(f"/projects/{room.project.id}/cases").json()["items"][0]["id"]
    signed = room.people["bo"].post(f"/projects/{room.project.id}/signatures", json={"case": case, "note": "read"})
    assert signed.status_code == 201, signed.text
    for answer in (room.accept(group), room.ask("", "bo", images=images[:10], label="neutrophil")):
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "locked"
    other = two_scanners(room.project.database, tiny_bundle)
    refused = other.visitor.post(f"{other.path}/groups", json={"images": other.away[:5], "label": "neutrophil"})
    assert refused.status_code == 409
    assert "agree with many readings at once" in refused.text
    assert other.visitor.post(f"{other.path}/groups", json={"images": other.home[:5], "label": "neutrophil"}).is_success
