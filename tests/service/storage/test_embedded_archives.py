"""The data directory of every release opens in this one, and holds what was put in."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate import Visitor, told
from sqlalchemy import func, select

from hemosight.service.app import create_app
from hemosight.service.operations.upgrade import upgrade
from hemosight.service.storage.account import as_account
from hemosight.service.storage.audit_chain import verify
from hemosight.service.storage.cluster import Cluster
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import embedded
from hemosight.service.storage.programs import VERSION
from hemosight.service.storage.tables import Comment, CurrentLabelRow, Image, Picture

ARCHIVES = sorted((Path(__file__).parents[2] / "archives").glob("*.tar.xz"))


@pytest.fixture(params=ARCHIVES, ids=lambda file: file.name.removesuffix(".tar.xz"))
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hs-"))
    made.chmod(0o755)
    with tarfile.open(request.param) as archive:
        archive.extractall(made, filter="data")
    account = as_account()
    if account:
        for item in (made / "d" / "postgres", *(made / "d" / "postgres").rglob("*")):
            os.chown(item, account["user"], account["group"])
    (made / "d" / "postgres").chmod(0o700)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_there_is_an_archive() -> None:
    assert ARCHIVES


def test_it_opens_and_holds_what_was_put_in(folder: Path) -> None:
    held = json.loads((folder / "told.json").read_text())
    if Cluster(folder / "d" / "postgres").found_version() != VERSION:
        upgrade(folder / "d", print)
    with embedded(folder / "d") as dsn:
        database = Database(dsn)
        try:
            database.migrate()
            with database.session() as session:
                assert session.scalars(select(Image.id).order_by(Image.id)).all() == held["images"]
                assert (session.scalar(select(func.min(func.length(Picture.data)))) or 0) > 1000
                stands = session.scalars(select(CurrentLabelRow)).one()
                assert (stands.image_id, stands.label) == (held["labelled"], "monocyte")
                assert session.scalars(select(Comment.text)).all() == ["two nuclei"]
                assert verify(session).rows == held["audit"]
            visitor = Visitor(create_app(told(), database)).sign_in("amina", held["password"])
            assert visitor.get("/projects").json()["items"][0]["name"] == "Slides"
        finally:
            database.close()
