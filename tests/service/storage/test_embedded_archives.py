"""The data directory of every release opens in this one, and holds what was put in."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gate import Visitor, told
from sqlalchemy import func, select

from hemosight.engine.bundle import Bundle
from hemosight.service.app import create_app
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.columns import unpack
from hemosight.service.desk.signed_record import fingerprint
from hemosight.service.operations.upgrade import upgrade
from hemosight.service.storage.account import as_account
from hemosight.service.storage.audit_chain import verify
from hemosight.service.storage.cluster import Cluster
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import embedded
from hemosight.service.storage.programs import VERSION
from hemosight.service.storage.tables import Comment, CurrentLabelRow, Image, Picture, Signature
from hemosight.service.work.worker import EmbeddingWorker

pytestmark = pytest.mark.service

ARCHIVES = sorted((Path(__file__).parents[2] / "archives").glob("*.tar.xz"))


@pytest.fixture(params=ARCHIVES, ids=lambda file: file.name.removesuffix(".tar.xz"))
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hs-"))
    made.chmod(0o755)
    with tarfile.open(request.param) as archive:
        # Not as an argument: Debian's Python 3.11.2 does not know it yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(made)  # noqa: S202 -- our own archive
    account = as_account()
    if account:
        for item in (made / "d" / "postgres", *(made / "d" / "postgres").rglob("*")):
            os.chown(item, account["user"], account["group"])
    (made / "d" / "postgres").chmod(0o700)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_there_is_an_archive() -> None:
    assert ARCHIVES


def test_it_opens_and_holds_what_was_put_in(folder: Path, tiny_bundle: Bundle) -> None:
    held = json.loads((folder / "told.json").read_text())
    if Cluster(folder / "d" / "postgres").found_version() != VERSION:
        upgrade(folder / "d", print)
    with embedded(folder / "d") as dsn:
        database = Database(dsn)
        try:
            database.migrate()
            with database.session() as session:
                of_project = select(Image.id).where(Image.project_id == held["project"]).order_by(Image.id)
                assert session.scalars(of_project).all() == held["images"]
                assert (session.scalar(select(func.min(func.length(Picture.data)))) or 0) > 1000
                labelled = select(CurrentLabelRow).where(CurrentLabelRow.image_id.in_(held["images"]))
                stands = session.scalars(labelled).one()
                assert (stands.image_id, stands.label) == (held["labelled"], "monocyte")
                assert session.scalars(select(Comment.text)).all() == ["two nuclei"]
                assert verify(session).rows == held["audit"]
            registry = BundleRegistry(tiny_bundle, threads=1)
            visitor = Visitor(create_app(told(), database, registry=registry)).sign_in("amina", held["password"])
            listed = visitor.get("/projects").json()["items"][0]
            assert (listed["name"], listed["bundle_here"]) == ("Slides", False)
            _opens_with_this_bundle(visitor, database, registry, held)
            if "signed" in held:
                _is_signed(visitor, database, held["signed"])
        finally:
            database.close()


def _is_signed(visitor: Visitor, database: Database, held: dict[str, Any]) -> None:
    """The record is the one that was signed, leaves the house, and its case takes no label."""
    with database.session() as session:
        row = session.get_one(Signature, held["signature"])
        assert (row.project_id, row.case_id) == (held["project"], held["case"])
        assert row.checks is not None
        assert row.record is not None
        assert fingerprint(row.differential, row.checks, row.record) == row.fingerprint
    path = f"/projects/{held['project']}"
    taken = visitor.post(f"{path}/signatures/{held['signature']}/report?format=pdf")
    assert taken.status_code == 200, taken.text[:300]
    assert taken.content.startswith(b"%PDF")
    items = [{"image": held["images"][0], "label": "blast", "version": 0}]
    body = {"request": str(uuid.uuid4()), "label_set": "cell_type", "items": items}
    assert visitor.post(f"{path}/labels", json=body).json()["error"]["code"] in ("locked", "bundle_not_here")


def _opens_with_this_bundle(
    visitor: Visitor, database: Database, registry: BundleRegistry, held: dict[str, Any]
) -> None:
    """Begun with the bundle of its release, a project is refused until its administrator lets this one read it."""
    path = f"/projects/{held['project']}"
    assert visitor.get(f"{path}/columns").json()["error"]["code"] == "bundle_not_here"
    moved = visitor.post(f"{path}/bundle")
    assert moved.status_code == 200, moved.text
    assert (moved.json()["to_read"], moved.json()["labelled"]) == (len(held["images"]), 1)
    with database.session() as session:
        number = registry.register(session)
    assert EmbeddingWorker(database, registry.engine, number, "w").read(held["project"], held["images"]) == 3
    header, columns = unpack(visitor.get(f"{path}/columns").content)
    assert columns["id"].astype(int).tolist() == held["images"]
    assert (columns["predicted"] < len(header["classes"])).all()
    labelled = columns["label"] < len(header["classes"])
    names = [one["name"] for one in header["classes"]]
    assert [names[code] for code in columns["label"][labelled]] == ["monocyte"]
