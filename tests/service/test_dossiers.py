"""Dossiers from the page: asked for with a protocol, made by a worker's child process, kept, taken away."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gate import Visitor, app_on, members, register
from PIL import Image
from projects import Filled, fill
from sqlalchemy import select, text, update

from hemosight.cli import signed_cells as command
from hemosight.engine.bundle import Bundle
from hemosight.errors import TooFewCells
from hemosight.images.synthetic import draw_cell
from hemosight.service.storage import dossiers as storage
from hemosight.service.storage.database import Database
from hemosight.service.storage.dossiers import DossierClaim
from hemosight.service.storage.tables import AuditRow, Case, DossierRow, Picture
from hemosight.service.storage.tables import Image as ImageRow
from hemosight.service.work import dossiers, signed_cells

PROTOCOL = """
title = "Films of March"
written_by = "A. Reviewer"
written_on = 2026-03-02
[cells]
least = 8
count = 10
[repeats]
cases = 0
[limits]
least_accuracy = 0.99
most_unfamiliar = 1.0
"""


@dataclass
class Laboratory:
    """A project with two signed cases and one that nobody signed; its administrator, and somebody who looks."""

    project: Filled
    path: str
    admin: Visitor
    viewer: Visitor
    cases: dict[str, list[int]]

    def ask(self, who: Visitor | None = None, protocol: str = PROTOCOL) -> Any:
        """Ask for a dossier; gives the answer."""
        return (who or self.admin).post(f"{self.path}/dossiers", json={"protocol": protocol})

    def listed(self) -> list[dict[str, Any]]:
        """What the page is shown."""
        return self.viewer.get(f"{self.path}/dossiers").json()["items"]

    def number(self, key: str) -> int:
        """A case by its key."""
        with self.project.database.session() as session:
            query = select(Case.id).where(Case.project_id == self.project.id, Case.key == key)
            return session.scalars(query).one()

    def claim(self) -> DossierRow | None:
        """As a worker of the project's bundle."""
        with self.project.database.session() as session:
            row = storage.claim(session, self.project.bundle)
            if row is not None:
                session.expunge(row)
            return row


@pytest.fixture
def laboratory(module_database: Database, tiny_bundle: Bundle) -> Laboratory:
    register(module_database, tiny_bundle)
    with module_database.session() as session:
        session.execute(update(DossierRow).where(DossierRow.state.in_(("waiting", "running"))).values(state="failed"))
    project = fill(module_database, tiny_bundle, 0)
    cases = {key: project.add(tiny_bundle, 10, seed=at, case=key) for at, key in enumerate(("24-1", "24-2", "24-3"))}
    project.say({image: project.truth[image] for key in ("24-1", "24-2") for image in cases[key]})
    admin, viewer = members(app_on(module_database, tiny_bundle), project.id, "admin", "viewer")
    made = Laboratory(project, f"/projects/{project.id}", admin, viewer, cases)
    for key in ("24-1", "24-2"):
        given = {"case": made.number(key), "role": "first", "note": "as it is"}
        answer = admin.post(f"{made.path}/signatures", json=given)
        assert answer.status_code == 201, answer.text
    return made


def _pictures(laboratory: Laboratory) -> None:
    """Give the cells pictures that can be read."""
    with laboratory.project.database.session() as session:
        for number, image in enumerate(laboratory.project.images):
            buffer = io.BytesIO()
            pixels = draw_cell("neutrophil", np.random.default_rng(number)).pixels
            Image.fromarray(pixels).save(buffer, "PNG")
            own = select(ImageRow.sha256).where(ImageRow.id == image).scalar_subquery()
            session.execute(update(Picture).where(Picture.sha256 == own).values(data=buffer.getvalue()))


# --- asking -----------------------------------------------------------------------------------------------------


def test_an_administrator_asks_and_everybody_of_the_project_sees_it(laboratory: Laboratory) -> None:
    assert laboratory.ask(laboratory.viewer).status_code == 403
    asked = laboratory.ask()
    assert asked.status_code == 201, asked.text
    (shown,) = laboratory.listed()
    assert shown == asked.json()
    assert (shown["title"], shown["state"], shown["summary"]) == ("Films of March", "waiting", None)
    assert shown["protocol_sha256"] == hashlib.sha256(PROTOCOL.encode()).hexdigest()
    again = laboratory.ask()
    assert again.status_code == 409, "one at a time"
    taken = laboratory.viewer.post(f"{laboratory.path}/dossiers/{shown['id']}/export")
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "in_the_way")
    with laboratory.project.database.session() as session:
        query = select(AuditRow.subject).where(AuditRow.action == "dossier.create")
        noted = session.scalars(query.where(AuditRow.project_id == laboratory.project.id)).one()
    assert noted == {"dossier": shown["id"], "protocol": shown["protocol_sha256"]}


NO_PROTOCOLS = ("title = ", "no toml", 'title = "x"\n', PROTOCOL.replace('"Films of March"', "3"))
ENDLESS = ("a = " + "[" * 20_000, "a = " + "9" * 10_000)


@pytest.mark.parametrize("protocol", [*NO_PROTOCOLS, *ENDLESS], ids=lambda given: given[:12])
def test_what_is_no_protocol_is_refused_before_anybody_works_on_it(laboratory: Laboratory, protocol: str) -> None:
    answer = laboratory.ask(protocol=protocol)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unfit")
    assert laboratory.listed() == []


def test_the_pages_example_is_a_protocol(tmp_path: Path) -> None:
    from hemosight.lab.validation import protocol

    page = (Path(__file__).parents[2] / "web/src/validation/protocol.ts").read_text()
    example = page.split("`")[1]
    (tmp_path / "protocol.toml").write_text(example)
    given, _ = protocol.read(tmp_path / "protocol.toml")
    assert given.limits.least_found == 0.8


# --- who makes it -----------------------------------------------------------------------------------------------


def test_one_worker_has_it_and_another_takes_over_when_that_one_is_silent(laboratory: Laboratory) -> None:
    asked = laboratory.ask().json()["id"]
    with laboratory.project.database.session() as session:
        assert storage.claim(session, laboratory.project.bundle + 1000) is None, "another bundle's worker"
    first = laboratory.claim()
    assert first is not None
    assert (first.id, first.state, first.attempts) == (asked, "running", 1)
    assert laboratory.claim() is None
    with laboratory.project.database.session() as session:
        storage.released(session, DossierClaim.of(first))
    given = laboratory.claim()
    assert given is not None, "a worker that is told to stop gives it back"
    assert given.attempts > first.attempts, "two makers never hold the same claim"
    silent = text("UPDATE dossiers SET seen_at = now() - interval '1 hour' WHERE id = :id")
    for attempt in (1, 2):
        with laboratory.project.database.session() as session:
            session.execute(silent, {"id": asked})
        again = laboratory.claim()
        assert again is not None
        assert again.attempts == given.attempts + attempt
    with laboratory.project.database.session() as session:
        session.execute(silent, {"id": asked})
    assert laboratory.claim() is None
    (shown,) = laboratory.listed()
    assert shown["state"] == "failed"
    assert "ended the worker 3 times" in shown["said"]
    assert laboratory.ask().status_code == 201, "another one may be asked for"


def test_a_maker_that_another_has_taken_over_from_writes_nothing(laboratory: Laboratory) -> None:
    asked = laboratory.ask().json()["id"]
    rows = []
    for _ in range(2):
        rows.append(laboratory.claim())
        with laboratory.project.database.session() as session:
            silent = text("UPDATE dossiers SET seen_at = now() - interval '1 hour' WHERE id = :id")
            session.execute(silent, {"id": asked})
    late, now = (DossierClaim.of(row) for row in rows if row is not None)
    with laboratory.project.database.session() as session:
        assert not storage.alive(session, late)
        assert not storage.failed(session, late, "late")
        assert not storage.made(session, late, "late", {}, b"late")
        storage.released(session, late)
        assert storage.alive(session, now)
        assert storage.failed(session, now, "now")
    (shown,) = laboratory.listed()
    assert (shown["state"], shown["said"]) == ("failed", "now")


# --- what it is made of ----------------------------------------------------------------------------------------


def test_signed_cells_are_written_as_they_were_signed(laboratory: Laboratory, tmp_path: Path) -> None:
    _pictures(laboratory)
    assert signed_cells.write(laboratory.project.database, laboratory.project.id, tmp_path) == 20
    known = json.loads((tmp_path / signed_cells.FILE).read_text())
    assert {cell["patient"] for cell in known["cells"]} == {"24-1", "24-2"}
    said: list[str] = []
    assert command.there(str(tmp_path))
    assert command.FILE == signed_cells.FILE
    catalog, origin = command.read(str(tmp_path), said.append)
    own = {Path(path).stem: label for path, label in catalog.table.select("path", "label").iter_rows()}
    expected = {image: laboratory.project.truth[image] for key in ("24-1", "24-2") for image in laboratory.cases[key]}
    assert own == {str(image): label for image, label in expected.items()}
    assert origin.beside_readings
    assert origin.agreed == frozenset()
    assert said[-1] == "2 signed cases, 20 cells, 20 labelled by people"


def test_a_case_that_is_amended_is_left_out_and_named(laboratory: Laboratory, tmp_path: Path) -> None:
    for key in ("24-1", "24-2"):
        opened = f"{laboratory.path}/cases/{laboratory.number(key)}/amendment"
        assert laboratory.admin.post(opened, json={"reason": "a second look"}).status_code == 201
    assert signed_cells.write(laboratory.project.database, laboratory.project.id, tmp_path) == 0
    said: list[str] = []
    with pytest.raises(TooFewCells):
        command.read(str(tmp_path), said.append)
    assert said == ["signed, and changed since: 24-1, 24-2; left out"]


def test_labels_that_were_agreed_with_at_once_are_told_from_single_ones(laboratory: Laboratory, tmp_path: Path) -> None:
    cells = laboratory.cases["24-3"]
    laboratory.project.say({cells[0]: "neutrophil", cells[1]: "neutrophil"}, kind="agree")
    laboratory.project.say({cells[2]: "blast"}, kind="agree")
    laboratory.project.say({cells[3]: "blast", cells[4]: "?"})
    given = {"case": laboratory.number("24-3"), "role": "first", "note": "as it is"}
    assert laboratory.admin.post(f"{laboratory.path}/signatures", json=given).status_code == 201
    signed_cells.write(laboratory.project.database, laboratory.project.id, tmp_path)
    known = json.loads((tmp_path / signed_cells.FILE).read_text())
    with laboratory.project.database.session() as session:
        query = select(ImageRow.id, ImageRow.sha256).where(ImageRow.id.in_(cells))
        content = {image: sha256.hex() for image, sha256 in session.execute(query) if sha256 is not None}
    assert set(known["agreed"]) == {content[image] for image in cells[:3]}
    assert set(known["at_once"]) == {content[image] for image in cells[:2]}
    said = {Path(cell["path"]).stem: (cell["label"], cell["said"]) for cell in known["cells"]}
    assert said[str(cells[3])] == ("blast", "blast")
    assert said[str(cells[4])] == (None, "?")
    assert said[str(cells[5])] == (None, None)


@pytest.mark.slow
def test_a_worker_makes_it_with_the_command_and_the_next_one_says_what_changed(
    laboratory: Laboratory, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pictures(laboratory)
    laboratory.project.say({image: laboratory.project.truth[image] for image in laboratory.cases["24-3"]})
    given = {"case": laboratory.number("24-3"), "role": "first", "note": "as it is"}
    assert laboratory.admin.post(f"{laboratory.path}/signatures", json=given).status_code == 201
    monkeypatch.setenv("HEMOSIGHT_DATABASE_URL", "postgresql://nobody:secret@nowhere/none")
    for protocol in (PROTOCOL, PROTOCOL.replace("0.99", "0.5")):
        assert laboratory.ask(protocol=protocol).status_code == 201
        row = laboratory.claim()
        assert row is not None
        asyncio.run(dossiers.make(laboratory.project.database, tiny_bundle, DossierClaim.of(row)))
    second, first = laboratory.listed()
    assert (first["state"], second["state"]) == ("made", "made"), first["said"]
    assert (first["summary"]["cells"], first["summary"]["cases"]) == (30, 3)
    judged = {one["name"]: one["judged"] for one in first["summary"]["verdicts"]}
    assert judged.keys() == {"least_accuracy", "most_unfamiliar"}
    assert judged["most_unfamiliar"] == "met"
    assert first["summary"]["changes"] == []
    assert any("PROTOCOL HAS CHANGED" in line for line in second["summary"]["changes"])
    path = f"{laboratory.path}/dossiers/{first['id']}/export"
    paper = laboratory.viewer.post(path, params={"format": "pdf"})
    assert (paper.status_code, paper.content[:5]) == (200, b"%PDF-")
    whole = laboratory.viewer.post(path, params={"format": "zip"})
    with zipfile.ZipFile(io.BytesIO(whole.content)) as archive:
        names = set(archive.namelist())
        record = json.loads(archive.read("dossier.json"))
    assert names >= {"dossier.html", "dossier.pdf", "dossier.json", "tables/cells.csv"}
    assert record["protocol"] == first["protocol_sha256"]
    assert "secret" not in json.dumps(record) + first["said"]


@pytest.mark.slow
def test_a_protocol_that_cannot_be_kept_says_why(laboratory: Laboratory, tiny_bundle: Bundle) -> None:
    assert laboratory.ask(protocol=PROTOCOL.replace("least = 8", "least = 3")).status_code == 201
    row = laboratory.claim()
    assert row is not None
    asyncio.run(dossiers.make(laboratory.project.database, tiny_bundle, DossierClaim.of(row)))
    (shown,) = laboratory.listed()
    assert shown["state"] == "failed"
    assert "least" in shown["said"]


def test_a_worker_that_is_stopped_ends_the_command_and_gives_the_dossier_back(
    laboratory: Laboratory, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dossiers, "EVERY", 0.05)
    ended: list[bool] = []

    async def slow(database: Database, bundle: Bundle, claim: DossierClaim, threads: int | None) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    monkeypatch.setattr(dossiers, "make", slow)

    async def begin_and_stop() -> None:
        working = asyncio.create_task(
            dossiers.go_on(laboratory.project.database, tiny_bundle, laboratory.project.bundle)
        )
        while not any(one["state"] == "running" for one in await asyncio.to_thread(laboratory.listed)):
            await asyncio.sleep(0.05)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    laboratory.ask()
    asyncio.run(begin_and_stop())
    assert ended == [True]
    (shown,) = laboratory.listed()
    assert shown["state"] == "waiting"
    for _ in range(2 * storage.ATTEMPTS):
        row = laboratory.claim()
        assert row is not None, "it is not counted against the dossier"
        with laboratory.project.database.session() as session:
            storage.released(session, DossierClaim.of(row))
