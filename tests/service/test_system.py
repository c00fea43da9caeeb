"""A disk that fills: administrators are warned, uploads are refused, and labels are still taken."""

from __future__ import annotations

import pytest
from gate import Visitor, add_user, app_on, browser

from hemosight.engine.bundle import Bundle
from hemosight.service.storage.database import Database

pytestmark = pytest.mark.service

_MORE_THAN_THERE_IS = 1 << 60


@pytest.fixture(autouse=True)
def people(database: Database) -> None:
    add_user(database, "root", is_admin=True)
    add_user(database, "amina")


def _root(database: Database, bundle: Bundle, **settings: int) -> Visitor:
    return browser(app_on(database, bundle, **settings), "root")


def test_with_room_nobody_is_warned(database: Database, tiny_bundle: Bundle) -> None:
    root = _root(database, tiny_bundle, disk_warn_bytes=0, disk_stop_bytes=0)
    shown = root.get("/system").json()
    assert (shown["disk"]["state"], shown["warnings"]) == ("enough", [])
    assert shown["database_bytes"] > 1_000_000
    assert browser(root.app, "amina").get("/system").status_code == 403  # type: ignore[arg-type]


def test_administrators_are_warned_before_anything_is_refused(database: Database, tiny_bundle: Bundle) -> None:
    root = _root(database, tiny_bundle, disk_warn_bytes=_MORE_THAN_THERE_IS, disk_stop_bytes=0)
    shown = root.get("/system").json()
    assert shown["disk"]["state"] == "low"
    assert "Make room" in shown["warnings"][0]
    project = root.post("/projects", json={"name": "Slides"}).json()["id"]
    upload = root.post(f"/projects/{project}/uploads", json={}).json()["id"]
    sent = root.post(f"/projects/{project}/uploads/{upload}/files", files={"files": ("a.txt", b"no picture")})
    assert sent.status_code == 200


@pytest.mark.attack(
    who="a member, or a busy laboratory",
    what="fills the disk with uploads until the database stops",
    held="below a limit uploads are refused, and labels are still taken; 507",
)
def test_below_the_limit_uploads_are_refused_and_labels_taken(database: Database, tiny_bundle: Bundle) -> None:
    root = _root(database, tiny_bundle, disk_stop_bytes=_MORE_THAN_THERE_IS)
    assert root.get("/system").json()["disk"]["state"] == "full"
    project = root.post("/projects", json={"name": "Slides"}).json()["id"]
    upload = root.post(f"/projects/{project}/uploads", json={}).json()["id"]
    refused = root.post(f"/projects/{project}/uploads/{upload}/files", files={"files": ("a.png", b"x")})
    assert refused.status_code == 507
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["error"]["code"] == "disk_low"
    assert root.post(f"/projects/{project}/cases", json={"key": "S-1"}).status_code == 201, "what is small goes on"
