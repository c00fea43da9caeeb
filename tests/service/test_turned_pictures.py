"""Pictures that lie on their side in their files: boxes, windows and sizes are those of the picture as it is shown."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from film_camera import SCALE, Camera, camera_on, draw_film
from numpy.typing import NDArray
from PIL import Image as Pillow
from sqlalchemy import update

from hemosight.engine.bundle import Bundle
from hemosight.images.decode import decode
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import CameraField, Image, Picture

pytestmark = pytest.mark.service

WIDTH, HEIGHT = 640, 480


def on_its_side(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """The picture as a telephone held upright stores it, with the word that it is to be turned."""
    lying, buffer = np.ascontiguousarray(np.rot90(pixels)), io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(buffer, lying, photometric="rgb", extratags=[(274, "H", 1, 6, True)], metadata=None)
    else:
        exif = Pillow.Exif()
        exif[0x0112] = 6
        Pillow.fromarray(lying).save(buffer, kind, exif=exif, quality=95)
    return buffer.getvalue()


def send(camera: Camera, data: bytes) -> dict[str, Any]:
    path = camera.path(f"/uploads/{camera.begin('T-1')}/fields?mpp={SCALE}")
    (found,) = camera.reviewer.post(path, files=[("files", ("field", data))]).json()["items"]
    assert found["reason"] is None
    return found


def turned_back(database: Database, field: int) -> None:
    """Have a field's size be stored as a version before stored it."""
    with database.session() as session:
        sha256 = session.get_one(CameraField, field).sha256
        size = {"width": HEIGHT, "height": WIDTH}
        session.execute(update(Picture).where(Picture.sha256 == sha256).values(size))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_boxes_lie_on_the_field_as_it_is_shown(kind: str, module_database: Database, tiny_bundle: Bundle) -> None:
    camera = camera_on(module_database, tiny_bundle)
    data = on_its_side(draw_film().pixels[:, :WIDTH], kind)
    assert decode(data).shape == (HEIGHT, WIDTH, 3)
    found = send(camera, data)
    assert found["cells"] > 2
    shown = camera.field(found["field"])
    assert (shown["width"], shown["height"]) == (WIDTH, HEIGHT)
    for box in shown["boxes"]:
        assert 0 <= box["x"] < box["x"] + box["width"] <= WIDTH
        assert 0 <= box["y"] < box["y"] + box["height"] <= HEIGHT
        where = camera.reviewer.get(camera.path(f"/images/{box['image']}")).json()["in_field"]
        assert 0 <= where["left"] <= where["left"] + where["side"] <= WIDTH
        assert 0 <= where["top"] <= where["top"] + where["side"] <= HEIGHT
    # What a version before stored is put right when the file is read, or comes again.
    for again in (
        lambda: camera.reviewer.get(camera.path(f"/fields/{found['field']}/picture")),
        lambda: send(camera, data),
    ):
        turned_back(module_database, found["field"])
        assert camera.field(found["field"])["width"] == HEIGHT
        again()
        shown = camera.field(found["field"])
        assert (shown["width"], shown["height"]) == (WIDTH, HEIGHT)


def test_the_size_of_a_crop_is_that_of_what_is_read(module_database: Database, tiny_bundle: Bundle) -> None:
    data = on_its_side(draw_film().pixels[:200, :300], "TIFF")
    sizes = []
    for _ in range(2):  # of another project, whose file is there already
        camera = camera_on(module_database, tiny_bundle)
        path = camera.path(f"/uploads/{camera.begin('T-1')}/files")
        (item,) = camera.reviewer.post(path, files=[("files", ("crop.tif", data))]).json()["items"]
        shown = camera.reviewer.get(camera.path(f"/images/{item['image']}")).json()
        sizes.append((shown["width"], shown["height"]))
        with module_database.session() as session:
            sha256 = session.get_one(Image, item["image"]).sha256
            session.execute(update(Picture).where(Picture.sha256 == sha256).values(width=200, height=300))
    assert sizes == [(300, 200)] * 2
