"""Drawn crops as people upload them: files, zips, damaged ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import KnownBundle, Project


def crops(folder: Path, count: int | None = None) -> dict[str, bytes]:
    """Drawn crops of a folder by name, in order."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found[:count]}


def form(files: Mapping[str, bytes]) -> list[tuple[str, tuple[str, bytes, str]]]:
    """Files as a client sends them."""
    return [("files", (name, data, "application/octet-stream")) for name, data in files.items()]


def zipped(files: Mapping[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """Files in a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def a_project(database: Database, bundle_id: int | None = None) -> int:
    """A project without people; of a bundle that does not exist where none is given."""
    with database.session() as session:
        if bundle_id is None:
            bundle = KnownBundle(name="b", version="1", sha256="0" * 64, space="s", manifest={})
            session.add(bundle)
            session.flush()
            bundle_id = bundle.id
        project = Project(name="p", bundle_id=bundle_id)
        session.add(project)
        session.flush()
        return project.id
