"""Fields of a camera over HTTP: their white cells become images of a case."""

from __future__ import annotations

import asyncio
import io
import uuid
from contextlib import AbstractContextManager, suppress

import numpy as np
import pytest
from film_camera import camera_on
from gate import Visitor, add_user, app_on, browser
from numpy.typing import NDArray
from PIL import Image
from projects import fill
from sqlalchemy import select
from sqlalchemy.orm import Session

from hemosight.engine.bundle import Bundle
from hemosight.images.decode import decode
from hemosight.images.finding.cells import find
from hemosight.images.synthetic import Scanner
from hemosight.images.synthetic.camera import draw_field
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage import images
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import Case, KnownBundle, Member
from hemosight.service.storage.tables import Image as Row

pytestmark = pytest.mark.service


def test_cells_of_fields_are_images_of_the_case_at_the_reference_scale(
    module_database: Database, tiny_bundle: Bundle
) -> None:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 3)
    account = f"camera-{uuid.uuid4().hex[:8]}"
    with module_database.session() as session:
        session.add(Member(project_id=project.id, user_id=add_user(module_database, account), role="reviewer"))
    visitor = browser(app_on(module_database, tiny_bundle), account)
    path = f"/projects/{project.id}/uploads"
    upload = visitor.post(path, json={"case": "F-1"}).json()["id"]

    field = draw_field(
        1000,
        800,
        ["lymphocyte", "neutrophil", "monocyte"],
        np.random.default_rng(4),
        scanner=Scanner(pixels_per_um=9.0),
    )
    assert len(field.cells) == 3
    data = io.BytesIO()
    Image.fromarray(field.pixels).save(data, "PNG")
    files = [("files", ("film/field.png", data.getvalue())), ("files", ("torn.png", b"\x89PNG\r\n\x1a\n no"))]
    files.append(("files", ("film/.hidden.png", data.getvalue())))
    answer = visitor.post(f"{path}/{upload}/fields", files=files)
    assert answer.status_code == 200, answer.text
    good, bad, hidden = answer.json()["items"]
    assert (hidden["cells"], "rename it" in hidden["reason"]) == (0, True)
    assert (good["cells"], good["scale_from"], good["reason"]) == (3, "red cells", None)
    assert abs(good["red_cell_px"] / (7.5 * 9 * 1.06) - 1) < 0.1
    assert bad["cells"] == 0
    assert "damaged" in bad["reason"]

    with module_database.session() as session:
        case = session.scalar(select(Case).where(Case.project_id == project.id, Case.key == "F-1"))
        assert case is not None
        rows = session.scalars(select(Row).where(Row.case_id == case.id).order_by(Row.id)).all()
        assert [row.id for row in rows] == good["images"]
        assert rows[0].name.startswith("film/field.png/001 at ")
        for row in rows:
            assert row.sha256 is not None
            crop = decode(images.picture(session, row.sha256)[0])
            assert crop.shape == (360, 360, 3)
            (cell,) = [one for one in find(crop, 77.0) if np.hypot(one.middle[0] - 180, one.middle[1] - 180) < 20]
            assert cell.score > 0.5
    again = visitor.post(f"{path}/{upload}/fields", files=files[:1]).json()["items"][0]
    assert again["images"] == good["images"], "the same field again adds nothing"
    assert (again["known"], again["field"], good["known"]) == (True, good["field"], False)
    _refuses_what_costs_too_much(visitor, f"{path}/{upload}/fields", field.pixels)


def _refuses_what_costs_too_much(visitor: Visitor, address: str, pixels: NDArray[np.uint8]) -> None:
    """A scale at which red cells are a pixel wide would enlarge a small picture to gigabytes; noise has no nuclei."""
    noise = np.random.default_rng(0).integers(0, 256, (1300, 1300, 3), np.uint8)
    files = []
    for shown in (pixels[:-1], noise):  # no field that the project knows
        data = io.BytesIO()
        Image.fromarray(shown).save(data, "PNG")
        files.append(("files", ("x.png", data.getvalue())))
    assert len(files[1][1][1]) > 4.5e6, "a camera's field is larger than what other requests may hold"
    small, _ = visitor.post(f"{address}?mpp=5", files=files).json()["items"]
    assert (small["cells"], "least" in small["reason"]) == (0, True)
    (dark,) = visitor.post(f"{address}?mpp=0.3", files=files[1:]).json()["items"]
    assert dark["cells"] == 0 or dark["reason"] is None


def test_nobody_waits_for_a_connection_on_the_event_loop(
    module_database: Database, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every connection in use the whole service would stand still until one is free."""
    camera = camera_on(module_database, tiny_bundle)
    upload = camera.begin("F-1")
    opened, session = list[bool](), module_database.session

    def opening() -> AbstractContextManager[Session]:
        on_loop = False
        with suppress(RuntimeError):  # a thread of its own has no loop
            on_loop = asyncio.get_running_loop().is_running()
        opened.append(on_loop)
        return session()

    monkeypatch.setattr(module_database, "session", opening)
    answer = camera.reviewer.post(
        camera.path(f"/uploads/{upload}/fields"), files=[("files", ("torn.png", b"\x89PNG\r\n\x1a\n no"))]
    )
    assert answer.status_code == 200, answer.text
    assert opened
    assert not any(opened)
