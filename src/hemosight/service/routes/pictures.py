"""Pictures: a cell's file, its thumbnail, and where in it a reading comes from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from hemosight.images.preprocess import decode
from hemosight.service.errors import NothingThere
from hemosight.service.schemas.labels import SetName
from hemosight.service.security.permissions import Id, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import images, projects
from hemosight.space import explain

router = APIRouter(prefix="/projects/{project}/images/{image}", tags=["images"])
Match = Annotated[str | None, Header()]
_FOR_GOOD = "private, max-age=31536000, immutable"
_UNSHOWN = "image/tiff"
"""What browsers do not show."""


def _pixels(*kinds: str) -> dict[int | str, dict[str, Any]]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {"content": dict.fromkeys(kinds, binary), "description": "The picture."},
        304: {"description": "As the page has it."},
    }


@router.get(
    "/picture",
    operation_id="get_picture",
    response_class=Response,
    responses=_pixels("image/jpeg", "image/png", "image/tiff", "image/bmp", "image/webp"),
)
def get_picture(
    seat: Viewer,
    service: Service,
    image: Id,
    if_none_match: Match = None,
    sec_fetch_dest: Annotated[str | None, Header(description="Sent by browsers; `image` gets TIFF as PNG.")] = None,
) -> Response:
    """The file as it was uploaded; where a page is about to show a TIFF, which browsers cannot, the same as PNG."""
    with service.database.session() as session:
        sha256 = _checksum(images.checksum(session, seat.project, image))
        headers = _headers(sha256.hex()) | {"Vary": "Sec-Fetch-Dest"}
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data, kind = images.picture(session, sha256)
    if kind == _UNSHOWN and sec_fetch_dest == "image":
        data, kind = explain.png(decode(data)), "image/png"
        headers["ETag"] = f'"{sha256.hex()}-png"'
    return Response(data, media_type=kind, headers=headers)


@router.get("/thumbnail", operation_id="get_thumbnail", response_class=Response, responses=_pixels("image/jpeg"))
def get_thumbnail(seat: Viewer, service: Service, image: Id, if_none_match: Match = None) -> Response:
    """The centre square, 160 pixels wide; none of a file that cannot be decoded."""
    with service.database.session() as session:
        sha256 = _checksum(images.checksum(session, seat.project, image))
        headers = _headers(f"{sha256.hex()}-160")
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data = images.thumbnail(session, sha256)
    if data is None:
        raise NothingThere(kind="a thumbnail of a picture that can be decoded")
    return Response(data, media_type="image/jpeg", headers=headers)


@router.get("/heat", operation_id="get_heat", response_class=Response, responses=_pixels("image/png"))
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
    desk = service.desks.get(seat.project)
    question = desk.question(label_set)
    with service.database.session() as session:
        sha256 = _checksum(images.checksum(session, seat.project, image))
        project = projects.get(session, seat.project)
        engine, scale = service.engine_of(session, project.bundle_id), project.scale
        reader = engine.bundle.readers.get(label_set) if question.kind == "bundle" else None
        # What the bundle knows is shown as the bundle sees it, which never changes; a class of people's own as learnt.
        own = like is None and (reader is None or (label is not None and label not in reader.classes))
        aim = f"{label_set}-{label or ''}" if like is None else f"like-{like}"
        taught = desk.view(label_set).taught if own else 0
        headers = _headers(f"{sha256.hex()}-{project.bundle_id}-{taught}-{aim.encode().hex()}")
        if taught:
            headers["Cache-Control"] = "private, no-cache"
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data, _ = images.picture(session, sha256)
    if like is not None:
        vector = desk.vector(like)
        if vector is None:
            raise NothingThere(kind="a reading of the other image")
        heat = engine.heat(data, like=vector, scale=scale)
    else:
        if label is not None and label not in question.names:
            raise NothingThere(kind="a class of this label set")
        reader = desk.reader(label_set) if own else reader
        if reader is None or (label is not None and label not in reader.classes):
            raise NothingThere(kind="a heat map of a class that the model has learnt,")
        heat = engine.heat(data, label, reader=reader, scale=scale)
    return Response(explain.png(explain.overlay(heat)), media_type="image/png", headers=headers)


def _checksum(found: bytes | None) -> bytes:
    if found is None:
        raise NothingThere(kind="an image of this project")
    return found


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"', "Cache-Control": _FOR_GOOD}
