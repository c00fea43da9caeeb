"""More cells than a query takes parameters (65,535): a project of a scanner's year is deleted like any other."""

from __future__ import annotations

import pytest
from projects import Filled, fill
from sqlalchemy import func, select, text

from hemosight.engine.bundle import Bundle
from hemosight.service.storage import cases, deletion, fields, label_history, original_names, teaching
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import Case, CellEmbedding, Image, Project
from hemosight.service.work import signed_cells

pytestmark = pytest.mark.service

MANY = 65_536


@pytest.fixture
def filled(database: Database, tiny_bundle: Bundle) -> Filled:
    return fill(database, tiny_bundle, 3)


def _pour(filled: Filled, case: int | None) -> None:
    """Cells as an upload leaves them and a worker, without their files."""
    with filled.database.session() as session:
        given = {"project": filled.id, "case": case, "bundle": filled.bundle, "many": MANY}
        session.execute(
            text("""
                INSERT INTO pictures (sha256, data, media_type, width, height)
                SELECT sha256(n::text::bytea), '', 'image/png', 1, 1 FROM generate_series(1, :many) AS n
            """),
            given,
        )
        session.execute(
            text("""
                INSERT INTO images (project_id, case_id, sha256, name)
                SELECT :project, :case, sha256(n::text::bytea), 'cell' FROM generate_series(1, :many) AS n
            """),
            given,
        )
        session.execute(
            text("""
                INSERT INTO embeddings (image_id, bundle_id, status)
                SELECT id, :bundle, 'torn' FROM images WHERE name = 'cell'
            """),
            given,
        )


def test_a_project_of_many_cells_is_deleted(filled: Filled) -> None:
    _pour(filled, None)
    with filled.database.session() as session:
        assert deletion.delete_project(session, session.get_one(Project, filled.id)) == MANY + 3
    with filled.database.session() as session:
        left = select(func.count()).select_from(Image)
        assert session.scalar(left.where(Image.deleted_at.is_(None))) == 0
        assert session.scalar(left.where(Image.name == "")) == MANY + 3, "no name stays"
        assert session.scalar(select(func.count()).select_from(CellEmbedding)) == 0


def test_a_case_of_many_cells_is_deleted(filled: Filled) -> None:
    with filled.database.session() as session:
        row = Case(project_id=filled.id, key="slide")
        session.add(row)
        session.flush()
        number = row.id
    _pour(filled, number)
    with filled.database.session() as session:
        assert len(deletion.delete_case(session, session.get_one(Case, number))) == MANY
        assert session.scalar(select(func.count()).where(Image.project_id == filled.id)) == 3


def test_many_cells_are_asked_about(filled: Filled) -> None:
    many = range(1, MANY + 2)
    with filled.database.session() as session:
        assert label_history.repeated(session, 1, many) == set(), "of labels that look wrong"
        signed = [{"version": number, "sha256": ""} for number in many]
        assert signed_cells.agreed_cells(session, 1, signed) == ([], []), "of the cells of a dossier"
        assert fields.forget_loose(session, filled.id, many) == 0
        cases.require_unsigned_cells(session, filled.id, many)
        teaching.require_none(session, many)
        original_names.forget(session, filled.id, "image", many)
