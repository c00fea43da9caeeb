"""Pictures: a cell's file, its thumbnail, and where in it a reading comes from."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import simplejpeg
from fastapi import APIRouter, Header, Query, Response
from PIL import Image

from hemosight.images.decode import decode, decode_cell
from hemosight.service.errors import NothingThere
from hemosight.service.schemas.labels import SetName
from hemosight.service.security.permissions import Id, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import embeddings, fields, images, projects
from hemosight.space import explain

router = APIRouter(prefix="/projects/{project}/images/{image}", tags=["images"])
Match = Annotated[str | None, Header()]
_FOR_GOOD = "private, max-age=31536000, immutable"
_ACROSS, _WINDOW_PX = 5.0, 480
"""Widths of the cell that its surroundings show, and pixels on a side of the picture at most."""
UNSHOWN = ("image/tiff", "application/dicom")
"""What browsers do not show."""


def pixels_of(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """The answers of an address that gives a picture of these media types."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {"content": dict.fromkeys(kinds, binary), "description": "The picture."},
        304: {"description": "As the page has it."},
    }


@router.get(
    "/picture",
    operation_id="get_picture",
    response_class=Response,
    responses=pixels_of("image/jpeg", "image/png", "image/tiff", "image/bmp", "image/webp", "application/dicom"),
)
def get_picture(
    seat: Viewer,
    service: Service,
    image: Id,
    if_none_match: Match = None,
    sec_fetch_dest: Annotated[
        str | None, Header(description="Sent by browsers; `image` gets TIFF and DICOM as PNG.")
    ] = None,
) -> Response:
    """The file as it was uploaded; where a page is about to show what browsers cannot (TIFF, DICOM), as PNG."""
    with service.database.session() as session:
        sha256 = _checksum(images.checksum(session, seat.project, image))
        headers = headers_of(sha256.hex()) | {"Vary": "Sec-Fetch-Dest"}
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data, kind = images.picture(session, sha256)
        bits = images.bits(session, seat.project, image)
    if (kind in UNSHOWN or bits is not None) and sec_fetch_dest == "image":
        data, kind = explain.png(decode(data, bits)), "image/png"
        headers["ETag"] = f'"{sha256.hex()}-png"'
    return Response(data, media_type=kind, headers=headers)


@router.get("/thumbnail", operation_id="get_thumbnail", response_class=Response, responses=pixels_of("image/jpeg"))
def get_thumbnail(seat: Viewer, service: Service, image: Id, if_none_match: Match = None) -> Response:
    """The centre square, 160 pixels wide; none of a file that cannot be decoded."""
    with service.database.session() as session:
        sha256 = _checksum(images.checksum(session, seat.project, image))
        headers = headers_of(f"{sha256.hex()}-160")
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data = images.thumbnail(session, sha256)
    if data is None:
        raise NothingThere(kind="a thumbnail of a picture that can be decoded")
    return Response(data, media_type="image/jpeg", headers=headers)


@router.get("/heat", operation_id="get_heat", response_class=Response, responses=pixels_of("image/png"))
def get_heat(
    seat: Viewer,
    service: Service,
    image: Id,
    label_set: Annotated[SetName, Query()] = "cell_type",
    label: Annotated[
        str | None, Query(max_length=200, description="A class; the most probable one where not given.")
    ] = None,
    like: Annotated[
        int | None, Query(ge=1, description="Another image: where this one resembles it, whatever its class.")
    ] = None,
    if_none_match: Match = None,
) -> Response:
    """A layer to lay over the picture: where in it the reading, or the likeness, comes from (Grad-CAM++)."""
    state = service.project_states.get(seat.project)
    spec = state.spec(label_set)
    with service.database.session() as session:
        sha256 = _checksum(images.checksum(session, seat.project, image))
        project = projects.get(session, seat.project)
        engine = service.engine_of(session, project.bundle_id)
        scale = embeddings.scale_of(session, seat.project, image)
        classifier = engine.bundle.classifiers.get(label_set) if spec.kind == "bundle" else None
        if label is not None and classifier is not None:
            label = spec.upper(label, classifier.classes)  # a finer type is told within the type above it
        # What the bundle knows is shown as the bundle sees it, which never changes; a class of people's own as learnt.
        own = like is None and (classifier is None or (label is not None and label not in classifier.classes))
        aim = f"{label_set}-{label or ''}" if like is None else f"like-{like}"
        taught = state.readings.snapshot(label_set).taught_until if own else 0
        headers = headers_of(f"{sha256.hex()}-{project.bundle_id}-{scale:g}-{taught}-{aim.encode().hex()}")
        if taught:
            headers["Cache-Control"] = "private, no-cache"
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data, _ = images.picture(session, sha256)
        pixels = decode_cell(data, images.bits(session, seat.project, image))
    if like is not None:
        vector = state.vector(like)
        if vector is None:
            raise NothingThere(kind="a reading of the other image")
        heat = engine.heat(pixels, like=vector, scale=scale)
    else:
        if label is not None and label not in spec.names:
            raise NothingThere(kind="a class of this label set")
        classifier = state.readings.classifier(label_set, image) if own else classifier
        if classifier is None or (label is not None and label not in classifier.classes):
            raise NothingThere(kind="a heat map of a class that the model has learnt,")
        heat = engine.heat(pixels, label, reader=classifier, scale=scale)
    return Response(explain.png(explain.overlay(heat)), media_type="image/png", headers=headers)


@router.get(
    "/surroundings", operation_id="get_surroundings", response_class=Response, responses=pixels_of("image/jpeg")
)
def get_surroundings(seat: Viewer, service: Service, image: Id, if_none_match: Match = None) -> Response:
    """The field around a cell that was cut out of one, five cells wide, the cell in the middle where the field allows.

    Which part of the field that is, the image's `in_field` says.
    """
    with service.database.session() as session:
        box = fields.of_image(session, seat.project, image)
        if box is None:
            raise NothingThere(kind="a cell of this project that was cut out of a field")
        field = fields.get(session, seat.project, box.field_id)
        sha256 = _checksum(field.sha256)
        where = (box.x, box.y, box.width, box.height)
        headers = headers_of(f"{sha256.hex()}-{'-'.join(f'{at:.0f}' for at in where)}")
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data, _ = images.picture(session, sha256)
        bits = fields.bits(session, field)
    pixels = decode(data, bits)
    left, top, side = window(where, pixels.shape[1], pixels.shape[0])
    part = pixels[top : top + side, left : left + side]
    if side > _WINDOW_PX:
        size = tuple(round(length * _WINDOW_PX / side) for length in (part.shape[1], part.shape[0]))
        part = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
    return Response(
        simplejpeg.encode_jpeg(np.ascontiguousarray(part), quality=88), media_type="image/jpeg", headers=headers
    )


def window(box: tuple[float, float, float, float], width: int, height: int) -> tuple[int, int, int]:
    """The square around a box (left, top, size) in a field of this size: its left, top and side.

    It lies within the field, and is no wider than that.
    """
    x, y, across, down = box
    side = min(round(_ACROSS * max(across, down)), width, height)
    left, top = round(x + across / 2 - side / 2), round(y + down / 2 - side / 2)
    return min(max(left, 0), width - side), min(max(top, 0), height - side), side


def _checksum(found: bytes | None) -> bytes:
    if found is None:
        raise NothingThere(kind="an image of this project")
    return found


def headers_of(tag: str) -> dict[str, str]:
    """Headers of a picture that never changes under its address and tag."""
    return {"ETag": f'"{tag}"', "Cache-Control": _FOR_GOOD}
