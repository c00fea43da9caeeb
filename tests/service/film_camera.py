"""A project with a camera at it: pieces of one drawn film, sent as fields that overlap."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gate import Visitor, app_on, members, register
from PIL import Image
from projects import Filled, fill

from hemosight.engine.bundle import Bundle
from hemosight.images.synthetic.camera import DrawnField, draw_field
from hemosight.service.storage.database import Database
from hemosight.service.work.recrops import Recropper

SCALE = 0.0974


@dataclass
class Camera:
    """A project, and the people at it."""

    filled: Filled
    admin: Visitor
    reviewer: Visitor

    def send(self, case: str | None, pictures: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
        """Fields by name, one after another in one request, at the scale they were drawn at."""
        return self.into(self.begin(case), pictures)

    def begin(self, case: str | None) -> int:
        upload = self.reviewer.post(f"/projects/{self.filled.id}/uploads", json={"case": case} if case else {})
        return upload.json()["id"]

    def into(self, upload: int, pictures: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
        files = []
        for name, pixels in pictures:
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "PNG")
            files.append(("files", (name, out.getvalue())))
        path = f"/projects/{self.filled.id}/uploads/{upload}/fields?mpp={SCALE}"
        answer = self.reviewer.post(path, files=files)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    def field(self, number: int) -> dict[str, Any]:
        return self.reviewer.get(f"/projects/{self.filled.id}/fields/{number}").json()

    def recrop(self) -> int:
        """What a worker does once it hears of a deletion."""
        return Recropper(self.filled.database).recrop(self.filled.bundle)

    def path(self, rest: str) -> str:
        return f"/projects/{self.filled.id}{rest}"


def camera_on(database: Database, tiny_bundle: Bundle) -> Camera:
    """A new project with an administrator and a reviewer."""
    register(database, tiny_bundle)
    project = fill(database, tiny_bundle, 0)
    return Camera(project, *members(app_on(database, tiny_bundle), project.id, "admin", "reviewer"))


def draw_film() -> DrawnField:
    """A piece of film, 1160 x 480: two fields of 640 x 480 overlap by 120 pixels."""
    return draw_field(1160, 480, ["lymphocyte", "neutrophil", "monocyte", "blast"] * 2, np.random.default_rng(33))


def two(film: DrawnField, name: str) -> list[tuple[str, Any]]:
    """The film as two fields that overlap; ``{x}`` of the name is where each lies."""
    return [(name.format(x=x), film.pixels[:, x : x + 640]) for x in (0, 520)]
